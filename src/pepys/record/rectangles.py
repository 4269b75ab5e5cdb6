"""What a changed rectangle of the screen is: a cursor, a fill, the same ink in other colours, a mark, or text.

Judged from the luma of two whole pictures, since a cursor is told from a stroke by what stands around it. Invariants:
pure; in doubt a small rectangle is a mark, which history may turn into a clock, and a large one text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

MARK_WIDTH: Final = 128
MARK_HEIGHT: Final = 64
BLACK: Final = 16
DENSE: Final = 0.85
THIN: Final = 3
"""Pixels: bars and underlines are no thicker."""

Plane = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Pictures = tuple[Plane, Plane]
Kind = Literal["cursor", "fill", "recoloured", "moving", "mark", "text"]

_FLAT: Final = 8
_STRAYS: Final = 0.2
_BODY: Final = 0.25
_BESIDE: Final = 160
_STROKE: Final = 16
_BLACK_PIXELS: Final = 64
_LINE_HEIGHT: Final = 48
_SAME_INK: Final = 0.95


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int


def kind_of(luma: Pictures, box: Box, mask: Mask) -> Kind:
    """What a changed rectangle is.

    Args:
        luma: the whole pictures before and after.
        box: the rectangle, which the changed pixels touch on all four sides.
        mask: which of its pixels changed, shape (height, width).
    """
    rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
    before, after = luma[0][rows, columns], luma[1][rows, columns]
    share = float(mask.mean())
    flat = _is_flat(before) and _is_flat(after)
    if not flat and before.size >= _BLACK_PIXELS and ((before == BLACK).all() or (after == BLACK).all()):
        return "text"  # nothing tells what is excluded, or was
    if share >= 0.95 and _mostly_flat(before, after):
        kind = _flat_kind(luma, box, int(np.median(before)), int(np.median(after)), strict=flat)
        if kind is not None:
            return kind
    if _hollow(box, mask):
        return "cursor"
    if not flat and share >= 0.5 and 9 <= box.height <= _LINE_HEIGHT and box.width >= 5 and _same_ink(before, after):
        return "cursor" if box.width <= 32 else "recoloured"
    if box.width <= MARK_WIDTH and box.height <= MARK_HEIGHT:
        return "mark"
    # A dense one may be a small film: its tiles tell.
    return "moving" if share >= DENSE else "text"


def _mostly_flat(before: Plane, after: Plane) -> bool:
    """Whether both are of one shade; of what a cursor hides the soft edge of a letter may be a part."""
    if min(before.shape) >= 2 and max(before.shape) < 9:
        return _is_flat(before) and _is_flat(after)
    strays = [int(np.count_nonzero(np.abs(one - np.median(one)) > _FLAT)) for one in (before, after)]
    return min(strays) == 0 and max(strays) <= _STRAYS * before.size


def _is_flat(patch: Plane) -> bool:
    return int(patch.max()) - int(patch.min()) <= _FLAT


def _flat_kind(luma: Pictures, box: Box, before: int, after: int, *, strict: bool) -> Kind | None:
    """What a rectangle is that was flat and is flat; None where it may be part of a character."""
    width, height = box.width, box.height
    thin = (width <= THIN and 9 <= height <= 64) or (height <= THIN and 5 <= width <= 32)
    if thin and _ground_around(luma, box, before, after) >= 0.6 and _beyond_its_line(luma, box):
        return "cursor"
    if 5 <= width <= 32 and 9 <= height <= 64 and _ground_around(luma, box, before, after) >= 0.6:
        return "cursor"
    if not strict:
        return None
    if (width > 32 and height <= 5) or 6 <= min(width, height) <= _LINE_HEIGHT:
        return "fill"
    return "fill" if _lengthens(luma[1], box, before, after) else None


def _beyond_its_line(luma: Pictures, box: Box) -> bool:
    """Whether it stands where no stroke does: a bar from above the letters beside it to below, an underline beneath.

    An `l` ends on the line, a hyphen has more of its letters below it than a cursor.
    """
    rows = slice(max(0, box.y - 24), box.y + box.height + 24)
    left = luma[1][rows, max(0, box.x - _BESIDE) : max(0, box.x - 2)]
    right = luma[1][rows, box.x + box.width + 2 : box.x + box.width + _BESIDE]
    ink = _ink(left) + _ink(right)
    within = slice(max(0, box.y - rows.start - 2), box.y - rows.start + box.height + 2)
    if not ink[within].any():
        return box.height > THIN or not ink[within.stop : within.stop + 8].any()
    # The line's own rows: those around the rectangle up to the nearest free ones.
    top = bottom = int(within.start + np.argmax(ink[within]))
    while top > 0 and ink[top - 1]:
        top -= 1
    while bottom < len(ink) - 1 and ink[bottom + 1]:
        bottom += 1
    body = top + np.flatnonzero(ink[top : bottom + 1] >= _BODY * ink[top : bottom + 1].max())
    first, last = box.y - rows.start, box.y - rows.start + box.height - 1
    if box.height <= THIN:
        return bool(first >= body[-1] - 1)
    return bool(first <= top and last > body[-1])


def _ink(part: Plane) -> NDArray[np.int64]:
    """How many pixels of each row are no ground."""
    if not part.size:
        return np.zeros(len(part), np.int64)
    ground = int(np.argmax(np.bincount((part >> 3).ravel(), minlength=32)))
    ink: NDArray[np.int64] = (np.abs((part >> 3).astype(np.int16) - ground) > 3).sum(1)
    return ink


def _ground_around(luma: Pictures, box: Box, before: int, after: int) -> float:
    """Share of the ring around a rectangle that shows, before and after, what it hides.

    A part of a character is joined to other parts; a cursor stands free.
    """
    shares = []
    for value in (before, after):
        both = [_ring(one, box) for one in luma]
        shares.append(min(float((np.abs(ring - value) <= _FLAT).mean()) for ring in both))
    return max(shares)


def _ring(luma: Plane, box: Box) -> NDArray[np.int16]:
    top, left = max(0, box.y - 1), max(0, box.x - 1)
    part = luma[top : box.y + box.height + 1, left : box.x + box.width + 1].astype(np.int16)
    inner = np.ones(part.shape, np.bool_)
    inner[box.y - top : box.y - top + box.height, box.x - left : box.x - left + box.width] = False
    ring: NDArray[np.int16] = part[inner]
    return ring if len(ring) else np.zeros(1, np.int16)


def _lengthens(luma: Plane, box: Box, before: int, after: int) -> bool:
    """Whether it lies between a bar of its new colour and one of its old, longer than any stroke of a character."""
    rows = slice(box.y, box.y + box.height)
    sides = (luma[rows, max(0, box.x - _STROKE) : box.x], luma[rows, box.x + box.width : box.x + box.width + _STROKE])
    first, second = ({value for value in (before, after) if _shows(side, value)} for side in sides)
    return bool(first and second and first != second)


def _shows(side: Plane, value: int) -> bool:
    return side.shape[1] == _STROKE and bool((np.abs(side.astype(int) - value) <= _FLAT).all())


def _hollow(box: Box, mask: Mask) -> bool:
    """The frame that a block cursor is in a window without the focus."""
    if not (5 <= box.width <= 32 and 9 <= box.height <= 64):
        return False
    frame = mask.copy()
    frame[1:-1, 1:-1] = True
    inner = mask[1:-1, 1:-1]
    return bool(frame.all() and not inner.any()) or bool(inner.all() and not mask[0].any() and not mask[-1].any())


def _same_ink(before: Plane, after: Plane) -> bool:
    """Whether both show the same shapes, be it in other colours: piece by piece, so that no single digit is lost."""
    for start in range(0, before.shape[1], 8):
        one = before[:, start : start + 8].astype(np.float32)
        other = after[:, start : start + 8].astype(np.float32)
        if _is_flat(before[:, start : start + 8]) != _is_flat(after[:, start : start + 8]):
            return False
        one -= one.mean()
        other -= other.mean()
        size = float(np.sqrt((one * one).sum() * (other * other).sum()))
        if not _is_flat(before[:, start : start + 8]) and abs(float((one * other).sum())) < _SAME_INK * size:
            return False
    return True
