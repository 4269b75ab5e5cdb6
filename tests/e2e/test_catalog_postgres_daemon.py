"""A daemon whose catalog is on PostgreSQL answers as before while schema and server go and come."""

from __future__ import annotations

from typing import Any

import pytest

from pepys.store import catalog_server
from pepys.store.catalog import Catalog
from pepys.store.postgres import PostgresDatabase
from tests.postgres import PASSWORD, PostgresServer
from tests.web_app import Served, served
from tests.web_session import two_spans

pytestmark = pytest.mark.unhurried


def test_pages_are_answered_whatever_becomes_of_the_server(
    home: Any, postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a daemon that has to be started again, or whose lists end with its server."""
    catalog_server._resting.clear()
    monkeypatch.setenv("PEPYS_STORE_CATALOG", postgres_url)
    with served(home) as daemon:
        tape = two_spans(daemon.store, tags=("demo",))
        assert _sessions(daemon) == [tape.session] and _hits(daemon)
        with Catalog(daemon.store) as catalog:
            database = catalog.held.open()
            assert isinstance(database, PostgresDatabase)
        postgres_server.execute(f'DROP SCHEMA "{database.schema}" CASCADE', postgres_url.rpartition("/")[2])
        assert _hits(daemon) and _sessions(daemon) == [tape.session]
        postgres_server.kill()
        assert _sessions(daemon) == [tape.session] and _hits(daemon)
        postgres_server.start()
        catalog_server._resting.clear()
        other = two_spans(daemon.store)
        assert set(_sessions(daemon)) == {tape.session, other.session}
        with Catalog(daemon.store) as catalog:
            assert isinstance(catalog.held.open(), PostgresDatabase) and catalog.count() == 2
        catalog_server._resting.clear()
        monkeypatch.setenv("PEPYS_STORE_CATALOG", postgres_server.url(password="hush-this-0ne"))
        with daemon.client() as client:
            answer = client.get("/api/v1/sessions")
        assert answer.status_code >= 400 and "pgpass" in answer.text
        assert "hush-this-0ne" not in answer.text and PASSWORD not in answer.text


def test_an_outage_is_told_once_and_so_is_its_end(
    home: Any, postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Catches a line for each request of a page that is open, which fills the log of a service."""
    monkeypatch.setattr(catalog_server, "_resting", {})
    monkeypatch.setattr(catalog_server, "_away", set())
    monkeypatch.setenv("PEPYS_STORE_CATALOG", postgres_url)
    with served(home) as daemon:
        two_spans(daemon.store)
        assert _sessions(daemon)
        postgres_server.stop()
        caplog.clear()
        for _ in range(3):
            assert _sessions(daemon)
            _hits(daemon)
        catalog_server._resting.clear()  # as after 30 s
        assert _sessions(daemon)
        assert len([text for text in caplog.messages if "cannot be reached" in text]) == 1, caplog.messages
        postgres_server.start()
        catalog_server._resting.clear()
        assert _sessions(daemon) and _sessions(daemon)
        assert len([text for text in caplog.messages if "answers again" in text]) == 1, caplog.messages


def _sessions(daemon: Served) -> list[str]:
    with daemon.client() as client:
        answer = client.get("/api/v1/sessions")
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["sessions"]]


def _hits(daemon: Served) -> list[Any]:
    with daemon.client() as client:
        answer = client.get("/api/v1/search?q=milk")
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["hits"]
    return found
