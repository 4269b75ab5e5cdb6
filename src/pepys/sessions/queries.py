"""What the sessions on a home are, in the shapes of the contract: for the command line, the daemon and the demo.

Only reads, apart from recovering what a dead recorder left where the home can be written. Times in what it returns are
integers in milliseconds on the session's axis, or RFC 3339.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pepys import limits
from pepys.clock import Clock, rfc3339
from pepys.enrich.state import enrichment_state
from pepys.errors import ODD, Damaged, PepysError, StorageProblem
from pepys.model.session import Gap, Session, Track
from pepys.sessions.activity_shape import activity_shape, shots_shape
from pepys.sessions.sound_shape import graph_shape, sound_shape
from pepys.store.catalog import Catalog, resolve_session
from pepys.store.earlier import load_if_possible
from pepys.store.journal import journal_locked
from pepys.store.reader import load
from pepys.store.recover import recover
from pepys.store.row import Row
from pepys.store.search import Hit
from pepys.store.store import Store, open_store


class Library:
    """An open store with its catalog, brought up to date; use it with `with`.

    Attributes:
        store: the store.
        catalog: its catalog.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.catalog = Catalog(store)

    def __enter__(self) -> Self:
        self.catalog.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.catalog.__exit__(kind, error, trace)

    def refresh(self) -> None:
        """Recover what died and bring the rows up to date; what is searched for, `search_sessions` does."""
        recover_dead(self.store)
        self.catalog.refresh_rows()


def open_library(home: Path, clock: Clock | None = None) -> Library:
    """Open the home for reading and for edits; works where nothing can be written.

    Raises:
        NotFound: there is no home.
        StorageProblem: it is no folder.
        KeyProblem: the key is missing or another's.
    """
    return Library(open_store(home, create=False, clock=clock))


def recover_dead(store: Store) -> None:
    """Recover the sessions whose recorder is dead; a home that cannot be written is left as it is."""
    if store.writable:
        for session in store.journal_sizes():
            if not journal_locked(store.journal_path(session)):
                with contextlib.suppress(PepysError, OSError, *ODD):
                    recover(store, session)


def resolve(library: Library, text: str) -> str:
    """The id that an id, a unique prefix or `last` means.

    Raises:
        NotFound: no session has it.
        Usage: several have.
    """
    return resolve_session(library.store, text)


def list_sessions(
    library: Library,
    *,
    tag: str | None = None,
    state: str | None = None,
    query: str | None = None,
    from_ns: int | None = None,
    to_ns: int | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Sessions, newest first; `from_ns` and `to_ns` bound the wall time of their start."""
    recover_dead(library.store)
    if limit is None or any(one is not None for one in (tag, state, query, from_ns, to_ns)):
        library.catalog.refresh_rows()
    else:
        library.catalog.refresh_newest(offset + limit)
    rows = library.catalog.list(
        tag=tag, state=state, query=query, from_ns=from_ns, to_ns=to_ns, limit=limit, offset=offset
    )
    return [row_shape(row) for row in rows]


def row_shape(row: Row) -> dict[str, Any]:
    """One session in a list."""
    live = row.state == "recording"
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "started_at": rfc3339(row.started_wall_ns),
        "ended_at": None if live else rfc3339(row.started_wall_ns + row.end_ns),
        "duration_ms": row.duration_ns // limits.NS_PER_MS,
        "wall_ms": row.end_ns // limits.NS_PER_MS,
        "tags": list(row.tags),
        "description": row.description,
        "category": row.category,
        "summary": row.summary or None,
        "bytes_on_disk": row.bytes_on_disk,
        "cost_usd": row.cost_nanos / 1e9,
        "enrichment_state": row.enrichment_state,
        "apps": [{"start_ms": start, "end_ms": end, "app": app} for start, end, app in row.apps],
        "gaps": [{"start_ms": start, "end_ms": end, "reason": reason} for start, end, reason in row.gaps],
        "poster": row.poster,
    }


def show_session(library: Library, text: str) -> dict[str, Any]:
    """One session in the shape of `show --json`.

    Raises:
        NotFound: no session has that id.
    """
    recover_dead(library.store)
    session = load_if_possible(library.store, resolve(library, text))
    library.catalog.refresh_rows()
    row = library.catalog.get(session.id)
    shape = {**session_shape(session), "bytes_on_disk": row.bytes_on_disk, "summary": row.summary or None}
    _add_spent(library.store, session.id, shape["enrichment"])
    return shape


def _add_spent(store: Store, session: str, enrichment: dict[str, Any]) -> None:
    """Count what the ledger knows: artifacts that were made anew cost money too. Other devices' spends it does not."""
    from pepys.store.ledger import Ledger

    # A damaged ledger keeps nobody from a session; `pepys verify` tells of it.
    with contextlib.suppress(Damaged, StorageProblem):
        enrichment["cost_usd"] = max(enrichment["cost_usd"], Ledger(store).total_nanos(session) / 1e9)


def show_graph(library: Library, text: str) -> dict[str, Any]:
    """The graph of one session's sound in the shape of `show --graph --json`.

    Raises:
        NotFound: no session has that id, or it has no graph.
    """
    recover_dead(library.store)
    return graph_shape(load(library.store, resolve(library, text)))


def session_shape(session: Session) -> dict[str, Any]:
    """What `show --json` tells from the session alone.

    Recorded time is summed from spans that are already in whole milliseconds, so that it and the gaps make `wall_ms`.
    """
    spans = [{"start_ms": _ms(s.start_ns), "end_ms": _ms(s.end_ns), "media_start_ms": _ms(s.media_ns)}
             for s in session.spans]  # fmt: skip
    shape: dict[str, Any] = {
        "id": session.id,
        "name": session.name,
        "state": session.state,
        "started_at": rfc3339(session.started_wall_ns),
        "ended_at": None if session.state == "recording" else rfc3339(session.started_wall_ns + session.end_ns),
        "duration_ms": sum(span["end_ms"] - span["start_ms"] for span in spans),
        "wall_ms": _ms(session.end_ns),
        "description": session.description,
        "category": session.category,
        "tags": list(session.tags),
        "spans": spans,
        "gaps": [_gap(gap) for gap in session.gaps],
        "tracks": [_track(track) for track in session.tracks],
        "shots": shots_shape(session),
        **activity_shape(session),
        "notes": [
            {"id": note.id, "kind": note.kind, "at_ms": _ms(note.at_ns), "text": note.text} for note in session.notes
        ],
        "enrichment": enrichment_state(session),
        "manifest": session.manifest,
        "unread": unread_shape(session),
    }
    if session.origin is not None:
        shape["origin"] = dict(session.origin)
    return shape


def unread_shape(session: Session) -> list[dict[str, Any]]:
    """What of a session does not open; `lost` is what nothing can bring back. Edits have no times."""
    return [
        {
            "what": str(part),
            "lost": part.is_lost,
            "start_ms": None if part.what == "edits" else _ms(part.start_ns),
            "end_ms": None if part.end_ns is None else _ms(part.end_ns),
        }
        for part in session.unread
    ]


def search_sessions(library: Library, query: str, **filters: Any) -> list[dict[str, Any]]:
    """Hits in the shape of `search --json`; the filters are those of `Catalog.search`."""
    library.refresh()
    library.catalog.refresh_text()
    return [hit_shape(hit) for hit in library.catalog.search(query, **filters)]


def hit_shape(hit: Hit) -> dict[str, Any]:
    """One hit of a search."""
    shape: dict[str, Any] = {
        "session_id": hit.session,
        "session_name": hit.session_name,
        "kind": hit.kind,
        "at": rfc3339(hit.wall_ns),
        "at_ms": _ms(hit.at_ns),
        "snippet": hit.snippet,
        "marks": [list(mark) for mark in hit.marks],
    }
    if hit.boxes:
        shape["boxes"] = [{"x": x, "y": y, "w": w, "h": h} for x, y, w, h in hit.boxes]
    if hit.shot:
        shape["shot"] = hit.shot
    return shape


def _gap(gap: Gap) -> dict[str, Any]:
    shape: dict[str, Any] = {"start_ms": _ms(gap.start_ns), "end_ms": _ms(gap.end_ns), "reason": gap.reason}
    return {**shape, "detail": gap.detail} if gap.detail else shape


def _track(track: Track) -> dict[str, Any]:
    return {
        "track": track.track,
        "kind": track.kind,
        "source": track.source,
        "codec": track.codec,
        "encoder": track.encoder,
        "layout": track.layout,
        "width": track.width,
        "height": track.height,
        "state": track.state,
        "detail": track.detail,
        "segments": len(track.segments),
        "bytes": track.bytes,
        "frames_captured": track.captured,
        "frames_encoded": track.encoded,
        "frames_dropped": track.dropped,
        "gaps": [_gap(gap) for gap in track.gaps],
        **sound_shape(track),
    }


def _ms(at_ns: int) -> int:
    return at_ns // limits.NS_PER_MS
