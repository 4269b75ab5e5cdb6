"""The catalog's bars: listing among ten thousand sessions and opening one, making it anew from hours, indexing text.

What is made anew is made by a process of its own (`python -m pepys.bench.store_catalog FD`), whose memory is told with
it. The peer of the search index is SQLite alone: the same rows put into the same tables of another file of the same
kind, in order, in one transaction a session.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from pepys.bench.figures import Figure, spread
from pepys.bench.plan import Bench
from pepys.bench.store_hours import BEGUN_NS, make_home, put_session
from pepys.clock import SystemClock
from pepys.enrich.state import enrichment_state
from pepys.errors import StorageProblem
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.review.overview import overview
from pepys.review.rows import Extras
from pepys.review.shelf import Shelf
from pepys.store import database as db
from pepys.store.catalog import Catalog
from pepys.store.handover import receive, start_child
from pepys.store.rebuild import Rebuilding
from pepys.store.store import Store, open_store

LISTED: Final = 10_000
HOURS: Final = 1_000
TEXT_HOURS: Final = 20
LIST_BAR_MS: Final = 50
OVERVIEW_BAR_MS: Final = 20
REBUILD_BAR_S: Final = 60
INDEX_BAR: Final = 0.8
MEMORY_BAR_MB: Final = 100
_SHOWN: Final = 50
_MB: Final = 1e6
_COLUMNS: Final = "session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot"


def listing(bench: Bench, sessions: int) -> list[Figure]:
    """What opening a home of so many sessions and listing the newest takes, with the modules loaded."""
    made = make_home(bench.folder)
    for number in range(sessions):
        put_session(made, number, seconds=0)
    for folder in (made.path / "heads").iterdir():
        # What changed just now is looked at closely; a home's sessions are of before.
        os.utime(folder, (BEGUN_NS // NS_PER_S, BEGUN_NS // NS_PER_S))
    with Catalog(made) as catalog:
        catalog.refresh()
        catalog.refresh()
    took = []
    for _ in range(bench.runs + 1):
        begun_ns = bench.clock.now_ns()
        store = open_store(bench.folder / "home", create=False, config_dir=bench.folder / "config")
        with Catalog(store) as catalog:
            catalog.refresh_newest(_SHOWN)
            rows = catalog.list(limit=_SHOWN)
        took.append((bench.clock.now_ns() - begun_ns) / NS_PER_MS)
        if len(rows) != min(_SHOWN, sessions):
            raise StorageProblem(f"{len(rows)} sessions were listed", "see pepys verify")
    took = took[1:]
    return [
        Figure(
            "list", "", "list_ms", f"open a home of {sessions:,} sessions and list the newest {_SHOWN}",
            statistics.median(took), "ms", low=min(took), high=max(took), bar=LIST_BAR_MS, below=True,
            detail={"sessions": sessions, "ms": took},
        ),
        *_overviews(bench, made, sessions),
    ]  # fmt: skip


def _overviews(bench: Bench, made: Store, sessions: int) -> list[Figure]:
    """What reading the overview of an hour takes: at first, and from a shelf that holds it."""
    with Catalog(made) as catalog:
        number = sessions // 2
        hour = put_session(made, number, text=True)
        catalog.refresh()
    first: list[float] = []
    again: list[float] = []
    for _ in range(bench.runs + 1):
        shelf = Shelf(open_store(bench.folder / "home", create=False, config_dir=bench.folder / "config"))
        for took in (first, again):
            begun_ns = bench.clock.now_ns()
            told = _overview(shelf, hour)
            took.append((bench.clock.now_ns() - begun_ns) / NS_PER_MS)
        if not told["buckets"]:
            raise StorageProblem("the overview is empty", "see pepys verify")
    words = f"the overview of an hour among {sessions:,} sessions"
    return [
        Figure(
            "list", "", name, what, statistics.median(took[1:]), "ms", low=min(took[1:]), high=max(took[1:]),
            bar=OVERVIEW_BAR_MS, below=True, detail={"ms": took[1:]},
        )
        for name, what, took in (
            ("overview_ms", f"{words}, read for the first time", first), ("overview_again_ms", f"{words}, again", again)
        )
    ]  # fmt: skip


def _overview(shelf: Shelf, session_id: str) -> dict[str, Any]:
    """As the daemon answers a page that is opened."""
    session = shelf.session(session_id)
    texts = shelf.texts(session)
    with Catalog(shelf.store) as catalog:
        size = catalog.get(session_id).bytes_on_disk
    return overview(session, texts, Extras(size, enrichment_state(session)))


def rebuilding(bench: Bench, hours: int) -> list[Figure]:
    """What making the catalog anew takes without text, and the most memory it took."""
    made = make_home(bench.folder)
    for number in range(hours):
        put_session(made, number)
    told = [_made_anew(made) for _ in range(bench.runs)]
    seconds, memory = [each["rows_s"] for each in told], [each["peak_bytes"] / _MB for each in told]
    processor = [each["rows_cpu_s"] for each in told]
    detail = {"sessions": hours, "rows_s": seconds, "rows_cpu_s": processor, "peak_mb": memory}
    return [
        Figure(
            "rebuild", "", "rebuild_s", f"make the catalog of {hours:,} one-hour sessions anew, without text",
            statistics.median(seconds), "s", low=min(seconds), high=max(seconds), bar=REBUILD_BAR_S, detail=detail,
            said=f"{spread(processor, '.1f')} s of them at work on one core",
        ),
        _memory("rebuild_mb", f"the most memory while making {hours:,} rows anew", memory),
    ]  # fmt: skip


def indexing(bench: Bench, hours: int) -> list[Figure]:
    """The speed of indexing the text of so many hours, as a share of plain inserts of the same rows."""
    made = make_home(bench.folder)
    for number in range(hours):
        put_session(made, number, text=True)
    mine, other, memory = [], [], []
    for number in range(bench.runs):
        told = _made_anew(made)
        memory.append(told["peak_bytes"] / _MB)
        count, seconds = _inserted(made, bench.folder / f"plain{number}.db", bench)
        mine.append(count / told["text_s"])
        other.append(count / seconds)
    ratios = [own / peer for own, peer in zip(mine, other, strict=True)]
    return [
        Figure(
            "index", "", "index_ratio", f"index the text of {hours:,} hours: of the speed of inserting the same rows",
            statistics.median(ratios), low=min(ratios), high=max(ratios), bar=INDEX_BAR, least=True,
            detail={"pepys_rows_s": mine, "plain_rows_s": other, "sessions": hours},
            said=f"pepys {spread(mine, '.0f')} documents/s, plain {spread(other, '.0f')}",
        ),
        _memory("index_mb", f"the most memory while indexing the text of {hours:,} hours", memory),
    ]  # fmt: skip


def _memory(name: str, what: str, megabytes: list[float]) -> Figure:
    return Figure(
        name.partition("_")[0], "", name, what, max(megabytes), "MB", low=min(megabytes), high=max(megabytes),
        bar=MEMORY_BAR_MB,
    )  # fmt: skip


def _made_anew(store: Store) -> dict[str, Any]:
    child = start_child("pepys.bench.store_catalog", store, {}, stdout=subprocess.PIPE)
    told, _ = child.communicate()
    if child.returncode:
        raise StorageProblem("the catalog could not be made anew", "see pepys rebuild")
    found: dict[str, Any] = json.loads(told)
    return found


def _inserted(store: Store, path: Path, bench: Bench) -> tuple[int, float]:
    """Put every document of the catalog into a new file: how many, and the seconds that the inserts took."""
    with contextlib.closing(db.open_database(store, "catalog")) as source:
        rows = source.execute(f"SELECT {_COLUMNS} FROM documents ORDER BY id").fetchall()
    sessions: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        sessions.setdefault(row[0], []).append(row)
    with contextlib.closing(db.connect(path, store.keys.database_key("catalog"), "rwc")) as target:
        db.make_tables(target, "catalog")
        target.execute("PRAGMA wal_autocheckpoint = 1000")  # SQLite's own
        begun_ns = bench.clock.now_ns()
        for documents in sessions.values():
            target.execute("BEGIN IMMEDIATE")
            target.executemany(f"INSERT INTO documents ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", documents)
            target.execute("COMMIT")
        return len(rows), (bench.clock.now_ns() - begun_ns) / NS_PER_S


def _peak_bytes() -> int:
    """The most memory that this process ever had, in bytes."""
    with contextlib.suppress(OSError), Path("/proc/self/status").open(encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    if sys.platform == "win32":
        return 0  # it is not told there
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes there


def main(arguments: list[str]) -> int:
    """Make a catalog anew, and tell how long each step took."""
    store, _ = receive(arguments)
    clock = SystemClock()
    with Rebuilding(store) as making:
        begun_ns = clock.now_ns()
        making.rows()
        listed_ns, processor_s = clock.now_ns(), sum(os.times()[:2])
        making.text()
        ended_ns = clock.now_ns()
    told = {
        "rows_s": (listed_ns - begun_ns) / NS_PER_S,
        "rows_cpu_s": processor_s,
        "text_s": (ended_ns - listed_ns) / NS_PER_S,
        "peak_bytes": _peak_bytes(),
    }
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
