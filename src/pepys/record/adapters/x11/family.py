"""Whether a window must not be recorded, its family counted: dialogs, menus and tooltips follow their window.

Pure: judges facts that others read. The rules, in order:
1. what could not be read is excluded;
2. what matches by itself is excluded;
3. what says it belongs to a window follows that window, and its chain;
4. what says it belongs to a group follows the group's leader, or any excluded window of the group;
5. what says nothing of itself, every override-redirect window, and what belongs to a window that is gone, is excluded
   when the same X client owns a window that is excluded by itself: menus and tooltips often say no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pepys.record.adapters.x11.identity import Facts

_CHAIN: Final = 16


class Family:
    """The family of windows of one display.

    Args:
        facts: of the windows that were read; None for one that could not be.
        kin: the windows of the X client that made a window.
        root: the root window.
    """

    def __init__(self, facts: Mapping[int, Facts | None], kin: Callable[[int], Iterable[int]], root: int) -> None:
        self._facts, self._kin, self._root = facts, kin, root

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
                return self._group_excluded(facts)
            # An owner that is gone, or a group that is not named: the program is all that is left to judge by.
            return bool(owner or override or not facts.identity.named) and self._client_excluded(window)
        return False

    def itself(self, window: int) -> bool:
        """Whether a window is excluded for what it is itself."""
        facts = self._facts.get(window)
        return facts is not None and facts.excluded

    def _group_excluded(self, facts: Facts) -> bool:
        leaders = set(facts.leaders)
        if any(self.itself(leader) for leader in leaders):
            return True
        return bool(leaders) and any(
            other is not None and other.excluded and not leaders.isdisjoint(other.leaders)
            for other in self._facts.values()
        )

    def _client_excluded(self, window: int) -> bool:
        return any(self.itself(other) for other in self._kin(window))
