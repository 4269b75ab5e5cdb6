"""`pepys bench capture --faults`: each fault again and again, told of in time, accounted for, and nothing damaged."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pepys.bench.faults import FAULTS, Fault
from pepys.bench.faults_account import Account, Happened
from pepys.bench.faults_scene import TRACKS, Scene
from pepys.bench.faults_witness import Witness
from pepys.bench.figures import Figure, percentile
from pepys.bench.plan import Bench
from pepys.bench.recorders import command, forget_settings
from pepys.demo.child import program
from pepys.errors import DeviceMissing, PepysError, Usage
from pepys.limits import NS_PER_MS, NS_PER_S

RUNS: Final = 20
BAR_MS: Final = 2000.0
PROGRAMS: Final = {
    "Xvfb": "xvfb", "xterm": "xterm", "pulseaudio": "pulseaudio", "pactl": "pulseaudio-utils",
    "parec": "pulseaudio-utils", "pacat": "pulseaudio-utils",
}  # fmt: skip
DISK_PROGRAMS: Final = {
    "mkfs.ext4": "e2fsprogs", "e2fsck": "e2fsprogs", "mount": "mount", "umount": "mount", "fsfreeze": "util-linux"
}  # fmt: skip

_TELL_NS: Final = 15 * NS_PER_S
_BACK_NS: Final = 25 * NS_PER_S
_OVER_NS: Final = 30 * NS_PER_S
_OVER: Final = frozenset({"idle", "interrupted"})
"""A disk that takes nothing takes no end either: such a session is recovered when it is there again."""
_BEFORE_NS: Final = 1 * NS_PER_S
_TURN_S: Final = 9.0
_AROUND_S: Final = 12.0
_SHOWN: Final = 8
"""So many problems are told in words; all are in `--json`."""


@dataclass(slots=True)
class Outcome:
    """What came of all turns of one fault.

    Attributes:
        told_ms: after how long each was told; None for one that never was.
        unaided: of how many turns pepys went on by itself.
        problems: what the accounts do not explain.
        damages: what `verify` found.
        accounts: of each session.
    """

    told_ms: list[float | None] = field(default_factory=list)
    unaided: int = 0
    problems: list[str] = field(default_factory=list)
    damages: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)


def choose(measures: Sequence[str]) -> tuple[str, ...]:
    """Which faults: all, or those named, in the order of `FAULTS`.

    Raises:
        Usage: there is no such fault.
    """
    wrong = [name for name in measures if name not in FAULTS]
    if wrong:
        raise Usage(f"there is no fault {wrong[0]}", f"choose from {', '.join(FAULTS)}")
    return tuple(name for name in FAULTS if name in (measures or FAULTS))


def lasts_s(measures: Sequence[str], runs: int) -> float:
    """How long it will take, roughly."""
    return sum(_AROUND_S + runs * (_TURN_S + FAULTS[name].lasts_s) for name in measures)


def need_programs(measures: Sequence[str]) -> None:
    """See that the programs are there before anything is measured.

    Raises:
        DeviceMissing: one is not, or this user may not mount; the remedy names the package.
    """
    needed = dict(PROGRAMS)
    if any(FAULTS[name].disk for name in measures):
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            raise DeviceMissing("the faults of a disk need one of its own, which only root may mount", "run as root")
        needed |= DISK_PROGRAMS
    for name, package in needed.items():
        program(name, package)


def run(measures: Sequence[str], runs: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """Bring each fault about `runs` times, giving its figures as soon as there are some.

    Raises:
        DeviceMissing: a program is missing, or pepys did not come back.
    """
    need_programs(measures)
    forget_settings()
    # Short, because the sockets below it end at 108 bytes.
    short = Path("/tmp") if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pepys-bench-", dir=short) as folder:
        bench = Bench(Path(folder), 0.0, runs, say)
        for name in measures:
            yield from figures(name, measure(bench, FAULTS[name]), runs)


def measure(bench: Bench, fault: Fault) -> Outcome:
    """Bring one fault about `bench.runs` times: in one session, or in a session each where it ends of it."""
    outcome = Outcome()
    bench.say(f"{fault.words}, {bench.runs} times")
    with Scene(bench, disk=fault.disk) as scene, scene.witness() as witness:
        try:
            for turn in range(bench.runs):
                anew = not turn or fault.ends or (fault.most and turn % fault.most == 0)
                if anew:
                    if turn and not fault.ends:
                        _end(scene)
                        _judge(scene, outcome)
                    scene.start()
                if witness.wait_well(_BACK_NS) is None:
                    raise DeviceMissing("nothing is well before it", _told(witness))
                witness.attend(_BEFORE_NS)
                _turn(scene, witness, fault, turn, outcome)
                if fault.ends:
                    _judge(scene, outcome)
            if not fault.ends:
                witness.attend(_BEFORE_NS)
                witness.close()
                command(scene.place, ["stop"])
        except PepysError as error:
            # The other faults are measured all the same.
            outcome.problems.append(f"turn {len(outcome.told_ms) + 1}: {error.message}: {error.remedy}")
        if not fault.ends:
            witness.close()
            _end(scene)
            _judge(scene, outcome)
    return outcome


def figures(name: str, outcome: Outcome, runs: int) -> list[Figure]:
    """The figures of one fault."""
    words = FAULTS[name].words
    late = [each for each in outcome.told_ms if each is not None]
    soon = sum(each < BAR_MS for each in late)
    said = f"median {percentile(late, 50):.0f}, longest {max(late):.0f} ms" if late else "never told"
    if outcome.unaided < runs:
        said += f"; went on by itself {outcome.unaided} of {runs} times"
    wrong = [*outcome.problems, *(f"verify: {each}" for each in outcome.damages)]
    detail: dict[str, Any] = {"told_ms": outcome.told_ms, "problems": wrong, "accounts": _sums(outcome.accounts)}
    told = "; ".join(wrong[:_SHOWN]) or _recorded(outcome.accounts)
    return [
        Figure(
            name, "faults", "told_in_time", f"{words}: told within 2 s, of {runs}", soon, bar=runs, least=True,
            said=said, detail=detail,
        ),
        Figure(
            name, "faults", "unaccounted", f"{words}: seconds without account, wrong reasons, damages",
            len(wrong), bar=0, said=told,
        ),
    ]  # fmt: skip


def _turn(scene: Scene, witness: Witness, fault: Fault, turn: int, outcome: Outcome) -> None:
    """One turn, until all is well again or the session has ended."""
    clock = scene.clock
    begun_ns = clock.now_ns()
    fault.begin(scene, turn)
    told_ns = witness.wait_trouble(_TELL_NS)
    outcome.told_ms.append(None if told_ns is None else (told_ns - begun_ns) / NS_PER_MS)
    witness.attend(max(0, begun_ns + int(fault.lasts_s * NS_PER_S) - clock.now_ns()))
    if fault.ends:
        if not witness.wait_state(_OVER, _OVER_NS):
            outcome.problems.append(f"turn {turn + 1}: the session did not end")
        fault.end(scene, turn)
        ended_ns = well_ns = clock.now_ns()
        outcome.unaided += 1
    else:
        fault.end(scene, turn)
        ended_ns = clock.now_ns()
        well_ns = _back(scene, witness, outcome)
    tracks = fault.tracks_of(turn)
    # What died by itself is away until it is back; what was stopped may be replaced earlier.
    over_ns = well_ns if fault.lasts_s == 0 and not tracks else ended_ns
    scene.happened.append(
        Happened(fault.words, begun_ns, over_ns, well_ns, tracks, fault.reasons, fault.hole, fault.also)
    )


def _back(scene: Scene, witness: Witness, outcome: Outcome) -> int:
    """Since when all is well again, by itself or with help."""
    well_ns = witness.wait_well(_BACK_NS)
    if well_ns is not None:
        outcome.unaided += 1
        return well_ns
    if witness.status.get("state") == "interrupted":
        try:
            command(scene.place, ["resume", str(witness.status["session"])])
        except PepysError as error:
            raise DeviceMissing(f"it does not go on: {error.message}", _told(witness)) from error
    well_ns = witness.wait_well(_BACK_NS)
    if well_ns is None:
        raise DeviceMissing("it is not well again", _told(witness))
    return well_ns


def _end(scene: Scene) -> None:
    """End what still runs: an account is of a session that has ended."""
    with contextlib.suppress(PepysError):
        command(scene.place, ["stop"])


def _judge(scene: Scene, outcome: Outcome) -> None:
    try:
        told, damages = scene.judge(scene.place.session(), TRACKS)
    except PepysError as error:
        outcome.problems.append(error.message)
        return
    outcome.accounts.append(told)
    outcome.problems += told.problems
    outcome.damages += damages


def _told(witness: Witness) -> str:
    tracks = {track["track"]: track["state"] for track in witness.status.get("tracks") or ()}
    return f"the last status: {witness.status.get('state')}, {tracks}"


def _sums(accounts: Sequence[Account]) -> list[dict[str, Any]]:
    return [
        {
            "axis_ms": each.axis_ns // NS_PER_MS,
            "tracks": [
                {
                    "track": track.track,
                    "recorded_ms": track.recorded_ns // NS_PER_MS,
                    "gaps_ms": {reason: ns // NS_PER_MS for reason, ns in track.gaps_ns.items()},
                    "lost_ms": track.lost_ns // NS_PER_MS,
                }
                for track in each.tracks
            ],
        }
        for each in accounts
    ]


def _recorded(accounts: Sequence[Account]) -> str:
    """How much of the first track was recorded, and in which gaps the rest is."""
    axis = sum(each.axis_ns for each in accounts) / NS_PER_S
    parts = []
    for name in dict.fromkeys(track.track for each in accounts for track in each.tracks):
        sums = [track for each in accounts for track in each.tracks if track.track == name]
        gaps: dict[str, float] = {}
        for track in sums:
            for reason, ns in track.gaps_ns.items():
                gaps[reason] = gaps.get(reason, 0.0) + ns / NS_PER_S
        told = ", ".join([f"{seconds:.1f} {reason}" for reason, seconds in gaps.items()])
        recorded = sum(track.recorded_ns for track in sums) / NS_PER_S
        parts.append(f"{name} {recorded:.1f} recorded" + (f", {told}" if told else ""))
    return f"of {axis:.1f} s: {'; '.join(parts)}"
