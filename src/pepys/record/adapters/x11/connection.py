"""A connection to an X server that never waits for longer than a deadline, and sends what is sent often cheaply.

Invariants:
- a server that is silent for `limits.X11_SILENCE_S` while an answer is awaited raises `ServerSilent`; bytes that still
  arrive (a large picture over a slow line) count as life;
- that verdict holds for every connection to the display that was there by then: the others do not wait in their turn;
- connecting to a local server that hangs takes no longer either, and leaves neither a thread nor a descriptor;
- one client has one event mask a window: `watch` adds to what this connection listens to there already;
- answers to requests that nobody waits for are dropped, never mistaken for events;
- whether the server lives can be asked without waiting for the answer (`ping`).

What events mean is left to the source, its target, its pointer and its masks.
"""

from __future__ import annotations

import re
import select
import socket
import struct
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final

import xcffib

# Imported before any connection is made: a connection decodes the events of the extensions that it knows by then.
from xcffib import composite, damage, randr, res, shape, shm, xfixes, xproto

from pepys.errors import DeviceMissing
from pepys.limits import X11_SILENCE_S
from pepys.record.sources import START_ONE

EXTENSIONS: Final = {
    "MIT-SHM": (shm.key, (1, 1)),
    "XFIXES": (xfixes.key, (5, 0)),
    "DAMAGE": (damage.key, (1, 1)),
    "Composite": (composite.key, (0, 4)),
    "RANDR": (randr.key, (1, 5)),
}
"""Extensions that are of use here, with the version that is asked for."""
OF_MASKS: Final = (res, shape)
"""Extensions whose events and answers the masks decode."""

_LOCAL: Final = re.compile(r"(?:unix)?:(\d+)(?:\.\d+)?")
_SOCKET: Final = "/tmp/.X11-unix/X"
_HELLO: Final = struct.pack("=BxHHHHxx", 0x6C if sys.byteorder == "little" else 0x42, 11, 0, 0, 0)
_WELCOME: Final = b"\x01"
_OUTPUTS_OF_XWAYLAND: Final = "XWAYLAND"


class ServerSilent(xcffib.XcffibException):  # type: ignore[misc]  # xcffib carries no types
    """The server is there and does not answer."""


class AnswerLate(xcffib.XcffibException):  # type: ignore[misc]  # xcffib carries no types
    """An answer has not come within `Connection.hurry`; the server may well be alive."""


class _Verdict:
    """Whether a server was found to be silent, for the connections of one time."""

    silent = False


_verdicts: weakref.WeakValueDictionary[str, _Verdict] = weakref.WeakValueDictionary()
_verdicts_lock = threading.Lock()


def _verdict_of(display: str) -> _Verdict:
    """What a new connection shares with those that are there; a server that was silent and answers begins anew."""
    with _verdicts_lock:
        found = _verdicts.get(display)
        if found is None or found.silent:
            found = _verdicts[display] = _Verdict()
        return found


class Connection(xcffib.Connection):  # type: ignore[misc]  # xcffib carries no types
    """A connection of one source."""

    def __init__(self, display: str) -> None:
        """Connect.

        Raises:
            ServerSilent: the server is there and does not answer.
            xcffib.XcffibException: no server is there, or it refuses.
        """
        self._sign = _sign_of_life(display)
        try:
            super().__init__(display=display)
        except BaseException:
            self._close_sign()
            raise
        self._verdict = _verdict_of(display)
        self.descriptor = int(self.get_file_descriptor())
        """Kept: a connection that is gone does not tell it any more."""
        self.quiet_events: set[int] = set()
        """Numbers of events that `next_event` gives as a bare number."""
        self.signs = 0
        """Grows with each event and each answer: while it does, the server lives."""
        self._pinged: int | None = None
        self.hurry: Callable[[], float] | None = None
        """How many seconds are left to wait for answers, asked each time; None for as long as a server may think."""
        self._watched: dict[int, int] = {}
        self._reply, self._error = xcffib.ffi.new("void **"), xcffib.ffi.new("xcb_generic_error_t **")

    def disconnect(self) -> None:
        """Let go of the server."""
        super().disconnect()
        self._close_sign()

    def _close_sign(self) -> None:
        if self._sign is not None:
            self._sign.close()
            self._sign = None

    def wait_for_reply(self, sequence: int) -> Any:
        """The answer to a request, as xcffib's own; but a silent server is an error.

        Raises:
            ServerSilent: nothing came for `limits.X11_SILENCE_S`, here or on another connection to the display.
            AnswerLate: there was no time left for that; nothing is known of the server.
            xcffib.XcffibException: the request failed, or the connection is over.
        """
        reply, error, lib = self._reply, self._error, xcffib.lib
        reply[0] = error[0] = xcffib.ffi.NULL
        lib.xcb_flush(self._conn)
        while not lib.xcb_poll_for_reply(self._conn, sequence, reply, error):
            if self.hurry is not None and not self._verdict.silent:
                left_s = self.hurry()
                if left_s <= 0 or not select.select([self.descriptor], [], [], left_s)[0]:
                    lib.xcb_discard_reply(self._conn, sequence)
                    raise AnswerLate("the X server has not answered yet")
            elif not select.select([self.descriptor], [], [], 0 if self._verdict.silent else X11_SILENCE_S)[0]:
                self.give_up()
        self.invalid()
        self.signs += 1
        if error[0] != xcffib.ffi.NULL:
            # Taken over by a finalizer, for the exception looks into it.
            failed = xcffib.ffi.gc(error[0], xcffib.c_free)
            try:
                self._process_error(failed)
            except LookupError:
                raise xcffib.XcffibException(f"error {failed.error_code} of the X server") from None
        if reply[0] == xcffib.ffi.NULL:
            raise xcffib.XcffibException(f"no answer to request {sequence}")
        data = xcffib.ffi.gc(reply[0], xcffib.c_free)
        length = xcffib.ffi.cast("xcb_generic_reply_t *", data).length
        return xcffib.CffiUnpacker(data, known_max=32 + length * 4)

    @property
    def asked(self) -> bool:
        """Whether a `ping` was sent whose answer nobody has seen."""
        return self._pinged is not None

    def ping(self) -> None:
        """Ask for a sign of life without waiting for it; nothing is asked while an earlier question is open."""
        if self._pinged is None:
            self._pinged = int(self.core.GetInputFocus().sequence)
            self.flush()

    def answered(self) -> bool:
        """Look for the answer of a `ping`; whether none is open any more.

        It may bring events along, of which no descriptor tells: hear them after it.
        """
        if self._pinged is None:
            return True
        reply, error = self._reply, self._error
        reply[0] = error[0] = xcffib.ffi.NULL
        if not xcffib.lib.xcb_poll_for_reply(self._conn, self._pinged, reply, error):
            return False
        self._pinged = None
        # Neither is there when the connection is over: that is told by the next event.
        for found in (reply[0], error[0]):
            if found != xcffib.ffi.NULL:
                xcffib.c_free(found)
                self.signs += 1
        return True

    def give_up(self) -> None:
        """The server has been silent for too long: so it is for every connection to the display that is there.

        Raises:
            ServerSilent: always.
        """
        self._verdict.silent = True
        raise ServerSilent("the X server does not answer")

    def reply_bytes(self, sequence: int) -> Any:
        """The whole answer to a request as a writable buffer, not taken apart; it lives as long as any view of it."""
        return self.wait_for_reply(sequence).buf

    def request_check(self, sequence: int) -> None:
        """Wait until a checked request without an answer is done."""
        self.core.GetInputFocus().reply()  # with the deadline; what it was asked after is done by now
        super().request_check(sequence)

    def next_event(self) -> Any:
        """The next event that has arrived: decoded, or its number alone if it is one of `quiet_events`; else None.

        Raises:
            ServerSilent: another connection to the display found that the server does not answer.
            xcffib.XcffibException: the connection is over.
        """
        if self._verdict.silent:
            raise ServerSilent("the X server does not answer")
        while True:
            event = xcffib.lib.xcb_poll_for_event(self._conn)
            if event == xcffib.ffi.NULL:
                self.invalid()
                return None
            self.signs += 1
            event = xcffib.ffi.gc(event, xcffib.c_free)
            number = event.response_type & 0x7F
            if number in self.quiet_events:
                return number
            if event.response_type == 0:
                continue  # the answer to a request that nobody waits for, such as a Detach that crossed a resize
            try:
                return self.hoist_event(event)
            except LookupError:
                continue  # an event of an extension that nobody asked for

    def watch(self, window: int, events: int) -> None:
        """Listen to `events` of a window, besides what this connection listens to there already."""
        self._watched[window] = self._watched.get(window, 0) | events
        self.core.ChangeWindowAttributes(window, xproto.CW.EventMask, [self._watched[window]])

    def ignore(self, window: int, events: int) -> None:
        """Listen to these events of a window no more."""
        self._watched[window] = self._watched.get(window, 0) & ~events
        self.core.ChangeWindowAttributes(window, xproto.CW.EventMask, [self._watched[window]])
        if not self._watched[window]:
            del self._watched[window]

    def unwatch(self, window: int) -> None:
        """The window is gone: forget it."""
        self._watched.pop(window, None)

    def extensions(self, names: Iterable[str]) -> frozenset[str]:
        """Which of the extensions are there, in one round trip; those of `EXTENSIONS` are made ready for use."""
        asked = {name: self.core.QueryExtension(len(name), name) for name in names}
        there = frozenset(name for name, cookie in asked.items() if cookie.reply().present)
        for name in there & EXTENSIONS.keys():
            key, version = EXTENSIONS[name]
            if key is not shm.key:
                self(key).QueryVersion(*version).reply()
        return there

    def atoms(self, names: Iterable[str]) -> dict[str, int]:
        """The numbers of names."""
        asked = {name: self.core.InternAtom(False, len(name), name) for name in names}
        return {name: int(cookie.reply().atom) for name, cookie in asked.items()}

    def first_event(self, key: Any) -> int:
        """The number of an extension's first event."""
        return int(xcffib.lib.xcb_get_extension_data(self._conn, key.c_key).first_event)


class Request:
    """A request that is sent again and again: its memory is laid out once.

    Args:
        connection: where to.
        key: its extension; None for the protocol itself.
        opcode: its number there.
        layout: its fields as `struct` writes them, behind the four bytes that the client library fills; a multiple of
            four bytes.
        answered: whether the server answers it.
    """

    def __init__(self, connection: Connection, key: Any, opcode: int, layout: str, *, answered: bool) -> None:
        self._connection, self._flags = connection, xcffib.lib.XCB_REQUEST_CHECKED if answered else 0
        self._layout = struct.Struct("=4x" + layout)
        self._memory = xcffib.ffi.new("char[]", self._layout.size)
        self._buffer = xcffib.ffi.buffer(self._memory)
        # The client library writes in front of what it is given: two places are kept free for it.
        self._parts = xcffib.ffi.new("struct iovec[4]")
        self._first, self._pad = self._parts[2], self._parts[3]
        self._request = xcffib.ffi.new("xcb_protocol_request_t *")
        self._request.count, self._request.opcode = 2, opcode
        self._request.ext = xcffib.ffi.NULL if key is None else key.c_key
        self._request.isvoid = not answered

    def send(self, *values: int) -> int:
        """Queue it; the number by which its answer is waited for."""
        self._layout.pack_into(self._buffer, 0, *values)
        # Set each time: the client library moves them along while it writes.
        self._first.iov_base, self._first.iov_len = self._memory, self._layout.size
        self._pad.iov_base, self._pad.iov_len = xcffib.ffi.NULL, 0
        return int(xcffib.lib.xcb_send_request(self._connection._conn, self._flags, self._parts + 2, self._request))


def connect(display: str) -> Connection:
    """Connect to a display that can be recorded.

    Raises:
        DeviceMissing: no server answers there, or it is one of a Wayland session, whose pictures X11 cannot see.
    """
    try:
        connection = Connection(display)
    except ServerSilent as error:
        silent = f"the X server of display {display!r} does not answer"
        raise DeviceMissing(silent, "look whether it hangs, then try again") from error
    except (xcffib.XcffibException, UnicodeEncodeError) as error:
        raise DeviceMissing(f"no X server answers on display {display!r}", START_ONE) from error
    try:
        _refuse_xwayland(connection, display)
    except xcffib.XcffibException as error:
        connection.disconnect()
        raise DeviceMissing(f"display {display} cannot be captured: {error}", START_ONE) from error
    except DeviceMissing:
        connection.disconnect()
        raise
    return connection


def _sign_of_life(display: str) -> socket.socket | None:
    """Ask a local server for any answer: the library waits for ever for the first one of a server that hangs.

    Returns:
        What the server took for a client; to be closed after the connection: some servers forget everything when their
        last client goes, and others without XFIXES die when any goes. None where it was refused, or nobody is there.

    Raises:
        ServerSilent: there is no answer within `limits.X11_SILENCE_S`.
    """
    if sys.platform == "win32":
        return None  # there are no such servers
    number = _LOCAL.fullmatch(display)
    for address in (f"\0{_SOCKET}{number[1]}", f"{_SOCKET}{number[1]}") if number is not None else ():
        asking = socket.socket(socket.AF_UNIX)
        asking.settimeout(X11_SILENCE_S)
        try:
            asking.connect(address)
            asking.sendall(_HELLO)
            if asking.recv(1) == _WELCOME:
                return asking
        except (TimeoutError, BlockingIOError):
            asking.close()
            raise ServerSilent("the X server does not answer") from None
        except OSError:
            asking.close()
            continue  # nobody listens there; the library finds out what is to be said
        asking.close()
        return None
    return None


def _refuse_xwayland(connection: Connection, display: str) -> None:
    there = connection.extensions(("XWAYLAND", "RANDR"))
    if "XWAYLAND" not in there and not ("RANDR" in there and _has_wayland_outputs(connection)):
        return
    raise DeviceMissing(
        f"display {display} is XWayland, a guest of a Wayland session: X11 capture would record black",
        "log in to an X11 session, or record a camera or sound alone (--no-video)",
    )


def _has_wayland_outputs(connection: Connection) -> bool:
    """Older servers have no extension that names them; their outputs do."""
    extension = connection(randr.key)
    root = connection.setup.roots[connection.pref_screen].root
    resources = extension.GetScreenResourcesCurrent(root).reply()
    asked = [extension.GetOutputInfo(output, resources.config_timestamp) for output in resources.outputs]
    names = [bytes(cookie.reply().name.buf()).decode("utf-8", "replace") for cookie in asked]
    return any(name.upper().startswith(_OUTPUTS_OF_XWAYLAND) for name in names)
