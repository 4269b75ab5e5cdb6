"""Named qualities: how large, how fine and how often pictures are encoded.

Owns the table and the size that follows from it. Nothing heavy is imported: settings and the command line read it.
Invariants: a target is even, at least 2x2, never larger than what is shown, and of its proportions as far as those
rules allow; an odd last row or column is cut off, never squeezed in. Which quantiser reaches which fidelity is measured
in `docs/decisions/0003`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pepys.limits import PICTURE_SIDE_MAX


@dataclass(frozen=True, slots=True)
class Quality:
    """A named quality.

    Attributes:
        lines: most rows of pixels (columns of an upright picture).
        qp: the encoder's constant quantiser.
        fps: most frames a second, where the user asks for no other rate.
    """

    lines: int
    qp: int
    fps: int


QUALITIES: Final = {
    "low": Quality(720, 27, 15),
    "medium": Quality(1080, 25, 30),
    "high": Quality(1440, 23, 30),
    "ultra": Quality(2160, 20, 60),
}


def target_size(width: int, height: int, lines: int) -> tuple[int, int]:
    """The even size at which a picture is encoded: its shorter side at most `lines`, never larger than it is.

    Its longer side ends at `PICTURE_SIDE_MAX`, beyond which decoders refuse; a side under two pixels becomes two,
    because a window may shrink to one pixel at any time.
    """
    # Nobody sees a row that is missing; a picture that is scaled by one pixel is blurred all over.
    width, height = max(width & ~1, 2), max(height & ~1, 2)
    shorter, longer = sorted((width, height))
    if shorter > lines:
        width, height = width * lines // shorter, height * lines // shorter
        longer = max(width, height)
    if longer > PICTURE_SIDE_MAX:
        width, height = width * PICTURE_SIDE_MAX // longer, height * PICTURE_SIDE_MAX // longer
    return max(2, width & ~1), max(2, height & ~1)
