"""Brings an older database to the newest version, step by step, by alembic; imported only where there is such a one.

Each database has a folder of revisions, named by their number (`0001`, `0002`, ...). The number of the last one that
was applied is the database's `user_version`, in the head of its file: looking at it takes no table and no library. On
PostgreSQL, which has the catalog alone and from version 2 on (`versions.SERVER_FROM`), it stands in the table `kept`.
It moves in the same transaction as the tables. A revision of the catalog after 2 serves both dialects; each says what
it changes by itself and never imports `schema`, which moves on. Adding one: write it, raise the number in `versions`,
change `schema` to match, and freeze the version before it (`tests.golden.make_schemas`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from pepys.store.trigger import reach

if TYPE_CHECKING:
    from sqlalchemy import Connection


def upgrade(connection: Connection, name: str, version: int, chain_key: bytes = b"", folder: Path | None = None) -> int:
    """Apply every revision after `version`, within the caller's transaction.

    Args:
        connection: to the database, in a write transaction; rolling it back leaves the version that was.
        name: which database: `catalog`, `work` or `ledger`.
        version: what it is now; 0 where it has no tables yet.
        chain_key: the key of the ledger's chain; only where there are rows of a ledger to chain.
        folder: of the revisions; that of the database's name here unless given.

    Returns:
        The version that it then is.

    Raises:
        sqlalchemy.exc.DBAPIError: a step does not apply: the file is damaged, or cannot be written.
    """
    place = str(folder or Path(__file__).with_name(name))
    scripts = ScriptDirectory(place, version_locations=[place])
    base = f"{version:04}" if version else "base"
    steps = [*scripts.iterate_revisions("head", base)]
    operations = Operations(MigrationContext.configure(connection, opts={"chain_key": chain_key}))
    for step in reversed(steps):
        with Operations.context(operations.migration_context):
            step.module.upgrade()
        version = int(step.revision)
        noted = "UPDATE kept SET version =" if connection.dialect.name == "postgresql" else "PRAGMA user_version ="
        connection.exec_driver_sql(f"{noted} {version}")
        reach("migration.step")
    return version
