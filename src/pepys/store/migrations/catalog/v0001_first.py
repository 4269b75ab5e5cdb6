"""The first catalog: a row a session, and the documents under three search tables."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    "CREATE TABLE sessions (id TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,"
    " started_wall_ns BIGINT NOT NULL, end_ns BIGINT NOT NULL, duration_ns BIGINT NOT NULL, description TEXT NOT NULL,"
    " category TEXT NOT NULL, tags TEXT NOT NULL, summary TEXT NOT NULL, bytes_on_disk BIGINT NOT NULL,"
    " cost_nanos BIGINT NOT NULL, enrichment_state TEXT NOT NULL, detail TEXT NOT NULL, sequence BIGINT NOT NULL,"
    " stamp TEXT NOT NULL, PRIMARY KEY (id))",
    "CREATE INDEX sessions_started ON sessions (started_wall_ns)",
    "CREATE TABLE documents (id INTEGER NOT NULL, session TEXT NOT NULL, kind TEXT NOT NULL, at_ns BIGINT NOT NULL,"
    " end_ns BIGINT NOT NULL, wall_ns BIGINT NOT NULL, app TEXT NOT NULL, text TEXT NOT NULL, bigrams TEXT NOT NULL,"
    " parts TEXT NOT NULL, shot TEXT NOT NULL, PRIMARY KEY (id))",
    "CREATE INDEX documents_session ON documents (session)",
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


def upgrade() -> None:
    """Make the tables."""
    for statement in _STATEMENTS:
        # Not `op.execute` of the bare text: a colon in it would be taken for a parameter.
        op.get_bind().exec_driver_sql(statement)
