"""The host's control socket: requests of the command line, answered in the event loop.

Owns framing, the number of clients and the `subscribe` stream. A request that was begun is finished also when its
client has gone. Which commands exist is the host's choice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.errors import DeviceMissing, PepysError, StorageProblem, Usage
from pepys.record.runfile import place_of, process_start
from pepys.record.spec import PROTOCOL
from pepys.record.wire import LineReader, Message, encode_line, listen, reply_error, reply_ok
from pepys.sessions.feed import Feed, Subscription

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlServer:
    """Listens at one socket.

    Args:
        path: the socket's path; one that nobody serves is replaced.
        commands: the handlers, looked up at each request.
        feed: what `subscribe` streams.
    """

    def __init__(self, path: Path, commands: Mapping[str, Handler], feed: Feed) -> None:
        self.path = path
        self._commands = commands
        self._feed = feed
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen.

        Raises:
            Busy: somebody listens there.
            StorageProblem: the socket cannot be made.
        """
        if sys.platform == "win32":
            raise DeviceMissing("this system has no control sockets", "record on Linux")
        self._server = await asyncio.start_unix_server(self._accept, sock=listen(self.path))

    async def close(self) -> None:
        """Stop listening, let replies under way go out, leave every client."""
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)
        current = asyncio.current_task()
        for task in [task for task in self._clients if task is not current]:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= limits.CONTROL_CLIENTS:
            writer.close()
            return
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, Usage):
            pass  # a client that is gone or talks nonsense is left
        finally:
            self._clients.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = LineReader()
        pump: asyncio.Task[None] | None = None
        try:
            while data := await reader.read(65536):
                for request in lines.feed(data):
                    if request.get("do") == "subscribe" and pump is None:
                        pump = asyncio.create_task(_pump(self._feed.subscribe(), writer))
                    writer.write(encode_line(await self._answer(request)))
                    await writer.drain()
        finally:
            if pump is not None:
                pump.cancel()

    async def _answer(self, request: Message) -> Message:
        handler = self._commands.get(str(request.get("do")))
        args = request.get("args", {})
        try:
            if handler is None or not isinstance(args, dict):
                raise Usage(f"the host knows no command {request.get('do')}", "use the same pepys on both sides")
            return reply_ok(request, await handler(args))
        except PepysError as error:
            return reply_error(request, error)
        except (ValueError, TypeError, KeyError, OSError) as error:
            return reply_error(request, PepysError(f"unexpected {type(error).__name__}: {error}", "see the log"))


async def _pump(subscription: Subscription, writer: asyncio.StreamWriter) -> None:
    """Send what the host tells until the client goes; a slow one loses messages, never holds the host up."""
    with subscription, contextlib.suppress(OSError):
        async for message in subscription:
            writer.write(encode_line(message))
            await writer.drain()


def write_host_file(path: Path, socket: Path, kind: str, boot_id: str) -> None:
    """Tell where the host listens; replaced at once, readable by the user alone.

    Raises:
        StorageProblem: the file cannot be written.
    """
    pid = os.getpid()
    beside = path.with_suffix(".new")
    try:
        told = {
            "pid": pid, "pid_start": process_start(pid), "boot_id": boot_id, "protocol": PROTOCOL, "kind": kind,
            "socket": str(socket), "place": place_of(path),
        }  # fmt: skip
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(told, file)
        beside.replace(path)
    except OSError as error:
        raise StorageProblem(f"{path} cannot be written: {error.strerror}", "free space, or use --home") from error
