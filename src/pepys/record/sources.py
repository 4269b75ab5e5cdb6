"""Names of picture sources, `KIND:ARG`, and what is wished of all of them.

Pure: a name says what is meant, not whether it is there. Opening is `adapters.opening`'s, listing what exists is
`listing`'s.
"""

from __future__ import annotations

import re
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

AWAITED: Final = frozenset({"window", "monitor"})
"""Kinds that go away as a matter of course and may be there again: a recording of them alone waits."""

OF_FOCUS: Final = frozenset({"display", "monitor", "region"})
"""Kinds that show the window in front, whichever it is."""

REGION_SMALLEST: Final = 16
"""Pixels that a region has each way."""

START_ONE: Final = "start an X server, or name its display with --display, or record without video (--no-video)"
"""What helps where no X11 display answers."""

_REGION: Final = re.compile(r"(\d{1,5})x(\d{1,5})\+(\d{1,5})\+(\d{1,5})", re.ASCII)


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


def parse_region(text: str) -> tuple[int, int, int, int]:
    """Read `WIDTHxHEIGHT+X+Y`: left, top, width, height.

    Raises:
        Usage: it is something else, or too small to be a picture.
    """
    match = _REGION.fullmatch(text)
    if match is None:
        raise Usage(f"{text!r} is no region", "write it as WIDTHxHEIGHT+X+Y, such as 800x600+10+20")
    width, height, left, top = (int(part) for part in match.groups())
    if min(width, height) < REGION_SMALLEST:
        raise Usage(f"a region of {width}x{height} is too small", f"it needs {REGION_SMALLEST} pixels each way")
    return left, top, width, height


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
