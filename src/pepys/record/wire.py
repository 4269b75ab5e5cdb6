"""Lines of JSON over a unix socket: requests, replies and pushes between recorder, host and command line.

A request is `{"id", "do", "args"}`; its reply `{"id", "ok"}` or `{"id", "error"}`; a push has a `push` key and no id.
Invariants: a line is at most `limits.WIRE_LINE_BYTES`; what waits for a slow reader is bounded, and a client that does
not read is cut off rather than waited for. What the commands mean is left to whoever serves them.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pepys import errors, limits
from pepys.clock import Clock, SystemClock
from pepys.errors import DeviceMissing, PepysError

Message = dict[str, Any]


def encode_line(message: Message) -> bytes:
    """One message as its line."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def reply_ok(request: Message, result: Message) -> Message:
    """The reply to a request that was done."""
    return {"id": request.get("id"), "ok": result}


def reply_error(request: Message, error: PepysError) -> Message:
    """The reply to a request that failed."""
    return {"id": request.get("id"), "error": error.to_json()}


class LineReader:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Messages that `data` completes.

        Raises:
            Usage: a line is too long or is no JSON object; the stream cannot be read on.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > limits.WIRE_LINE_BYTES or any(len(line) > limits.WIRE_LINE_BYTES for line in lines):
            raise errors.Usage("a message on the control socket is too long", "update pepys on both sides")
        found = []
        for line in lines:
            if not line.strip():
                continue
            try:
                message = json.loads(line)
            except ValueError as error:
                raise errors.Usage("a message on the control socket is no JSON", "update pepys") from error
            if not isinstance(message, dict):
                raise errors.Usage("a message on the control socket is no object", "update pepys")
            found.append(message)
        return found


class Client:
    """A synchronous client: one call at a time, pushes kept apart in a bounded queue."""

    def __init__(self, connection: socket.socket, clock: Clock | None = None) -> None:
        self._socket = connection
        self._clock = clock or SystemClock()
        self._reader = LineReader()
        self._pushes: deque[Message] = deque(maxlen=limits.WIRE_PUSHES)
        self._replies: dict[int, Message] = {}
        self._next_id = 0
        self.lost_pushes = 0
        """Pushes that nobody read in time; the oldest go first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def call(
        self, do: str, timeout_s: float = 30.0, *, hear: Callable[[Message], None] | None = None, **args: Any
    ) -> Message:
        """Send a request and wait for its reply.

        Args:
            do: the command.
            timeout_s: how long the reply may take.
            hear: told the pushes that come until then, which are kept for `next_push` without it.
            args: the command's arguments.

        Raises:
            PepysError: what the other side answered.
            DeviceMissing: the other side is gone or does not answer in time.
        """
        self._next_id += 1
        number = self._next_id
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(encode_line({"id": number, "do": do, "args": args}))
        except OSError as error:
            raise _gone() from error
        until = self._clock.now_ns() + int(timeout_s * limits.NS_PER_S)
        while number not in self._replies:
            if not self._receive(until):
                raise DeviceMissing(f"no answer to {do} within {timeout_s:g} s", "see the log, or try again")
            while hear is not None and self._pushes:
                hear(self._pushes.popleft())
        reply = self._replies.pop(number)
        if "error" in reply:
            raise errors.from_json(reply["error"])
        result: Message = reply.get("ok", {})
        return result

    def next_push(self, timeout_s: float) -> Message | None:
        """The oldest push not read yet; None when none comes in time.

        Raises:
            DeviceMissing: the other side is gone.
        """
        until = self._clock.now_ns() + int(timeout_s * limits.NS_PER_S)
        while not self._pushes:
            if not self._receive(until):
                return None
        return self._pushes.popleft()

    def close(self) -> None:
        """Leave; may be called twice."""
        self._socket.close()

    def _receive(self, until_ns: int) -> bool:
        left = until_ns - self._clock.now_ns()
        if left <= 0:
            return False
        try:
            self._socket.settimeout(left / limits.NS_PER_S)
            data = self._socket.recv(65536)
        except TimeoutError:
            return False
        except OSError as error:
            raise _gone() from error
        if not data:
            raise _gone()
        for message in self._reader.feed(data):
            if "push" in message:
                self.lost_pushes += len(self._pushes) == limits.WIRE_PUSHES
                self._pushes.append(message)
            elif isinstance(message.get("id"), int):
                self._replies[message["id"]] = message
        return True


def connect(path: str | Path, timeout_s: float = 5.0, clock: Clock | None = None) -> Client:
    """Connect to a control socket.

    Raises:
        DeviceMissing: nobody listens there.
    """
    connection = _unix_socket()
    try:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise _gone() from error
    return Client(connection, clock)


def _gone() -> DeviceMissing:
    return DeviceMissing("the other side of the control socket is gone", "start it again")


class Peer:
    """One connected client, seen from the serving side."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self._server = server
        self._reader = LineReader()
        self._out = bytearray()
        self.socket = connection
        self.subscribed = False
        self._deaf = False

    def send(self, message: Message) -> None:
        """Send without waiting; a peer that lets too much pile up is cut off."""
        if self.socket.fileno() < 0 or self._deaf:
            return
        idle = not self._out
        self._out += encode_line(message)
        if len(self._out) > limits.WIRE_OUT_BYTES:
            self._server.drop(self)
        elif idle:
            self.flush()

    def flush(self) -> None:
        """Write what the socket takes; ask to be called again when something is left."""
        try:
            while self._out:
                del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            # Who does not listen any more may have asked for something just before: that is read first, then the end.
            self._deaf, self.subscribed = True, False
            self._out.clear()
        self._server.want(self, writing=bool(self._out))

    def receive(self) -> list[Message] | None:
        """Requests that have arrived; None when the peer is gone or talks nonsense."""
        try:
            data = self.socket.recv(65536)
            return self._reader.feed(data) if data else None
        except BlockingIOError:
            return []
        except (OSError, errors.Usage):
            return None


class Server:
    """The serving side within a selectors loop; every registered key's data is a callable taking the event mask."""

    def __init__(
        self,
        path: str | Path,
        selector: selectors.BaseSelector,
        on_request: Callable[[Peer, Message], None],
    ) -> None:
        """Listen at `path`, replacing a socket that nobody serves.

        Raises:
            Busy: somebody listens there already.
            StorageProblem: the socket cannot be made.
        """
        self.path = Path(path)
        self.peers: list[Peer] = []
        self._selector = selector
        self._on_request = on_request
        self._listener = listen(self.path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def push(self, message: Message) -> None:
        """Send to every subscriber."""
        for peer in [peer for peer in self.peers if peer.subscribed]:
            peer.send(message)

    @property
    def subscribers(self) -> int:
        """How many peers listen to pushes."""
        return sum(peer.subscribed for peer in self.peers)

    def want(self, peer: Peer, *, writing: bool) -> None:
        """Watch a peer for reading, and for writing while something waits."""
        with contextlib.suppress(KeyError, ValueError):
            mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
            if self._selector.get_key(peer.socket).events != mask:
                self._selector.modify(peer.socket, mask, self._selector.get_key(peer.socket).data)

    def drop(self, peer: Peer) -> None:
        """Forget a peer; may be called twice."""
        if peer in self.peers:
            self.peers.remove(peer)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(peer.socket)
            peer.socket.close()

    def close(self) -> None:
        """Send what is left, stop listening and remove the socket's file."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(self._listener)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        for peer in list(self.peers):
            peer.socket.settimeout(1.0)
            peer.flush()
            self.drop(peer)

    def _accept(self, _mask: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self.peers) >= limits.WIRE_PEERS:
            connection.close()
            return
        connection.setblocking(False)
        peer = Peer(self, connection)
        self.peers.append(peer)
        self._selector.register(connection, selectors.EVENT_READ, lambda mask: self._serve(peer, mask))

    def _serve(self, peer: Peer, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            peer.flush()
        if mask & selectors.EVENT_READ:
            requests = peer.receive()
            if requests is None:
                self.drop(peer)
                return
            for request in requests:
                self._on_request(peer, request)


def listen(path: Path) -> socket.socket:
    """A listening, non-blocking unix socket at `path`, readable by the user alone.

    Raises:
        Busy: somebody listens there already.
        StorageProblem: the socket cannot be made.
    """
    if path.exists():
        try:
            connect(path, 1.0).close()
        except DeviceMissing:
            path.unlink(missing_ok=True)
        else:
            raise errors.Busy(f"somebody serves {path.name} already", "stop the other one first")
    listener = _unix_socket()
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(16)
    except OSError as error:
        listener.close()
        raise errors.StorageProblem(f"no socket can be made at {path}: {error}", "set XDG_RUNTIME_DIR") from error
    listener.setblocking(False)
    return listener


def _unix_socket() -> socket.socket:
    if sys.platform == "win32":
        raise DeviceMissing("this system has no control sockets", "record on Linux")
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
