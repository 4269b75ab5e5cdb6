"""`python -m benchmarks [commands|capture|store] [options of pepys bench]`: measure, and write RESULTS.md.

Without a name commands, the store, pictures and sound are run; `--faults` and `--health` are asked for by name. Each
measure has a section of its own, and so has each load of the CPU comparisons, so that long measures can be made one by
one and none mixes its figures with older ones.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.results import Row, write, write_account
from pepys.bench import capture, commands, faults_course, health, sound_course, store
from pepys.bench.figures import Figure
from pepys.bench.load import LOADS

_COMPARED = ("cpu", "sound")


def main(words: Sequence[str]) -> int:
    """Run them in turn; the exit status is 1 when a bar is missed, 2 for wrong words."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("what", nargs="?", choices=["commands", "capture", "store"])
    parser.add_argument("--video", action="store_true", help="of capture: the video alone")
    parser.add_argument("--sound", action="store_true", help="of capture: the sound alone")
    parser.add_argument("--faults", action="store_true", help="of capture: what dies, hangs or fills")
    parser.add_argument("--health", action="store_true", help="of capture: kills, pauses, long recordings")
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--runs", type=int, default=None)
    parser.add_argument("--load", action="append", default=[], choices=list(LOADS))
    parser.add_argument("--gib", type=int, default=None, help="of the store's memory and backups: how much")
    known = [*capture.MEASURES, *sound_course.MEASURES, *faults_course.FAULTS, *health.MEASURES, *store.MEASURES]
    parser.add_argument("--measure", action="append", default=[], choices=known)
    asked = parser.parse_args(words)
    command = f"make bench ARGS={shlex.quote(' '.join(words))}" if words else "make bench"
    named = asked.video or asked.sound or asked.faults or asked.health
    held = True
    if asked.what in (None, "commands"):
        held &= _commands(asked.runs or commands.RUNS, command)
    if asked.what == "store" or (asked.what is None and not (named or asked.measure or asked.load)):
        held &= _store(asked, command)
    if asked.what in (None, "capture") and (asked.sound or not (named or asked.measure or asked.load)):
        held &= _sound(asked, command)
    if asked.what in (None, "capture") and not (asked.sound or asked.faults or asked.health):
        held &= _capture(asked, command)
    if asked.faults:
        held &= _faults(asked, command)
    if asked.health:
        held &= _health(asked, command)
    return 0 if held else 1


def _commands(runs: int, command: str) -> bool:
    figures = commands.run(runs, print)
    write("commands", command, [_row(figure) for figure in figures], f"The longest of {runs} (minimum to maximum).")
    return all(figure.held is not False for figure in figures)


def _capture(asked: argparse.Namespace, command: str) -> bool:
    """Write each section as soon as its figures are there: a run that is broken off keeps what it has."""
    choice = capture.choose(asked.measure, asked.load)
    seconds, runs = asked.seconds or capture.SECONDS, asked.runs or capture.RUNS
    print(f"capture takes about {capture.lasts_s(choice, seconds, runs) / 60:.0f} min", flush=True)
    sections: dict[str, list[Row]] = {}
    for figure in capture.run(choice, seconds, runs, print):
        name = f"capture: CPU, {figure.load}" if figure.measure in _COMPARED else f"capture: {figure.measure}"
        sections.setdefault(name, []).append(_row(figure))
        write(name, command, sections[name], _note(figure, seconds, runs))
    return _all_held(sections)


def _sound(asked: argparse.Namespace, command: str) -> bool:
    chosen = sound_course.choose(asked.measure)
    seconds, runs = asked.seconds or sound_course.SECONDS, asked.runs or sound_course.RUNS
    print(f"sound takes about {sound_course.lasts_s(chosen, seconds, runs) / 60:.0f} min", flush=True)
    figures = sound_course.run(chosen, seconds, runs, print)
    return _sections("sound", figures, command, f"Recordings of {seconds:g} s; repeated measures {runs} times.")


def _faults(asked: argparse.Namespace, command: str) -> bool:
    chosen, runs = faults_course.choose(asked.measure), asked.runs or faults_course.RUNS
    print(f"faults take about {faults_course.lasts_s(chosen, runs) / 60:.0f} min", flush=True)
    return _sections("faults", faults_course.run(chosen, runs, print), command, f"Each {runs} times.")


def _health(asked: argparse.Namespace, command: str) -> bool:
    chosen = health.choose(asked.measure)
    print(f"health takes about {health.lasts_s(chosen, asked.seconds, asked.runs) / 60:.0f} min", flush=True)
    return _sections("health", _accounted(health.run(chosen, asked.seconds, asked.runs, print)), command, "")


def _store(asked: argparse.Namespace, command: str) -> bool:
    chosen, runs = store.choose(asked.measure), asked.runs or store.RUNS
    store.need_programs(chosen)
    print(f"the store takes about {store.lasts_s(chosen, runs, asked.gib) / 60:.1f} min", flush=True)
    figures = store.run(chosen, runs, print, gib=asked.gib)
    return _sections("store", figures, command, f"Median of {runs} (minimum to maximum).")


def _accounted(figures: Iterable[Figure]) -> Iterator[Figure]:
    """Figures as they are; the account of a desktop is written into the page about health besides."""
    for figure in figures:
        if figure.measure == "desktop":
            write_account(figure.detail["table"])
        yield figure


def _sections(kind: str, figures: Iterable[Figure], command: str, note: str) -> bool:
    sections: dict[str, list[Row]] = {}
    for figure in figures:
        name = f"{kind}: {figure.measure}"
        sections.setdefault(name, []).append(_row(figure))
        write(name, command, sections[name], note)
    return _all_held(sections)


def _all_held(sections: dict[str, list[Row]]) -> bool:
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
