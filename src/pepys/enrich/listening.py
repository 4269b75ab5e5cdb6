"""Which parts of a stretch of sound are worth hearing, from the levels noted while it was recorded.

Pure. What was measured and marked as without voice is not heard; what was not measured (an older session, the last
moments before a kill, levels not yet written) is heard whole, so that nothing is ever missed for want of levels. Levels
are measured once, from the same samples as the segments: a unit's artifact follows from its inputs as before.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from pepys.limits import NS_PER_MS
from pepys.model.session import Span
from pepys.model.sound_levels import Ranges, joined, without

JOIN_NS: Final = 1_000 * NS_PER_MS
"""Parts closer than this are heard as one."""
SLIVER_NS: Final = 100 * NS_PER_MS
"""What is unmeasured for less than this is where a second's levels and a fragment's end do not meet exactly."""


def parts_to_hear(span: Span, start_ns: int, end_ns: int, heard: tuple[Ranges, Ranges]) -> Ranges:
    """The parts of `start_ns` to `end_ns` that may hold a voice; media time, as are the two ends.

    Args:
        span: the span they lie in; inside one span axis and media time run alike.
        start_ns: where the stretch begins.
        end_ns: where it ends.
        heard: where levels were measured and where of that somebody may speak, in axis time.
    """
    shift = span.media_ns - span.start_ns
    measured, voiced = ([(first + shift, end + shift) for first, end in ranges] for ranges in heard)
    unknown = [(first, end) for first, end in without(start_ns, end_ns, measured) if end - first >= SLIVER_NS]
    wanted = joined((*voiced, *unknown), JOIN_NS)
    return [(max(first, start_ns), min(end, end_ns)) for first, end in wanted if first < end_ns and end > start_ns]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Parts of a sound laid one behind the other, and the way back to where they were.

    Attributes:
        places: `(start, end)` of each part in the sound, in samples.
        joint: samples of silence between two of them.
    """

    places: tuple[tuple[int, int], ...]
    joint: int

    def part_of(self, at: float) -> int:
        """The number of the part that a sample of the joined sound lies in or before the joint behind."""
        return max(0, bisect_right(self._starts(), at) - 1)

    def back(self, at: float, part: int) -> float:
        """Where a sample of the joined sound was; inside `part`, whatever the engine says."""
        start, end = self.places[part]
        return min(max(start, start + at - self._starts()[part]), end)

    def _starts(self) -> list[int]:
        starts, at = [], 0
        for start, end in self.places:
            starts.append(at)
            at += end - start + self.joint
        return starts
