"""Finding an application's window by its id or its title: below the frames of a window manager, and without one.

A window is listed when a window manager has taken it (WM_STATE), shown or iconified, or when it lies directly on the
root, is shown and holds no such window. Titles of excluded windows are neither matched nor told.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import xcffib
from xcffib import xproto

from pepys.errors import DeviceMissing, Usage
from pepys.limits import X11_TITLE_CHARS, X11_WINDOWS, X11_WINDOWS_TOLD
from pepys.record.adapters.x11.connection import Connection

_DEEPEST: Final = 4
"""How many frames a window manager may wrap around a window."""

_INPUT_ONLY: Final = 2
_SMALLEST: Final = 2
_GLOB: Final = frozenset("*?[")
_NAMES: Final = ("WM_STATE", "_NET_WM_NAME")


@dataclass(frozen=True, slots=True)
class Window:
    """A window that can be recorded."""

    id: int
    title: str
    width: int
    height: int
    shown: bool
    application: str = ""


@dataclass(slots=True)
class _Node:
    window: Window
    managed: bool
    visible: bool
    children: tuple[int, ...]


def windows(connection: Connection, root: int) -> list[Window]:
    """All windows of applications, those on top first.

    Raises:
        xcffib.XcffibException: the server fails.
    """
    atoms = connection.atoms(_NAMES)
    tops = tuple(reversed(connection.core.QueryTree(root).reply().children))[:X11_WINDOWS]
    found = _look(connection, atoms, tops)
    level = [child for node in found.values() for child in node.children]
    for _ in range(_DEEPEST):
        # A managed window's own children are parts of it.
        deeper = _look(connection, atoms, level[: X11_WINDOWS - len(found)])
        found |= deeper
        level = [child for node in deeper.values() if not node.managed for child in node.children]
    listed: list[Window] = []
    for top in tops:
        managed = _managed_below(found, top)
        node = found.get(top)
        if managed:
            listed += managed
        elif node is not None and node.visible and min(node.window.width, node.window.height) >= _SMALLEST:
            listed.append(node.window)
    return listed


def find_window(connection: Connection, root: int, wanted: str, excluded: Callable[[int], bool]) -> Window:
    """The one window that `wanted` names, by id (hexadecimal with 0x, or decimal) or by title.

    Raises:
        DeviceMissing: there is none, or it must not be recorded.
        Usage: there are several.
        xcffib.XcffibException: the server fails.
    """
    by_id = _by_id(connection, root, wanted)
    if by_id is not None:
        if excluded(by_id.id):
            raise _refused()
        return by_id
    matched = [window for window in windows(connection, root) if window.title and _matches(window.title, wanted)]
    allowed = [window for window in matched if not excluded(window.id)]
    exact = [window for window in allowed if window.title == wanted]
    if len(exact) == 1:
        return exact[0]
    if len(allowed) == 1:
        return allowed[0]
    if allowed:
        raise Usage(f"{len(allowed)} windows match {wanted!r}: {_told(allowed)}", "name one by its id")
    if matched:
        raise _refused()
    there = [window for window in windows(connection, root) if window.title and not excluded(window.id)]
    raise DeviceMissing(f"no window matches {wanted!r}", f"there are: {_told(there) or 'none'}")


def _refused() -> DeviceMissing:
    return DeviceMissing(
        "that window is excluded from being recorded",
        "record another one, leave out the --exclude or the setting that it matches, or turn all off with --no-exclude",
    )


def _told(listed: Sequence[Window]) -> str:
    told = [f"{window.id:#x} {window.title!r}" for window in listed[:X11_WINDOWS_TOLD]]
    more = len(listed) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _matches(title: str, wanted: str) -> bool:
    title, wanted = title.casefold(), wanted.casefold()
    return fnmatch.fnmatchcase(title, wanted) if _GLOB & set(wanted) else wanted in title


def _by_id(connection: Connection, root: int, wanted: str) -> Window | None:
    try:
        number = int(wanted, 16 if wanted[:2].lower() == "0x" else 10)
    except ValueError:
        return None
    if not 0 < number < 1 << 32:
        return None
    if number == root:
        raise Usage(f"{wanted} is the whole screen, not a window of it", "record the display")
    return next((node.window for node in _look(connection, connection.atoms(_NAMES), (number,)).values()), None)


def _managed_below(found: dict[int, _Node], top: int) -> list[Window]:
    managed, level = [], [top]
    for _ in range(_DEEPEST + 1):
        nodes = [found[number] for number in level if number in found]
        managed += [node.window for node in nodes if node.managed]
        level = [child for node in nodes if not node.managed for child in node.children]
    return managed


def _look(connection: Connection, atoms: dict[str, int], numbers: Sequence[int]) -> dict[int, _Node]:
    """All of `numbers` that exist and have pixels, in one round trip."""
    core, either = connection.core, xproto.GetPropertyType.Any
    asked = []
    for number in numbers:
        properties = (atoms["WM_STATE"], atoms["_NET_WM_NAME"], xproto.Atom.WM_NAME, xproto.Atom.WM_CLASS)
        texts = [core.GetProperty(False, number, name, either, 0, X11_TITLE_CHARS) for name in properties]
        cookies = (core.GetWindowAttributes(number), core.GetGeometry(number), core.QueryTree(number), *texts)
        asked.append((number, cookies))
    found = {}
    for number, cookies in asked:
        answers = [_answer(cookie) for cookie in cookies]
        if any(answer is None for answer in answers) or answers[0]._class == _INPUT_ONLY:
            continue
        attributes, geometry, tree, state, name, old_name, classes = answers
        title = _text(name, "utf-8") or _text(old_name, "latin-1")
        shown = attributes.map_state == xproto.MapState.Viewable
        # Instance and class, each ended by a zero byte; the class names the application.
        application = _text(classes, "latin-1", part=-1)
        window = Window(number, title, geometry.width, geometry.height, shown, application)
        found[number] = _Node(window, bool(state.value_len), shown, tuple(tree.children))
    return found


def _answer(cookie: Any) -> Any:
    try:
        return cookie.reply()
    except xcffib.Error:
        return None  # the window has gone meanwhile


def _text(answer: Any, encoding: str, part: int = 0) -> str:
    texts = bytes(answer.value.buf()).decode(encoding, "replace").rstrip("\0").split("\0")
    text = texts[part][:X11_TITLE_CHARS]
    return "".join(character if character.isprintable() else " " for character in text).strip()
