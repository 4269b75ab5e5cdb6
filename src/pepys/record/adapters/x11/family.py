"""Whether a window must not be recorded, its family counted: dialogs, menus and tooltips follow their window.

Pure: judges facts that others read. The rules, in order:
1. what could not be read is excluded;
2. what matches by itself is excluded;
3. what says it belongs to a window follows that window, and its chain;
4. what says it belongs to a group follows the group's leader, or any excluded window of the group;
5. what says nothing of itself, every override-redirect window, and what belongs to a window that is gone, is excluded
   when the same X client owns a window that is excluded by itself: menus and tooltips often say no more.

What all windows together say (which programs and groups have an excluded window) is gathered once for each change, so
that judging one window costs no look at the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pepys.record.adapters.x11.identity import Facts

_CHAIN: Final = 16


class Family:
    """The family of windows of one display.

    Args:
        facts: of the windows that were read; None for one that could not be. Call `changed` when what is excluded
            among them, or a leader of it, is another.
        client_of: the X client that made a window; 0 is the server itself.
        root: the root window.
    """

    def __init__(self, facts: Mapping[int, Facts | None], client_of: Callable[[int], int], root: int) -> None:
        self._facts, self._client_of, self._root = facts, client_of, root
        self.suspects = False
        self.changed()

    def changed(self) -> None:
        """Gather anew what is excluded by itself."""
        facts = self._facts.items()
        hidden = [(window, told) for window, told in facts if told is not None and told.excluded]
        self.suspects = bool(hidden) or None in self._facts.values()
        """Whether any window may be excluded at all."""
        self._clients = {self._client_of(window) for window, _ in hidden} - {0}
        self._leaders = {window for window, _ in hidden} | {leader for _, told in hidden for leader in told.leaders}

    def excludes(self, window: int, *, override: bool) -> bool:
        """Whether a window that was read must not be seen; `override`: no window manager rules over it."""
        seen: set[int] = set()
        while window not in seen and len(seen) < _CHAIN:
            seen.add(window)
            facts = self._facts.get(window)
            if facts is None or facts.excluded:
                return True
            owner = facts.transient_for
            if owner and owner != self._root and owner in self._facts:
                window, override = owner, False
                continue
            if owner and facts.leaders:
                return not self._leaders.isdisjoint(facts.leaders)
            # An owner that is gone, or a group that is not named: the program is all that is left to judge by.
            alone = owner or override or not facts.identity.named
            return bool(alone) and self._client_of(window) in self._clients
        return False
