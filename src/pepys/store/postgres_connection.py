"""A connection to a PostgreSQL server that gives up on one that hangs. Imports psycopg."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo

from pepys.clock import SystemClock
from pepys.errors import StorageProblem
from pepys.limits import (
    NS_PER_MS,
    POSTGRES_IDLE_MS,
    POSTGRES_LOCK_MS,
    POSTGRES_SILENCE_MS,
    POSTGRES_STATEMENT_MS,
)
from pepys.store.postgres_address import Address
from pepys.store.postgres_errors import connecting

_Answer = TypeVar("_Answer")
_CLOCK = SystemClock()


class Watched(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which no statement takes longer than its time, whether the server ends it or says nothing.

    Attributes:
        statement_ms: how long the server gives a statement.
    """

    statement_ms = POSTGRES_STATEMENT_MS
    _silent = False

    def told_silence(self) -> bool:
        """Whether it was closed because the server hangs; true once: who asks again may find it going on."""
        silent, self._silent = self._silent, False
        return silent

    def wait(self, gen: PQGen[_Answer], *args: Any, **more: Any) -> _Answer:
        """Wait for an answer; the connection is closed where none comes.

        Raises:
            psycopg.OperationalError: none came in time.
        """
        until_ns = _CLOCK.awake_ns() + (self.statement_ms + POSTGRES_SILENCE_MS) * NS_PER_MS
        return super().wait(self._watch(gen, until_ns), *args, **more)

    def _watch(self, gen: PQGen[_Answer], until_ns: int) -> PQGen[_Answer]:
        """The same steps, as long as there is time; while nothing comes, psycopg asks every 0.1 s for the next one."""
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and _CLOCK.awake_ns() > until_ns:
                    # Nothing that this statement still gets can be told from the next one's.
                    self._silent = True
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the server does not answer")
                wanted = gen.send(ready)
        except StopIteration as done:
            return cast("_Answer", done.value)


def connect_watched(address: Address, schema: str) -> Watched:
    """Connect, and set up the session.

    Raises:
        CatalogUnreachable: the server cannot be reached now.
        StorageProblem: it lets this user not in, or its database cannot hold every text.
    """
    with connecting(address):
        connection = Watched.connect(make_conninfo("", **address.parameters), autocommit=True, prepare_threshold=None)
    try:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StorageProblem(
                f"the database {address.place} is of encoding {encoding}, which does not hold every text",
                "make one that does: createdb --encoding UTF8 --template template0 NAME",
            )
        with connecting(address):
            connection.execute(
                f"SET statement_timeout = {POSTGRES_STATEMENT_MS}; SET lock_timeout = {POSTGRES_LOCK_MS};"
                f" SET idle_in_transaction_session_timeout = {POSTGRES_IDLE_MS};"
                f' SET search_path = "{schema}", public; SET jit = off'.encode()
            )
    except BaseException:
        connection.close()
        raise
    return connection
