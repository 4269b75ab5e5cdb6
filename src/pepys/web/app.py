"""The application: routes, services, the guard in front.

`create_app` makes everything from an open host; nothing here binds a socket. The feed runs as long as the application.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Response
from starlette.types import ASGIApp

import pepys
from pepys.clock import Clock
from pepys.review.shelf import Shelf
from pepys.store.store import Store
from pepys.web import live, media, metrics, problems, recording, search, sessions, sign_in
from pepys.web.answers import json_answer
from pepys.web.auth import SignIn
from pepys.web.feed import Feed, Moved
from pepys.web.guard import Guard, host_rule, needs_proof
from pepys.web.readers import Readers
from pepys.web.services import HostPort, Services
from pepys.web.static import Bundle

STATIC: Final = Path(__file__).with_name("static")
_DESCRIPTION: Final = "The API of a pepys daemon. Times end in _ms (the session's axis) or media_*_ns (playback)."


def create_app(
    host: HostPort,
    store: Store,
    clock: Clock,
    *,
    sign_in_desk: SignIn,
    bound: str,
    port: int,
    wake_worker: Callable[[], None],
    static: Path = STATIC,
) -> ASGIApp:
    """Make the application, the guard around it: also an error that nobody foresaw leaves with its headers.

    Args:
        host: the open host.
        store: its store.
        clock: the time.
        sign_in_desk: codes and browser sessions, shared with whoever prints addresses.
        bound: the address the server is bound to.
        port: the port it listens on.
        wake_worker: tells that a job waits.
        static: the folder of the built page.
    """
    service = Services(
        host=host, store=store, clock=clock, sign_in=sign_in_desk, bound=bound, port=port, wake_worker=wake_worker,
        static=static, shelf=Shelf(store), readers=Readers(), feed=Feed(host.subscribe),
    )  # fmt: skip
    app = _Application(
        title="pepys", version=pepys.__version__, description=_DESCRIPTION, openapi_url="/api/v1/openapi.json",
        docs_url=None, redoc_url=None, lifespan=_lifespan,
    )  # fmt: skip
    app.state.services = service
    app.state.bundle = Bundle(static)
    problems.install(app)
    for part in (sign_in, sessions, media, search, recording, live, metrics):
        app.include_router(part.router)
    _add_page(app)
    return Guard(app, sign_in_desk, host_rule(bound, port))


class _Application(FastAPI):
    """FastAPI, which knows nothing of the guard: its document is told what the guard asks for."""

    def openapi(self) -> dict[str, Any]:
        """The document, with the two proofs and the routes that need none."""
        document = super().openapi()
        desk: SignIn = self.state.services.sign_in
        document["components"]["securitySchemes"] = {
            "session": {"type": "apiKey", "in": "cookie", "name": desk.cookie},
            "token": {"type": "http", "scheme": "bearer", "description": "The token of `pepys key token`"},
        }
        document["security"] = [{"session": []}, {"token": []}]
        for path, methods in document["paths"].items():
            for operation in methods.values() if not needs_proof(path) else ():
                operation["security"] = []
        return document


def _add_page(app: FastAPI) -> None:
    @app.get("/healthz", tags=["recording"])
    async def healthz() -> Response:
        """The daemon answers."""
        return json_answer({"status": "ok"})

    @app.get("/{path:path}", include_in_schema=False)
    async def page(path: str) -> Response:
        """A file of the bundle, or the shell."""
        bundle: Bundle = app.state.bundle
        return bundle.file(path)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run the feed, and end every stream when the host closes."""
    service: Services = app.state.services

    stamps = Moved(service.store)

    async def moved() -> list[str]:
        return await service.readers.run(stamps.look)

    async def end() -> None:
        await service.host.closing.wait()
        service.feed.close()

    tasks = [asyncio.create_task(part) for part in (service.feed.listen(), service.feed.look(moved), end())]
    try:
        yield
    finally:
        service.feed.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
