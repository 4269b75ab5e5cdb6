"""The memory that writing and proving many gigabytes takes: a process of its own, asked again and again for its own.

`python -m pepys.bench.store_memory FD` writes segments of 1 MiB in fragments, as a recorder does, each of other bytes,
in sessions of an hour's segments; then it proves the whole store. Now and then it looks at its own memory. What a
hundred gigabytes would take is told from the slope. Nothing is synced: that costs time and no memory.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from typing import Any, Final

from pepys.bench.figures import Figure
from pepys.bench.plan import Bench
from pepys.bench.processes import rss_bytes
from pepys.bench.store_hours import Unsynced, make_home
from pepys.clock import SystemClock
from pepys.errors import StorageProblem
from pepys.limits import NS_PER_S
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.store.handover import receive, start_child
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter

GIGABYTES: Final = 4
BAR_MB: Final = 100
_SIMULATED_GB: Final = 100
_SEGMENTS: Final = 100
_FRAGMENTS: Final = 4
_FRAGMENT_BYTES: Final = 256 * 1024
_STEP_MB: Final = 64
_MB: Final = 1e6


def memory(bench: Bench, gigabytes: int) -> list[Figure]:
    """The memory of writing and of proving, and what each would be after a hundred gigabytes."""
    store = make_home(bench.folder)
    child = start_child("pepys.bench.store_memory", store, {"gigabytes": gigabytes}, stdout=subprocess.PIPE)
    told, _ = child.communicate()
    if child.returncode:
        raise StorageProblem("the memory could not be measured", "see that the disk has space")
    found: dict[str, list[tuple[float, float]]] = json.loads(told)
    return [
        _figure("ingest", "writing", gigabytes, found["ingest"]),
        _figure("verify", "proving", gigabytes, found["verify"]),
    ]


def _figure(name: str, what: str, gigabytes: int, samples: list[tuple[float, float]]) -> Figure:
    most = max(megabytes for _, megabytes in samples)
    slope = slope_of(samples[len(samples) // 4 :])
    far = samples[-1][1] + max(0.0, slope) * (_SIMULATED_GB - samples[-1][0])
    return Figure(
        "memory", "", f"{name}_mb", f"memory while {what} {gigabytes} GB in segments of 1 MiB, the most",
        max(most, far), "MB", bar=BAR_MB, detail={"samples": samples, "most_mb": most, "slope_mb_a_gb": slope},
        said=f"{most:.1f} MB, growing by {slope:.2f} MB a GB: of {_SIMULATED_GB} GB {far:.0f} MB",
    )  # fmt: skip


def slope_of(samples: list[tuple[float, float]]) -> float:
    """Least squares: MB a GB; 0 of fewer than two places."""
    count = len(samples)
    mean_x, mean_y = sum(x for x, _ in samples) / count, sum(y for _, y in samples) / count
    square = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / square if square else 0.0


def _record(store: Store, number: int) -> None:
    """A session of `_SEGMENTS` segments, each with its events."""
    wall_ns = store.clock.wall_ns()
    session = new_session_id(wall_ns)
    writer = SessionWriter.create(store, ev.SessionStarted(session, f"{number}", wall_ns, store.keys.device_id))
    writer.append(ev.SpanStarted(0, 0, 0, "boot", 0, wall_ns), ev.TrackStarted("video", "video", "made up"))
    for n in range(_SEGMENTS):
        blob = writer.open_segment("video", n)
        writer.append(ev.SegmentOpened("video", n, 0, blob.name))
        fragments = []
        for fragment in range(_FRAGMENTS):
            at_ns = (n * _FRAGMENTS + fragment) * NS_PER_S
            offset = blob.append(secrets.token_bytes(_FRAGMENT_BYTES))
            blob.sync()
            fragments.append((offset, _FRAGMENT_BYTES, at_ns, NS_PER_S))
            writer.append(ev.FragmentWritten("video", n, offset, _FRAGMENT_BYTES, at_ns, NS_PER_S, at_ns))
            writer.sync()
        start_ns = n * _FRAGMENTS * NS_PER_S
        writer.append(
            ev.SegmentSealed(
                "video", n, 0, blob.seal(), blob.offset, start_ns, _FRAGMENTS * NS_PER_S, start_ns, tuple(fragments)
            )
        )
        writer.sync()
        store.blobs.forget_intent(blob.name)
    writer.end(_SEGMENTS * _FRAGMENTS * NS_PER_S)


def _own_mb() -> float:
    return rss_bytes(os.getpid()) / _MB


def main(arguments: list[str]) -> int:
    """Write, then prove; tell `(gigabytes, megabytes of memory)` of each."""
    given, order = receive(arguments)
    store = Store(given.path, given.keys, SystemClock(), disk=Unsynced())
    told: dict[str, Any] = {"ingest": [], "verify": []}
    session_gb = _SEGMENTS * _FRAGMENTS * _FRAGMENT_BYTES / 1e9
    for number in range(max(1, round(order["gigabytes"] / session_gb))):
        _record(store, number)
        told["ingest"].append(((number + 1) * session_gb, _own_mb()))

    def proven(done: int, _: int) -> None:
        if done % _STEP_MB == 0:
            told["verify"].append((done * _FRAGMENTS * _FRAGMENT_BYTES / 1e9, _own_mb()))

    report = verify(store, progress=proven)
    told["verify"].append((report.bytes / 1e9, _own_mb()))
    if report.damages:
        return 1
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
