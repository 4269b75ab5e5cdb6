"""`python -m tests.killing FOLDER SCENARIO...`: kills each scenario at each point that it reaches, and proves the rest.

A bare process that has imported the store forks for every kill, so that one costs milliseconds; the child that is
killed opens the home, acts, and dies by SIGKILL at one point, the nth time it gets there. What it told before comes
through a pipe. Every result is one line of JSON on stdout. Tests start it: a fork of a test runner's own process, with
its threads, would not be safe.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import select
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pepys.clock import SystemClock
from pepys.limits import NS_PER_S
from pepys.store import trigger
from pepys.store.disk import Disk
from tests.kill_diary import teller
from tests.kill_proof import prove
from tests.kill_scenarios import SCENARIOS, Act, Scenario, recover

STORE: Final = str(Path(trigger.__file__).parent)
CALLS: Final = frozenset(name for name in vars(Disk) if not name.startswith("_"))
ALL: Final = 3
ON: Final = 4
"""After every so many kills, the user goes on with the session as well."""

Told = list[list[Any]]


@dataclass(frozen=True)
class Run:
    """How a process ended, what it told, how often it was at which point, and which lines of the store it ran."""

    status: int
    told: Told
    seen: dict[str, int]
    lines: set[tuple[str, int]]

    @property
    def killed(self) -> bool:
        """Whether it died at the point it was aimed at."""
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL


def run(folder: Path, act: Act, target: str, *, watch: bool = False, after_s: float | None = None) -> Run:
    """Act in a process aimed at `target`; `*` reaches the end.

    Args:
        folder: the home's folder.
        act: what to do.
        target: where to die.
        watch: note the lines of the store that are run.
        after_s: kill it after so many seconds, wherever it is.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _act(folder, act, target, writing, watch)
    os.close(writing)
    told = [json.loads(line) for line in _heard(reading, child, after_s).splitlines()]
    status = os.waitpid(child, 0)[1]
    seen = {name: count for kind, *rest in told if kind == "seen" for name, count in [rest]}
    lines = {(name, line) for kind, *rest in told if kind == "line" for name, line in [rest]}
    return Run(status, [words for words in told if words[0] not in {"seen", "line"}], seen, lines)


def _heard(pipe: int, child: int, after_s: float | None) -> bytes:
    """All that a child says until it ends; it is killed after a while, if so asked."""
    clock, heard = SystemClock(), b""
    until_ns = None if after_s is None else clock.now_ns() + int(after_s * NS_PER_S)
    with os.fdopen(pipe, "rb", buffering=0) as file:
        while True:
            left = None if until_ns is None else max(0, until_ns - clock.now_ns()) / NS_PER_S
            if not select.select([file], [], [], left)[0]:
                os.kill(child, signal.SIGKILL)
                until_ns = None
            elif not (more := file.read(1 << 16)):
                return heard
            else:
                heard += more


def _act(folder: Path, act: Act, target: str, pipe: int, watch: bool) -> None:
    tell, lines = teller(pipe), set[tuple[str, int]]()
    status = 1
    try:
        trigger.aim(target)
        if watch:
            threading.settrace(_watcher(lines))
            sys.settrace(_watcher(lines))
            threading.settrace(_watcher(lines))
        act(folder, tell)
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the process that waits is told of it
        tell("failed", traceback.format_exc(limit=-12))
    finally:
        sys.settrace(None)
        for point, count in trigger.seen.items():
            tell("seen", point, count)
        for name, line in lines:
            tell("line", name, line)
        os._exit(status)


def _watcher(lines: set[tuple[str, int]]) -> Any:
    def inside(frame: Any, event: str, _: object) -> Any:
        lines.add((frame.f_code.co_filename, frame.f_lineno))
        return inside

    def calls(frame: Any, event: str, argument: object) -> Any:
        return inside(frame, event, argument) if frame.f_code.co_filename.startswith(STORE) else None

    return calls


def whole(folder: Path, act: Act, target: str = "*", *, watch: bool = False) -> Run:
    """The same, of an act that must come to its end."""
    done = run(folder, act, target, watch=watch)
    assert done.status == 0, done.told[-1] if done.told else done.status
    return done


def prepare(folder: Path, scenario: Scenario) -> Told:
    """Make the home that a scenario begins with, in `folder`; what was told meanwhile."""
    folder.mkdir(parents=True)
    point, _, nth = scenario.dies.partition(":")
    if nth == "last":
        tried = folder.with_name(f"{folder.name}-tried")
        tried.mkdir()
        nth = str(whole(tried, scenario.prepare).seen[point])
        shutil.rmtree(tried)
    if not point:
        return whole(folder, scenario.prepare).told
    done = run(folder, scenario.prepare, f"{point}:{nth}")
    assert done.killed, f"the preparation does not come to {scenario.dies}: {done.told[-1:]}"
    return done.told


def targets(seen: dict[str, int], times: int, *, calls: bool) -> list[str]:
    """The points with the times at which to kill there: the last ones of each, and one less of the first ones.

    How often a folder of blobs is made depends on chance, and with it how often the disk is called: for a point of the
    seam, the one in the middle stands for the last.
    """
    chosen = []
    for point, count in sorted(seen.items()):
        called = point.partition(".")[2] in CALLS
        last = (count + 1) // 2 if called else count
        if calls or not called:
            ends = set(range(1, times)) if called else {*range(1, times), *range(last - times + 1, last)}
            chosen += [f"{point}:{nth}" for nth in sorted({*ends, last}) if 0 < nth <= count]
    return chosen


def kill_each(folder: Path, name: str, times: int = 0) -> Iterator[tuple[str, str]]:
    """Kill one scenario at each of its points, at `times` of the times it gets there.

    Yields:
        Each `point:nth`, and what was wrong afterwards, if anything.
    """
    scenario = SCENARIOS[name]
    made = folder / name
    before = prepare(made, scenario)
    copy = folder / f"{name}-whole"
    _copy(made, copy)
    done = whole(copy, scenario.act)
    yield "whole", _problem(copy, before + done.told)
    for number, target in enumerate(targets(done.seen, times or scenario.times, calls=bool(times) or scenario.calls)):
        copy = folder / f"{name}-{target}"
        _copy(made, copy)
        done = run(copy, scenario.act, target)
        told = before + done.told
        if not done.killed:
            yield target, f"not reached: {done.told[-1:]}"
            continue
        if scenario.twice:
            # Whoever comes next is killed too, each time at another place.
            again = run(copy, recover, f"any:{1 + number * 7 % 40}")
            if not again.killed and again.status:
                yield target, f"the recovery failed: {again.told[-1:]}"
                continue
            told += again.told
        yield target, _problem(copy, told, on=number % ON == 0, **_garbage(scenario))
        shutil.rmtree(copy)


def _copy(made: Path, copy: Path) -> None:
    """A copy of a home, in which a file has the names that it has there."""
    names: dict[int, str] = {}

    def copied(source: str, target: str) -> str:
        inode = Path(source).stat().st_ino
        if inode in names:
            os.link(names[inode], target)
        else:
            names[inode] = shutil.copyfile(source, target)
        return target

    shutil.copytree(made, copy, copy_function=copied)


def _garbage(scenario: Scenario) -> dict[str, int]:
    return {"garbage": 0} if scenario.tidy else {}


def _problem(folder: Path, told: Told, *, on: bool = True, **more: int) -> str:
    try:
        prove(folder, told, on=on, **more)
    except Exception:  # noqa: BLE001 - each kill has its own result
        return traceback.format_exc(limit=-6)
    return ""


def main(arguments: list[str]) -> int:
    """Kill the scenarios that are named; `--all` at more times, `--lines` only tells which lines of the store ran."""
    logging.disable()
    gc.freeze()  # what is imported by now is not touched, and so not copied, in the children
    folder, *words = arguments
    names = [word for word in words if not word.startswith("--")] or list(SCENARIOS)
    for name in names:
        if "--lines" in words:
            for line in sorted(_lines(Path(folder), name)):
                print(json.dumps(line))
        else:
            for target, problem in kill_each(Path(folder), name, ALL if "--all" in words else 0):
                print(json.dumps([name, target, problem]), flush=True)
    return 0


def _lines(folder: Path, name: str) -> set[tuple[str, int]]:
    made = folder / name
    prepare(made, SCENARIOS[name])
    return {(Path(file).name, line) for file, line in whole(made, SCENARIOS[name].act, watch=True).lines}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
