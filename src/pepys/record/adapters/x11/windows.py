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
from pepys.record.activity import WindowShown
from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.connection import Connection
from pepys.record.adapters.x11.family import Family
from pepys.record.adapters.x11.identity import IdentityReader
from pepys.record.adapters.x11.windows_shown import Layer, around, shown
from pepys.record.adapters.x11.windows_told import told
from pepys.record.adapters.x11.windows_top import Change
from pepys.record.adapters.x11.windows_tree import WindowTree
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
        self._family = Family(self._tree.facts, self._tree.client_of, root)
        self._excluded: set[int] = set()
        self._region: tuple[Rect, ...] = ()
        self._left: dict[Rect, int] = {}
        self._stale: set[Rect] = set()
        self._update(Change.FAMILY)

    def hear(self, event: Any) -> bool:
        """Take an event of the connection, in order, whatever it is; whether masking may have changed."""
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

    def hides(self, x: int, y: int) -> bool:
        """Whether a place of the root is black."""
        return any(r.left <= x < r.right and r.top <= y < r.bottom for r in (*self._region, *self._left))

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
        unread = {top, window} - tree.facts.keys()
        tree.learn(list(unread))
        if tree.facts[window] is None and window not in tree.tops:
            del tree.facts[window]  # nothing will tell its end
            return True
        if unread:
            self._family.changed()
        return self._top_excluded(top) or self._family.excludes(window, override=False)

    def told(self, within: Rect, most: int) -> tuple[WindowShown, ...]:
        """What is told of the windows that can be seen `within` the root, topmost first, judged as their pixels are."""
        return told(self._tree, self._hides, within, most)

    def _update(self, change: Change) -> bool:
        """Work out the region anew; whether masking may have changed.

        Each event by itself: a place that was entered and left between two pictures stays black for a while. What an
        event touches is judged, and all windows only where it changed what others are judged by.
        """
        tree, before = self._tree, self._excluded
        touched = tree.touched() if change is not Change.PLACE else set()
        if change is Change.FAMILY:
            self._family.changed()
            judged = tree.tops.keys() if self._family.suspects else before & tree.tops.keys()
            self._excluded = {window for window in judged if self._hides(window)}
        elif change is Change.TOP:
            hidden = {window for window in touched & tree.tops.keys() if self._hides(window)}
            self._excluded = before - touched | hidden
        judged_anew = change is not Change.PLACE and self._family.suspects
        if not self._excluded and not self._region:
            return judged_anew
        if change is Change.TOP and self._excluded == before and self._apart(touched):
            return judged_anew
        changed = self._replace(shown(self._layers(), limits.MASK_RECTS))
        return changed or judged_anew or self._excluded != before

    def _hides(self, window: int) -> bool:
        """Whether a top-level window is on the screen and must not be seen."""
        top = self._tree.tops[window]
        # A frame keeps the pixels of a client that is gone, and takes them along when it is moved.
        kept = top.emptied and window in self._excluded
        return kept or bool(top.mapped and top.depth and self._top_excluded(window))

    def _apart(self, windows: Iterable[int]) -> bool:
        """Whether windows, none of them gone, lie outside of all that is hidden."""
        tops = self._tree.tops
        all_round = around(tops[window].place for window in self._excluded)
        return all(window in tops and tops[window].place.clip(all_round) is None for window in windows)

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
        tree = self._tree
        if any(self._family.excludes(client, override=False) for client in tree.clients_in(window)):
            return True
        if tree.frames(window):
            # A frame says nothing of itself, and its maker's other windows are no kin of what lies in it.
            facts = tree.facts.get(window)
            return facts is None or facts.excluded
        return self._family.excludes(window, override=tree.tops[window].override)
