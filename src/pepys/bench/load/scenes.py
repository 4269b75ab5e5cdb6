"""The scenes: a film, a page that scrolls, a counter over the film, a window that comes and goes.

Each goes on until it is ended from outside. The pictures lie in the server; a step is one request, so that the load
itself costs next to nothing. Steps come by the load's own clock: one that is late makes all later ones later, so that
no picture is shown for less than its time and whatever a recorder misses is its own loss.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pepys.bench import counter
from pepys.bench.load import FILM, SECRET, Load
from pepys.bench.load.board import Board, pictures
from pepys.clock import Clock
from pepys.limits import NS_PER_MS, NS_PER_S

MAGENTA: Final = 0xFF00FF
_FILM_BYTES: Final = 180_000_000
_FILM_PICTURES: Final = 48
_PAGE_LINES: Final = 180
_LINE: Final = 22
_SCROLL_PX: Final = 300
_SCROLL_NS: Final = 400 * NS_PER_MS
_LATE_NS: Final = 3 * NS_PER_MS
_SHOWN_NS: Final = 120 * NS_PER_MS
_AWAY_NS: Final = 80 * NS_PER_MS
_SETTLE_NS: Final = 40 * NS_PER_MS
_SENTENCE: Final = (
    "the recorder keeps every change of a page that somebody reads while it moves under the eye of quiet people and"
    " settles again where words begin with another letter until an evening comes when all of this was long ago"
)


def ticks(clock: Clock, rate: int) -> Iterator[int]:
    """The times of a clock of `rate` a second, each when it has come; counts its number."""
    due_ns, number = clock.now_ns(), 0
    while True:
        clock.sleep_ns(due_ns - clock.now_ns())
        late_ns = clock.now_ns() - due_ns
        yield number
        number += 1
        due_ns += NS_PER_S // rate + (late_ns if late_ns > _LATE_NS else 0)


def film(board: Board, load: Load, clock: Clock, ready: Callable[[], None]) -> None:
    """Play ffmpeg's test film."""
    window, shots = _film(board, load)
    ready()
    for number in ticks(clock, load.rate):
        board.copy(shots[number % len(shots)], window, load.width, load.height)
        board.settle()


def count(board: Board, load: Load, clock: Clock, ready: Callable[[], None]) -> None:
    """Play the film with a number on each picture; each number and its time go into the log."""
    window, shots = _film(board, load)
    back = board.pixmap(load.width, load.height)
    with Path(load.log).open("w", encoding="ascii", buffering=1) as log:
        ready()
        for number in ticks(clock, load.rate):
            # Composed out of sight and shown by one request: no capture sees half of a number.
            board.copy(shots[number % len(shots)], back, load.width, load.height)
            told = number % (1 << counter.BITS)
            for white in (False, True):
                areas = [(x, y, counter.SQUARE, counter.SQUARE) for x, y, one in counter.squares(told) if one is white]
                board.fill(back, 0xFFFFFF if white else 0, areas)
            board.settle()
            at_ns = clock.now_ns()
            board.copy(back, window, load.width, load.height)
            board.settle()
            log.write(f"{told} {at_ns}\n")


def page(board: Board, load: Load, clock: Clock, ready: Callable[[], None]) -> None:
    """Scroll a page of text without pause."""
    window, text, height = _page(board, load)
    ready()
    for number in ticks(clock, load.rate):
        board.copy(text, window, load.width, load.height, top=number * load.step % height)
        board.settle()


def steps(board: Board, load: Load, clock: Clock, ready: Callable[[], None]) -> None:
    """Scroll a page by 300 px in 0.4 s, again and again, as somebody who reads does."""
    window, text, height = _page(board, load)
    board.copy(text, window, load.width, load.height)
    board.settle()
    ready()
    moves = _SCROLL_NS * load.rate // NS_PER_S
    top, begun_ns = 0, clock.now_ns()
    while True:
        begun_ns += int(load.every_s * NS_PER_S)
        clock.sleep_ns(begun_ns - clock.now_ns())
        for number, _ in zip(range(1, moves + 1), ticks(clock, load.rate), strict=False):
            board.copy(text, window, load.width, load.height, top=(top + _SCROLL_PX * number // moves) % height)
            board.settle()
        top = (top + _SCROLL_PX) % height


def secret(board: Board, load: Load, clock: Clock, ready: Callable[[], None]) -> None:
    """Show a magenta window for a moment, again and again: a new one each time, every other without a frame.

    The log has a line for each: x, y, width, height, time before its mapping, time after its end.
    """
    rng = random.Random(7)
    with Path(load.log).open("w", encoding="ascii", buffering=1) as log:
        ready()
        for number in range(load.maps):
            width, height = rng.randrange(200, 500, 2), rng.randrange(150, 400, 2)
            x, y = rng.randrange(1000, 1400), rng.randrange(60, 600)
            window = board.window(
                x, y, width, height, title=f"{SECRET} {number}", framed=number % 2 == 0, colour=MAGENTA
            )
            board.settle()
            begun_ns = clock.now_ns()
            board.show(window)
            clock.sleep_ns(_SETTLE_NS)
            x, y = board.place(window)
            clock.sleep_ns(_SHOWN_NS - _SETTLE_NS)
            board.destroy(window)
            log.write(f"{x} {y} {width} {height} {begun_ns} {clock.now_ns()}\n")
            clock.sleep_ns(_AWAY_NS)


def _film(board: Board, load: Load) -> tuple[int, list[int]]:
    window = board.window(load.x, load.y, load.width, load.height, title=FILM, framed=load.framed)
    board.show(window)
    room = _FILM_BYTES // (load.width * load.height * 4)
    source = ["-i", f"testsrc2=size={load.width}x{load.height}:rate={load.rate}"]
    shots = []
    for pixels in pictures(source, load.width, load.height, min(_FILM_PICTURES, room)):
        shots.append(board.pixmap(load.width, load.height))
        board.put(shots[-1], load.width, load.height, pixels)
    return window, shots


def _page(board: Board, load: Load) -> tuple[int, int, int]:
    """A window, a page that is taller by one window than it is long, so that it can be scrolled round, its length."""
    window = board.window(load.x, load.y, load.width, load.height, title="bench-page", framed=False)
    board.show(window)
    length = _PAGE_LINES * _LINE
    text = board.pixmap(load.width, length + load.height)
    with tempfile.TemporaryDirectory(prefix="pepys-page-") as folder:
        source = _page_source(Path(folder), load.width, length)
        (pixels,) = pictures(source, load.width, length, 1)
    board.put(text, load.width, length, pixels)
    board.copy(text, text, load.width, load.height, to=length)
    board.settle()
    return window, text, length


def _page_source(folder: Path, width: int, length: int) -> list[str]:
    """Words for ffmpeg: black text with a blue line now and then, smoothed as a browser draws it."""
    rng, words = random.Random(5), _SENTENCE.split()
    body, links = [], []
    for number in range(_PAGE_LINES):
        line = " ".join(rng.choice(words) for _ in range(rng.randrange(8, 19)))[:118]
        is_link, is_blank = number % 9 == 4, number % 14 == 13
        body.append("" if is_link or is_blank else line)
        links.append(line if is_link else "")
    drawn = []
    for name, lines, colour in (("body", body, "black"), ("links", links, "0x1a4fbf")):
        (folder / name).write_text("\n".join(lines), encoding="ascii")
        look = f"font=DejaVu Sans:fontsize=16:line_spacing={_LINE - 19}:x=24:y=8:expansion=none:fontcolor={colour}"
        drawn.append(f"drawtext={look}:textfile={folder / name}")
    return ["-i", f"color=white:size={width}x{length}", "-vf", ",".join(drawn)]
