"""`python -m benchmarks [commands|capture [--video|--sound]] [options of pepys bench]`: measure, write RESULTS.md.

Without a name all are run. Each measure has a section of its own, and so has each load of the CPU comparisons, so that
long measures can be made one by one and none mixes its figures with older ones.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence

from benchmarks.results import Row, write
from pepys.bench import capture, commands, sound_course
from pepys.bench.figures import Figure
from pepys.bench.load import LOADS

_COMPARED = ("cpu", "sound")


def main(words: Sequence[str]) -> int:
    """Run them in turn; the exit status is 1 when a bar is missed, 2 for wrong words."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("what", nargs="?", choices=["commands", "capture"])
    parser.add_argument("--video", action="store_true", help="of capture: the video alone")
    parser.add_argument("--sound", action="store_true", help="of capture: the sound alone")
    parser.add_argument("--seconds", type=float, default=capture.SECONDS)
    parser.add_argument("--runs", type=int, default=None)
    parser.add_argument("--load", action="append", default=[], choices=list(LOADS))
    parser.add_argument("--measure", action="append", default=[], choices=[*capture.MEASURES, *sound_course.MEASURES])
    asked = parser.parse_args(words)
    command = f"make bench ARGS={shlex.quote(' '.join(words))}" if words else "make bench"
    held = True
    if asked.what in (None, "commands"):
        held &= _commands(asked.runs or commands.RUNS, command)
    if asked.what in (None, "capture") and (asked.sound or not (asked.video or asked.measure or asked.load)):
        chosen, runs = sound_course.choose(asked.measure), asked.runs or sound_course.RUNS
        print(f"sound takes about {sound_course.lasts_s(chosen, asked.seconds, runs) / 60:.0f} min", flush=True)
        held &= _sound(sound_course.run(chosen, asked.seconds, runs, print), asked.seconds, runs, command)
    if asked.what in (None, "capture") and not asked.sound:
        choice = capture.choose(asked.measure, asked.load)
        runs = asked.runs or capture.RUNS
        minutes = capture.lasts_s(choice, asked.seconds, runs) / 60
        print(f"capture takes about {minutes:.0f} min", flush=True)
        held &= _capture(capture.run(choice, asked.seconds, runs, print), asked.seconds, runs, command)
    return 0 if held else 1


def _commands(runs: int, command: str) -> bool:
    figures = commands.run(runs, print)
    write("commands", command, [_row(figure) for figure in figures], f"The longest of {runs} (minimum to maximum).")
    return all(figure.held is not False for figure in figures)


def _capture(figures: Iterable[Figure], seconds: float, runs: int, command: str) -> bool:
    """Write each section as soon as its figures are there: a run that is broken off keeps what it has."""
    sections: dict[str, list[Row]] = {}
    for figure in figures:
        name = f"capture: CPU, {figure.load}" if figure.measure in _COMPARED else f"capture: {figure.measure}"
        sections.setdefault(name, []).append(_row(figure))
        write(name, command, sections[name], _note(figure, seconds, runs))
    return all(row.held is not False for rows in sections.values() for row in rows)


def _sound(figures: Iterable[Figure], seconds: float, runs: int, command: str) -> bool:
    sections: dict[str, list[Row]] = {}
    for figure in figures:
        name = f"sound: {figure.measure}"
        sections.setdefault(name, []).append(_row(figure))
        write(name, command, sections[name], f"Recordings of {seconds:g} s; repeated measures {runs} times.")
    return all(row.held is not False for rows in sections.values() for row in rows)


def _note(figure: Figure, seconds: float, runs: int) -> str:
    if "ffmpeg_s" not in figure.detail:
        return ""
    return (
        f"CPU seconds of all processes in {seconds:g} s of recording, from 5 s after its beginning on; median of {runs}"
        " (minimum to maximum), pepys and ffmpeg in turn. ffmpeg: `-f x11grab -c:v libx264 -preset ultrafast -crf 28`,"
        " without sound; pepys: `record --audio off --shots off`, or with microphone and system sound."
    )


def _row(figure: Figure) -> Row:
    """Tell a figure and make it a row."""
    print(f"{figure.what}: {figure.figure_text} (bar {figure.bar_text})", flush=True)
    return Row(figure.what, figure.figure_text, figure.bar_text, figure.held)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
