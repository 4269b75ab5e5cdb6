"""Small events that are acknowledged only when they are durable: group commit, from many threads and from one.

Beside them stands what the disk itself can do: one write of a few bytes and one fdatasync after another, in the same
run. What a single client gets is bound by that; many share each fdatasync.
"""

from __future__ import annotations

import os
import statistics
import threading
from typing import Final

from pepys.bench.figures import Figure, percentile
from pepys.bench.plan import Bench
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model.events import NoteAdded, SessionStarted
from pepys.model.ids import new_session_id
from pepys.store.files import sync_data, write_all
from pepys.store.store import Store, open_store
from pepys.store.writer import SessionWriter

SECONDS: Final = 3
CLIENTS: Final = 64
BAR_A_SECOND: Final = 5_000.0
BAR_MS: Final = 20.0
_RECORD_BYTES: Final = 128


def events(bench: Bench, seconds: int) -> list[Figure]:
    """Acknowledged events a second and the 99th percentile of their waits; of one client; of the bare disk."""
    store = open_store(bench.folder / "home", config_dir=bench.folder / "config")
    raw: list[float] = []
    one: list[float] = []
    rates: list[float] = []
    waits: list[float] = []
    for _ in range(bench.runs):
        raw.append(_raw(bench, seconds / 3))
        one.append(_committed(bench, store, 1, seconds / 3)[0])
        rate, p99_ms = _committed(bench, store, CLIENTS, float(seconds))
        rates.append(rate)
        waits.append(p99_ms)
    who = f"{CLIENTS} clients"
    return [
        _figure(
            "events_a_second", f"small events acknowledged by group commit, {who}", rates, "/s", BAR_A_SECOND, True
        ),
        _figure("events_p99_ms", f"wait of a small event, {who}, 99th percentile", waits, "ms", BAR_MS, False),
        _figure("events_one_client", "the same from one client", one, "/s", None, False),
        _figure("disk_syncs", "bare writes of 128 bytes with fdatasync, one after another", raw, "/s", None, False),
    ]


def _figure(name: str, what: str, values: list[float], unit: str, bar: float | None, least: bool) -> Figure:
    return Figure(
        "events", "", name, what, statistics.median(values), unit, min(values), max(values), bar,
        below=not least, least=least, detail={"runs": values},
    )  # fmt: skip


def _raw(bench: Bench, seconds: float) -> float:
    path = bench.file("raw")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    begun_ns, count, record = bench.clock.now_ns(), 0, bytes(_RECORD_BYTES)
    try:
        while bench.clock.now_ns() - begun_ns < seconds * NS_PER_S:
            write_all(fd, record)
            sync_data(fd)
            count += 1
    finally:
        os.close(fd)
    return count * NS_PER_S / (bench.clock.now_ns() - begun_ns)


def _committed(bench: Bench, store: Store, clients: int, seconds: float) -> tuple[float, float]:
    """Events a second that all clients together were told durable, and the 99th percentile of the waits in ms."""
    wall_ns = bench.clock.wall_ns()
    header = SessionStarted(new_session_id(wall_ns), "events", wall_ns, store.keys.device_id)
    writer = SessionWriter.create(store, header)
    begun_ns = bench.clock.now_ns()
    end_ns = begun_ns + int(seconds * NS_PER_S)
    waited: list[list[int]] = [[] for _ in range(clients)]

    def client(number: int) -> None:
        count = 0
        at_ns = bench.clock.now_ns()
        while at_ns < end_ns:
            writer.commit(NoteAdded(f"{number}-{count}", at_ns - begun_ns, "a small event"))
            after_ns = bench.clock.now_ns()
            waited[number].append(after_ns - at_ns)
            count, at_ns = count + 1, after_ns

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_ns = bench.clock.now_ns() - begun_ns
    writer.end(took_ns)
    every = [wait for one in waited for wait in one]
    return len(every) * NS_PER_S / took_ns, percentile(every, 99) / NS_PER_MS
