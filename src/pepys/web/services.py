"""What the routes work with, made once by whoever starts the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fastapi import Request

from pepys.clock import Clock
from pepys.review.shelf import Shelf
from pepys.sessions.start import StartRequest
from pepys.store.store import Store
from pepys.web.auth import SignIn
from pepys.web.feed import Feed
from pepys.web.readers import Readers


class HostPort(Protocol):
    """The host as the web sees it; `pepys.sessions.host.Host` is the one that runs."""

    closing: asyncio.Event

    def status(self) -> dict[str, Any]:
        """The shape of `GET /status`; from memory."""
        ...

    def subscribe(self) -> AbstractContextManager[AsyncIterator[dict[str, Any]]]:
        """Pushes of status and sessions, bounded."""
        ...

    async def start(self, request: StartRequest) -> dict[str, Any]:
        """Begin a session; returns when it records."""
        ...

    async def set(
        self, *, mute: Sequence[str] | None = None, unmute: Sequence[str] | None = None, balance: int | None = None
    ) -> dict[str, Any]:
        """Mute, hear again, or mix otherwise; returns when it is so."""
        ...

    async def pause(self) -> dict[str, Any]:
        """Pause; returns when nothing is taken any more."""
        ...

    async def resume(self, session: str | None = None) -> dict[str, Any]:
        """Go on."""
        ...

    async def shot(self) -> dict[str, Any]:
        """Take a shot now; returns when it is stored."""
        ...

    async def stop(self, session: str | None = None) -> dict[str, Any]:
        """End; returns when the session is complete."""
        ...

    async def note(self, text: str) -> dict[str, Any]:
        """Add a note now."""
        ...

    async def mark(self, label: str) -> dict[str, Any]:
        """Add a marker now."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request may need.

    Attributes:
        bound: the address the server is bound to, for the test of `Host`.
        wake_worker: tells that a job waits; quick, called from the event loop.
        static: the folder of the built page.
    """

    host: HostPort
    store: Store
    clock: Clock
    sign_in: SignIn
    bound: str
    port: int
    wake_worker: Callable[[], None]
    static: Path
    shelf: Shelf
    readers: Readers
    feed: Feed


def services(request: Request) -> Services:
    """The services of the application that serves a request."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found
