"""Films and test patterns as sources.

Owns playing pictures at their own times, in the source's thread, and which generators may be run: a pattern is one
known generator, which reads no file. Decoding is `media.decoding`'s; `camera` uses the same way for pictures that come
by themselves.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing, Usage
from pepys.record.adapters.pushed import PushedSource
from pepys.record.ports import VideoCapabilities
from pepys.record.sources import SourceName, Wish

if TYPE_CHECKING:
    from pepys.media.decoding import Film

CAPABILITIES: Final = VideoCapabilities(damage="none", cursor="absent", exclusion="not_needed")

_GENERATORS: Final = (
    "allrgb allyuv color colorchart colorspectrum gradients life mandelbrot pal100bars pal75bars rgbtestsrc sierpinski"
    " smptebars smptehdbars testsrc testsrc2 yuvtestsrc zoneplate"
)
PATTERNS: Final = frozenset(_GENERATORS.split())
"""Generators that may be named; none of them reads anything but its options."""

_OPTION: Final = re.compile(r"([a-z][a-z_0-9]*)=([A-Za-z0-9_./#@+-]*)")
_READS_FILES: Final = frozenset({"filename", "f"})  # of `life`
# The library would take more: sums, units, any character between two numbers.
_SIZE: Final = re.compile(r"(\d{1,5})x(\d{1,5})|[a-z][a-z0-9]*")
_RATE: Final = re.compile(r"(\d{1,6})(?:\.\d{1,6}|/(\d{1,6}))?|[a-z][a-z-]*")
_PATCHES: Final = 24  # of `colorchart`
_ROUNDS_MAX: Final = 10_000  # of `mandelbrot`

_WRITTEN: Final = "write them as size=640x480:rate=30"

_LATE_NS: Final = limits.NS_PER_S


def open_film(name: SourceName, wish: Wish, clock: Clock) -> PushedSource:
    """A film, played once at its own speed.

    Raises:
        DeviceMissing: there is no such file, or no film in it.
    """
    path = Path(name.arg).expanduser()
    if path.is_dir():
        raise DeviceMissing(f"{name} is a folder", "name a film")
    if not path.is_file():
        what = "is no plain file" if path.exists() else "does not exist"
        raise DeviceMissing(f"{name} {what}", "name a film that exists")
    from pepys.media.decoding import NoFilm, open_file

    try:
        film = open_file(path)
    except NoFilm as error:
        raise DeviceMissing(f"{name} {error}", "name a film") from error
    return play(name, film, wish, clock, "the film has ended")


def open_pattern(name: SourceName, wish: Wish, clock: Clock) -> PushedSource:
    """A test picture made by one generator.

    Raises:
        Usage: it is none of `PATTERNS`, or has options that do not exist.
    """
    graph = checked_pattern(name)
    from pepys.media.decoding import NoFilm, open_generator

    try:
        film = open_generator(graph)
    except NoFilm as error:
        raise Usage(f"{name} {error}", "write pattern:testsrc2=size=1280x720") from error
    return play(name, film, wish, clock, "the pattern has ended")


def checked_pattern(name: SourceName) -> str:
    """The graph of a pattern, which holds one known generator and plain options.

    Raises:
        Usage: it holds anything else.
    """
    generator, _, options = name.arg.partition("=")
    if generator not in PATTERNS:
        raise Usage(f"{name}: there is no test picture {generator!r}", f"there are {', '.join(sorted(PATTERNS))}")
    # Every option is named: a nameless one may be a file's name, and `/` in front of a name reads its value from one.
    for option in options.split(":") if options else ():
        found = _OPTION.fullmatch(option)
        if found is None or found[1] in _READS_FILES:
            raise Usage(f"{name}: {option!r} is no option of a test picture", _WRITTEN)
        if not _bearable(found[1], found[2]):
            most = f"at most {limits.FILM_PICTURE_PX} pixels and {limits.PATTERN_RATE_MAX} pictures a second"
            raise Usage(f"{name}: {option!r} is more than can be shown", f"{_WRITTEN}: {most}")
    return name.arg


def _bearable(option: str, value: str) -> bool:
    """Whether a pattern of that size, or of that rate, neither fills the memory nor takes a whole processor."""
    if option in {"size", "s", "patch_size"}:
        size = _SIZE.fullmatch(value)
        pieces = _PATCHES if option == "patch_size" else 1
        return size is not None and int(size[1] or 0) * int(size[2] or 0) * pieces <= limits.FILM_PICTURE_PX
    if option in {"rate", "r"}:
        rate = _RATE.fullmatch(value)
        return rate is not None and int(rate[1] or 0) <= limits.PATTERN_RATE_MAX * int(rate[2] or 1)
    return option != "maxiter" or (value.isdecimal() and int(value) <= _ROUNDS_MAX)


def play(name: SourceName, film: Film, wish: Wish, clock: Clock, ended: str, *, live: bool = False) -> PushedSource:
    """Show a film's pictures; it is closed by the source's thread. `ended` is what its end says.

    `live` pictures come by themselves, when they come; else each is shown when its own time says.

    Raises:
        DeviceMissing: no picture comes.
    """
    silent_ns = limits.SOURCE_SILENT_NS if live else None
    source = PushedSource(str(name), CAPABILITIES, clock, silent_ns=silent_ns)
    player = _Player(source, film, wish.fps, live=live, ended=ended)
    source.start(lambda _: player.run())
    source.first()
    return source


class _Player:
    """Shows one film; lives in the source's thread."""

    def __init__(self, source: PushedSource, film: Film, fps: int, *, live: bool, ended: str) -> None:
        self._source, self._film, self._live, self._ended = source, film, live, ended
        self._period_ns = limits.NS_PER_S // max(1, fps)
        self._start_ns: int | None = None
        self._next_ns = 0

    def run(self) -> None:
        """Until the end, or until the source is closed."""
        try:
            for moment in self._film.moments():
                if self._source.stopping:
                    return
                due_ns = self._due_ns(moment.time_s)
                if not self._wanted(due_ns):
                    continue
                pixels = self._film.dense(moment)
                if self._live or self._source.pause_until(due_ns):
                    self._source.deliver(pixels)
        except OSError as error:
            told = getattr(error, "strerror", None) or type(error).__name__
            self._source.end("device_lost", f"it cannot be read any further: {told}")
        else:
            # What comes by itself has no end of its own: it was cut off.
            self._source.end("device_lost" if self._live else "source_closed", self._ended)
        finally:
            self._film.close()

    def _wanted(self, due_ns: int) -> bool:
        """Whether a picture is shown: those beyond the wished rate are not, also where the rates do not divide."""
        if due_ns < self._next_ns - self._period_ns // 8:
            return False
        self._next_ns = max(self._next_ns, due_ns - self._period_ns) + self._period_ns
        return True

    def _due_ns(self, time_s: float) -> int:
        """When a picture is to be shown, by the clock."""
        self._source.alive()
        now_ns = self._source.clock.now_ns()
        if self._live:
            return now_ns
        at_ns = round(time_s * limits.NS_PER_S)
        if self._start_ns is None:
            self._start_ns = now_ns - at_ns
        if now_ns - (self._start_ns + at_ns) > _LATE_NS:
            self._start_ns = now_ns - at_ns  # too slow for its own speed: it goes on from here, later
        if self._start_ns + at_ns - now_ns > limits.FILM_JUMP_NS:
            # Its times jumped: a counter that wrapped, or another film behind it. Nobody waits days for a picture.
            self._start_ns = now_ns - at_ns
        return self._start_ns + at_ns
