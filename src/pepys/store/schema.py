"""The tables of the databases, as SQLAlchemy metadata. Imported only to make a database or to work on jobs and money.

What stands here is the newest version of each (`versions`); `migrations` brings older ones to it, and tests prove that
both ways lead to the same tables. The catalog is derived, jobs may be lost with no harm; the ledger is truth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import DDL, BigInteger, Column, Index, Integer, MetaData, Table, Text, event, text

catalog: Final = MetaData()
work: Final = MetaData()
ledger: Final = MetaData()

sessions: Final = Table(
    "sessions", catalog,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_wall_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger, nullable=False),
    Column("description", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("tags", Text, nullable=False),  # a JSON array
    Column("summary", Text, nullable=False),
    Column("bytes_on_disk", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("enrichment_state", Text, nullable=False),
    Column("detail", Text, nullable=False),  # a JSON object: what a list shows beside the columns
    Column("sequence", BigInteger, nullable=False),
    Column("stamp", Text, nullable=False),  # of heads and journal, when the row was made
    Column("glance", BigInteger, nullable=False, server_default=text("0")),  # of the folder of heads; 0: look closer
    Column("text_stamp", Text, nullable=False, server_default=text("''")),  # as `stamp`, when the text was indexed
    Index("sessions_listed", "started_wall_ns", "id", sqlite_where=text("state != 'deleted'")),
    Index("sessions_by_state", "state", "started_wall_ns", "id"),
    Index("sessions_glanced", "id", "glance"),
    Index("sessions_untold", "id", sqlite_where=text("text_stamp != stamp")),
)  # fmt: skip

session_tags: Final = Table(
    "session_tags", catalog,
    Column("tag", Text, primary_key=True),
    Column("started_wall_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("session", Text, primary_key=True),
    Index("session_tags_session", "session"),
    sqlite_with_rowid=False,
)  # fmt: skip

documents: Final = Table(
    "documents", catalog,
    Column("id", Integer, primary_key=True),
    Column("session", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("wall_ns", BigInteger, nullable=False),
    Column("app", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("bigrams", Text, nullable=False),  # pairs of neighbouring CJK characters, as words
    Column("parts", Text, nullable=False),  # JSON: boxes by line, or words with their times
    Column("shot", Text, nullable=False),
    Index("documents_session", "session"),
)  # fmt: skip

# Three views of the same text: whole words, any three characters, pairs of CJK characters. None stores the text again.
_SEARCH: Final = (
    "CREATE VIRTUAL TABLE words USING fts5(text, content='documents', content_rowid='id', "
    "tokenize='unicode61 remove_diacritics 2')",
    "CREATE VIRTUAL TABLE grams USING fts5(text, content='documents', content_rowid='id', "
    "tokenize='trigram remove_diacritics 1')",
    "CREATE VIRTUAL TABLE pairs USING fts5(bigrams, content='documents', content_rowid='id', tokenize='unicode61')",
    "CREATE TRIGGER documents_added AFTER INSERT ON documents BEGIN "
    "INSERT INTO words(rowid, text) VALUES (new.id, new.text); "
    "INSERT INTO grams(rowid, text) VALUES (new.id, new.text); "
    "INSERT INTO pairs(rowid, bigrams) VALUES (new.id, new.bigrams); END",
    "CREATE TRIGGER documents_removed AFTER DELETE ON documents BEGIN "
    "INSERT INTO words(words, rowid, text) VALUES ('delete', old.id, old.text); "
    "INSERT INTO grams(grams, rowid, text) VALUES ('delete', old.id, old.text); "
    "INSERT INTO pairs(pairs, rowid, bigrams) VALUES ('delete', old.id, old.bigrams); END",
)
_ddl: Callable[[str], DDL] = DDL
for _statement in _SEARCH:
    event.listen(documents, "after_create", _ddl(_statement).execute_if(dialect="sqlite"))

jobs: Final = Table(
    "jobs", work,
    Column("id", Text, primary_key=True),
    Column("session", Text, nullable=False),
    Column("stages", Text, nullable=False),  # a JSON array
    Column("state", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("progress", Text, nullable=False),  # a JSON object
    Column("error", Text, nullable=False),
    Column("created_wall_ns", BigInteger, nullable=False),
    Column("changed_wall_ns", BigInteger, nullable=False),
    Column("claimed_pid", Integer),
    Column("claimed_start", Text),
    Column("claimed_boot", Text),
    Index("jobs_next", "state", "priority", "created_wall_ns", "id"),
    Index("jobs_of_session", "session", "created_wall_ns", "id"),
    Index("jobs_made", "created_wall_ns", "id"),
)  # fmt: skip

spends: Final = Table(
    "spends", ledger,
    Column("id", Integer, primary_key=True),
    Column("session", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("wall_ns", BigInteger, nullable=False),
    Index("spends_cost", "session", "cost_nanos"),
)  # fmt: skip

# What was spent stays as it was written, also for whoever opens the file with another program.
_APPEND_ONLY: Final = tuple(
    f"CREATE TRIGGER spends_no_{action.lower()} BEFORE {action} ON spends BEGIN "
    "SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for action in ("UPDATE", "DELETE")
)
for _statement in _APPEND_ONLY:
    event.listen(spends, "after_create", _ddl(_statement).execute_if(dialect="sqlite"))

METADATA: Final = {"catalog": catalog, "work": work, "ledger": ledger}
