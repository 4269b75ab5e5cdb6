"""The playback stream over HTTP: its table, headers, segments and fragments, decrypted and copied.

A segment that was sealed between two requests keeps its number, so that both ways of asking work before and after.
Bodies above `limits.STREAM_ABOVE_BYTES` are streamed in pieces: one page never holds much of the daemon's memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from pepys import limits
from pepys.errors import NotFound
from pepys.model.session import Segment, Session
from pepys.review.playback import find_init, find_segment, init_mime, playback, version_of
from pepys.web.answers import PROBLEMS, bytes_of, json_answer
from pepys.web.services import Services, services
from pepys.web.shapes_review import Playback

router = APIRouter(prefix="/api/v1/sessions/{session_id}", tags=["media"], responses=PROBLEMS)
Service = Annotated[Services, Depends(services)]


@router.get("/playback", response_model=Playback)
async def get_playback(
    session_id: str,
    service: Service,
    after: str | None = Query(default=None, max_length=64),
    wait_ms: int = Query(default=0, ge=0, le=limits.LONG_POLL_MAX_MS),
    segments_from: int = Query(default=0, ge=0),
) -> Response:
    """The table of the playback stream; with `after` and `wait_ms`, when it is another one than that."""
    until_ns = service.clock.now_ns() + wait_ms * limits.NS_PER_MS
    while True:
        session = await service.readers.run(service.shelf.session, session_id)
        state = _state(service, session)
        changed = after is None or version_of(session, state) != after
        if changed or session.state != "recording" or service.clock.now_ns() >= until_ns:
            return json_answer(playback(session, state, segments_from))
        if service.host.closing.is_set():
            return json_answer(playback(session, state, segments_from))
        await asyncio.sleep(limits.LONG_POLL_LOOK_NS / limits.NS_PER_S)


@router.get("/media/inits/{init}", responses=bytes_of("video/mp4", "The header of a span"), response_class=Response)
async def get_init(session_id: str, init: int, service: Service) -> Response:
    """The header that the segments of a span need."""
    session = await service.readers.run(service.shelf.session, session_id)
    blob = find_init(session, init)
    if blob is None:
        raise NotFound("the session has no such header", "take ids from playback")
    data = await service.readers.run(service.store.media.read, session.id, blob)
    return Response(data, media_type=init_mime(session, init))


@router.get("/media/segments/{n}", responses=bytes_of("video/mp4", "Whole fragments"), response_class=Response)
async def get_segment(session_id: str, n: int, service: Service) -> Response:
    """A segment, whole."""
    session = await service.readers.run(service.shelf.session, session_id)
    segment = _segment(session, n)
    return await _media(service, session, segment, 0, segment.bytes)


@router.get(
    "/media/segments/{n}/fragments/{i}", responses=bytes_of("video/mp4", "One fragment"), response_class=Response
)
async def get_fragment(session_id: str, n: int, i: int, service: Service) -> Response:
    """One fragment of a segment."""
    session = await service.readers.run(service.shelf.session, session_id)
    segment = _segment(session, n)
    if not 0 <= i < len(segment.fragments):
        raise NotFound("the segment has no such fragment", "take numbers from playback")
    offset, length, _, _ = segment.fragments[i]
    return await _media(service, session, segment, offset, length)


async def _media(service: Services, session: Session, segment: Segment, offset: int, length: int) -> Response:
    kind = init_mime(session, segment.span)
    if length <= limits.STREAM_ABOVE_BYTES:
        return Response(await read_media(service, session.id, segment, offset, length), media_type=kind)
    pieces = _pieces(service, session.id, segment, offset, length)
    return StreamingResponse(pieces, media_type=kind, headers={"Content-Length": str(length)})


async def _pieces(
    service: Services, session_id: str, segment: Segment, offset: int, length: int
) -> AsyncIterator[bytes]:
    end = offset + length
    while offset < end:
        piece = min(limits.STREAM_PIECE_BYTES, end - offset)
        yield await read_media(service, session_id, segment, offset, piece)
        offset += piece


async def read_media(service: Services, session_id: str, segment: Segment, offset: int, length: int) -> bytes:
    """Bytes of a segment, wherever they lie by now: in the open file, or in the blob that it became."""
    if segment.blob:
        return await _read_blob(service, session_id, segment, offset, length)
    try:
        return await service.readers.run(service.store.blobs.read_open, segment.name, offset, length)
    except NotFound:
        # It got its name since the session was read; its bytes are the same ones.
        again = _segment(await service.readers.run(service.shelf.session, session_id), segment.n)
        if not again.blob:
            raise
        return await _read_blob(service, session_id, again, offset, length)


async def _read_blob(service: Services, session_id: str, segment: Segment, offset: int, length: int) -> bytes:
    if offset == 0 and length == segment.bytes:
        return await service.readers.run(service.store.media.read, session_id, segment.blob)
    return await service.readers.run(service.store.media.read_range, session_id, segment.blob, offset, length)


def _segment(session: Session, number: int) -> Segment:
    segment = find_segment(session, number)
    if segment is None:
        raise NotFound("the session has no such segment", "take numbers from playback")
    return segment


def _state(service: Services, session: Session) -> str:
    """What the host says of its own session is fresher and finer than the manifest's state."""
    status = service.host.status()
    return str(status["state"]) if status.get("session") == session.id else session.state
