"""The recording under way over HTTP: what it does, and start, pause, resume, set, stop."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from pepys.errors import Usage
from pepys.sessions.start import StartRequest
from pepys.web.answers import PROBLEMS, json_answer
from pepys.web.health import health_shape
from pepys.web.services import Services, services
from pepys.web.shapes import Health, SetIn, ShotMade, StartIn, Status

router = APIRouter(prefix="/api/v1", tags=["recording"], responses=PROBLEMS)
Service = Annotated[Services, Depends(services)]


@router.get("/status", response_model=Status)
async def get_status(service: Service) -> Response:
    """What the host does."""
    return json_answer(service.host.status())


@router.get("/health", response_model=Health)
async def get_health(service: Service) -> Response:
    """Attempt, capture and write clocks of each track, and what stands still."""
    return json_answer(health_shape(service.host.status()))


@router.post("/recording", response_model=Status, status_code=201)
async def start(service: Service, wanted: StartIn | None = None) -> Response:
    """Begin a session, after a countdown if one is wanted; answers when it records."""
    wanted = wanted or StartIn()
    request = StartRequest(name=wanted.name or None, tags=tuple(wanted.tags), countdown_s=wanted.countdown_s)
    return json_answer(await service.host.start(request), 201)


@router.post("/recording/pause", response_model=Status)
async def pause(service: Service) -> Response:
    """Pause; answers when nothing is taken any more."""
    return json_answer(await service.host.pause())


@router.post("/recording/resume", response_model=Status)
async def resume(service: Service) -> Response:
    """Go on; answers when it records."""
    return json_answer(await service.host.resume())


@router.post("/recording/set", response_model=Status)
async def set_sound(service: Service, wanted: SetIn) -> Response:
    """Mute, hear again, or mix otherwise while it records; answers when it is so."""
    asked = wanted.model_dump(exclude_none=True)
    both = sorted(set(wanted.mute or ()) & set(wanted.unmute or ()))
    if both:
        raise Usage(f"{both[0]} is to be muted and heard at once", "leave out one of them")
    if not any(value or value == 0 for value in asked.values()):
        raise Usage("nothing is to be changed", "give mute, unmute or balance")
    return json_answer(await service.host.set(**asked))


@router.post("/recording/shot", response_model=ShotMade, status_code=201)
async def shot(service: Service) -> Response:
    """Take a shot now; answers when it is stored."""
    return json_answer(await service.host.shot(), 201)


@router.post("/recording/stop", response_model=Status)
async def stop(service: Service) -> Response:
    """End, or stop a countdown; answers when the session is complete."""
    ended = await service.host.stop()
    return json_answer({**service.host.status(), "ended": ended.get("session")})
