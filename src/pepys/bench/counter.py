"""A frame number on the screen that survives coding: how it is drawn, how it is read back, what a film lost of it.

Sixteen squares are the bits of the number, white for one; sixteen below are their opposites, so that a torn or half
decoded picture is no number. Pure: drawing is `load`'s, decoding `film`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pepys.bench.figures import percentile
from pepys.limits import NS_PER_MS

BITS: Final = 16
SQUARE: Final = 40
MARGIN: Final = 16
_BRIGHT: Final = 128
TAIL_NS: Final = 200 * NS_PER_MS
"""A number shown shortly before the end of a recording may not have been captured yet: it does not count."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A number, and when its picture was sent to the display (CLOCK_BOOTTIME)."""

    number: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a recording kept of the numbers.

    Attributes:
        expected: how many were shown while it recorded.
        lost: those of them that no picture of it shows.
        errors_ns: of each that was kept, the time of its first picture less the time it was shown.
        unreadable: pictures without a number.
    """

    expected: int
    lost: tuple[Shown, ...]
    errors_ns: tuple[int, ...]
    unreadable: int

    @property
    def lost_percent(self) -> float:
        """Of a hundred, how many were lost; all where none was expected."""
        return 100 * len(self.lost) / self.expected if self.expected else 100.0

    def error_ms(self, percent: float) -> float:
        """The absolute error of the times that `percent` of a hundred do not pass."""
        return percentile([abs(error) for error in self.errors_ns], percent) / NS_PER_MS


def squares(number: int) -> list[tuple[int, int, bool]]:
    """Where the squares lie in the window (left, top), and whether each is white."""
    found = []
    for place in range(BITS):
        one = bool(number >> (BITS - 1 - place) & 1)
        left = MARGIN + place * SQUARE
        found += [(left, MARGIN, one), (left, MARGIN + SQUARE, not one)]
    return found


def centres() -> list[tuple[int, int]]:
    """The middle of each square in the window, in the order of `squares`."""
    return [(left + SQUARE // 2, top + SQUARE // 2) for left, top, _ in squares(0)]


def read_number(brightness: Sequence[float]) -> int | None:
    """The number whose squares have these brightnesses (0 to 255, in the order of `squares`); None for no number."""
    bits = [value > _BRIGHT for value in brightness]
    upper, lower = bits[0::2], bits[1::2]
    if len(bits) != 2 * BITS or any(one == other for one, other in zip(upper, lower, strict=True)):
        return None
    return sum(1 << (BITS - 1 - place) for place, one in enumerate(upper) if one)


def read_log(lines: Iterable[str]) -> list[Shown]:
    """The numbers that a load wrote, `number nanoseconds` a line; a torn last line is left out."""
    found = []
    for line in lines:
        words = line.split()
        if len(words) == 2 and line.endswith("\n"):
            found.append(Shown(int(words[0]), int(words[1])))
    return found


def kept(shown: Sequence[Shown], pictures: Iterable[tuple[int, int | None]], begin_ns: int, end_ns: int) -> Kept:
    """Compare what was shown with a film.

    Args:
        shown: every number with its time.
        pictures: the film's pictures: time on the same clock, and number read.
        begin_ns: when the recording began.
        end_ns: when it ended.
    """
    first: dict[int, int] = {}
    unreadable = 0
    for at_ns, number in pictures:
        if number is None:
            unreadable += 1
        else:
            first.setdefault(number, at_ns)
    expected = [each for each in shown if begin_ns <= each.at_ns <= end_ns - TAIL_NS]
    lost = tuple(each for each in expected if each.number not in first)
    errors = tuple(first[each.number] - each.at_ns for each in expected if each.number in first)
    return Kept(len(expected), lost, errors, unreadable)
