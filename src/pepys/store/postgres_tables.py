"""What PostgreSQL needs for searching, beside the tables that are the same on every database (`schema`).

Statements as text: `schema` runs `SEARCH_DDL` right after it has made the table `documents`, `prepare` comes before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pepys.errors import StorageProblem

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Derived from `documents.text` by `postgres_words`. COLLATE "C": compared byte by byte, whatever the server's locale.
SEARCH_DDL: Final = (
    'ALTER TABLE documents ADD COLUMN folded text COLLATE "C" NOT NULL, ADD COLUMN words tsvector NOT NULL, '
    'ADD COLUMN spoken text COLLATE "C", ADD COLUMN pairs text[] COLLATE "C"',
    "CREATE INDEX documents_words ON documents USING gin (words)",
    "CREATE INDEX documents_parts ON documents USING gin (folded gin_trgm_ops)",
    "CREATE INDEX documents_pairs ON documents USING gin (pairs) WHERE pairs IS NOT NULL",
)
_EXTENSION: Final = (
    "SELECT quote_ident(n.nspname) FROM pg_catalog.pg_extension e"
    " JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'"
)
_PREPARING: Final = 7_370_867
"""The number of the lock under which the extension is made: two who make it at once would fail."""


def prepare(connection: Connection) -> None:
    """See that tables can be indexed by parts of words, in the transaction that makes them.

    The extension is put into `public` where it is not there yet, and into the search path until the transaction ends.

    Raises:
        StorageProblem: the server has no pg_trgm, or this user may not add it to the database.
    """
    from sqlalchemy.exc import DBAPIError

    found = connection.exec_driver_sql(_EXTENSION).scalar()
    if found is None:
        try:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PREPARING})")
            connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public")
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _REFUSED:
                raise
            raise StorageProblem(
                "the database that store.catalog names has no extension pg_trgm, and its user may not add it",
                "ask who administers the database for: CREATE EXTENSION pg_trgm",
            ) from error
        found = connection.exec_driver_sql(_EXTENSION).scalar()
    connection.exec_driver_sql(f"SELECT set_config('search_path', current_setting('search_path') || ', {found}', true)")


_REFUSED: Final = (
    "42501",  # insufficient_privilege
    "58P01",  # undefined_file: not installed at the server
    "0A000",  # feature_not_supported: not available there
    "3F000",  # invalid_schema_name: there is no public
)
