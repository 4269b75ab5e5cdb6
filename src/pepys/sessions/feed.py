"""What a host tells whoever listens: bounded queues, one a listener.

A listener that does not keep up loses the oldest messages, which is counted: the next status says all that matters.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from pepys import limits


class Subscription:
    """One listener: a context manager and an asynchronous iterator over messages.

    Attributes:
        lost: how many messages were dropped because they were not read in time.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._waiting: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(limits.SUBSCRIBER_QUEUE)
        self.lost = 0

    def __enter__(self) -> Self:
        self._feed.listeners.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed.listeners.discard(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        message = await self._waiting.get()
        if message is None:
            raise StopAsyncIteration
        return message

    def put(self, message: dict[str, Any] | None) -> None:
        """Hand over a message; None ends the iteration."""
        if self._waiting.full():
            self._waiting.get_nowait()
            self.lost += 1
        self._waiting.put_nowait(message)


class Feed:
    """The host's side of all subscriptions."""

    def __init__(self) -> None:
        self.listeners: set[Subscription] = set()

    def subscribe(self) -> Subscription:
        """A new listener, counted from `with` on."""
        return Subscription(self)

    def tell(self, message: dict[str, Any]) -> None:
        """Give a message to every listener; never waits."""
        for listener in self.listeners:
            listener.put(message)

    def end(self) -> None:
        """End every listener's iteration."""
        for listener in self.listeners:
            listener.put(None)
