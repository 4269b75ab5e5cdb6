"""The memory that writing, proving and listing many gigabytes takes: each in a process of its own that looks at itself.

`python -m pepys.bench.store_memory FD` writes segments of 1 MiB in fragments, as a recorder does, each of other bytes,
in sessions of a hundred segments; or proves the whole store; or makes its catalog anew. Now and then it tells its own
memory. Of a few gigabytes the files are real ones, and what a hundred would take is told from the slope; `--gib` has
as many as are asked for go through the store, on a disk that keeps none of the media (`store_virtual`). Nothing is
synced: that costs time and no memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from pepys.bench.figures import Figure
from pepys.bench.plan import Bench
from pepys.bench.processes import rss_bytes
from pepys.bench.store_hours import Unsynced, make_home
from pepys.bench.store_virtual import FRAGMENT_BYTES, FRAGMENTS, SEGMENT_BYTES, Virtual, fragment
from pepys.clock import SystemClock
from pepys.errors import StorageProblem
from pepys.limits import NS_PER_S
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.store.disk import Disk
from pepys.store.handover import receive, start_child
from pepys.store.rebuild import Rebuilding
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter

GIGABYTES: Final = 4
BAR_MB: Final = 100
_SIMULATED_GB: Final = 100
_SEGMENTS: Final = 100
_STEP_SEGMENTS: Final = 64
_STEP_SESSIONS: Final = 10
_TOLD_GB: Final = 5
_GB: Final = 1e9
_GIB: Final = 1 << 30
_MB: Final = 1e6
_STEPS: Final = {"ingest": "writing", "verify": "proving", "rebuilt": "making the catalog of"}

Sample = tuple[float, float]
"""Gigabytes that were gone through, and megabytes of memory then."""


def memory(bench: Bench, gigabytes: int) -> list[Figure]:
    """The memory of each step over real files, and what it would be after a hundred gigabytes."""
    return _measured(bench, gigabytes, virtual=False)


def streamed(bench: Bench, gibibytes: int) -> list[Figure]:
    """The memory of each step while that much goes through the store and no media are kept."""
    return _measured(bench, gibibytes * _GIB / _GB, virtual=True)


def _measured(bench: Bench, gigabytes: float, *, virtual: bool) -> list[Figure]:
    store = make_home(bench.folder)
    figures = []
    for name, what in _STEPS.items():
        begun_ns = bench.clock.now_ns()
        samples: list[Sample] = []
        for sample in _samples(store, {"step": name, "gigabytes": gigabytes, "virtual": virtual}):
            if samples and sample[0] // _TOLD_GB > samples[-1][0] // _TOLD_GB:
                bench.say(f"{what} {sample[0]:.0f} of {gigabytes:.0f} GB: {sample[1]:.1f} MB")
            samples.append(sample)
        seconds = (bench.clock.now_ns() - begun_ns) / NS_PER_S
        figures.append(_figure(name, what, gigabytes, samples, seconds, virtual=virtual))
    return figures


def _samples(store: Store, order: dict[str, Any]) -> Iterator[Sample]:
    """What a child tells while it works."""
    child = start_child("pepys.bench.store_memory", store, order, stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as told:
        for line in told:
            gigabytes, megabytes = json.loads(line)
            yield gigabytes, megabytes
    if child.wait():
        raise StorageProblem("the memory could not be measured", "see that the disk has space")


def _figure(name: str, what: str, gigabytes: float, samples: list[Sample], seconds: float, *, virtual: bool) -> Figure:
    most = max(megabytes for _, megabytes in samples)
    slope = slope_of(samples[len(samples) // 4 :])
    far = samples[-1][1] + max(0.0, slope) * max(0.0, _SIMULATED_GB - samples[-1][0])
    grows = f"{most:.1f} MB, growing by {slope:.3f} MB a GB"
    beyond = f": of {_SIMULATED_GB} GB {far:.0f} MB" if samples[-1][0] < _SIMULATED_GB else ""
    streams = " that no disk keeps" if virtual else ""
    return Figure(
        "memory", "", f"{name}_mb", f"memory while {what} {gigabytes:.0f} GB{streams} in segments of 1 MiB, the most",
        max(most, far), "MB", bar=BAR_MB,
        detail={"samples": samples, "most_mb": most, "slope_mb_a_gb": slope, "seconds": seconds},
        said=f"{grows}{beyond}; {seconds:.0f} s",
    )  # fmt: skip


def slope_of(samples: list[Sample]) -> float:
    """Least squares: MB a GB; 0 of fewer than two places."""
    count = len(samples)
    mean_x, mean_y = sum(x for x, _ in samples) / count, sum(y for _, y in samples) / count
    square = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / square if square else 0.0


def _record(store: Store, session_number: int) -> None:
    """A session of `_SEGMENTS` segments, each with its events."""
    wall_ns = store.clock.wall_ns()
    session = new_session_id(wall_ns)
    begun = ev.SessionStarted(session, f"{session_number}", wall_ns, store.keys.device_id)
    writer = SessionWriter.create(store, begun)
    writer.append(ev.SpanStarted(0, 0, 0, "boot", 0, wall_ns), ev.TrackStarted("video", "video", "made up"))
    for n in range(_SEGMENTS):
        number = session_number * _SEGMENTS + n
        if isinstance(store.disk, Virtual):
            store.disk.segment = number
        blob = writer.open_segment("video", n)
        writer.append(ev.SegmentOpened("video", n, 0, blob.name))
        fragments = []
        for part in range(FRAGMENTS):
            at_ns = (n * FRAGMENTS + part) * NS_PER_S
            offset = blob.append(fragment(number, part))
            blob.sync()
            fragments.append((offset, FRAGMENT_BYTES, at_ns, NS_PER_S))
            writer.append(ev.FragmentWritten("video", n, offset, FRAGMENT_BYTES, at_ns, NS_PER_S, at_ns))
            writer.sync()
        start_ns = n * FRAGMENTS * NS_PER_S
        writer.append(
            ev.SegmentSealed(
                "video", n, 0, blob.seal(), blob.offset, start_ns, FRAGMENTS * NS_PER_S, start_ns, tuple(fragments)
            )
        )
        writer.sync()
        store.blobs.forget_intent(blob.name)
    writer.end(_SEGMENTS * FRAGMENTS * NS_PER_S)


def _tell(gigabytes: float) -> None:
    sys.stdout.write(f"{json.dumps((gigabytes, rss_bytes(os.getpid()) / _MB))}\n")
    sys.stdout.flush()


def _ingest(store: Store, sessions: int) -> bool:
    for number in range(sessions):
        _record(store, number)
        _tell((number + 1) * _SEGMENTS * SEGMENT_BYTES / _GB)
    return True


def _verify(store: Store, sessions: int) -> bool:
    def proven(done: int, _: int) -> None:
        if done % _STEP_SEGMENTS == 0:
            _tell(done * SEGMENT_BYTES / _GB)

    report = verify(store, progress=proven)
    _tell(report.bytes / _GB)
    return not report.damages and report.bytes >= sessions * _SEGMENTS * SEGMENT_BYTES


def _rebuild(store: Store, sessions: int) -> bool:
    def listed(done: int, _: int) -> None:
        if done % _STEP_SESSIONS == 0:
            _tell(done * _SEGMENTS * SEGMENT_BYTES / _GB)

    with Rebuilding(store) as making:
        count = making.rows(listed)
        making.text()
    _tell(sessions * _SEGMENTS * SEGMENT_BYTES / _GB)
    return count == sessions


_WORK: Final[dict[str, Callable[[Store, int], bool]]] = {"ingest": _ingest, "verify": _verify, "rebuilt": _rebuild}


def main(arguments: list[str]) -> int:
    """Do one step; tell `[gigabytes, megabytes of memory]` now and then, a line each."""
    given, order = receive(arguments)
    disk: Disk = Virtual(given.keys.blob_key) if order["virtual"] else Unsynced()
    store = Store(given.path, given.keys, SystemClock(), disk=disk)
    sessions = max(1, round(order["gigabytes"] * _GB / (_SEGMENTS * SEGMENT_BYTES)))
    return 0 if _WORK[order["step"]](store, sessions) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
