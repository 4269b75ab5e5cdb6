"""Makes the frozen copies of the databases' schemas, with rows: run once for each version, when it is the newest.

    python -m tests.golden.make_schemas FOLDER

Writes `NAME.VERSION.sql` for each database, and `catalog.VERSION.postgresql`, the tables without rows. A frozen copy is
never made again: what matters is that later versions still migrate what this one wrote.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from pepys.store.catalog import Catalog
from pepys.store.database import Connection, open_database
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.ledger import Ledger
from pepys.store.reader import load
from pepys.store.remove import remove
from pepys.store.schema import catalog as catalog_tables
from pepys.store.store import Store
from pepys.store.versions import VERSIONS
from pepys.store.work import Claimer, WorkQueue
from tests.stored_session import (
    SECOND,
    WALL_NS,
    Recording,
    complete_session,
    damage_heads,
    make_store,
    screen_text,
    transcript,
)


def fill(store: Store) -> None:
    """Rows of every kind in each database."""
    plain = complete_session(store, "Alpha planning", wall_ns=WALL_NS, tags=("work", "plan"))
    add_artifacts(
        store, plain, [screen_text(load(store, plain).shots[0].blob, "zanzibar", "北京烤鸭"), transcript("the budget")]
    )
    apply_edit(store, plain, ("set", {"field": "description", "value": "described\nin two lines, 'quoted'"}))
    complete_session(store, "Beta 100% done_it", wall_ns=WALL_NS + 100 * SECOND, tags=("work", "Ünïcode \U0001f600"))
    Recording.begin(store, "Died", wall_ns=WALL_NS + 200 * SECOND).die()
    remove(store, complete_session(store, "Deleted", wall_ns=WALL_NS + 300 * SECOND))
    damage_heads(store, complete_session(store, "Damaged", wall_ns=WALL_NS + 400 * SECOND))
    with Catalog(store) as catalog:
        catalog.refresh()
    queue, me = WorkQueue(store), Claimer.current("fake-boot")
    jobs = [queue.enqueue(plain, [stage], n) for n, stage in enumerate(("summary", "chapters", "tiles", "ocr"))]
    for job in jobs[:3]:
        queue.claim(me, job.id)
    queue.progress(jobs[2].id, {"done": 1, "total": 3})
    queue.finish(jobs[0].id, "done")
    queue.finish(jobs[1].id, "failed", "it failed")
    ledger = Ledger(store)
    for n in range(5):
        ledger.append("spend", plain, 2**40 + n, {"stage": "summary", "key": f"key {n}"})
    ledger.append("limit", "day", 10**9)
    ledger.append("token", "a label", body={"state": "issued", "hash": "0" * 64})
    ledger.append("import", "openrecall/7", body={"session": plain})


def server_statements() -> str:
    """What makes the catalog's tables on PostgreSQL, as this version does, and notes them as those of `HOME`."""
    from sqlalchemy import create_mock_engine

    lines: list[str] = []

    def note(statement: Any, *_: object, **__: object) -> None:
        text = str(statement if isinstance(statement, str) else statement.compile(dialect=engine.dialect))
        lines.append(" ".join(text.split()) + ";")

    engine = create_mock_engine("postgresql+psycopg://", note)
    catalog_tables.create_all(engine, checkfirst=False)
    lines.append(f"INSERT INTO kept VALUES ({VERSIONS['catalog']}, 'HOME', 'MACHINE', 'frozen');")
    return "\n".join(lines) + "\n"


def dump(connection: Connection) -> str:
    """A database as SQL: its tables and triggers, then its rows (the triggers fill the search tables), its version."""
    made = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    ).fetchall()
    virtual = [name for _, name, sql in made if sql.startswith("CREATE VIRTUAL TABLE")]
    kept = [row for row in made if not any(row[1].startswith(f"{name}_") for name in virtual)]
    lines = [f"{sql.strip()};" for _, _, sql in kept]
    for kind, name, _ in kept:
        if kind == "table" and name not in virtual:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            values = " || ', ' || ".join(f"quote({column})" for column in columns)
            rows = connection.execute(f"SELECT {values} FROM {name} ORDER BY {columns[0]}")
            lines += [f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({row[0]});" for row in rows]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return "\n".join([*lines, f"PRAGMA user_version = {version};", ""])


def main(arguments: list[str]) -> None:
    """Make the copies of the newest version."""
    with tempfile.TemporaryDirectory() as temporary:
        store = make_store(Path(temporary))
        fill(store)
        for name in ("catalog", "work", "ledger"):
            with contextlib.closing(open_database(store, name)) as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                file = Path(arguments[0]) / f"{name}.{version}.sql"
                file.write_text(dump(connection), encoding="utf-8")
    (Path(arguments[0]) / f"catalog.{VERSIONS['catalog']}.postgresql").write_text(server_statements(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
