"""A screen full of text for tests: a page in a browser on its left, a coloured terminal and an editor on its right."""

from __future__ import annotations

import itertools
import keyword
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xcffib
import xcffib.xproto
from numpy.typing import NDArray

from pepys.media.colour import Picture, converter
from tests.waiting import wait_until

Pixels = NDArray[np.uint8]

_CELL = 16
_CONTRAST = 24
_WORDS = (
    "connect", "src/pepys/record", "ERROR", "0x7f3a", "drwxr-xr-x", "root", "4096", "Nov", "23", "12:45", "main.py",
    "failed", "(3.2s)", "[INFO]", "the", "fox",
)  # fmt: skip
_COLOURS = (31, 32, 33, 34, 35, 36, 37, 91, 92, 93, 94, 95, 96)
_BROWSER = (
    "--no-sandbox", "--test-type", "--no-first-run", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--window-position=0,0", "--window-size=960,1080",
)  # fmt: skip


PLACES = {
    "browser": (slice(0, 1080), slice(0, 960)),
    "terminal": (slice(0, 512), slice(976, 1904)),
    "editor": (slice(560, 1072), slice(976, 1904)),
}
"""Where the text of each is on a screen of 1920x1080; multiples of the cell."""


def terminal(folder: Path) -> Sequence[str]:
    """A terminal without a free cell, every word in a colour of its own: the hardest text there is."""
    rng = np.random.default_rng(1)
    lines = [
        "".join(f"\033[{rng.integers(0, 2)};{rng.choice(_COLOURS)}m{word} " for word in rng.choice(_WORDS, 30))
        for _ in range(40)
    ]
    text = folder / "terminal"
    text.write_text("\n".join(lines), encoding="utf-8")
    return ["xterm", "-geometry", "158x40+962+0", "-bg", "black", "-fg", "white", "-e", _shows(text)]


def terminal_with(pipe: Path, folder: Path) -> Sequence[str]:
    """A terminal under the pointer that shows what is written to a new pipe."""
    os.mkfifo(pipe)
    program = folder / "reads"
    program.write_text(f"stty -echo; exec cat {pipe}", encoding="utf-8")
    font = ["-fa", "DejaVu Sans Mono", "-fs", "11"]
    return ["xterm", *font, "-geometry", "100x30+500+200", "-bg", "black", "-fg", "white", "-e", f"sh {program}"]


def editor(folder: Path) -> Sequence[str]:
    """A program in an outline font on dark grey, coloured by what words are."""
    source = Path(__file__).read_text(encoding="utf-8").splitlines()[-28:]
    text = folder / "editor"
    text.write_text("\n".join(_coloured(line) for line in source), encoding="utf-8")
    font = ["-fa", "DejaVu Sans Mono", "-fs", "11"]
    return ["xterm", *font, "-geometry", "104x28+962+550", "-bg", "#272822", "-fg", "#f8f8f2", "-e", _shows(text)]


def browser(folder: Path) -> Sequence[str]:
    """A page of three columns with headings, links and small print."""
    paragraph = (
        "<h3>Section {0}: reading</h3><p>The recorder keeps <a href='#'>every page</a> that <b>was read</b>, with "
        "<code>record --mic on</code> and <i>more text</i> than anyone needs. Figures {1} were held back; <small>small "
        "grey print follows, as it often does.</small></p>"
    )
    style = (
        "body{margin:0;font:14px/1.5 'DejaVu Sans';columns:2;color:#222}h3{color:#14397d}a{color:#0645ad}"
        "code{background:#f3f4f6;color:#b42318}small{color:#777}"
    )
    page = folder / "page.html"
    body = "".join(paragraph.format(number, number * 37) for number in range(40))
    page.write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{body}", encoding="utf-8")
    program = shutil.which("chromium")
    assert program, "chromium is in the list of test packages"
    return [program, *_BROWSER, f"--user-data-dir={folder / 'profile'}", f"--app={page.as_uri()}"]


@contextmanager
def shown(command: Sequence[str]) -> Iterator[None]:
    """Run a program, and end it with all its children."""
    assert shutil.which(command[0]), f"{command[0]} is in the list of test packages"
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as child:
        try:
            yield
        finally:
            os.killpg(child.pid, signal.SIGKILL)


class Screen:
    """The display in force as anyone can read it: what a recording is compared with."""

    def __init__(self, display: str) -> None:
        self._connection = xcffib.connect(display=display)
        screen = self._connection.setup.roots[self._connection.pref_screen]
        self._root, self.width, self.height = screen.root, screen.width_in_pixels, screen.height_in_pixels

    def pixels(self) -> Pixels:
        """The whole screen as BGRA."""
        kind = xcffib.xproto.ImageFormat.ZPixmap
        asked = self._connection.core.GetImage(kind, self._root, 0, 0, self.width, self.height, 0xFFFFFFFF)
        return np.frombuffer(asked.reply().data.buf(), np.uint8).reshape(self.height, self.width, 4)

    def luma(self) -> Pixels:
        """The screen's luma as the recorder's converter gives it."""
        picture = Picture(self.width, self.height)
        converter().convert(picture, 0, 0, np.ascontiguousarray(self.pixels()))
        return picture.luma.copy()

    def drawn(self, least: dict[str, float]) -> Pixels:
        """The luma once at least that share of each place shows text, and all has stood still."""
        before = [self.luma()]

        def still() -> bool:
            now, last = self.luma(), before.pop()
            before.append(now)
            full = all(text_cells(now[PLACES[name]]).mean() > share for name, share in least.items())
            return full and np.array_equal(now, last)

        wait_until(still, 20, "the text to be drawn")
        return before[0]

    def close(self) -> None:
        """Let go of the display."""
        self._connection.disconnect()


def text_cells(luma: Pixels) -> NDArray[np.bool_]:
    """Which cells of 16x16 pixels show more than a flat or softly shaded ground."""
    rows, columns = luma.shape[0] // _CELL, luma.shape[1] // _CELL
    cells = luma[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL)
    return np.asarray(cells.max((1, 3)).astype(int) - cells.min((1, 3)) > _CONTRAST)


def text_psnr(luma: Pixels, true: Pixels) -> float:
    """Luma PSNR in dB over the cells that show text alone: flat ground, which costs nothing, would flatter it."""
    cells = text_cells(true)
    rows, columns = cells.shape
    error = (luma.astype(np.int32) - true)[: rows * _CELL, : columns * _CELL] ** 2
    mean = error.reshape(rows, _CELL, columns, _CELL).transpose(0, 2, 1, 3)[cells].mean()
    return float(10 * np.log10(255**2 / max(mean, 1e-9)))


def _shows(text: Path) -> str:
    # One word: xterm gives it to a shell.
    return f"printf '\\033[?25l\\033[?7l'; cat {text}; exec cat /dev/tty > /dev/null"


def _coloured(line: str) -> str:
    ends = "\033[0m"
    words = ["".join(run) for _, run in itertools.groupby(line, str.isalnum)]
    kinds = {True: "\033[1;38;5;204m", False: ""}
    painted = [
        f"\033[38;5;141m{word}{ends}" if word.isdigit()
        else f"{kinds[keyword.iskeyword(word)]}{word}{ends}" if word.isalnum()
        else f"\033[38;5;81m{word}{ends}"
        for word in words
    ]  # fmt: skip
    return "".join(painted)
