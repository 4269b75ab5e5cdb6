"""What can be seen of the windows that must not be: rectangles minus what lies above. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pepys.record.adapters.regions import Rect

_PIECES: Final = 32
"""A window cut into more pieces than that is taken whole: more is hidden, and the work stays bounded."""


_LARGE: Final = 16
"""So many windows from the top are looked at for holding what lies below them."""


class Layer(NamedTuple):
    """A mapped window.

    Attributes:
        place: where it is.
        excluded: whether it must not be seen.
        opaque: where nothing below it can be seen; of an excluded window nobody asks.
    """

    place: Rect
    excluded: bool
    opaque: tuple[Rect, ...] = ()


def shown(layers: Sequence[Layer], most: int) -> tuple[Rect, ...]:
    """Rectangles that hold all that can be seen of excluded windows; `layers` lie bottom first.

    They may lie over each other: what is black twice is as black. More than `most` of them become one around all.
    """
    left = sum(layer.excluded for layer in layers)
    found: list[Rect] = []
    above: list[Rect] = []
    large: list[Rect] = []
    for layer in reversed(layers):
        if not left:
            break
        if not layer.excluded:
            above += layer.opaque
            continue
        left -= 1
        if any(_holds(rect, layer.place) for rect in large):
            continue
        found += outside(layer.place, above)
        # Windows that fill the screen lie in stacks; one of them black is enough.
        if len(large) < _LARGE:
            large.append(layer.place)
    return (around(found),) if len(found) > most else tuple(found)


def outside(rect: Rect, covers: Iterable[Rect]) -> list[Rect]:
    """The parts of a rectangle that no cover lies on, or the whole when that would be too many."""
    pieces = [rect]
    for cover in covers:
        if cover.clip(rect) is None:
            continue
        pieces = [part for piece in pieces for part in _cut(piece, cover)]
        if not pieces:
            break
        if len(pieces) > _PIECES:
            return [rect]
    return pieces


def around(rects: Iterable[Rect]) -> Rect:
    """The smallest rectangle around some."""
    first, *rest = rects
    for rect in rest:
        first = first.union(rect)
    return first


def _holds(rect: Rect, other: Rect) -> bool:
    return (
        rect.left <= other.left and rect.top <= other.top and rect.right >= other.right and rect.bottom >= other.bottom
    )


def _cut(piece: Rect, cover: Rect) -> list[Rect]:
    shared = piece.clip(cover)
    if shared is None:
        return [piece]
    parts = (
        Rect(piece.left, piece.top, piece.right, shared.top),
        Rect(piece.left, shared.bottom, piece.right, piece.bottom),
        Rect(piece.left, shared.top, shared.left, shared.bottom),
        Rect(shared.right, shared.top, piece.right, shared.bottom),
    )
    return [part for part in parts if part.width > 0 and part.height > 0]
