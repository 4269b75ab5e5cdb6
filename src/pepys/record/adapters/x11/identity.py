"""Who a window of an X11 display is: its titles, its application, its process, and what it says of its family.

Owns reading all of that, many windows in one round trip. A window that goes away meanwhile is no error: it has no
facts. What follows from facts is `family`'s. Titles live in memory only: they are in no repr and no message.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import xcffib
import xcffib.res
import xcffib.xproto

from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.titles import read_title
from pepys.record.exclusions import Exclusions

_TEXT_LONGS: Final = 4096
_COMM_CHARS: Final = 15
_SWITCHES: Final = 256
_NOBODY: Final = ("", ())
_LOCAL_PID: Final = 2
_BATCH: Final = 64
_OPAQUE_RECTS: Final = 8
_WM_HINTS_LONGS: Final = 9
_WINDOW_GROUP_HINT: Final = 64

ATOMS: Final = (
    "_NET_WM_NAME",
    "UTF8_STRING",
    "COMPOUND_TEXT",
    "WM_STATE",
    "WM_CLIENT_LEADER",
    "_NET_WM_PID",
    "_NET_WM_WINDOW_OPACITY",
    "_NET_WM_OPAQUE_REGION",
    "_XEMBED_INFO",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a window is judged.

    Attributes:
        title: the title as window managers show it.
        other_title: the title in the older property where that says something else, else empty.
        applications: instance and class names.
        process: name of the process that made the window, where it runs on this machine.
        switches: what that process was started with, as far as it begins with a dash.
    """

    title: str = field(default="", repr=False)
    other_title: str = field(default="", repr=False)
    applications: tuple[str, ...] = field(default=(), repr=False)
    process: str = field(default="", repr=False)
    switches: tuple[str, ...] = field(default=(), repr=False)

    @property
    def named(self) -> bool:
        """Whether the window says anything of itself."""
        return bool(self.title or self.applications)

    def excluded_by(self, exclusions: Exclusions) -> bool:
        """Whether it must not be recorded for what it is itself, its family left aside."""
        titles = (self.title, self.other_title) if self.other_title else (self.title,)
        return any(exclusions.matches(title, self.applications, self.process, self.switches) for title in titles)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a window says of itself.

    Attributes:
        identity: by what it is judged.
        excluded: whether it is, for what it is itself.
        managed: whether a window manager has taken it as a client.
        transient_for: the window it belongs to; 0 where it names none, the root where it belongs to its whole group.
        leaders: the windows that it says lead its group and its client.
        translucent: whether it says that what lies below shines through.
        embedded: whether it is made to live in a window of another program, as tray icons are.
        opaque: rectangles, relative to the window, which it says let nothing shine through.
    """

    identity: Identity
    excluded: bool
    managed: bool = False
    transient_for: int = 0
    leaders: tuple[int, ...] = ()
    translucent: bool = False
    embedded: bool = False
    opaque: tuple[Rect, ...] = ()


class IdentityReader:
    """Reads facts of windows through one connection, and judges each by itself."""

    def __init__(self, connection: xcffib.Connection, root: int, exclusions: Exclusions) -> None:
        self.root = root
        self._connection, self._exclusions = connection, exclusions
        self._core = connection.core
        asked = [(name, self._core.InternAtom(False, len(name), name)) for name in ATOMS]
        self.atoms = {name: int(cookie.reply().atom) for name, cookie in asked}
        known = xcffib.xproto.Atom
        self._kinds = {int(known.STRING): "STRING", self.atoms["COMPOUND_TEXT"]: "COMPOUND_TEXT"}
        self._title_atoms = (self.atoms["_NET_WM_NAME"], known.WM_NAME)
        self._asked_atoms = (
            *self._title_atoms,
            known.WM_CLASS,
            known.WM_TRANSIENT_FOR,
            known.WM_HINTS,
            *(self.atoms[name] for name in ATOMS[3:]),
        )
        self.relevant = frozenset(self._asked_atoms)
        self._base_bits = ~connection.setup.resource_id_mask & 0xFFFFFFFF
        self._processes = _Processes(connection)

    def client_of(self, window: int) -> int:
        """The base of the resource ids of the X client that made a window; 0 is the server itself."""
        return int(window & self._base_bits)

    def forget_client(self, client: int) -> None:
        """The last window of a client is gone: its base may be given to another one."""
        self._processes.forget(client)

    def is_title(self, atom: int) -> bool:
        """Whether a property is one of the titles, which change most often."""
        return atom in self._title_atoms

    def read(self, windows: Sequence[int]) -> dict[int, Facts | None]:
        """Facts of windows; None for one that is gone."""
        found: dict[int, Facts | None] = {}
        for start in range(0, len(windows), _BATCH):
            part = windows[start : start + _BATCH]
            asked = [(window, [self._ask(window, atom) for atom in self._asked_atoms]) for window in part]
            self._processes.learn({self.client_of(window): window for window in part})
            for window, cookies in asked:
                answers = [answer(cookie) for cookie in cookies]
                found[window] = None if None in answers else self._facts(window, answers)
        return found

    def retitled(self, window: int, facts: Facts) -> Facts | None:
        """The facts with the titles as they are now; None when the window is gone."""
        answers = [answer(cookie) for cookie in [self._ask(window, atom) for atom in self._title_atoms]]
        if None in answers:
            return None
        (new, _), (old, _) = (self._text(reply) for reply in answers)
        identity = replace(facts.identity, title=new or old, other_title=old if old != new and new else "")
        return replace(facts, identity=identity, excluded=self._judged(identity, answers))

    def _ask(self, window: int, atom: int) -> Any:
        return self._core.GetProperty(False, window, atom, xcffib.xproto.GetPropertyType.Any, 0, _TEXT_LONGS)

    def _facts(self, window: int, answers: list[Any]) -> Facts:
        new, old, names, transient, hints, state, leader, pid, opacity, opaque, embedded = answers
        (title, _), (older, _) = self._text(new), self._text(old)
        # WM_CLASS is instance and class, each ended by a zero byte.
        applications = tuple(part.decode("utf-8", "replace") for part in _bytes(names).split(b"\0") if part)
        process, switches = self._processes.find(self.client_of(window), longs(pid))
        other = older if older != title and title else ""
        identity = Identity(title or older, other, applications, process, switches)
        belongs = longs(transient)
        group = longs(hints)
        leads = [group[8]] if len(group) >= _WM_HINTS_LONGS and group[0] & _WINDOW_GROUP_HINT else []
        return Facts(
            identity,
            self._judged(identity, answers[:3]),
            bool(state.value_len),
            (belongs[0] or self.root) if belongs else 0,
            tuple(other for other in (*leads, *longs(leader)[:1]) if other and other != window),
            bool(opacity.value_len),
            bool(embedded.value_len),
            _rects(longs(opaque)),
        )

    def _judged(self, identity: Identity, answers: list[Any]) -> bool:
        if not self._exclusions.active:
            return False
        # A text that is too long, or written so that it cannot be read whole, cannot be judged: it is not shown.
        whole = all(self._text(reply)[1] for reply in answers[: len(self._title_atoms)])
        return not whole or any(reply.bytes_after for reply in answers) or identity.excluded_by(self._exclusions)

    def _text(self, reply: Any) -> tuple[str, bool]:
        """A title, and whether it was read whole."""
        return read_title(_bytes(reply), self._kinds.get(int(reply.type), ""))


class _Processes:
    """Names of the processes behind X clients.

    The server knows the process behind each local client, whatever a window claims and whatever a container hides; a
    claim (_NET_WM_PID) is believed only where the server does not know.
    """

    def __init__(self, connection: xcffib.Connection) -> None:
        self._found: dict[int, tuple[str, tuple[str, ...]]] = {}
        name = "X-Resource"
        present = connection.core.QueryExtension(len(name), name).reply().present
        self._resources: Any = None
        self._local = _local(connection)
        if present and self._local:
            self._resources = connection(xcffib.res.key)
            version = self._resources.QueryVersion(1, 2).reply()
            if (version.server_major, version.server_minor) < (1, 2):
                self._resources = None

    def forget(self, client: int) -> None:
        self._found.pop(client, None)

    def learn(self, clients: Mapping[int, int]) -> None:
        """Ask the server for the processes of clients (each with a window of it) that are not known yet."""
        if self._resources is None:
            return
        asked = [
            (client, self._resources.QueryClientIds(1, [xcffib.res.ClientIdSpec.synthetic(window, _LOCAL_PID)]))
            for client, window in clients.items()
            if client and client not in self._found
        ]
        for client, cookie in asked:
            reply = answer(cookie)
            pids = [int(found.value[0]) for found in reply.ids if found.length >= 4] if reply is not None else []
            self._found[client] = _process(pids[0]) if pids else _NOBODY

    def find(self, client: int, claimed: tuple[int, ...]) -> tuple[str, tuple[str, ...]]:
        """Name and switches of the process behind a client; `claimed` is what a window says of it."""
        known = self._found.get(client, _NOBODY)
        return known if known[0] or not claimed or not self._local else _process(claimed[0])


def _local(connection: xcffib.Connection) -> bool:
    """Whether the server runs on this machine: process ids mean nothing across a network."""
    try:
        with socket.socket(fileno=os.dup(connection.get_file_descriptor())) as wire:
            return socket.AddressFamily(wire.family).name == "AF_UNIX"
    except OSError:
        return False


def _process(pid: int) -> tuple[str, tuple[str, ...]]:
    """The name that the kernel keeps (where that is cut off, the program's own), and the switches."""
    process = Path("/proc") / str(pid)
    try:
        name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        line = (process / "cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return _NOBODY  # gone, or no /proc here
    # Chromium writes its own line anew, with spaces.
    words = line.replace("\0", " ").split()
    if len(name) >= _COMM_CHARS and words:
        whole = words[0].rsplit("/", 1)[-1]
        name = whole if whole.startswith(name) else name
    return name, tuple(word for word in words[1:] if word.startswith("-"))[:_SWITCHES]


def answer(cookie: Any) -> Any:
    """The reply to a request about a window; None when the window is gone (or nothing was asked)."""
    try:
        return None if cookie is None else cookie.reply()
    except xcffib.Error:
        return None  # the window is gone


def _bytes(reply: Any) -> bytes:
    return bytes(reply.value.buf())


def longs(reply: Any) -> tuple[int, ...]:
    """The numbers of a property; none when it holds something else."""
    raw = _bytes(reply)
    if reply.format != 32:
        return ()
    return tuple(int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw) & ~3, 4))


def _rects(longs: tuple[int, ...]) -> tuple[Rect, ...]:
    """Of an opaque region only a few rectangles are used: each costs work, and leaving one out only hides more."""
    found = [longs[at : at + 4] for at in range(0, min(len(longs), _OPAQUE_RECTS * 4) & ~3, 4)]
    return tuple(Rect(x, y, x + width, y + height) for x, y, width, height in found if max(x, y, width, height) < 32768)
