"""Screens to be drawn upon, so that what changes between two of them is known.

A scene is a desktop of 1280x720 with a panel, a document and a pane beside it, in one of several themes, fonts, sizes
and ways of smoothing. What happens on it: `change_kinds_text` and `change_kinds_still`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

SIZE = (1280, 720)
STYLES = 12
_FONTS = Path("/usr/share/fonts/truetype/dejavu")
PROSE = str.split(
    "the recorder keeps every page that was read with figures and more text than anyone needs while small grey print "
    "follows as it often does in letters from the office of 1984 and 2047 about 37 orders at 12.50 each to be paid by "
    "Friday or returned unopened under rule 9 of section 4 unless said otherwise in writing before 16 March"
)


@dataclass(frozen=True)
class Style:
    """How text is drawn: colours are BGR."""

    font: str
    size: int
    smoothing: str
    ground: Colour
    ink: Colour
    panel: Colour
    accent: Colour

    @property
    def line(self) -> int:
        return round(self.size * 1.45)


_THEMES: tuple[tuple[Colour, Colour, Colour, Colour], ...] = (
    ((255, 255, 255), (34, 34, 34), (225, 225, 230), (200, 120, 30)),
    ((34, 40, 39), (242, 248, 248), (20, 20, 20), (239, 217, 102)),
    ((227, 246, 253), (131, 123, 101), (213, 232, 238), (210, 139, 38)),
    ((0, 0, 0), (0, 255, 0), (64, 64, 64), (255, 255, 0)),
    ((240, 240, 240), (150, 150, 150), (250, 250, 250), (160, 160, 160)),
    ((72, 36, 48), (200, 200, 208), (52, 26, 34), (80, 180, 240)),
)
_FACES = ("DejaVuSans.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf", "DejaVuSansMono-Bold.ttf")


def style(number: int) -> Style:
    """One of the styles, of which there are `STYLES`."""
    rng = np.random.default_rng(number)
    ground, ink, panel, accent = _THEMES[number % len(_THEMES)]
    smoothing = ("grey", "subpixel", "none")[number // 2 % 3]
    return Style(str(rng.choice(_FACES)), int(rng.integers(10, 18)), smoothing, ground, ink, panel, accent)


@cache
def face(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONTS / name), size)


def _coverage(text: str, font: str, size: int, smoothing: str) -> NDArray[np.float32]:
    """How much of each pixel's blue, green and red is ink, shape (height, width, 3)."""
    scale = 3 if smoothing == "subpixel" else 1
    drawer = face(font, size * scale)
    width, height = int(drawer.getlength(text)) + 4 * scale, size * 3 // 2
    image = Image.new("L", (-(-width // 3) * 3, height * scale), 0)
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1" if smoothing == "none" else "L"
    draw.text((scale, 0), text, 255, drawer)
    drawn = np.asarray(image, np.float32) / 255
    if scale == 1:
        return drawn[:, :, None].repeat(3, 2)
    drawn = drawn.reshape(height, 3, -1).mean(1)
    padded = np.pad(drawn, ((0, 0), (2, 2)))
    spread = sum(weight * padded[:, at : at + drawn.shape[1]] for at, weight in enumerate((1, 2, 3, 2, 1)))
    thirds: NDArray[np.float32] = np.asarray(spread, np.float32).reshape(height, -1, 3)[:, :, ::-1] / 9
    return thirds


@cache
def _grain(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


@dataclass
class Scene:
    """A screen that is drawn upon; `lines` are the texts of the document, of which each stands at its own height."""

    style: Style
    rng: np.random.Generator
    pixels: Pixels = field(init=False)
    lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        width, height = SIZE
        self.pixels = np.empty((height, width, 4), np.uint8)
        self.pixels[:] = 255
        self.fill(0, 0, width, height, self.style.ground)
        self.fill(0, 0, width, 26, self.style.panel)
        self.write(12, 5, "Activities   Files   Edit   View", size=12)
        self.fill(880, 26, 2, height - 26, self.style.accent)
        count = (height - 60) // self.style.line - 2
        self.lines = [self.sentence() for _ in range(count)]
        for row in range(count):
            self.show(row)
        for row in range(12):
            self.write(900, 40 + row * 24, f"note {row}: {self.sentence()[:30]}", size=12)

    def sentence(self) -> str:
        words = " ".join(str(word) for word in self.rng.choice(PROSE, 24))
        wide = max(10, int(780 / face(self.style.font, self.style.size).getlength("n" * 10) * 10))
        return words[: int(self.rng.integers(wide // 2, wide))]

    @property
    def shot(self) -> Pixels:
        return self.pixels.copy()

    def fill(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        self.pixels[y : y + height, x : x + width, :3] = colour

    def write(
        self, x: int, y: int, text: str, size: int = 0, ink: Colour | None = None, font: str = ""
    ) -> tuple[int, int]:
        """Draw text over what is there, its line's top at `y`; gives the width and height taken."""
        cover = _coverage(text, font or self.style.font, size or self.style.size, self.style.smoothing)
        height, width = cover.shape[:2]
        part = self.pixels[y : y + height, x : x + width, :3]
        cover = cover[: part.shape[0], : part.shape[1]]
        part[:] = np.rint(part * (1 - cover) + np.array(ink or self.style.ink, np.float32) * cover)
        return part.shape[1], part.shape[0]

    def top(self, row: int) -> int:
        return 36 + row * self.style.line

    def show(self, row: int, text: str | None = None) -> None:
        """Draw a line of the document anew."""
        if text is not None:
            self.lines[row] = text
        self.fill(20, self.top(row), 850, self.style.line, self.style.ground)
        self.write(20, self.top(row), self.lines[row])

    def column(self, row: int, place: int) -> int:
        """Where a character of a line stands."""
        return 21 + round(face(self.style.font, self.style.size).getlength(self.lines[row][:place]))

    def any_row(self) -> int:
        return int(self.rng.integers(len(self.lines)))

    def clock(self, seconds: int, form: str) -> None:
        hours, minutes = divmod(seconds // 60, 60)
        text = f"{hours % 24:02}:{minutes:02}" + (f":{seconds % 60:02}" if form == "HH:MM:SS" else "")
        self.fill(1180, 0, 100, 26, self.style.panel)
        self.write(1190, 5, text, size=12)

    def film(self, x: int, y: int, width: int, height: int) -> None:
        """A frame of a film: smooth shapes with grain, another each time."""
        across, down = np.linspace(0, 3, width, dtype=np.float32), np.linspace(0, 3, height, dtype=np.float32)
        parts = []
        for _ in range(3):
            fx, fy, phase, grain = *self.rng.uniform(1, 9, 2), self.rng.uniform(0, 6), self.rng.uniform(1, 6)
            wave = 120 + 80 * np.outer(np.cos(fy * down - phase), np.sin(fx * across + phase))
            parts.append(wave + grain * np.roll(_grain(wave.shape), int(self.rng.integers(1000, 99_999))))
        self.pixels[y : y + height, x : x + width, :3] = np.clip(np.stack(parts, -1), 0, 255)

    def spinner(self, x: int, y: int, size: int, angle: float) -> None:
        self.fill(x, y, size, size, self.style.ground)
        image = Image.new("L", (size * 4, size * 4), 0)
        ImageDraw.Draw(image).arc((4, 4, size * 4 - 5, size * 4 - 5), angle, angle + 100, 255, size // 2)
        cover = np.asarray(image.resize((size, size), Image.Resampling.BOX), np.float32)[:, :, None] / 255
        part = self.pixels[y : y + size, x : x + size, :3]
        part[:] = np.rint(part * (1 - cover) + np.array(self.style.accent, np.float32) * cover)


@cache
def still_scene(number: int) -> Scene:
    return Scene(style(number), np.random.default_rng(number))


def ticks(scene: Scene, form: str, count: int) -> list[Pixels]:
    """Shots between which nothing but the panel's clock has moved on."""
    shots, seconds = [], int(scene.rng.integers(0, 80_000))
    for _ in range(count):
        scene.clock(seconds, form)
        shots.append(scene.shot)
        seconds += 60 if form == "HH:MM" else int(scene.rng.integers(10, 14))
    return shots
