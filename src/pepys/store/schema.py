"""The tables of the databases, as SQLAlchemy metadata. Imported only to make a database or to work on jobs and money.

What stands here is the newest version of each (`versions`); `migrations` brings older ones to it, and tests prove that
both ways lead to the same tables. The catalog's are for SQLite and for PostgreSQL, which keeps their version and whose
they are in a table (`kept`), and compares text byte by byte as SQLite does. The catalog is derived, jobs may be lost
with no harm; the ledger is truth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import DDL, BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, event, text

from pepys.store.postgres_tables import SEARCH_DDL

catalog: Final = MetaData()
work: Final = MetaData()
ledger: Final = MetaData()

_THERE: Final = text("state != 'deleted'")
_UNTOLD: Final = text("text_stamp != stamp")
_Bytewise: Final = Text().with_variant(Text(collation="C"), "postgresql")
_Number: Final = BigInteger().with_variant(Integer, "sqlite")  # the only type that SQLite counts by itself

sessions: Final = Table(
    "sessions", catalog,
    Column("id", _Bytewise, primary_key=True),
    Column("name", _Bytewise, nullable=False),
    Column("state", _Bytewise, nullable=False),
    Column("started_wall_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger, nullable=False),
    Column("description", _Bytewise, nullable=False),
    Column("category", _Bytewise, nullable=False),
    Column("tags", _Bytewise, nullable=False),  # a JSON array
    Column("summary", _Bytewise, nullable=False),
    Column("bytes_on_disk", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("enrichment_state", _Bytewise, nullable=False),
    Column("detail", _Bytewise, nullable=False),  # a JSON object: what a list shows beside the columns
    Column("sequence", BigInteger, nullable=False),
    Column("stamp", _Bytewise, nullable=False),  # of heads and journal, when the row was made
    Column("glance", BigInteger, nullable=False, server_default=text("0")),  # of the folder of heads; 0: look closer
    Column("text_stamp", _Bytewise, nullable=False, server_default=text("''")),  # as `stamp`, when the text was indexed
    Index("sessions_listed", "started_wall_ns", "id", sqlite_where=_THERE, postgresql_where=_THERE),
    Index("sessions_by_state", "state", "started_wall_ns", "id"),
    Index("sessions_glanced", "id", "glance"),
    Index("sessions_untold", "id", sqlite_where=_UNTOLD, postgresql_where=_UNTOLD),
)  # fmt: skip

session_tags: Final = Table(
    "session_tags", catalog,
    Column("tag", _Bytewise, primary_key=True),
    Column("started_wall_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("session", _Bytewise, primary_key=True),
    Index("session_tags_session", "session"),
    sqlite_with_rowid=False,
)  # fmt: skip

documents: Final = Table(
    "documents", catalog,
    Column("id", _Number, primary_key=True),
    Column("session", _Bytewise, nullable=False),
    Column("kind", _Bytewise, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("wall_ns", BigInteger, nullable=False),
    Column("app", _Bytewise, nullable=False),
    Column("text", _Bytewise, nullable=False),
    Column("bigrams", _Bytewise, nullable=False),  # pairs of neighbouring CJK characters, as words
    Column("parts", _Bytewise, nullable=False),  # JSON: boxes by line, or words with their times
    Column("shot", _Bytewise, nullable=False),
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
for _statement in SEARCH_DDL:
    event.listen(documents, "after_create", _ddl(_statement).execute_if(dialect="postgresql"))
_KEPT: Final = (
    "CREATE TABLE kept (version INTEGER NOT NULL, home TEXT NOT NULL, machine TEXT NOT NULL, made TEXT NOT NULL)"
)
event.listen(sessions, "after_create", _ddl(_KEPT).execute_if(dialect="postgresql"))

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

entries: Final = Table(
    "entries", ledger,
    Column("number", Integer, primary_key=True),  # from 0, without a hole
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("wall_ns", BigInteger, nullable=False),
    Column("device", Text, nullable=False),
    Column("body", Text, nullable=False),  # a JSON object
    Column("hash", LargeBinary, nullable=False),  # of this entry and the one before it (`ledger_chain`)
    Index("entries_spent_on", "subject", "amount_nanos", sqlite_where=text("kind = 'spend'")),
    Index("entries_when", "kind", "wall_ns", "amount_nanos"),
    Index("entries_of", "kind", "subject", "number"),
)  # fmt: skip

# What was noted stays as it was written, also for whoever opens the file with another program. The last one holds off a
# REPLACE too, which would delete without asking the second.
_APPEND_ONLY: Final = (
    "CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER entries_no_hole BEFORE INSERT ON entries "
    "WHEN new.number IS NOT (SELECT coalesce(max(number), -1) + 1 FROM entries) "
    "BEGIN SELECT RAISE(ABORT, 'entries of the ledger follow each other'); END",
)
for _statement in _APPEND_ONLY:
    event.listen(entries, "after_create", _ddl(_statement).execute_if(dialect="sqlite"))

METADATA: Final = {"catalog": catalog, "work": work, "ledger": ledger}
