"""One session that no pepys wrote, sealed with the right keys: every command still does its work for all others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.errors import Damaged
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.model.manifest import Head
from pepys.sessions.queries import Library, list_sessions, search_sessions, show_session
from pepys.store import index, reader, recover
from pepys.store.chunks import compress, encode_json
from pepys.store.journal import Journal
from pepys.store.rebuild import rebuild
from pepys.store.recover import recover_all
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.stored_session import WALL_NS, Recording, complete_session, make_store, reopen

Line = dict[str, Any] | bytes
SPAN: dict[str, Any] = {
    "t": "SpanStarted", "span": 0, "at_ns": 0, "media_ns": 0, "boot_id": "b", "boot_ns": 0, "wall_ns": WALL_NS
}  # fmt: skip
TRACK: dict[str, Any] = {"t": "TrackStarted", "track": "video", "kind": "video", "source": "x", "codec": "h264"}
NOTE: dict[str, Any] = {"t": "NoteAdded", "id": "a", "at_ns": 1, "text": "words", "kind": "note"}
ITEMS = [
    {"text": 5, "start_ms": "x", "end_ms": 1, "words": 7},
    7,
    None,
    {"shot": 5, "lines": [{"text": 1}]},
    {"title": 7},
]


def written(line: Line) -> bytes:
    return line if isinstance(line, bytes) else json.dumps(line).encode()


def started(session: str) -> dict[str, Any]:
    return {"t": "SessionStarted", "session": session, "name": "Odd", "started_wall_ns": WALL_NS, "device": "d"}


def sealed(store: Store, *lines: Line, session: str | None = None, **fields: Any) -> str:
    """A session whose head, manifest and chunk are sealed as they should be, and hold what they like."""
    session = session or new_session_id(WALL_NS + 1)
    text = b"\n".join(
        [written({"t": "Chunk", "session": session}), written(started(session)), *map(written, lines), b""]
    )
    end = len(lines) + 1
    value = {
        "format": 1, "session": session, "state": "completed", "name": "Odd", "started_wall_ns": WALL_NS,
        "chunks": [{"blob": store.blobs.put(compress(text)), "first": 0, "end": end}], "next_event": end,
        "journal_offset": 0, "artifacts": [], "edits": {}, **fields,
    }  # fmt: skip
    head = Head(session, 1, store.blobs.put(json.dumps(value).encode()), None, value["edits"])
    folder = store.path / "heads" / session
    folder.mkdir()
    (folder / store.keys.device_id).write_bytes(store.heads._sealed(head))
    return session


def journal(store: Store, *lines: Line) -> str:
    """A session of which only a journal is there."""
    session = new_session_id(WALL_NS + 1)
    made = Journal.create(store.journal_path(session), store.keys, session)
    made.append_encoded([written(started(session)), *map(written, lines)])
    made.sync()
    made.close()
    return session


def artifacts(store: Store, **more: Any) -> list[dict[str, Any]]:
    stages = ("transcript", "screen_text", "summary")
    return [
        {"stage": stage, "unit": f"u{n}", "key": "k", "engine": "e", "seconds": 1, "cost_nanos": 5, "error": "",
         "blob": store.blobs.put(encode_json({"stage": stage, "unit": "u", "items": items})), **more}
        for n, stage in enumerate(stages) for items in (ITEMS, {"a": 1})
    ]  # fmt: skip


def opened(name: str, track: str = "video") -> list[Line]:
    return [
        SPAN, {**TRACK, "track": track}, {"t": "SegmentOpened", "track": track, "segment": 0, "span": 0, "name": name},
        {"t": "FragmentWritten", "track": track, "segment": 0, "offset": 0, "length": 100, "media_ns": 0,
         "duration_ns": 8, "at_ns": 0},
    ]  # fmt: skip


def edited(store: Store, *lines: bytes) -> str:
    return sealed(store, SPAN, edits={"0" * 13: store.blobs.put(b"\n".join(lines))})


BEGIN = b'{"counter":0,"wall_ns":1,"op":"log","values":{}}'
KINDS: dict[str, Callable[[Store], str]] = {
    "a time beyond any column": lambda store: sealed(
        store, SPAN, {**NOTE, "at_ns": 10**60}, {"t": "SpanEnded", "span": 0, "at_ns": 10**60, "media_ns": 10**60}
    ),
    "a time at the edge": lambda store: sealed(
        store, SPAN, {**NOTE, "at_ns": 2**63 - 1},
        {"t": "SpanEnded", "span": 0, "at_ns": 2**63 - 1, "media_ns": 2**63 - 1},
        {"t": "GapNoted", "start_ns": -(2**63) + 1, "end_ns": 2**63 - 1, "reason": "crash"},
        {"t": "SessionEnded", "at_ns": 2**63 - 1}, started_wall_ns=2**62,
    ),
    "no number": lambda store: sealed(
        store, SPAN, b'{"t":"NoteAdded","id":"a","at_ns":NaN,"text":"w","kind":"note"}',
        b'{"t":"SpanEnded","span":0,"at_ns":Infinity,"media_ns":1}',
    ),
    "a number of 5,000 digits": lambda store: sealed(
        store, SPAN, b'{"t":"NoteAdded","id":"a","at_ns":' + b"9" * 5000 + b',"text":"w","kind":"note"}'
    ),
    "an open file outside": lambda store: journal(store, *opened("../../../../evil")),
    "an open file of a drive": lambda store: journal(store, *opened("C:evil", "vi/../deo\0")),
    "an open file without a name": lambda store: journal(store, *opened("")),
    "half a surrogate pair": lambda store: sealed(
        store, SPAN, b'{"t":"NoteAdded","id":"a","at_ns":1,"text":"\\ud800 \\u0000 \\u001b[31m","kind":"note"}'
    ),
    "half a surrogate pair in its name": lambda store: sealed(store, SPAN, name="\ud800"),
    "artifacts of other types": lambda store: sealed(store, SPAN, NOTE, artifacts=artifacts(store)),
    "an artifact's odd words": lambda store: sealed(
        store, SPAN, artifacts=artifacts(store, seconds=1e999, cost_nanos=10**40, error=5, unit="\0")
    ),
    "other types everywhere": lambda store: sealed(
        store, {**SPAN, "span": "x", "at_ns": None}, {**NOTE, "id": [1], "at_ns": {}, "text": 5, "kind": None},
        {"t": "ShotTaken", "at_ns": "1", "blob": 7, "width": -1, "height": None, "bytes": []}, {"t": 5}, b"[1]", b"7",
        b"null", b'"x"', {"t": "Nope"}, {"t": ["x"]}, {"t": "WindowsNoted", "at_ns": 1, "windows": [[1, 2]]},
        {"t": "LevelsNoted", "track": "audio.mic", "at_ns": 0, "peaks": "!!!", "loudness": "=", "voice": "x"},
        {"t": "LevelsNoted", "track": "audio.mic", "at_ns": 0, "peaks": "!!!", "loudness": "=", "voice": -1},
        {"t": "SoundGraphSet", "at_ns": 0, "graph": {"nodes": 5, "edges": float("nan")}},
        {"t": "CompositionSet", "at_ns": 0, "sources": [], "layout": "\0"},
        {"t": "SegmentSealed", "track": "video", "segment": -1, "span": 9, "blob": "", "bytes": -1, "media_ns": -5,
         "duration_ns": -5, "at_ns": -5, "fragments": [[-1, -1, -1, -1]]},
    ),
    "a fraction of a nanosecond": lambda store: sealed(store, SPAN, {**NOTE, "at_ns": 1.5}),
    "an odd log of edits": lambda store: edited(
        store, BEGIN, b'{"counter":1,"wall_ns":1e999,"op":"set","values":{"field":"name","value":5}}', b"[]", b"7"
    ),
    "edits of other types": lambda store: edited(
        store, BEGIN, b'{"counter":1,"wall_ns":2,"op":"set","values":{"field":"name","value":{"a":1}}}',
        b'{"counter":2,"wall_ns":3,"op":"tag","values":{"value":["a"]}}',
        b'{"counter":3,"wall_ns":4,"op":"note","values":{"id":"z","at_ns":1e50,"text":"t","kind":"note"}}',
    ),
    "an id beyond time": lambda store: sealed(store, session="z" * 26, state="flying"),
    "a begin beyond any column": lambda store: sealed(store, SPAN, started_wall_ns=10**40),
    "spans and gaps that go back": lambda store: sealed(
        store, {**SPAN, "at_ns": 5}, {"t": "SpanEnded", "span": 0, "at_ns": -(10**18), "media_ns": -5},
        *({"t": "GapNoted", "start_ns": n, "end_ns": n - 9, "reason": "x", "track": None} for n in range(500)),
    ),
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def pepys(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line over the home."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "xdg").mkdir()
    (tmp_path / "xdg" / "pepys").symlink_to(tmp_path / "config")
    return lambda *words: main(["--home", str(store.path), *words])


@pytest.mark.parametrize("what", KINDS)
def test_an_odd_session_costs_itself_alone(
    store: Store, pepys: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    """Catches one session, sealed with the right keys, that makes a command fail for the whole home."""
    alpha = complete_session(store, "alpha")
    dead = Recording.begin(store, "dead")
    dead.segment()
    dead.note("of a dead recorder")
    gone = dead.die()
    odd = KINDS[what](store)
    before = {path.name for path in tmp_path.iterdir()}
    with Library(reopen(tmp_path)) as library:
        rows = {row["id"]: row["name"] for row in list_sessions(library)}
        assert {alpha, odd} <= set(rows) and rows[alpha] == "alpha"
        assert {hit["session_id"] for hit in search_sessions(library, "note")} >= {alpha}
        assert show_session(library, alpha)["state"] == "completed"
    recover_all(store)
    assert store.heads.manifest(gone)[1].state == "interrupted" and not store.has_journal(gone)
    assert {alpha, gone}.isdisjoint(damage.session for damage in verify(store).damages)
    made = rebuild(store)
    assert made.sessions >= 3 and set(made.unread) <= {odd}
    capfd.readouterr()
    for words, codes in (
        (["list"], {0}), (["search", "importance"], {0}), (["show", odd], {0, 6}), (["show", odd, "--json"], {0, 6}),
        (["edit", odd, "--tag", "x"], {0, 6}), (["list", "--tag", "x", "--json"], {0}),
        (["export", odd, "--to", str(tmp_path / "o.json")], {0, 6, 9}), (["rm", odd, "--yes"], {0, 6, 9}),
    ):  # fmt: skip
        code = pepys(*words)
        told = capfd.readouterr()
        assert code in codes and "--debug" not in told.err, (words, code, told.err[-500:])
    assert {path.name for path in tmp_path.iterdir()} <= before | {"o.json"}


def test_what_nobody_thought_of_costs_one_session(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an exception over one session's content, of a kind that no form refuses yet, that ends every command."""
    alpha, beta = complete_session(store, "alpha"), complete_session(store, "beta")
    dead = Recording.begin(store, "dead")
    dead.note("a note")
    gone = dead.die()
    project = reader.project

    def breaking(manifest: Any, events: Any, *more: Any) -> Any:
        if manifest.session == beta:
            raise OverflowError("a sum of its own")
        return project(manifest, events, *more)

    monkeypatch.setattr(reader, "project", breaking)
    monkeypatch.setattr("pepys.store.verify.project", breaking)
    monkeypatch.setattr(recover, "project", breaking)
    with Library(store) as library:
        assert {row["id"] for row in list_sessions(library)} >= {alpha, beta}
        assert search_sessions(library, "note")
        assert show_session(library, beta)["state"] == "damaged"  # as an earlier manifest tells it
    monkeypatch.setattr("pepys.store.earlier.project", breaking)
    with Library(store) as library:
        with pytest.raises(Damaged, match="a sum of its own"):
            show_session(library, beta)
        assert {row["id"] for row in list_sessions(library)} >= {alpha, beta}
    assert recover_all(store) == [] or store.heads.manifest(gone)[1].state == "interrupted"
    assert {damage.session for damage in verify(store).damages} == {beta}
    assert set(rebuild(store).unread) == {beta}
    monkeypatch.setattr(index, "load", lambda *_: 1 // 0)
    with Library(store) as library:
        assert {row["id"] for row in list_sessions(library)} >= {alpha, beta, gone}
        assert not search_sessions(library, "nothing of it")
    assert set(rebuild(store).unread) >= {alpha, beta, gone}
    assert isinstance(ev.decode(written(NOTE)), ev.NoteAdded)
