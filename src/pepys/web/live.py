"""Server-sent events: status, levels, and which sessions changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from pepys.web.answers import PROBLEMS, bytes_of
from pepys.web.services import Services, services

router = APIRouter(prefix="/api/v1", tags=["live"], responses=PROBLEMS)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses=bytes_of("text/event-stream", "`status`, `countdown`, `levels` and `sessions`"),
)
async def events(service: Annotated[Services, Depends(services)]) -> StreamingResponse:
    """`status` (as `GET /status`) at once and on change, `sessions` with the id of one that changed.

    `levels` comes once a second while sound is recorded: by track `peaks` and `loudness`, twenty values in decibels,
    and `voice`, 0 or 1 each. `countdown` has the seconds that are left before a session begins, 0 when it is over.
    """
    service.feed.admit()
    return StreamingResponse(_stream(service), media_type="text/event-stream")


async def _stream(service: Services) -> AsyncIterator[bytes]:
    async for event in service.feed.events(service.host.status()):
        if event is None:
            yield b": still here\n\n"
            continue
        name, value = event
        data = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        yield f"event: {name}\ndata: {data}\n\n".encode()
