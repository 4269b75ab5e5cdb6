"""Blackening the windows of an X11 display that must not be recorded.

Owns which rectangles of the root are black, now and for the moments just past. Invariants:
- what a picture may show of an excluded window is black in it: one connection gets events and replies in the server's
  order, so whoever reads a picture, then all events, then calls `cover`, has every state that the picture can be of;
- a place that an excluded window enters is black at once; a place that it leaves stays black for `limits.MASK_LEFT_NS`,
  because its pixels outlive it: programs below repaint when they come to it, a compositing manager when it does;
- what cannot be known is black; the work for one event is bounded, whatever windows do.

Who is excluded is judged by `family`, where windows are is `windows_tree`'s. Costs nothing without an event.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import xcffib.xproto

from pepys import limits
from pepys.clock import Clock
from pepys.record.adapters.x11.connection import Connection
from pepys.record.adapters.x11.family import Family
from pepys.record.adapters.x11.identity import IdentityReader
from pepys.record.adapters.x11.regions import Rect
from pepys.record.adapters.x11.windows_shown import Layer, around, shown
from pepys.record.adapters.x11.windows_tree import Change, WindowTree
from pepys.record.exclusions import Exclusions
from pepys.record.ports import Bgra


class WindowMasks:
    """The black rectangles of one root window.

    Args:
        connection: hears `ROOT_EVENTS` of the root already.
        root: the root window.
        exclusions: which windows must not be seen.
        clock: tells how long ago a place was left.
    """

    ROOT_EVENTS: Final = int(xcffib.xproto.EventMask.SubstructureNotify)
    """Events of the root that the connection must hear before its masks are made."""

    def __init__(self, connection: Connection, root: int, exclusions: Exclusions, clock: Clock) -> None:
        self._clock = clock
        self._tree = WindowTree(connection, root, IdentityReader(connection, root, exclusions))
        self._family = Family(self._tree.facts, self._tree.kin, root)
        self._excluded: set[int] = set()
        self._region: tuple[Rect, ...] = ()
        self._left: dict[Rect, int] = {}
        self._stale: set[Rect] = set()
        self._update(Change.FAMILY)

    def hear(self, event: Any) -> bool:
        """Take an event of the connection, in order, whatever it is; whether masking changed."""
        change = self._tree.hear(event)
        return change is not Change.NOTHING and self._update(change)

    def stale(self) -> list[Rect]:
        """Rectangles to read anew because masking changed there, though nothing was drawn."""
        found, self._stale = list(self._stale), set()
        return found

    def cover(self, x: int, y: int, pixels: Bgra) -> None:
        """Blacken what must not be seen in a picture whose corner is at (x, y) of the root.

        Call it when the picture has been read and every event that arrived until then was heard.
        """
        height, width = pixels.shape[:2]
        patch = Rect(x, y, x + width, y + height)
        for rect in (*self._region, *self._left):
            shared = rect.clip(patch)
            if shared is not None:
                pixels[shared.top - y : shared.bottom - y, shared.left - x : shared.right - x] = 0

    def due_ns(self) -> int | None:
        """When to `look` next."""
        return min(self._left.values(), default=None)

    def look(self, now_ns: int) -> bool:
        """Show places again that were left long enough ago; whether a picture must be taken for it.

        Never call it between asking for a picture and covering it.
        """
        over = [rect for rect, until_ns in self._left.items() if until_ns <= now_ns]
        for rect in over:
            del self._left[rect]
        self._add_stale(over)
        return bool(over)

    def excludes(self, window: int) -> bool:
        """Whether a window of any kind, anywhere in the tree, must not be seen; one that is gone must not."""
        tree = self._tree
        top = tree.top_of(window)
        if top not in tree.tops:
            return True
        tree.learn([other for other in {top, window} - tree.facts.keys()])
        if tree.facts[window] is None and window not in tree.tops:
            del tree.facts[window]  # nothing will tell its end
            return True
        return self._top_excluded(top) or self._family.excludes(window, override=False)

    def _update(self, change: Change) -> bool:
        """Work out the region anew; whether masking changed."""
        tree, before = self._tree, self._excluded
        if change is Change.FAMILY:
            suspects = any(facts is None or facts.excluded for facts in tree.facts.values())
            mapped = [window for window, top in tree.tops.items() if top.mapped and top.depth] if suspects else []
            # A frame keeps the pixels of a client that is gone, and takes them along when it is moved.
            kept = {window for window in before if window in tree.tops and tree.tops[window].emptied}
            self._excluded = kept | {window for window in mapped if self._top_excluded(window)}
        if not self._excluded and not self._region:
            return False
        changed = self._replace(shown(self._layers(), limits.MASK_RECTS))
        return changed or self._excluded != before

    def _layers(self) -> list[Layer]:
        """Excluded windows, and of the others those that may lie over them."""
        tree, hidden = self._tree, self._excluded
        if not hidden:
            return []
        all_round = around(tree.tops[window].place for window in hidden)
        layers = []
        for window in tree.stack:
            top = tree.tops[window]
            if window in hidden:
                layers.append(Layer(top.place, True))
            elif layers and top.mapped and top.place.clip(all_round) is not None:
                layers.append(Layer(top.place, False, tree.opaque(window)))
        return layers

    def _replace(self, region: tuple[Rect, ...]) -> bool:
        if region == self._region:
            return False
        now, before = set(region), set(self._region)
        until_ns = self._clock.now_ns() + limits.MASK_LEFT_NS
        self._left.update(dict.fromkeys(before - now, until_ns))
        if len(self._left) > limits.MASK_RECTS:
            self._left = {around(self._left): until_ns}
        self._add_stale(now - before)
        self._region = region
        return True

    def _add_stale(self, rects: Iterable[Rect]) -> None:
        self._stale.update(rects)
        if len(self._stale) > limits.MASK_RECTS:
            self._stale = {around(self._stale)}

    def _top_excluded(self, window: int) -> bool:
        clients = self._tree.clients_in(window)
        if any(self._family.excludes(client, override=False) for client in clients):
            return True
        if clients:
            # A frame says nothing of itself, and its maker's other windows are no kin of what lies in it.
            return self._tree.facts.get(window) is None or self._family.itself(window)
        return self._family.excludes(window, override=self._tree.tops[window].override)
