"""Names of picture sources, `KIND:ARG`, and what is wished of all of them.

Pure: a name says what is meant, not whether it is there. Opening is `adapters.opening`'s, listing what exists is
`listing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pepys.errors import Usage
from pepys.record.exclusions import Exclusions

KINDS: Final = {
    "display": "a whole X11 display, such as display::1",
    "monitor": "one monitor of the display, by its RandR name, such as monitor:HDMI-1",
    "region": "a part of the display, such as region:800x600+10+20",
    "window": "one window of the display, by its title (a shell glob) or its id, such as window:0x1400003",
    "mss": "a monitor by its number, through a portable library, such as mss:1",
    "webcam": "a camera, such as webcam:/dev/video0",
    "file": "a film that is played at its own speed, such as file:talk.mp4",
    "pattern": "a test picture, such as pattern:testsrc2=size=1280x720:rate=30",
}
"""Every kind with what its argument is."""

SCREENS: Final = frozenset({"display", "monitor", "region", "mss"})
"""Kinds that show a screen, or a part of it, with whatever lies there."""

OF_DISPLAY: Final = frozenset({"display", "monitor", "region", "window"})
"""Kinds that an X11 display gives."""


@dataclass(frozen=True, slots=True)
class SourceName:
    """Which source is meant."""

    kind: str
    arg: str

    def __str__(self) -> str:
        """The name as a user writes it."""
        return f"{self.kind}:{self.arg}"


def parse_source(text: str) -> SourceName:
    """Read `KIND:ARG`.

    Raises:
        Usage: there is no such kind, or nothing behind the colon.
    """
    kind, colon, arg = text.partition(":")
    if kind not in KINDS or not colon or not arg.strip():
        raise Usage(f"there is no source {text!r}", f"a source is KIND:ARG, with one of the kinds {', '.join(KINDS)}")
    return SourceName(kind, arg)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wished of every source of a recording.

    Attributes:
        display: the X11 display that monitors, regions and windows belong to; None where there is none.
        pointer: whether the pointer is drawn.
        fps: most changes a second that anybody looks at.
        exclusions: which windows must not be seen.
    """

    display: str | None
    pointer: bool = True
    fps: int = 30
    exclusions: Exclusions = field(default_factory=Exclusions)
