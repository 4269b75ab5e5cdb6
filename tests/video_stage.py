"""Stages for the contract of picture sources: a source, what it shows, and a way to change, resize and end that.

Each stage knows every pixel that its source may give: a painted display, a film of known pictures, a pattern made a
second time, or pictures that the test itself pushes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import xcffib.xproto
from numpy.typing import NDArray

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.media.decoding import open_generator
from pepys.record.adapters.opening import open_now
from pepys.record.adapters.pushed import PushedSource
from pepys.record.exclusions import Exclusions
from pepys.record.ports import VideoCapabilities, VideoSource
from pepys.record.sources import Wish, parse_source
from tests.painter import Painter

Pixels = NDArray[np.uint8]

NOTHING_EXCLUDED = Exclusions((), builtin=False)
WIDTH, HEIGHT = 640, 480
FILM_FPS, FILM_PICTURES = 25, 15


class Stage:
    """A source on a stage.

    Attributes:
        name: by which the source can be opened once more; empty where it cannot.
        change: changes something of the picture; None where that happens by itself.
        shows: whether a picture, but for its unused bytes, is one that the source may show now.
        resize: gives the picture another size and tells it; None where there is no way.
        end: makes the source end; a film ends by itself.
    """

    def __init__(self, source: VideoSource, shows: Callable[[Pixels], bool], wish: Wish, name: str = "") -> None:
        self.source, self.shows, self.wish, self.name = source, shows, wish, name
        self.change: Callable[[], None] | None = None
        self.resize: Callable[[], tuple[int, int]] | None = None
        self.end: Callable[[], None] = lambda: None


class Painted:
    """A painted display and a copy of what is on it, cut to what a source shows of it."""

    def __init__(self, server: XServer, left: int = 0, top: int = 0, width: int = WIDTH, height: int = HEIGHT) -> None:
        self.server, self.painter = server, Painter(server.display)
        self.picture = np.full((HEIGHT, WIDTH, 3), 0x40, np.uint8)
        self.cut = (slice(top, top + height), slice(left, left + width))
        self._count = 0

    def change(self) -> None:
        """Paint a rectangle somewhere in the middle, of another colour each time."""
        self._count += 1
        x, y, colour = 101 + 7 * self._count, 103 + 5 * self._count, (0x3157A9 * self._count) % 2**24
        self.painter.fill(x, y, 33, 21, colour)
        self.picture[y : y + 21, x : x + 33] = [colour & 255, colour >> 8 & 255, colour >> 16]

    def shows(self, pixels: Pixels) -> bool:
        """Whether that is what is on the screen."""
        wanted = self.picture[self.cut]
        return pixels.shape[:2] == wanted.shape[:2] and np.array_equal(pixels[..., :3], wanted)

    def resize_screen(self) -> tuple[int, int]:
        """Make the screen smaller."""
        self.painter.resize_screen(500, 300)
        return 500, 300

    def resize_window(self) -> tuple[int, int]:
        """Make the window smaller."""
        mask = xcffib.xproto.ConfigWindow.Width | xcffib.xproto.ConfigWindow.Height
        self.painter.core.ConfigureWindow(self.painter.window, mask, [402, 302])
        self.painter.sync()
        return 402, 302


@contextlib.contextmanager
def painted(kind: str, server: XServer) -> Iterator[Stage]:
    """A source of a display."""
    place = (40, 60, 400, 300) if kind == "region" else (0, 0, WIDTH, HEIGHT)
    screen = Painted(server, *place)
    window = screen.painter.window
    argument = {"display": server.display, "monitor": "screen", "region": "400x300+40+60", "window": hex(window)}
    argument["mss"] = "0"  # all monitors together: where the test resizes the screen no single one is left
    name = f"{kind}:{argument[kind]}"
    wish = Wish(server.display, pointer=False, fps=30, exclusions=NOTHING_EXCLUDED)
    with screen.painter, contextlib.closing(open_now(parse_source(name), wish, SystemClock())) as source:
        stage = Stage(source, screen.shows, wish, name)
        stage.change, stage.end = screen.change, server.kill
        if kind in {"display", "mss"}:
            stage.resize = screen.resize_screen
        if kind == "window":
            stage.resize, stage.end = screen.resize_window, screen.painter.close
        yield stage


@contextlib.contextmanager
def played(kind: str, folder: Path) -> Iterator[Stage]:
    """A film or a pattern, which shows its pictures one after the other."""
    if kind == "file":
        path = folder / "film.mkv"
        pictures = make_film(path)
        name = f"file:{path}"
    else:
        graph = f"testsrc=size=320x200:rate={FILM_FPS}:duration={FILM_PICTURES / FILM_FPS}"
        pictures = list(pictures_of(graph))
        name = f"pattern:{graph}"
    wish = Wish(None, fps=60, exclusions=NOTHING_EXCLUDED)
    with contextlib.closing(open_now(parse_source(name), wish, SystemClock())) as source:
        yield Stage(source, lambda pixels: any(np.array_equal(pixels[..., :3], one) for one in pictures), wish, name)


@contextlib.contextmanager
def pushed() -> Iterator[Stage]:
    """Pictures that the test pushes itself."""
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    picture[...] = np.arange(WIDTH, dtype=np.uint32)[:, None] % 251
    source = PushedSource("test:pictures", VideoCapabilities("none", "absent"), SystemClock())
    source.deliver(picture)
    source.first()
    stage = Stage(source, lambda pixels: np.array_equal(pixels[..., :3], picture[..., :3]), Wish(None))

    def change() -> None:
        picture[101:131, 203:240] += 9
        source.deliver(picture)

    def resize() -> tuple[int, int]:
        nonlocal picture
        picture = np.full((202, 302, 4), 77, np.uint8)
        source.deliver(picture)
        return 302, 202

    stage.change, stage.resize = change, resize
    stage.end = lambda: source.end("device_lost", "it was pulled out")
    with contextlib.closing(source):
        yield stage


def make_film(
    path: Path,
    *,
    width: int = 320,
    height: int = 200,
    pictures: int = FILM_PICTURES,
    times_ms: Sequence[int] | None = None,
    codec: str = "ffv1",
    form: str = "bgr0",
) -> list[Pixels]:
    """Write a film of a square that wanders, by default without loss; its pictures in blue, green, red."""
    made = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FILM_FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, form
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(pictures):
            picture = np.full((height, width, 4), 30, np.uint8)
            picture[50:70, 10 * number : 10 * number + 20, :3] = [200, 100, number]
            made.append(picture[..., :3].copy())
            frame = av.VideoFrame(width, height, "bgr0")
            rows = np.frombuffer(frame.planes[0], np.uint8).reshape(height, -1)
            rows[:, : 4 * width] = picture.reshape(height, -1)
            if form != "bgr0":
                frame = frame.reformat(format=form)
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return made


def pictures_of(graph: str) -> Iterator[Pixels]:
    """The pictures of a pattern, made apart from the source."""
    with contextlib.closing(open_generator(graph)) as film:
        for moment in film.moments():
            yield film.dense(moment)[..., :3].copy()
