"""The connection to a real PostgreSQL server: what becomes of statements and transactions when it fails in each way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pepys.errors import PepysError, StorageProblem
from pepys.store import postgres_address, postgres_connection
from pepys.store.catalog_database import CatalogUnreachable, CatalogUnusable
from pepys.store.postgres import PostgresDatabase, connect
from pepys.store.search import Filters
from tests.postgres import PASSWORD, USER, PostgresServer
from tests.search_indexes import SCHEMA, document, postgres_tables, times
from tests.stored_session import WALL_NS
from tests.waiting import wait_until


@pytest.fixture
def tables(postgres_url: str) -> Iterator[PostgresDatabase]:
    """The catalog's tables on a server."""
    with postgres_tables(postgres_url) as database:
        yield database


def fails(url: str, kind: type[PepysError] = StorageProblem) -> str:
    """Connecting fails in that kind; the message and the remedy, which show no password."""
    with pytest.raises(kind) as caught:
        connect(url, SCHEMA)
    assert type(caught.value) is kind
    told = f"{caught.value.message} | {caught.value.remedy}"
    assert PASSWORD not in told and PASSWORD[:6] not in told and "Traceback" not in told and "\n" not in told
    return told


def test_who_is_not_let_in_is_told_why(postgres_server: PostgresServer) -> None:
    """It would catch a wrong password that looks like a server that is down, and is then asked about for ever."""
    assert "password" in fails(postgres_server.url(password=PASSWORD[::-1]))
    assert "createdb" in fails(postgres_server.url("nosuch"))
    assert "password" in fails(postgres_server.url().replace(f"{USER}:", "nobody:"))
    postgres_server.execute("CREATE DATABASE other")
    postgres_server.execute("REVOKE CONNECT ON DATABASE other FROM public")
    assert "GRANT CONNECT" in fails(postgres_server.url("other"))
    postgres_server.execute("DROP DATABASE other")


def test_a_database_that_cannot_hold_every_text_is_refused(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert "LATIN1" in fails(url) and "createdb --encoding UTF8" in fails(url)


def test_a_user_who_may_not_add_the_extension_is_told_what_to_ask_for(postgres_server: PostgresServer) -> None:
    postgres_server.execute("CREATE DATABASE strict")
    postgres_server.execute(f"GRANT CREATE ON SCHEMA public TO {USER}", "strict")
    try:
        with pytest.raises(StorageProblem) as caught, postgres_tables(postgres_server.url("strict")):
            pass
        assert "CREATE on the database" in caught.value.remedy  # not even a schema
        postgres_server.execute(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {USER}", "strict")
        database = connect(postgres_server.url("strict"), SCHEMA)
        with pytest.raises(StorageProblem) as caught, database.at_once("tables") as transaction:
            from pepys.store.postgres_tables import prepare

            prepare(transaction)
        assert "CREATE EXTENSION pg_trgm" in caught.value.remedy
        # Whoever administers it puts it anywhere.
        postgres_server.execute("CREATE SCHEMA extensions", "strict")
        postgres_server.execute(f"GRANT USAGE ON SCHEMA extensions TO {USER}", "strict")
        postgres_server.execute("CREATE EXTENSION pg_trgm WITH SCHEMA extensions", "strict")
        with database.at_once("tables") as transaction:
            from pepys.store.schema import METADATA

            prepare(transaction)
            METADATA["catalog"].create_all(transaction, checkfirst=False)
        database.close()
    finally:
        postgres_server.execute("DROP DATABASE strict WITH (FORCE)")


def test_tls_is_spoken_where_the_url_asks_for_it(postgres_server: PostgresServer, tmp_path: Path) -> None:
    url = postgres_server.new_database().replace("127.0.0.1", "localhost")
    assert "TLS" in fails(f"{url}?sslmode=require")
    with postgres_server.tls() as certificate:
        trusted = tmp_path / "trusted.crt"
        trusted.write_bytes(certificate.read_bytes())
        database = connect(f"{url}?sslmode=verify-full&sslrootcert={trusted}", SCHEMA)
        question = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert database.execute(question) == [(True,)]
        database.close()
    with postgres_server.tls():  # another certificate, as of somebody who sits between
        told = fails(f"{url}?sslmode=verify-full&sslrootcert={trusted}")
        assert "certificate" in told and "sslrootcert" in told


def test_a_server_that_was_started_again_is_found_again(
    tables: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    index = tables.search()
    with tables.transaction("test"):
        index.index("one", WALL_NS, [document("before")])
    postgres_server.stop()
    postgres_server.start()
    assert times(index.search("before", Filters(), 9)) == [0]
    postgres_server.kill()
    with pytest.raises(CatalogUnreachable, match="cannot be reached") as caught:
        index.search("before", Filters(), 9)
    assert PASSWORD not in caught.value.message
    with pytest.raises(CatalogUnreachable), tables.transaction("test"):
        raise AssertionError("a transaction began on no server")
    postgres_server.start()
    with tables.transaction("test"):
        index.index("one", WALL_NS, [document("after", at_s=1)])
    assert times(index.search("after", Filters(), 9)) == [1]


def test_a_server_that_is_killed_while_text_is_indexed_keeps_what_was(
    tables: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    """It would catch a transaction of which a part stays, or that goes on by itself on a new connection."""
    index = tables.search()
    with tables.transaction("test"):
        index.index("one", WALL_NS, [document("old words", at_s=n) for n in range(3)])
    with pytest.raises(CatalogUnreachable), tables.transaction("test"):
        index.index("one", WALL_NS, [document("new words", at_s=n) for n in range(3)])
        postgres_server.kill()
        postgres_server.start()
        index.index("two", WALL_NS, [document("new words")])
    assert times(index.search("words", Filters(), 9)) == times(index.search("old", Filters(), 9)) == [0, 1, 2]
    assert index.search("new", Filters(), 9) == []


def test_a_server_that_hangs_is_given_up(
    tables: PostgresDatabase, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would catch a `list` that waits for ever on a server that takes connections and answers nothing."""
    monkeypatch.setattr(postgres_connection, "POSTGRES_SILENCE_MS", 0)
    monkeypatch.setattr(postgres_address, "POSTGRES_CONNECT_S", 2)
    tables._connection.statement_ms = 200
    url = postgres_server.url("postgres")
    postgres_server.freeze()
    with pytest.raises(CatalogUnreachable, match="does not answer"):
        tables.execute("SELECT 1")
    assert "timeout" in fails(url, CatalogUnreachable)
    postgres_server.thaw()
    assert tables.execute("SELECT 1") == [(1,)]


def test_a_statement_has_its_time(tables: PostgresDatabase) -> None:
    tables.execute("SET statement_timeout = 100")
    with pytest.raises(CatalogUnreachable, match="took too long"):
        tables.execute("SELECT pg_sleep(20)")
    with pytest.raises(CatalogUnreachable, match="took too long"), tables.transaction("test"):
        tables.execute("DELETE FROM session_tags")
        tables.execute("SELECT pg_sleep(20)")
    assert tables.execute("SELECT count(*) FROM session_tags") == [(1,)]


def test_writers_wait_for_each_other(tables: PostgresDatabase, postgres_url: str) -> None:
    """It would catch two that each hold a row the other wants: one of them would be sent away by the server."""
    other = connect(postgres_url, SCHEMA)
    swap = "UPDATE sessions SET name = name || ? WHERE id = ?"
    begun = threading.Event()

    def change() -> None:
        begun.set()
        with other.transaction("test"):
            other.change(swap, ("2", "two"))
            other.change(swap, ("1", "one"))

    thread = threading.Thread(target=change)
    with tables.transaction("test"):
        assert tables.change(swap, ("a", "one")) == 1
        thread.start()
        begun.wait(5)
        blocked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(lambda: tables.execute(blocked) == [(1,)], 5, "the other to wait")
        tables.change(swap, ("b", "two"))
    thread.join(5)
    assert tables.execute("SELECT name FROM sessions ORDER BY id") == [("name of onea1",), ("name of twob2",)]
    # One that does not end is not waited for for ever.
    other.execute("SET lock_timeout = 100")
    with tables.transaction("test"), pytest.raises(CatalogUnreachable, match="locked"), other.transaction("test"):
        raise AssertionError("two writers at once")
    with other.transaction("test"):
        other.change(swap, ("!", "one"))
    other.close()


def test_what_is_damaged_is_told_from_what_is_away(tables: PostgresDatabase, postgres_server: PostgresServer) -> None:
    for statement in (
        "SELECT 1 FROM nosuch",
        "SELECT nosuch FROM sessions",
        "INSERT INTO session_tags VALUES ('work')",
    ):
        with pytest.raises(CatalogUnusable):
            tables.execute(statement)
    with pytest.raises(CatalogUnusable) as twice:
        tables.execute("INSERT INTO sessions SELECT * FROM sessions")
    assert "(one)" not in str(twice.value)  # whose session it is stands in what the server says in detail
    for values in (("\0",), ("\ud800",)):
        with pytest.raises(CatalogUnreachable):
            tables.execute("SELECT ?::text", values)
    tables.execute("SET default_transaction_read_only = on")
    with pytest.raises(CatalogUnreachable), tables.transaction("test"):
        tables.change("DELETE FROM session_tags")
    with pytest.raises(CatalogUnreachable):  # a mistake in the middle of a transaction leaves no half of it
        tables.execute("SELECT 1 / 0")
    assert tables.execute("SELECT count(*) FROM session_tags") == [(1,)]
    log = (postgres_server.folder / "log").read_text(errors="replace")
    assert PASSWORD not in log


def test_the_driver_is_given_no_idle_transaction(tables: PostgresDatabase) -> None:
    with pytest.raises(ValueError, match="mine"), tables.transaction("test"):
        tables.change("DELETE FROM session_tags")
        raise ValueError("mine")
    assert tables._connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert tables.execute("SELECT count(*) FROM session_tags") == [(1,)]
