"""Which windows of an X display can be seen, for whoever notes what was on it: name, title and place of each.

Pure but for what the tree knows. Invariants: of an excluded window nothing is told but that it is one, and where; who
is excluded is judged by the caller, as pixels are; the list is bounded.
"""

from __future__ import annotations

from collections.abc import Callable

from pepys import limits
from pepys.record.activity import EXCLUDED, WindowShown
from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.windows_shown import outside
from pepys.record.adapters.x11.windows_tree import WindowTree


def told(tree: WindowTree, excluded: Callable[[int], bool], within: Rect, most: int) -> tuple[WindowShown, ...]:
    """The windows of which something can be seen, topmost first.

    Windows that say nothing of themselves (menus, frames without a client) are left out unless they are excluded.

    Args:
        tree: all windows.
        excluded: whether a top-level window must not be seen.
        within: the screen.
        most: how many are told.
    """
    found: list[WindowShown] = []
    covers: list[Rect] = []
    for window in reversed(tree.stack):
        top = tree.tops[window]
        if not top.mapped or top.depth <= 0:
            continue
        place = top.place.clip(within)
        if place is None or not outside(place, covers):
            continue
        covers += tree.opaque(window)
        corner = (top.place.left, top.place.top, top.place.width, top.place.height)
        if excluded(window):
            found.append((EXCLUDED, "", *corner))
        else:
            app, title = _names(tree, window)
            if app or title:
                found.append((app, title, *corner))
        if len(found) == most:
            break
    return tuple(found)


def _names(tree: WindowTree, top: int) -> tuple[str, str]:
    """Application and title of what is in a top-level window: its client's, else its own."""
    clients = sorted(tree.clients_in(top)) if tree.frames(top) else ()
    for window in (*clients, top):
        facts = tree.facts.get(window)
        if facts is not None and facts.identity.named:
            # The class stands last; it names the application.
            app = (facts.identity.applications or ("",))[-1]
            return app[: limits.X11_TITLE_CHARS], facts.identity.title[: limits.X11_TITLE_CHARS]
    return "", ""
