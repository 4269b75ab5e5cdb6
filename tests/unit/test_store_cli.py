"""The commands of the store: exit codes, one JSON document, and plain words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.cli.output import Output
from pepys.cli.store import _counting
from pepys.clock import rfc3339
from pepys.store.edits import add_artifacts
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from tests.stored_session import SECOND, WALL_NS, complete_session, damage_heads, flip, screen_text, transcript


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


@pytest.fixture
def session(store: Store) -> str:
    session = complete_session(store, "Budget talk", tags=("work",))
    shot = load(store, session).shots[0].blob
    add_artifacts(store, session, [screen_text(shot, "the quokka report"), transcript("harbour budget", 2000)])
    return session


class Ran:
    """A command that ran: its exit code and what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str) -> None:
        self.code = main(list(words))
        self.out, self.err = capsys.readouterr()

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON objects on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def test_search_in_words_and_json(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "search", "quokka")
    assert ran.code == 0 and "quokka report" in ran.out and "screen_text" in ran.out
    (hit,) = Ran(capsys, "search", "quokka", "--json").document
    assert (hit["session_id"], hit["kind"]) == (session, "screen_text")
    assert hit["at"] == rfc3339(WALL_NS + hit["at_ms"] * 1_000_000)
    assert hit["boxes"] == [{"x": 0.1, "y": 0.0, "w": 0.5, "h": 0.05}]
    (hit,) = Ran(capsys, "search", "budget", "--kind", "transcript", "--json").document
    assert hit["at_ms"] == 2300


def test_search_filters(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    def found(*words: str) -> int:
        return len(Ran(capsys, "search", "budget", "--json", *words).document)

    assert found() == 2
    assert found("--limit", "1") == 1
    assert found("--tag", "work") == 2 and found("--tag", "home") == 0
    assert found("--session", session[:20], "--from", "2s", "--to", "2.5s") == 2
    assert found("--session", "last", "--from", "2s", "--kind", "transcript") == 1
    assert found("--session", "last", "--to", "1s", "--kind", "transcript") == 0
    assert found("--from", rfc3339(WALL_NS + 60 * SECOND)) == 0
    assert found("--app", "xterm") == 1


def test_search_that_finds_nothing_or_makes_no_sense(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert Ran(capsys, "search", "nowhere").code == 0
    for query in ('"', "***", "NEAR(", "\udcff"):
        assert Ran(capsys, "search", query, "--json").document == []
    assert Ran(capsys, "search", "x", "--kind", "smell").code == 2
    assert Ran(capsys, "search", "x", "--session", "nothing").code == 3
    assert Ran(capsys, "search", "x", "--from", "yesterday-ish").code == 2


def test_verify_whole_and_damaged(store: Store, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "verify")
    assert ran.code == 0 and "all whole" in ran.out
    whole = Ran(capsys, "verify", "--json").document
    assert whole["ok"] and whole["damage"] == [] and whole["sessions"] == 1 and whole["bytes"] > 280_000
    track = load(store, session).track("video")
    assert track is not None
    blob = track.segments[1].blob
    path = store.path / "blobs" / blob[3:5] / blob[5:7] / blob
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    ran = Ran(capsys, "verify", session[:20])
    assert ran.code == 6
    assert session in ran.err and "video" in ran.err and "segment 1" in ran.err and "0:01 to 0:03" in ran.err
    ran = Ran(capsys, "verify", "--json")
    assert ran.code == 6
    (damage,) = ran.document["damage"]
    assert (damage["session"], damage["track"], damage["start_ms"], damage["end_ms"]) == (session, "video", 1600, 3200)


def test_verify_restores_a_copy_of_the_key_and_says_so(
    store: Store, session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.path / "keys" / f"{store.keys.device_id}.wrap"
    path.write_bytes(b"damaged")
    ran = Ran(capsys, "verify")
    assert ran.code == 6 and str(path) in ran.err and "restored" in ran.err
    assert Ran(capsys, "verify").code == 0


def test_rebuild_brings_everything_back(store: Store, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Ran(capsys, "list", "--json").out, Ran(capsys, "search", "budget", "--json").out
    for path in store.path.glob("catalog.db*"):
        path.unlink()
    ran = Ran(capsys, "rebuild")
    assert ran.code == 0 and "1 session" in ran.out
    assert (Ran(capsys, "list", "--json").out, Ran(capsys, "search", "budget", "--json").out) == before
    assert Ran(capsys, "rebuild", "--json").lines[-1] == {"sessions": 1, "restored": [], "problems": []}


def test_rebuild_tells_machines_of_its_progress(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches progress that mixes with the result, that never reaches its total, or that has a line a session."""
    for number in range(3):
        complete_session(store, f"Talk {number}", wall_ns=WALL_NS + number)
    ran = Ran(capsys, "rebuild", "--json")
    *progress, result = ran.lines
    assert [line["progress"] for line in progress] == [
        {"what": what, "done": done, "total": 3} for what in ("rows", "copies", "text") for done in (1, 2, 3)
    ]
    assert result["sessions"] == 3 and "3 sessions can be used" in ran.err
    out = Output(as_json=True)
    update = _counting(out, "rows", lambda done, total: None)
    for done in range(10_000):
        update(done + 1, 10_000)
    assert len(capsys.readouterr().out.splitlines()) == 101


def test_rebuild_restores_a_head_and_names_what_is_lost(
    store: Store, session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    head = store.path / "heads" / session / store.keys.device_id
    flip(head, 30)
    ran = Ran(capsys, "rebuild")
    assert ran.code == 0 and str(head) in ran.err and "restored" in ran.err
    assert Ran(capsys, "verify").code == 0
    assert [row["name"] for row in Ran(capsys, "list", "--json").document] == ["Budget talk"]
    damage_heads(store, session)
    ran = Ran(capsys, "rebuild")
    assert ran.code == 9 and session in ran.err and "damaged" in ran.err
    ran = Ran(capsys, "rebuild", "--json")
    assert ran.code == 9 and [problem["session"] for problem in ran.lines[-1]["problems"]] == [session]


def test_one_of_a_thing_is_no_plural(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "1 session" in (told := Ran(capsys, "verify").out) and "1 sessions" not in told
    assert "deleting 1 session needs" in Ran(capsys, "rm", session).err


def test_key_token(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "key", "token")
    assert ran.code == 0 and ran.out.strip() == store.keys.api_token()
    assert Ran(capsys, "key", "token", "--json").document == {"token": store.keys.api_token()}


@pytest.mark.parametrize("command", [["verify"], ["rebuild"], ["search", "x"], ["key", "token"]])
def test_no_home_and_a_wrong_key(
    store: Store, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    ran = Ran(capsys, *command, "--home", str(tmp_path / "none"))
    assert ran.code == 3 and not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("a file")
    assert Ran(capsys, *command, "--home", str(tmp_path / "file")).code == 5
    key = next(home.parent.rglob("master.key"))
    key.unlink()
    ran = Ran(capsys, *command, "--json", "--home", str(home))
    assert ran.code == 4 and not key.exists()
    assert ran.document["error"]["code"] == "key_problem"
