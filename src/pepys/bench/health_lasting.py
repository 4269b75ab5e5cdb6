"""What a long recording and many short ones leave behind: memory, descriptors, threads, processes, shared memory, X.

All is looked at from outside, through procfs, the display (XRes) and the sound server.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import xcffib
import xcffib.res

from pepys.bench.faults_scene import Scene
from pepys.bench.figures import Figure
from pepys.bench.health_kills import end_session, host_of
from pepys.bench.plan import Bench
from pepys.bench.processes import pss_bytes, rss_bytes
from pepys.bench.recorders import command, playing
from pepys.demo.child import program
from pepys.demo.desktop import display_connection
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_MS, NS_PER_S

CYCLES: Final = 500
SLOPE_S: Final = 3600.0
SLOPE_BAR_MB: Final = 2.0
WARM_SHARE: Final = 12
"""The first twelfth of a long recording fills pools and caches: 5 min of an hour."""

_FIRST: Final = 20
"""Cycles before the first look: everything that is kept once is there."""
_POOL: Final = 4
"""The daemon's pool of threads makes another whenever so many are busy at once, up to a bound: that is no leak."""
_LOOK_NS: Final = 10 * NS_PER_S
_SETTLE_NS: Final = 10 * NS_PER_S
_ASK_NS: Final = 250 * NS_PER_MS
_PROC: Final = Path("/proc")
_SHM: Final = Path("/dev/shm")
_MB: Final = 1e6
_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Left:
    """What is there while nothing is recorded.

    Attributes:
        descriptors: open files of the daemon.
        threads: its threads.
        processes: processes that belong to the home, the daemon with them.
        shared: segments of shared memory (System V, and files nobody has open) that appeared.
        x_clients: connections to the display, but for that which asks.
        x_resources: their resources.
        sound_clients: connections to the sound server.
    """

    descriptors: int
    threads: int
    processes: int
    shared: int
    x_clients: int
    x_resources: int
    sound_clients: int


def cycles(bench: Bench) -> list[Figure]:
    """Start, pause, resume and stop again and again."""
    times = bench.runs
    bench.say(f"{times} times start, pause, resume and stop")
    with Scene(bench, words=["--shots", "1"]) as scene:
        known = _segments(set())
        pids: set[int] = set()
        first = before = None
        for number in range(times):
            if number == min(_FIRST, times // 2):
                first, before = _settled(scene, known, pids, None), pss_bytes(scene.host.pid)
            pids.add(_cycle(scene))
        assert first is not None and before is not None
        last = _settled(scene, known, pids, first)
        grown = (pss_bytes(scene.host.pid) - before) / _MB
    return _cycle_figures(first, last, times, grown)


def _cycle(scene: Scene) -> int:
    """One short session; the recorder's process."""
    scene.start()
    pid = scene.recorder
    with host_of(scene) as client:
        client.call("pause")
        client.call("resume")
    end_session(scene)
    return pid


def _cycle_figures(first: Left, last: Left, times: int, grown: float) -> list[Figure]:
    was, now = asdict(first), asdict(last)
    spare = {"threads": _POOL}
    leaked = {name: now[name] - was[name] for name in was if now[name] > was[name] + spare.get(name, 0)}
    said = ", ".join(f"{name} {was[name]} -> {now[name]}" for name in was)
    detail: dict[str, Any] = {"first": was, "last": now}
    return [
        Figure(
            "cycles", "sessions", "leaked", f"{times} cycles: descriptors, threads, processes, segments, X resources"
            " and connections left", sum(leaked.values()), bar=0, said=said, detail=detail,
        ),
        Figure("cycles", "sessions", "host_grown", "the daemon's memory, after them", grown, "MB"),
    ]  # fmt: skip


def slope(bench: Bench) -> list[Figure]:
    """Record typing, swelling noise and adaptive shots for long; how memory grows after the warm-up.

    The bar is for RSS. PSS counts libraries by how many processes map them, and so rises by megabytes when others of
    pepys end, on a machine where more is measured or tested; it is told besides.
    """
    warm_s = bench.seconds / WARM_SHARE
    bench.say(f"a recording of {(bench.seconds + warm_s) / 60:.0f} min")
    times: list[float] = []
    sizes: dict[str, list[tuple[float, float]]] = {"recorder": [], "daemon": []}
    with contextlib.ExitStack() as around:
        scene = around.enter_context(Scene(bench, tone=False))
        around.enter_context(playing({**scene.display.env, **scene.sound.env}, bench.folder))
        scene.start()
        pid = scene.recorder
        bench.clock.sleep_ns(int(warm_s * NS_PER_S))
        begun_ns = bench.clock.now_ns()
        while (passed_ns := bench.clock.now_ns() - begun_ns) <= bench.seconds * NS_PER_S:
            scene.host.check()
            times.append(passed_ns / NS_PER_S / _HOUR_S)
            for name, process in (("recorder", pid), ("daemon", scene.host.pid)):
                sizes[name].append((rss_bytes(process) / _MB, pss_bytes(process) / _MB))
            bench.clock.sleep_ns(min(_LOOK_NS, int(bench.seconds * NS_PER_S / 20)))
        again = scene.recorder
        command(scene.place, ["stop"])
    figures = [_slope_figure(name, times, values, bench.seconds) for name, values in sizes.items()]
    restarted = Figure("slope", "long", "slope_restarts", "recorders started meanwhile", int(again != pid), bar=0)
    return [*figures, restarted]


def _slope_figure(name: str, times: list[float], values: list[tuple[float, float]], seconds: float) -> Figure:
    own, shared = ([value[place] for value in values] for place in (0, 1))
    told = (f"{v[0]:.1f} MB at first, {v[-1]:.1f} at last, {min(v):.1f} to {max(v):.1f}" for v in (own, shared))
    said = f"; PSS {line(times, shared):.1f} MB/h, ".join(told)
    return Figure(
        "slope", "long", f"{name}_slope", f"memory (RSS) of the {name} over {seconds / 60:.0f} min after the warm-up,"
        " by least squares", line(times, own), "MB/h", bar=SLOPE_BAR_MB, below=True, said=said,
        detail={"hours": times, "megabytes": own, "pss": shared},
    )  # fmt: skip


def line(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The slope of the straight line with the least squares of deviations; 0 of fewer than two points."""
    if len(xs) < 2:
        return 0.0
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((each - x) ** 2 for each in xs)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread if spread else 0.0


def _settled(scene: Scene, known: set[str], pids: set[int], goal: Left | None) -> Left:
    """What is left when it has become quiet: not more than `goal`, or after ten seconds."""
    until_ns = scene.clock.now_ns() + _SETTLE_NS
    while True:
        scene.clock.sleep_ns(_ASK_NS)
        left = _left(scene, known, pids)
        done = goal is not None and all(a <= b for a, b in zip(_values(left), _values(goal), strict=True))
        if done or scene.clock.now_ns() > until_ns:
            return left


def _values(left: Left) -> list[int]:
    return list(asdict(left).values())


def _left(scene: Scene, known: set[str], pids: set[int]) -> Left:
    host = _PROC / str(scene.host.pid)
    clients, resources = _x_resources(scene)
    return Left(
        len(list((host / "fd").iterdir())), len(list((host / "task").iterdir())), _processes(scene.place.home),
        len(_segments(pids) - known), clients, resources, _sound_clients(scene),
    )  # fmt: skip


def _processes(home: Path) -> int:
    """The processes that were started for a home, whoever is their parent by now."""
    mark, found = f"PEPYS_HOME={home}".encode(), 0
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found += mark in (entry / "environ").read_bytes().split(b"\0")
    return found


def _segments(pids: set[int]) -> set[str]:
    """Shared memory: of System V what these processes made, and files of `/dev/shm` that no process maps."""
    found = set()
    with contextlib.suppress(OSError):
        for row in (_PROC / "sysvipc" / "shm").read_text(encoding="ascii").splitlines()[1:]:
            fields = row.split()
            if int(fields[4]) in pids:
                found.add(f"sysv {fields[1]}")
    if _SHM.exists():
        names = {entry.name for entry in _SHM.iterdir()}
        mapped = _mapped() if names else ""
        found |= {name for name in names if f"{_SHM}/{name}" not in mapped}
    return found


def _mapped() -> str:
    told = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                lines = (entry / "maps").read_text(encoding="utf-8", errors="replace").splitlines()
                told += [line for line in lines if str(_SHM) in line]
    return "\n".join(told)


def _x_resources(scene: Scene) -> tuple[int, int]:
    """Connections to the display and their resources, the asking one left out (XRes)."""
    connection = display_connection(scene.display.env)
    try:
        res = connection(xcffib.res.key)
        own = connection.get_setup().resource_id_base
        bases = [client.resource_base for client in res.QueryClients().reply().clients]
        others = [base for base in bases if base != own]
        counted = 0
        for base in others:
            counted += sum(kind.count for kind in res.QueryClientResources(base).reply().types)
        return len(others), counted
    except xcffib.ConnectionException as error:
        raise DeviceMissing("the display does not tell its resources", "measure again") from error
    finally:
        connection.disconnect()


def _sound_clients(scene: Scene) -> int:
    words = [program("pactl", "pulseaudio-utils"), "list", "short", "clients"]
    env = {**os.environ, **scene.sound.env}
    told = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    return len(told.stdout.splitlines())
