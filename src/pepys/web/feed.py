"""What changed, told to every open page.

One feed listens to the host and looks at the heads, however many pages listen. A page that does not keep up gets the
latest status and levels and the set of sessions that changed, never a backlog: what it missed is no longer true, and
levels that it missed it finds among the session's peaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, suppress
from typing import Any

from pepys import limits
from pepys.errors import Busy, PepysError
from pepys.store.head_files import HeadStamp
from pepys.store.store import Store

ALL = "*"


class Moved:
    """Which sessions have another head than at the last look; opens no file."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, HeadStamp] | None = None

    def look(self) -> list[str]:
        """The sessions that changed since the last look; none at the first. Blocks."""
        now, before = dict(self._store.heads.stamps()), self._seen
        self._seen = now
        if before is None:
            return []
        return [session for session in {**before, **now} if before.get(session) != now.get(session)]


class _Page:
    """What one page has yet to be told."""

    def __init__(self) -> None:
        self.status: dict[str, Any] | None = None
        self.levels: dict[str, Any] | None = None
        self.left_s: int | None = None
        self.sessions: dict[str, None] = {}
        self.news = asyncio.Event()


class Feed:
    """The pages that listen. Used from the event loop only.

    Args:
        subscribe: the host's pushes.
    """

    def __init__(self, subscribe: Callable[[], AbstractContextManager[AsyncIterator[dict[str, Any]]]]) -> None:
        self._subscribe = subscribe
        self._pages: set[_Page] = set()
        self._closed = False

    async def listen(self) -> None:
        """Carry the host's pushes to the pages, until cancelled."""
        with self._subscribe() as pushes:
            async for push in pushes:
                if push.get("push") == "status":
                    self.status(push["status"])
                elif push.get("push") == "levels":
                    self.levels(push["levels"])
                elif push.get("push") == "countdown":
                    self.countdown(push["left_s"])
                elif push.get("push") == "session":
                    self.changed([str(push["session"])])

    async def look(self, moved: Callable[[], Awaitable[Iterable[str]]]) -> None:
        """Ask now and then what other processes changed, while somebody listens; until cancelled.

        Args:
            moved: the sessions that changed since it was last asked.
        """
        with suppress(PepysError, OSError):
            await moved()  # what the later looks are compared with
        while True:
            await asyncio.sleep(limits.SSE_LOOK_NS / limits.NS_PER_S)
            # A read that failed says nothing about what changed; the next look asks again.
            with suppress(PepysError, OSError):
                self.changed(await moved() if self._pages else ())

    def status(self, status: dict[str, Any]) -> None:
        """Tell a new status."""
        for page in self._pages:
            page.status = status
            page.news.set()

    def levels(self, levels: dict[str, Any]) -> None:
        """Tell the last second of each track, as the recorder told it."""
        for page in self._pages:
            page.levels = levels
            page.news.set()

    def countdown(self, left_s: int) -> None:
        """Tell the seconds until a session begins; 0 when nothing is counted any more."""
        for page in self._pages:
            page.left_s = left_s
            page.news.set()

    def changed(self, sessions: Iterable[str]) -> None:
        """Tell that sessions changed."""
        for session in sessions:
            for page in self._pages:
                if len(page.sessions) >= limits.SSE_SESSIONS:
                    page.sessions = {ALL: None}
                else:
                    page.sessions[session] = None
                page.news.set()

    def close(self) -> None:
        """End every page's stream."""
        self._closed = True
        for page in self._pages:
            page.news.set()

    async def events(self, first: dict[str, Any]) -> AsyncGenerator[tuple[str, dict[str, Any]] | None, None]:
        """The events for one page; None now and then, so that a dead connection is noticed.

        Raises:
            Busy: too many pages listen.
        """
        page = _Page()
        self._pages.add(page)
        try:
            yield "status", first
            while not self._closed:
                try:
                    async with asyncio.timeout(limits.SSE_COMMENT_NS / limits.NS_PER_S):
                        await page.news.wait()
                except TimeoutError:
                    yield None
                    continue
                page.news.clear()
                status, levels, left_s, sessions = page.status, page.levels, page.left_s, page.sessions
                page.status, page.levels, page.left_s, page.sessions = None, None, None, {}
                if status is not None:
                    yield "status", status
                if left_s is not None:
                    yield "countdown", {"left_s": left_s}
                if levels is not None:
                    yield "levels", levels
                for session in sessions:
                    yield "sessions", {"id": session}
        finally:
            self._pages.discard(page)

    def admit(self) -> None:
        """Refuse a page when too many listen.

        Raises:
            Busy: there is no room.
        """
        if len(self._pages) >= limits.SSE_CLIENTS:
            raise Busy("too many pages are open", "close some of them")
