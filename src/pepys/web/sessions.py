"""Sessions over HTTP: the list, one session's overview, items and shots, and changes to it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from pepys import limits
from pepys.enrich.jobs import request as request_enrichment
from pepys.enrich.state import enrichment_state
from pepys.errors import NotFound, Usage
from pepys.model.session import Session
from pepys.review.items import items
from pepys.review.overview import overview
from pepys.review.rows import Extras, row_of_catalog
from pepys.review.shots import find_shot, shot_text, shot_type
from pepys.review.timespan import ms
from pepys.sessions.edits import add_note, edit_session, remove_session
from pepys.sessions.queries import Library
from pepys.store.catalog import Catalog
from pepys.store.waiting import under_way
from pepys.web import shapes, shapes_review
from pepys.web.answers import PROBLEMS, json_answer
from pepys.web.services import Services, services

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"], responses=PROBLEMS)
Service = Annotated[Services, Depends(services)]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/webp": {}, "image/png": {}}, "description": "The screenshot"}
}


@router.get("", response_model=shapes_review.SessionList)
async def list_sessions(
    service: Service,
    limit: int = Query(default=50, ge=1, le=limits.LIST_MAX),
    offset: int = Query(default=0, ge=0),
    tag: str | None = Query(default=None, max_length=limits.TAG_CHARS),
    state: str | None = Query(default=None, max_length=32),
    query: str | None = Query(default=None, max_length=limits.SESSION_NAME_CHARS),
) -> Response:
    """Sessions, newest first."""
    filters: dict[str, Any] = {"tag": tag or None, "state": state or None, "query": query or None}
    return json_answer(await service.readers.run(_list, service, filters, limit, offset))


@router.get("/{session_id}/overview", response_model=shapes_review.Overview)
async def get_overview(session_id: str, service: Service) -> Response:
    """All that paints the page, below 50 KB."""
    return json_answer(await service.readers.run(_overview, service, session_id))


@router.get("/{session_id}/items", response_model=shapes_review.Items)
async def get_items(session_id: str, service: Service, bucket: int = Query(ge=0, le=limits.BUCKETS_MAX)) -> Response:
    """The items of one bucket, by column."""

    def read() -> dict[str, Any]:
        session = service.shelf.session(session_id)
        return items(session, service.shelf.texts(session), bucket)

    return json_answer(await service.readers.run(read))


@router.get("/{session_id}/peaks", response_model=shapes_review.Peaks)
async def get_peaks(
    session_id: str,
    service: Service,
    track: str | None = Query(default=None, max_length=limits.SOUND_NAME_CHARS),
    from_ms: int = Query(default=0, ge=0, le=limits.AXIS_MS_MAX, alias="from"),
    to_ms: int | None = Query(default=None, ge=0, le=limits.AXIS_MS_MAX, alias="to"),
    points: int = Query(default=limits.PEAKS_POINTS, ge=1, le=limits.PEAKS_POINTS_MAX),
) -> Response:
    """The waveforms of the sound tracks, reduced to at most `points` values; no sound is decoded."""

    def read() -> dict[str, Any]:
        session = service.shelf.session(session_id)
        return service.shelf.peaks(session, track, from_ms, to_ms, points)

    return json_answer(await service.readers.run(read))


@router.get("/{session_id}/shots/{shot}", responses=_PICTURE, response_class=Response)
async def get_shot(session_id: str, shot: str, service: Service) -> Response:
    """A screenshot, in its native resolution."""

    def read() -> bytes:
        found = find_shot(service.shelf.session(session_id), shot)
        return service.store.media.read(session_id, found.blob)

    data = await service.readers.run(read)
    return Response(data, media_type=shot_type(data))


@router.get("/{session_id}/shots/{shot}/text", response_model=shapes_review.ShotText)
async def get_shot_text(session_id: str, shot: str, service: Service) -> Response:
    """The text on a screenshot, with its places."""

    def read() -> dict[str, Any]:
        session = service.shelf.session(session_id)
        return shot_text(find_shot(session, shot), service.shelf.texts(session))

    return json_answer(await service.readers.run(read))


@router.get("/{session_id}/notes/{note}", response_model=shapes_review.NoteOut)
async def get_note(session_id: str, note: str, service: Service) -> Response:
    """A note with its whole text."""
    session = await service.readers.run(service.shelf.session, session_id)
    found = next((item for item in session.notes if item.id == note), None)
    if found is None:
        raise NotFound("the session has no such note", "take ids from the overview")
    return json_answer({"id": found.id, "kind": found.kind, "at_ms": ms(found.at_ns), "text": found.text})


@router.patch("/{session_id}", response_model=shapes_review.Row)
async def patch_session(session_id: str, change: shapes.EditIn, service: Service) -> Response:
    """Change name, tags, description or category."""
    told = await service.readers.run(_edit, service, session_id, change)
    service.feed.changed([session_id])
    return json_answer(told)


@router.delete("/{session_id}", response_model=shapes.Removed)
async def delete_session(session_id: str, service: Service) -> Response:
    """Delete the session and all that is its own."""

    def remove() -> int:
        service.shelf.session(session_id)
        with Library(service.store) as library:
            return remove_session(library, session_id)

    freed = await service.readers.run(remove)
    service.shelf.forget(session_id)
    service.feed.changed([session_id])
    return json_answer({"bytes_freed": freed})


@router.post("/{session_id}/notes", response_model=shapes.NoteMade, status_code=201)
async def post_note(session_id: str, note: shapes.NoteIn, service: Service) -> Response:
    """Add a note or marker: at a time, or now to the session under way."""
    if note.kind == "note" and not note.text.strip():
        raise Usage("a note needs a text", "write something")
    session = await service.readers.run(service.shelf.session, session_id)
    if note.at_ms is None:
        made = await _note_now(service, session, note)
    else:
        made = await service.readers.run(_note_at, service, session, note, note.at_ms)
    service.feed.changed([session_id])
    return json_answer(made, 201)


@router.post("/{session_id}/enrich", response_model=shapes.JobMade, status_code=202)
async def post_enrich(session_id: str, service: Service, wanted: shapes.EnrichIn | None = None) -> Response:
    """Ask for the stages of enrichment to be run; what is done already is not done again."""

    def ask() -> str:
        session = service.shelf.session(session_id)
        return str(request_enrichment(service.store, session.id, wanted.stages if wanted else None))

    job = await service.readers.run(ask)
    service.wake_worker()
    return json_answer({"job": job}, 202)


@router.post("/{session_id}/resume", response_model=shapes.Status)
async def post_resume(session_id: str, service: Service) -> Response:
    """Go on with an interrupted session; answers when it records."""
    session = await service.readers.run(service.shelf.session, session_id)
    await service.host.resume(session.id)
    service.feed.changed([session.id])
    return json_answer(service.host.status())


@router.post("/{session_id}/stop", response_model=shapes.Status)
async def post_stop(session_id: str, service: Service) -> Response:
    """Complete an interrupted session; answers when it is complete."""
    session = await service.readers.run(service.shelf.session, session_id)
    ended = await service.host.stop(session.id)
    service.feed.changed([session.id])
    return json_answer({**service.host.status(), "ended": ended.get("session")})


def _list(service: Services, filters: dict[str, Any], limit: int, offset: int) -> dict[str, Any]:
    with Catalog(service.store) as catalog:
        if offset > limits.LIST_MAX or any(value is not None for value in filters.values()):
            catalog.refresh_rows()
        else:
            catalog.refresh_newest(offset + limit)
        total = catalog.count(**filters)
        rows = catalog.list(**filters, limit=limit, offset=offset)
    return {"total": total, "sessions": [row_of_catalog(row) for row in rows]}


def _overview(service: Services, session_id: str) -> dict[str, Any]:
    session = service.shelf.session(session_id)
    texts = service.shelf.texts(session)
    return overview(session, texts, _extras(service, session))


def _extras(service: Services, session: Session) -> Extras:
    with Catalog(service.store) as catalog:
        try:
            size = catalog.get(session.id).bytes_on_disk
        except NotFound:
            # Whoever changes a session tells the catalog; only what it was never told needs a look at all heads.
            catalog.refresh_rows()
            size = catalog.get(session.id).bytes_on_disk
    return Extras(size, enrichment_state(session, _running(service, session.id)))


def _running(service: Services, session_id: str) -> tuple[str, ...]:
    """The stages of a job under way; which of them are done, the artifacts say."""
    asked = any(session == session_id for session, _ in under_way(service.store))
    return ("*",) if asked else ()


def _edit(service: Services, session_id: str, change: shapes.EditIn) -> dict[str, Any]:
    session = service.shelf.session(session_id)
    wanted = session.tags if change.tags is None else tuple(dict.fromkeys(change.tags))
    with Library(service.store) as library:
        edit_session(
            library, session.id, name=change.name, description=change.description, category=change.category,
            tags=tuple(tag for tag in wanted if tag not in session.tags),
            untags=tuple(tag for tag in session.tags if tag not in wanted),
        )  # fmt: skip
        return row_of_catalog(library.catalog.get(session.id))


async def _note_now(service: Services, session: Session, note: shapes.NoteIn) -> dict[str, Any]:
    if service.host.status().get("session") != session.id:
        raise Usage("this session is not being recorded, so a note needs a time", "give at_ms")
    made = await (service.host.note(note.text) if note.kind == "note" else service.host.mark(note.text))
    return {"id": made["id"], "at_ms": made["at_ms"]}


def _note_at(service: Services, session: Session, note: shapes.NoteIn, at_ms: int) -> dict[str, Any]:
    offset = f"{at_ms // 1000}.{at_ms % 1000:03d}s"
    with Library(service.store) as library:
        made = add_note(library, session.id, note.text, offset, note.kind)
    return {"id": made["id"], "at_ms": made["at_ms"]}
