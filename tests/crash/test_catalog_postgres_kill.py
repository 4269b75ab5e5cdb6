"""A process killed at each commit on a PostgreSQL server leaves a catalog that the next one completes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pepys.store.edits import add_artifacts
from pepys.store.reader import load
from tests.stored_session import SECOND, WALL_NS, complete_session, make_store, screen_text

TARGETS = (
    "*", "tables.before_commit", "tables.committed", "catalog.before_commit", "catalog.before_commit:3",
    "catalog.committed:2", "catalog.text.before_commit:2", "catalog.text.committed:1", "catalog.text.committed:3",
)  # fmt: skip
_DRIVER = """
import json, os, sys
from pathlib import Path
from pepys.store import schema, trigger
from pepys.store.catalog import Catalog
from pepys.store.rebuild import rebuild
from tests.stored_session import reopen
import psycopg, sqlalchemy.dialects.postgresql.psycopg
folder = Path(sys.argv[1])
for target in sys.argv[2:]:
    child = os.fork()
    if not child:
        trigger.aim(target)
        rebuild(reopen(folder))
        print(json.dumps({"reached": dict(trigger.seen)}), flush=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    with Catalog(reopen(folder)) as catalog:
        catalog.refresh()
        kind, hits = type(catalog.held.open()).__name__, catalog.search("quokka")
        rows = [row.name for row in catalog.list(tag="work")]
        twice = "SELECT 1 FROM documents GROUP BY session, kind, at_ns, text HAVING count(*) > 1"
        doubled = catalog.held.open().execute(twice)
    print(json.dumps({"target": target, "status": status, "kind": kind, "rows": rows,
                      "hits": sorted(hit.session_name for hit in hits), "doubled": doubled}), flush=True)
"""


def test_killed_at_each_commit_on_the_server(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches tables without their note, a row without its tags, text that is taken for indexed and is not."""
    store = make_store(tmp_path)
    names = ["Alpha", "Beta", "Gamma"]
    for number, name in enumerate(names):
        session = complete_session(store, name, wall_ns=WALL_NS + number * SECOND, tags=("work",))
        add_artifacts(store, session, [screen_text(load(store, session).shots[0].blob, f"the quokka report {number}")])
    monkeypatch.setenv("PEPYS_STORE_CATALOG", postgres_url)
    told = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(tmp_path), *TARGETS], capture_output=True, text=True, timeout=120,
        check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    reached, *killed = [json.loads(line) for line in told.stdout.splitlines()]
    points = {target.partition(":")[0] for target in TARGETS} - {"*"}
    assert points <= set(reached["reached"]), reached
    assert [one["target"] for one in killed] == list(TARGETS)
    for one in killed:
        assert one["status"] == (0 if one["target"] == "*" else 9), one
        assert one["kind"] == "PostgresDatabase" and one["rows"] == names[::-1] and one["hits"] == names, one
        assert not one["doubled"], one
