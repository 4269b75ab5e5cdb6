"""A recording in the foreground: a host of its own around one session.

Owns what ends it: its time, a `stop` from elsewhere, a signal, the recorder's own end. The first Ctrl-C ends the
recording in order; the second returns at once while the recorder finishes by itself. What is shown is left to the
caller, who hears every push.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pepys.clock import Clock
from pepys.errors import Busy, Interrupted
from pepys.sessions.blocks import run
from pepys.sessions.control import host_running
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest

_T = TypeVar("_T")
_RECORDER_BEGINS = frozenset({"starting", "recording"})
_FAILING = frozenset({"failed", "restarting"})
_MAY_CLOSE = ("window:", "monitor:", "file:")  # sources whose end is an end like any other, and no failure
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # the last one is a terminal that was closed

OnPush = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a recording ended.

    Attributes:
        session: its id.
        state: `completed`, `interrupted` when the recorder died, `ending` when nobody waited for the end.
        failed_tracks: tracks that recorded and had failed when it ended.
        others: whether other tracks recorded and had not.
        interrupted: whether a signal ended it.
        error: why the recorder ended by itself, as in machine output.
    """

    session: str
    state: str
    failed_tracks: tuple[str, ...] = ()
    interrupted: bool = False
    error: dict[str, Any] | None = None
    others: bool = True


def record(
    home: Path,
    request: StartRequest,
    *,
    seconds: float | None = None,
    on_push: OnPush | None = None,
    clock: Clock | None = None,
) -> Outcome:
    """Record one session; returns when it is stored, or at the second Ctrl-C.

    Args:
        home: the data folder, which must have no other host.
        request: what to record.
        seconds: end after this long; None for no end of its own.
        on_push: hears `{"push": "status" | "session" | "track" | "gap" | "error", ...}`.
        clock: the clock.

    Raises:
        Busy: the home has a host, or a recording under way.
        Interrupted: a signal came before the recording began; nothing is left of it.
        PepysError: why it could not begin.
    """
    if host_running(home):
        raise Busy(f"a daemon or another recording runs on {home}", "use `pepys start`, or another folder with --home")
    return run(_Foreground(Host(home, kind="foreground", clock=clock), on_push).run(request, seconds))


class _Foreground:
    """One run; its events are set by signals and by pushes."""

    def __init__(self, host: Host, on_push: OnPush | None) -> None:
        self._host = host
        self._on_push = on_push
        self._asked = asyncio.Event()
        self._asked_twice = asyncio.Event()
        self._over = asyncio.Event()
        self._failing: set[str] = set()
        self._closed: set[str] = set()
        self._well = True
        self._error: dict[str, Any] | None = None
        self._state = "ending"

    async def run(self, request: StartRequest, seconds: float | None) -> Outcome:
        with self._signals():
            opening = asyncio.create_task(self._host.open())
            await self._first(None, self._asked, waiting=opening)
            await _now_or_never(opening)
            waited = False
            try:
                with self._host.subscribe() as updates:
                    hearing = asyncio.create_task(self._hear(updates))
                    status = await self._start(request)
                    if self._on_push is not None:
                        self._on_push({"push": "started", "status": status})
                    await self._first(seconds, self._over, self._asked, self._host.closing)
                    interrupted = self._asked.is_set()
                    waited = await self._end()
                    hearing.cancel()
            finally:
                await self._host.close(end_recording=False)
        failed = tuple(sorted(self._failing - set(status["left_out"])))
        state = self._state if waited else "ending"
        return Outcome(status["session"], state, failed, interrupted, self._error, self._well)

    async def _end(self) -> bool:
        """End the recording; whether its end was waited for."""
        if self._over.is_set():
            return True
        stopping = asyncio.create_task(self._host.stop())
        await self._first(None, self._over, self._asked_twice, waiting=stopping)
        if stopping.done() or self._over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                self._state = (await stopping)["state"]
            return True
        self._host.end_unwatched()
        stopping.cancel()
        return False

    async def _start(self, request: StartRequest) -> dict[str, Any]:
        """Start, unless a signal comes first.

        Once a recorder is starting, one signal lets it begin and then end in order; a second one does not wait.
        """
        task = asyncio.create_task(self._host.start(request))
        await self._first(None, self._asked, waiting=task)
        if not task.done() and self._host.status()["state"] in _RECORDER_BEGINS:
            await self._first(None, self._asked_twice, waiting=task)
        return await _now_or_never(task)

    async def _first(
        self, seconds: float | None, *events: asyncio.Event, waiting: asyncio.Future[Any] | None = None
    ) -> None:
        """Return when the first of the events is set, the task is done, or the time is over."""
        tasks = [asyncio.create_task(event.wait()) for event in events]
        try:
            everything: list[asyncio.Future[Any]] = [*tasks, *([] if waiting is None else [waiting])]
            await asyncio.wait(everything, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _hear(self, updates: Any) -> None:
        async for push in updates:
            if push["push"] == "status" and push["status"]["tracks"]:
                tracks = push["status"]["tracks"]
                states = {track["track"]: track["state"] for track in tracks}
                closed = {
                    track["track"] for track in tracks
                    if track["track"] in self._closed and str(track.get("source", "")).startswith(_MAY_CLOSE)
                }  # fmt: skip
                self._failing = {track for track, state in states.items() if state in _FAILING} - closed
                self._well = any(state not in _FAILING and state != "off" for state in states.values())
            elif push["push"] == "gap" and push["reason"] == "source_closed":
                (self._closed.add if push["end_ms"] is None else self._closed.discard)(str(push["track"]))
            elif push["push"] == "error":
                self._error = push["error"]
            elif push["push"] == "session" and push["state"] in {"completed", "interrupted", "failed"}:
                self._state = push["state"]
                self._over.set()
            if self._on_push is not None:
                self._on_push(push)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        taken = []
        for number in _SIGNALS:
            # Outside the main thread, or where loops take no signals, whoever runs the thread ends the recording.
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, self._signal)
                taken.append(number)
        try:
            yield
        finally:
            for number in taken:
                loop.remove_signal_handler(number)

    def _signal(self) -> None:
        (self._asked_twice if self._asked.is_set() else self._asked).set()


async def _now_or_never(task: asyncio.Task[_T]) -> _T:
    """What a task gave; one that is not done is cancelled.

    Raises:
        Interrupted: it was not done.
    """
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await task
        raise Interrupted("interrupted before the recording began", "nothing was recorded")
    return await task
