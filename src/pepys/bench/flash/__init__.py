"""A flash on the display and a beep in the loudspeaker at one moment, and when each really came: a child of its own.

The flash's time is when the X server answered that it is drawn. The beep's is heard by a listener of the child's own
at the sink's monitor, with little latency: what a sound server holds back is not the recorder's doing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pepys.bench.started import Started
from pepys.demo.child import program

X: Final = 100
Y: Final = 80
WIDTH: Final = 320
HEIGHT: Final = 240


@dataclass(frozen=True, slots=True)
class Order:
    """What the child does.

    Attributes:
        sink: where it plays.
        log: the file for what it did: flash and beep (CLOCK_BOOTTIME), a pair a line.
        what: `beep` or `click`.
        flashes: whether it flashes too.
    """

    sink: str
    log: str
    what: str = "beep"
    flashes: bool = True

    def to_json(self) -> str:
        """The order for the child."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Moment:
    """One flash and its beep, when they really came; flash_ns is 0 where none is shown."""

    flash_ns: int
    beep_ns: int


@dataclass(frozen=True, slots=True)
class Offset:
    """By how much a recording has the sound later than the picture than it was, and when."""

    at_ns: int
    late_ns: int


@contextmanager
def flashing(order: Order, env: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Flash and beep until the block ends; begins after the first.

    Raises:
        DeviceMissing: a program is missing, or nothing is heard.
    """
    for name in ("pacat", "parec"):
        program(name, "pulseaudio-utils")
    log = Path(order.log)
    with Started.module("pepys.bench.flash", [order.to_json()], folder / "flash.log", env) as child:
        child.wait_ready(lambda: log.exists() and bool(read_log(log.read_text().splitlines(True))), "flash and beep")
        yield
        child.check()


def read_log(lines: Sequence[str]) -> list[Moment]:
    """What the child wrote; a torn last line is left out."""
    return [Moment(*map(int, line.split())) for line in lines if line.endswith("\n")]


def offsets(
    moments: Sequence[Moment], flashes: Sequence[int], beeps: Sequence[int], near_ns: int = 700_000_000
) -> list[Offset]:
    """Of each moment that was recorded whole: sound against picture, less what it was when it was made."""
    found = []
    for moment in moments:
        flash = min(flashes, key=lambda at: abs(at - moment.flash_ns), default=None)
        beep = min(beeps, key=lambda at: abs(at - moment.beep_ns), default=None)
        if flash is None or beep is None:
            continue
        if abs(flash - moment.flash_ns) < near_ns and abs(beep - moment.beep_ns) < near_ns:
            found.append(Offset(moment.flash_ns, (beep - flash) - (moment.beep_ns - moment.flash_ns)))
    return found


def drift_ms_an_hour(found: Sequence[Offset]) -> float:
    """The slope of the straight line that lies nearest to all offsets."""
    if len(found) < 2:
        return 0.0
    middle = sum(each.at_ns for each in found) / len(found)
    mean = sum(each.late_ns for each in found) / len(found)
    over = sum((each.at_ns - middle) ** 2 for each in found)
    slope = sum((each.at_ns - middle) * (each.late_ns - mean) for each in found) / over if over else 0.0
    return slope * 3600 * 1000
