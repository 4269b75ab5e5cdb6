"""Tokens that are issued and revoked: their command, what the ledger keeps of them, and what a running server takes."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pepys.cli import main
from pepys.clock import SystemClock
from pepys.errors import Damaged, NotFound, Usage
from pepys.store import database as db
from pepys.store import ledger_tokens
from pepys.store.ledger import Ledger
from pepys.store.ledger_anchor import anchor_path
from pepys.store.ledger_tokens import IssuedTokens, issue, revoke, tokens
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from tests.stored_session import make_store, reopen
from tests.web_app import Served, served

pytestmark = pytest.mark.unhurried


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def test_a_token_is_good_from_its_issuing_to_its_revocation(store: Store, tmp_path: Path) -> None:
    """Catches a process that goes on taking what another one revoked, and a label that names two tokens."""
    judge = IssuedTokens(store)
    assert not judge.accepts("") and not store.database_path("ledger").exists()
    other = reopen(tmp_path)  # as another process would
    phone, desk = issue(other, "phone"), issue(other, "desk")
    assert judge.accepts(phone) and judge.accepts(desk) and not judge.accepts(phone[:-1]) and not judge.accepts("")
    with pytest.raises(Usage, match="already"):
        issue(store, "phone")
    revoke(other, "phone")
    assert not judge.accepts(phone) and judge.accepts(desk)
    again = issue(other, "phone")
    assert judge.accepts(again) and not judge.accepts(phone) and again != phone
    revoke(other, "phone")
    assert [(token.label, token.state) for token in tokens(store)] == [("desk", "issued"), ("phone", "revoked")]
    for label in ("phone", "nobody"):
        with pytest.raises(NotFound):
            revoke(store, label)
    for label in ("", " phone", "a\nb", "x" * 81):
        with pytest.raises(Usage):
            issue(store, label)
    assert verify(store).damages == ()


def test_nobody_learns_a_token_from_the_ledger(store: Store) -> None:
    """Catches a token that stands in the home: who has the home and its key could be that program."""
    token = issue(store, "phone")
    with contextlib.closing(db.open_database(store, "ledger")) as connection:
        rows = connection.execute("SELECT * FROM entries").fetchall()
    assert "phone" in str(rows) and token not in str(rows)


def test_a_ledger_that_cannot_be_read_lets_nobody_in(store: Store) -> None:
    """Catches a server that takes tokens of which nobody can say whether they are revoked."""
    judge, token = IssuedTokens(store), issue(store, "phone")
    assert judge.accepts(token)
    path = store.database_path("ledger")
    whole = path.read_bytes()
    path.write_bytes(b"damaged" * 2000)
    assert not judge.accepts(token)
    path.write_bytes(whole)
    assert judge.accepts(token)


def test_an_older_ledger_put_back_opens_nothing(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a revoked token that is good again for whoever can write the disk, also once its anchor is gone."""
    path, judge = store.database_path("ledger"), IssuedTokens(store)
    other, leaked = issue(store, "other"), issue(store, "leaked")
    before = path.read_bytes()
    assert judge.accepts(leaked)
    revoke(store, "leaked")
    assert not judge.accepts(leaked) and judge.accepts(other)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(before)
    assert not judge.accepts(leaked) and not judge.accepts(other) and not IssuedTokens(store).accepts(leaked)
    assert {token.state for token in tokens(store)} == {"refused"}
    with pytest.raises(Damaged, match="lost entries") as refused:
        revoke(store, "leaked")
    assert "no token that was issued opens anything" in refused.value.remedy
    anchor_path(store).unlink()
    assert not judge.accepts(leaked) and not IssuedTokens(store).accepts(leaked)
    again = issue(store, "leaked")  # which makes another anchor
    for one in (judge, IssuedTokens(store)):
        assert one.accepts(again) and not one.accepts(leaked) and not one.accepts(other)
    assert {token.label: token.state for token in tokens(store)} == {"other": "refused", "leaked": "issued"}
    revoke(store, "other")
    assert verify(store).damages == () and len(verify(store).lost) == 1


def test_the_list_says_what_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches `issued`, and exit 0, for a token that nobody is let in with."""
    store = open_store(home)
    issue(store, "phone")
    issue(store, "desk")
    anchor_path(store).unlink()
    assert main(["key", "token", "--list"]) == 6
    written = capsys.readouterr()
    assert written.out.count("refused") == 2 and "make another one" in written.err and "ledger.anchor" in written.err
    assert main(["key", "token", "--list", "--json"]) == 6
    assert [one["state"] for one in json.loads(capsys.readouterr().out)["tokens"]] == ["refused"] * 2


def test_asking_is_cheap_and_reads_only_what_moved(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a database opened for each request."""
    judge, token = IssuedTokens(store), issue(store, "phone")
    assert judge.accepts(token)
    reads: list[str] = []
    monkeypatch.setattr(ledger_tokens, "Ledger", lambda store: reads.append("read") or Ledger(store))
    clock, took = SystemClock(), []
    for _ in range(200):
        began_ns = clock.now_ns()
        assert judge.accepts(token) and not judge.accepts("guess")
        took.append(clock.now_ns() - began_ns)
    assert len(reads) <= 1  # the first reading may have made the files beside it
    assert statistics.median(took) < 1_000_000


class Ran:
    """`pepys key token` that ran: its exit code and what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str) -> None:
        self.code = main(["key", "token", *words])
        self.out, self.err = capsys.readouterr()

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


def test_the_command_issues_lists_and_revokes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge = IssuedTokens(open_store(home))
    assert Ran(capsys, "--list").out == "no token was made but the one of the store key\n"
    made = Ran(capsys, "--new", "my phone")
    assert made.code == 0 and judge.accepts(made.out.strip()) and "not be shown again" in made.err
    other = Ran(capsys, "--new", "desk", "--json").document
    assert set(other) == {"token", "label"} and judge.accepts(other["token"])
    assert Ran(capsys, "--revoke", "my phone").out == "the token 'my phone' opens nothing any more\n"
    listed = Ran(capsys, "--list", "--json").document["tokens"]
    assert [(one["label"], one["state"]) for one in listed] == [("desk", "issued"), ("my phone", "revoked")]
    words = Ran(capsys, "--list").out
    assert "issued   since " in words and "revoked  since " in words and other["token"] not in words
    assert Ran(capsys, "--revoke", "my phone").code == 3 and Ran(capsys, "--new", "desk").code == 2
    assert Ran(capsys, "--new", "x", "--list").code == 2
    assert Ran(capsys, "--revoke", "desk", "--json").document == {"label": "desk", "state": "revoked"}


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with served(home) as running:
        yield running


def test_a_running_server_takes_it_and_no_longer_once_revoked(server: Served, home: Path) -> None:
    """Catches a revocation that waits for a restart, for a request or for the end of a feed that is open."""
    token = issue(open_store(home), "phone")
    with server.client(signed_in=False) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/api/v1/sessions").status_code == 200
        wrong = client.post("/api/v1/sign-in", json={"token": token})
        assert wrong.status_code == 401, "a browser session would outlive the token"
        with client.stream("GET", "/api/v1/events", timeout=30) as feed:
            lines = feed.iter_lines()
            assert feed.status_code == 200 and next(lines)
            revoke(open_store(home), "phone")
            server.call(lambda: server.host.feed.tell({"push": "status", "status": {"state": "recording"}}))
            with contextlib.suppress(httpx.RemoteProtocolError):
                # It ends; without the revocation the status would come, and others until the time-out.
                assert next((line for line in lines if "recording" in line), "ended") == "ended"
        assert client.get("/api/v1/sessions").status_code == 401
    with server.client() as client:
        assert client.get("/api/v1/sessions").status_code == 200
