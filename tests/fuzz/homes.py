"""A home in which somebody with the keys planted hostile pieces: what every reader and the recovery make of it.

The bytes are pieces that lines of a single `!` part: fields of the manifest, events of a chunk, events of the journal,
edits, items of artifacts. Whatever stands there, the session beside it is listed and shown whole, nothing outside the
home is written, and only errors with a remedy are seen.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pepys.enrich.state import enrichment_state
from pepys.errors import PepysError
from pepys.model.manifest import Head
from pepys.review.items import items
from pepys.review.overview import overview
from pepys.review.peaks import LevelLanes, peaks
from pepys.review.playback import playback
from pepys.review.rows import Extras
from pepys.review.shelf import Shelf
from pepys.sessions.queries import Library, list_sessions, search_sessions, show_session
from pepys.store.chunks import compress
from pepys.store.edits import apply_edit
from pepys.store.journal import Journal
from pepys.store.rebuild import rebuild
from pepys.store.recover import recover_all
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.fuzz.guard import writing_within
from tests.fuzz.seeds import CHUNK, EDITS, SESSION
from tests.stored_session import complete_session, make_store

_PART: Final = b"\n!\n"
_RUNS_A_HOME: Final = 100
_ITEMS: Final = {
    "transcript": [
        {"track": "audio.mic", "start_ms": 1, "end_ms": 9, "text": "word", "words": [
            {"word": "word", "start_ms": 1, "end_ms": 9}]}
    ],
    "screen_text": [{"shot": "b3-" + "0" * 64, "lines": [{"text": "line", "x": 0.1, "y": 0.1, "w": 0.5, "h": 0.1}]}],
    "summary": [{"title": "title", "text": "text", "points": ["point"]}],
}  # fmt: skip
SEED: Final = _PART.join(
    (
        json.dumps({"name": "planted", "state": "completed", "started_wall_ns": 10**18, "journal_offset": 0}).encode(),
        CHUNK.rstrip(b"\n"),
        b"",
        EDITS.rstrip(b"\n"),
        b"\n".join(json.dumps({"stage": stage, "items": value}).encode() for stage, value in _ITEMS.items()),
    )
)
DEAD: Final = _PART.join(
    (json.dumps({"name": "dead", "state": "recording"}).encode(), b"", CHUNK.rstrip(b"\n"), b"", b"")
)


class _Home:
    """A home that is used for some runs, with a session that must stay as it is."""

    def __init__(self) -> None:
        self.folder = TemporaryDirectory(prefix="pepys-fuzz-")
        self.store = make_store(Path(self.folder.name))
        self.whole = complete_session(self.store, "whole")
        self.runs = 0

    def plant(self, data: bytes) -> None:
        """Give the session of the seeds these pieces, under the right keys."""
        store, parts = self.store, [*data.split(_PART), b"", b"", b"", b"", b""]
        self.runs += 1
        folder = store.path / "heads" / SESSION
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        store.journal_path(SESSION).unlink(missing_ok=True)
        blobs = store.blobs
        chunk = blobs.put(compress(parts[1]))
        count = len(parts[1].split(b"\n")) if parts[1] else 0
        artifacts = [
            {"stage": stage, "unit": "u", "key": "k", "engine": "e", "blob": blobs.put(compress(line))}
            for stage, line in zip(_ITEMS, parts[4].split(b"\n"), strict=False)
            if line
        ]
        value: dict[str, Any] = {
            "format": 1, "session": SESSION, "state": "completed", "name": "", "started_wall_ns": 0,
            "next_event": count, "chunks": [{"blob": chunk, "first": 0, "end": count}] if count else [],
            "edits": {"0123456789abc": blobs.put(parts[3])} if parts[3] else {}, "journal_offset": 0,
            "artifacts": artifacts,
        }  # fmt: skip
        with contextlib.suppress(ValueError, RecursionError):
            told = json.loads(parts[0])
            value.update(told if isinstance(told, dict) else {})
        manifest = blobs.put(json.dumps(value).encode())
        sealed = store.heads._sealed(Head(SESSION, 1, manifest))
        for name in (store.keys.device_id, f"{store.keys.device_id}.copy"):
            (folder / name).write_bytes(sealed)
        if parts[2]:
            self._journal(parts[2], count)

    def _journal(self, lines: bytes, first: int) -> None:
        journal = Journal.create(self.store.journal_path(SESSION), self.store.keys, SESSION, first)
        sealer = journal._sealer
        assert sealer is not None
        journal._write(b"".join(sealer.seal(line) for line in lines.split(b"\n")))
        journal.close()


_homes: list[_Home] = []


def _home() -> _Home:
    if not _homes or _homes[0].runs >= _RUNS_A_HOME:
        for old in _homes:
            old.folder.cleanup()
        _homes[:] = [_Home()]
    return _homes[0]


def home(data: bytes) -> None:
    """Plant, then read, recover, prove, edit and make anew."""
    here = _home()
    here.plant(data)
    with writing_within(Path(here.folder.name)):
        _read_all(here)
        for act in _acts(here.store):
            with contextlib.suppress(PepysError):
                act()
        _read_all(here)


def _acts(store: Store) -> list[Callable[[], Any]]:
    return [
        lambda: recover_all(store),
        lambda: verify(store),
        lambda: apply_edit(store, SESSION, ("tag", {"value": "t"})),
        lambda: rebuild(store),
    ]


def _read_all(here: _Home) -> None:
    store = here.store
    with Library(store) as library:
        rows = {row["id"]: row for row in list_sessions(library)}
        assert rows[here.whole]["name"] == "whole" and rows[here.whole]["state"] == "completed"
        assert SESSION in rows or len(rows) == 1
        json.dumps(list(rows.values()))
        assert search_sessions(library, "importance")
        with contextlib.suppress(PepysError):
            json.dumps(show_session(library, SESSION), ensure_ascii=False).encode()
    shelf = Shelf(store)
    with contextlib.suppress(PepysError):
        session = shelf.session(SESSION)
        texts = shelf.texts(session)
        extras = Extras(0, enrichment_state(session))
        for told in (overview(session, texts, extras), playback(session, "x"), items(session, texts, 0)):
            json.dumps(told, ensure_ascii=False).encode()
    with contextlib.suppress(PepysError):
        lanes = LevelLanes(store, SESSION)
        lanes.refresh()
        json.dumps(peaks(lanes, shelf.session(SESSION), None, 0, None, 500))
