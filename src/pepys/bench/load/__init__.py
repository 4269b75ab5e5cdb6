"""What displays show while recorders are measured on them: scenes in a child of their own, drawn from pixmaps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from pepys.bench.started import Started
from pepys.demo.child import program
from pepys.demo.desktop import Desktop

TERMINAL: Final = "bench-terminal"
FILM: Final = "bench-film"
SECRET: Final = "bench-secret"
GROUND: Final = 0x7A8794


@dataclass(frozen=True, slots=True)
class Load:
    """What is shown. It always has a terminal full of text, so that a recorder has something to hold.

    Attributes:
        name: as it is chosen with `--load`.
        words: the same in words.
        scene: what the child draws: `still`, `film`, `page`, `steps`, `counter` or `secret`.
        types: whether somebody types into the terminal, with a blinking cursor.
        width: of film and page.
        height: of film and page.
        x: where they are.
        y: where they are.
        rate: pictures a second.
        step: pixels a page moves a picture.
        every_s: of `steps`: seconds from one animated scroll to the next.
        framed: whether the film is a window with a title and frame.
        maps: of `secret`: how often the window is shown.
        log: the file that `counter` and `secret` write what they did to.
        ready: the file that is made when the scene is shown.
    """

    name: str
    words: str
    scene: str = "still"
    types: bool = False
    width: int = 1280
    height: int = 720
    x: int = 600
    y: int = 300
    rate: int = 30
    step: int = 7
    every_s: float = 1.0
    framed: bool = False
    maps: int = 100
    log: str = ""
    ready: str = ""

    def to_json(self) -> str:
        """The order for the child."""
        return json.dumps(asdict(self))


def _page(name: str, words: str, scene: str, types: bool = False, every_s: float = 1.0) -> Load:
    """A page of text beside the terminal."""
    return Load(name, words, scene, types, 980, 1000, 930, 40, every_s=every_s)


LOADS: Final = {
    load.name: load
    for load in (
        Load("idle", "idle desktop"),
        Load("typing", "typing in a terminal", types=True),
        _page("scroll", "980x1000 page of text, scrolling without pause", "page"),
        Load("motion", "1280x720 motion", "film"),
        _page("steps", "the page scrolls 300 px in 0.4 s, once a second", "steps"),
    )
}
"""The loads that CPU is measured with."""

COUNTER: Final = Load("counter", "1280x720 motion with a frame counter", "counter")
READING: Final = _page(
    "reading", "typing, and four times a minute a scroll of 300 px", "steps", types=True, every_s=15.0
)
MAPPING: Final = Load("secret", "an excluded window is shown again and again", "secret")
LARGE: Final = Load(
    "large", "2560x1440 motion at 60 Hz on 3840x2160", "film", width=2560, height=1440, x=1200, y=600, rate=60
)
WINDOWS: Final = Load(
    "windows", "windows of 1280x720 motion and of typing, overlapping", "film", types=True, framed=True
)


@contextmanager
def shown(load: Load, env: Mapping[str, str], folder: Path) -> Iterator[Started]:
    """Show a load on a display until the block ends; begins when it is drawn.

    Args:
        load: what to show.
        env: names the display.
        folder: for logs; must exist.

    Raises:
        DeviceMissing: a program is missing, or the load ended.
    """
    program("xterm", "xterm")
    program("ffmpeg", "ffmpeg")
    ready = folder / f"{load.name}.ready"
    ready.unlink(missing_ok=True)
    with Desktop(env) as desktop:
        desktop.paint(GROUND)
        order = replace(load, ready=str(ready))
        with Started.module("pepys.bench.load", [order.to_json()], folder / f"{load.name}.log", env) as child:
            child.wait_ready(ready.exists, f"the load {load.name}")
            yield child
