"""Which application was in front, merged until it fits.

A busy hour has a thousand changes of focus. Neighbours of the same application (and title) are joined first; then,
while there are still too many, the shortest stretch is given to its longer neighbour. What was in front for long stays.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from pepys.model.session import Focus


@dataclass(slots=True)
class Stretch:
    """A time with one application in front; times are axis nanoseconds."""

    start_ns: int
    end_ns: int
    app: str
    title: str = ""
    excluded: bool = False

    @property
    def duration_ns(self) -> int:
        """How long it lasted."""
        return self.end_ns - self.start_ns

    def same(self, other: Stretch) -> bool:
        """Whether both show the same."""
        return (self.app, self.title, self.excluded) == (other.app, other.title, other.excluded)


def stretches(focus: Iterable[Focus], most: int, *, titles: bool, title_chars: int = 0) -> list[Stretch]:
    """The applications in front, in order, at most `most` of them.

    Args:
        focus: the changes of focus, in order.
        most: how many stretches may remain.
        titles: whether a change of title begins a new one.
        title_chars: where titles are cut.
    """
    parts = [
        Stretch(item.start_ns, item.end_ns, item.app, item.title[:title_chars] if titles else "", item.excluded)
        for item in focus
        if item.end_ns > item.start_ns
    ]
    joined = _join(parts)
    while len(joined) > most:
        joined = _join(_absorb(joined, len(joined) - most))
    return joined


def _join(parts: list[Stretch]) -> list[Stretch]:
    """Join neighbours that show the same and touch."""
    joined: list[Stretch] = []
    for part in parts:
        last = joined[-1] if joined else None
        if last is not None and last.same(part) and part.start_ns <= last.end_ns:
            last.end_ns = max(last.end_ns, part.end_ns)
        else:
            joined.append(part)
    return joined


def _absorb(parts: list[Stretch], count: int) -> list[Stretch]:
    """Take the `count` shortest out; each neighbour that touches takes over the time.

    An excluded stretch absorbs nothing and is absorbed by nothing but another one, unless nothing else is left.
    """
    order = heapq.nsmallest(count, range(len(parts)), key=lambda i: (parts[i].excluded, parts[i].duration_ns))
    gone = set(order)
    kept: list[Stretch] = []
    pending: Stretch | None = None
    for index, part in enumerate(parts):
        if index not in gone:
            if pending is not None and pending.end_ns == part.start_ns and not part.excluded:
                part.start_ns = pending.start_ns
            pending = None
            kept.append(part)
            continue
        last = kept[-1] if kept else None
        if last is not None and last.end_ns == part.start_ns and not last.excluded:
            last.end_ns = part.end_ns
        elif pending is not None and pending.end_ns == part.start_ns:
            pending.end_ns = part.end_ns
        else:
            pending = part
    return kept
