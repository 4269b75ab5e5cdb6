"""`pepys bench`: the project's own measurements on this machine.

The exit code is 0 whatever is measured, as with `doctor`: scripts look at `ok` in `--json`. Nothing of the user's home
is read or written; displays and sound servers are virtual and end with the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.errors import Interrupted, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepys.bench.figures import Figure
    from pepys.cli.output import Output

FAULT_RUNS = 20
_SIGNS = {True: "[green]held[/green]", False: "[red]missed[/red]", None: "reported"}
_Load = Annotated[
    list[str] | None,
    typer.Option(
        "--load",
        metavar="NAME",
        help="Of capture: CPU with this load: idle, typing, scroll, motion, steps (repeatable).",
    ),
]
_Measure = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        metavar="NAME",
        help="Of capture: cpu, sound, large, monitors, windows, frames, memory, bytes, masks; with --sound:"
        " account, sync, click, cpu, silence, bytes, told, words; with --faults: recorder-kill, host-kill,"
        " parec-kill, recorder-stop, x-stop, parec-stop, x-kill, sound-kill, disk-full, disk-read-only, disk-slow,"
        " clock-step; with --health: kills, pauses, random, cycles, slope, desktop; of store: ingest, events,"
        " list, rebuild, index, memory, backups (repeatable; all).",
    ),
]


_Gib = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=10_000,
        help="Of store: put so many GiB for the backups (1), or stream so many for memory, of which no media are kept.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    what: Annotated[
        Literal["capture", "commands", "store"],
        typer.Argument(metavar="WHAT", help="What to measure: capture, commands, or store."),
    ],
    *,
    video: Annotated[bool, typer.Option("--video", help="Of capture: the video (the default).")] = False,
    sound: Annotated[bool, typer.Option("--sound", help="Of capture: the sound.")] = False,
    faults: Annotated[
        bool, typer.Option("--faults", help="Of capture: what dies, hangs or fills under a recording.")
    ] = False,
    health: Annotated[
        bool, typer.Option("--health", help="Of capture: what kills, pauses and long recordings leave.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=1, max=86400, help="Of capture: how long each recording is (60).")
    ] = None,
    runs: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=1000, help="How often each is repeated (3; commands 9; faults 20; store 5)."
        ),
    ] = None,
    load: _Load = None,
    measure: _Measure = None,
    gib: _Gib = None,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure what pepys costs on this machine, against ffmpeg and against its own bars.

    Uses virtual displays, sound servers and homes of its own; `--home` changes nothing. Needs ffmpeg, xterm, Xvfb and
    openbox, and PulseAudio where there is sound; espeak-ng where there is speech; restic and borg for the
    backups of store. Exits with 0 whatever is measured.
    """
    from pepys.bench.figures import machine
    from pepys.cli.output import Output

    out = Output(as_json)
    try:
        named = [kind for kind, wanted in _kinds(video, sound, faults, health) if wanted]
        if len(named) > 1:
            raise Usage(f"--{named[0]} and --{named[1]} are two measurements", "name one of them")
        kind = named[0] if named else ""
        if gib is not None and (what != "store" or not {"memory", "backups"} & set(measure or ["memory"])):
            raise Usage("--gib is of the store's memory and backups", "pepys bench store --measure memory --gib 100")
        asked, figures = _measure(out, what, kind, seconds, runs, load or [], measure or [], gib)
    except KeyboardInterrupt as error:
        raise Interrupted("the benchmark was interrupted; what it started has ended") from error
    held = all(figure.held is not False for figure in figures)
    told = [figure.to_json() for figure in figures]
    out.document({"what": what, "ok": held, "machine": machine(), **asked, "figures": told})
    if not as_json:
        _show(out, figures)


def _kinds(video: bool, sound: bool, faults: bool, health: bool) -> list[tuple[str, bool]]:
    return [("video", video), ("sound", sound), ("faults", faults), ("health", health)]


def _measure(
    out: Output,
    what: str,
    kind: str,
    seconds: float | None,
    runs: int | None,
    loads: list[str],
    measures: list[str],
    gib: int | None,
) -> tuple[dict[str, Any], list[Figure]]:
    """What was measured with, and the figures."""
    asked: dict[str, Any]
    if what == "commands":
        if kind or seconds is not None or loads or measures:
            raise Usage("bench commands takes only --runs", "leave the other options out")
        from pepys.bench import commands

        asked = {"runs": runs or commands.RUNS}
        return asked, commands.run(asked["runs"], out.warn)
    if what == "store":
        if kind or seconds is not None or loads:
            raise Usage("bench store takes --measure, --runs and --gib", "leave the other options out")
        from pepys.bench import store

        asked = {"runs": runs or store.RUNS}
        return asked, _told(out, _store(out, measures, asked["runs"], gib))
    if kind not in ("", "video") and loads:
        raise Usage("--load is of the video", f"leave it out, or leave --{kind} out")
    if kind == "faults":
        if seconds is not None:
            raise Usage("a fault lasts as long as it does", "leave --seconds out")
        asked = {"runs": runs or FAULT_RUNS}
        return asked, _told(out, _faults(out, measures, **asked))
    if kind == "health":
        return {"seconds": seconds, "runs": runs}, _told(out, _health(out, measures, seconds, runs))
    from pepys.bench import capture

    asked = {"seconds": seconds or capture.SECONDS, "runs": runs or capture.RUNS}
    take = _sound(out, measures, **asked) if kind == "sound" else _video(out, measures, loads, **asked)
    return asked, _told(out, take)


def _video(out: Output, measures: list[str], loads: list[str], seconds: float, runs: int) -> Iterator[Figure]:
    from pepys.bench import capture

    choice = capture.choose(measures, loads)
    capture.need_programs(choice)
    _warn_of(out, capture.lasts_s(choice, seconds, runs) / 60)
    yield from capture.run(choice, seconds, runs, out.warn)


def _sound(out: Output, measures: list[str], seconds: float, runs: int) -> Iterator[Figure]:
    from pepys.bench import sound_course

    chosen = sound_course.choose(measures)
    sound_course.need_programs(chosen)
    _warn_of(out, sound_course.lasts_s(chosen, seconds, runs) / 60)
    yield from sound_course.run(chosen, seconds, runs, out.warn)


def _faults(out: Output, measures: list[str], runs: int) -> Iterator[Figure]:
    from pepys.bench import faults_course

    chosen = faults_course.choose(measures)
    faults_course.need_programs(chosen)
    _warn_of(out, faults_course.lasts_s(chosen, runs) / 60)
    yield from faults_course.run(chosen, runs, out.warn)


def _health(out: Output, measures: list[str], seconds: float | None, runs: int | None) -> Iterator[Figure]:
    from pepys.bench import health

    chosen = health.choose(measures)
    health.need_programs(chosen)
    _warn_of(out, health.lasts_s(chosen, seconds, runs) / 60)
    yield from health.run(chosen, seconds, runs, out.warn)


def _store(out: Output, measures: list[str], runs: int, gib: int | None) -> Iterator[Figure]:
    from pepys.bench import store

    chosen = store.choose(measures)
    store.need_programs(chosen)
    _warn_of(out, store.lasts_s(chosen, runs, gib) / 60)
    yield from store.run(chosen, runs, out.warn, gib=gib)


def _warn_of(out: Output, minutes: float) -> None:
    out.warn(f"This takes about {minutes:.0f} min; keep the machine quiet." if minutes >= 1 else "This takes a minute.")


def _told(out: Output, take: Iterator[Figure]) -> list[Figure]:
    """Measure, telling each figure as soon as there is one: it takes long."""
    figures = []
    for figure in take:
        figures.append(figure)
        out.warn(f"  {figure.what}: {figure.figure_text} (bar {figure.bar_text})")
    return figures


def _show(out: Output, figures: list[Figure]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("what", "measured", "bar", ""):
        table.add_column(name, overflow="fold")
    for figure in figures:
        row = (figure.what, figure.figure_text, figure.bar_text)
        table.add_row(*(escape(cell) for cell in row), _SIGNS[figure.held])
    out.console().print(table)
