"""What a PostgreSQL server says, in the kinds of `catalog_database`, and in the user's words.

By its codes (SQLSTATE), which do not depend on the server's language; what is refused before there is a connection has
none, so that one is told by its words, and counts as unreachable where they are not known.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

import psycopg

from pepys.errors import StorageProblem
from pepys.store.catalog_database import CatalogUnreachable, CatalogUnusable
from pepys.store.postgres_address import Address

_UNUSABLE: Final = (
    "3D",  # invalid catalog name
    "3F",  # invalid schema name
    "42",  # syntax error or access rule violation: a table, column, function or index is missing or another
    "23",  # integrity constraint violation
    "XX",  # internal error, data corrupted, index corrupted
)
_NO_RIGHT: Final = "42501"
_TIMED_OUT: Final = "57014"
_WAITED: Final = "55P03"
_FULL: Final = "53100"
_READ_ONLY: Final = "25006"
_TELLING: Final = (
    (r"password authentication failed|no password supplied", "takes the user's password for wrong, or was given none",
     "put the right one into ~/.pgpass or PGPASSWORD, or percent-encoded into the URL"),
    (r'role "[^"]*" does not exist', "knows no such user", "name another user, or make it: createuser NAME"),
    (r'database "[^"]*" does not exist', "has no such database", "make it: createdb --encoding UTF8 NAME"),
    (r"no pg_hba\.conf entry|authentication failed|permission denied for database|not permitted to log in",
     "does not let this user in", "let who administers the server allow it (pg_hba.conf, GRANT CONNECT)"),
    (r"does not support SSL|certificate|sslmode", "could not be reached as safely as the URL asks for",
     "see that the server has TLS on, and name its root certificate: sslrootcert=FILE"),
)  # fmt: skip
"""What cannot be waited for to change: (what libpq says, what it means, what to do)."""


@contextlib.contextmanager
def connecting(address: Address) -> Iterator[None]:
    """What goes wrong while connecting.

    Raises:
        CatalogUnreachable: the server is down, starting, full, or does not answer.
        StorageProblem: it does not let this user in; asking again is of no use.
    """
    try:
        yield
    except psycopg.Error as error:
        text = address.clean(str(error))
        for said, meaning, remedy in _TELLING:
            if re.search(said, text):
                raise StorageProblem(f"the PostgreSQL server {address.place} {meaning}: {text}", remedy) from None
        raise CatalogUnreachable(
            f"the PostgreSQL server {address.place} cannot be reached: {text}",
            "start it, or correct store.catalog; pepys records and keeps everything without it",
        ) from None  # the driver's own error may show what the URL has in it


@contextlib.contextmanager
def translated(address: Address) -> Iterator[None]:
    """What goes wrong with a statement.

    Raises:
        CatalogUnusable: a table is missing, damaged or another.
        CatalogUnreachable: it cannot be answered now.
        StorageProblem: this user may not do it.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _kind(error, address) from None
    except UnicodeEncodeError:
        raise CatalogUnreachable(
            f"a text for the PostgreSQL server {address.place} is half of a character", "run pepys rebuild"
        ) from None


def _kind(error: psycopg.Error, address: Address) -> Exception:
    # Not the details: they quote rows.
    code, text = error.sqlstate or "", address.clean(error.diag.message_primary or str(error))
    where = f"the PostgreSQL server {address.place}"
    if code == _NO_RIGHT:
        inside = "all rights on the schema pepys_... and all that is in it"
        right = "CREATE on the database" if "for database" in text else inside
        return StorageProblem(f"{where} does not allow it: {text}", f"let who administers it grant this user {right}")
    if code == _READ_ONLY:
        remedy = "name the primary in store.catalog, or end default_transaction_read_only there"
        return CatalogUnreachable(f"{where} only reads: {text}", remedy)
    if code[:2] in _UNUSABLE:
        return CatalogUnusable(f"{where}: {text}")
    if code in (_TIMED_OUT, _WAITED):
        meaning = "took too long" if code == _TIMED_OUT else "has it locked for another process"
        return CatalogUnreachable(f"{where} {meaning}: {text}", "try again, or see what the server is busy with")
    if code == _FULL:
        return CatalogUnreachable(f"{where} has no space left: {text}", "make space there; nothing of pepys is lost")
    return CatalogUnreachable(f"{where}: {text}", "see that it runs, and try again")
