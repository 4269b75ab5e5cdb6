"""What is known of one top-level window of an X11 display, and how much an event may change. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pepys.record.adapters.regions import Rect


class Change(IntEnum):
    """What an event changed: nothing, places, what is to be known of a few top-level windows, or of any."""

    NOTHING = 0
    PLACE = 1
    TOP = 2
    FAMILY = 3


@dataclass(slots=True)
class Top:
    """A child of the root.

    Attributes:
        place: its rectangle in the root, border and all.
        mapped: whether it is on the screen.
        override: whether no window manager rules over it.
        depth: bits a pixel; 0 for a window without pixels, -1 until it is read.
        shaped: whether it is no plain rectangle; so taken until it is read.
        emptied: whether the client that it framed is gone, while it is still on the screen with its last pixels.
    """

    place: Rect
    mapped: bool = False
    override: bool = False
    depth: int = -1
    shaped: bool = True
    emptied: bool = False


def outer(told: Any) -> Rect:
    """The rectangle that an event or an answer tells of, border and all."""
    border = 2 * told.border_width
    return Rect(told.x, told.y, told.x + told.width + border, told.y + told.height + border)
