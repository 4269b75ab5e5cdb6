"""The one process that steers recordings on a home: the daemon, or a foreground `pepys record`.

Owns the host lock, the control socket, the file that tells where it is, and who listens. Invariants: one host a home;
nothing slow runs in the event loop. What happens to the session under way is `steering`'s; HTTP and jobs are left to
the daemon, which adds its own commands.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pepys.clock import Clock, SystemClock
from pepys.config import runtime_dir
from pepys.errors import NotFound, StorageProblem
from pepys.record.wire import Message
from pepys.sessions.backing import Backing
from pepys.sessions.blocks import lags_of
from pepys.sessions.control import host_file, run_dir
from pepys.sessions.feed import Feed, Subscription
from pepys.sessions.lock import HostLock
from pepys.sessions.server import ControlServer, Handler, write_host_file
from pepys.sessions.start import StartRequest, request_from_json
from pepys.sessions.steering import Steering
from pepys.store.store import Store, open_store

Kind = Literal["daemon", "foreground"]
SETTABLE: Final = ("layout", "sources", "mute", "unmute", "balance")
"""What `set` changes while it records."""


class Host:
    """A host of one home; `open` it, use it in one event loop, `close` it.

    Attributes:
        home: the data folder.
        store: the open store.
        closing: set when a `shutdown` command asked for the end.
    """

    store: Store

    def __init__(self, home: Path, *, kind: Kind = "foreground", clock: Clock | None = None) -> None:
        self.home = home
        self.kind = kind
        self.clock = clock or SystemClock()
        self.closing = asyncio.Event()
        self._feed = Feed()
        self._commands: dict[str, Handler] = {
            "status": self._on_status,
            "subscribe": self._on_status,
            "start": lambda args: self.start(request_from_json(args)),
            "set": lambda args: self.set(**{name: args.get(name) for name in SETTABLE}),
            "pause": lambda args: self.pause(),
            "resume": lambda args: self.resume(args.get("session")),
            "stop": lambda args: self.stop(args.get("session")),
            "note": lambda args: self.note(str(args["text"])),
            "mark": lambda args: self.mark(str(args.get("label", ""))),
            "shot": lambda args: self.shot(),
            "shutdown": self._on_shutdown,
        }

    async def open(self) -> None:
        """Become the host: take the lock, recover what died, adopt what lives, listen.

        Raises:
            Busy: the home has a host.
            StorageProblem: the home cannot be written.
            KeyProblem: the store's key is missing or wrong.
        """
        self.store = await asyncio.to_thread(open_store, self.home, create=True, clock=self.clock)
        if not self.store.writable:
            raise StorageProblem(f"{self.home} cannot be written", "make it writable, or choose another with --home")
        self._lock = HostLock(run_dir(self.home))
        try:
            lags = lags_of(asyncio.get_running_loop())
            self._steering = Steering(Backing(self.store, self.clock), self._feed, lags)
            await self._steering.take_over()
            self._server = ControlServer(runtime_dir(self.home) / "host.sock", self._commands, self._feed)
            await self._server.open()
            write_host_file(host_file(self.home), self._server.path, self.kind, self.clock.boot_id())
        except BaseException:
            self._lock.release()
            raise

    async def close(self, *, end_recording: bool = True) -> None:
        """Stop being the host.

        Args:
            end_recording: end the recording in order first; otherwise its recorder goes on and can be adopted.
        """
        try:
            if end_recording and self._steering.under_way:
                with contextlib.suppress(NotFound):
                    await self.stop()
        finally:
            self._feed.end()
            await self._steering.leave()
            with contextlib.suppress(OSError):  # on a disk that takes nothing it stays: its lock is free all the same
                host_file(self.home).unlink(missing_ok=True)
            await self._server.close()
            self._lock.release()

    def add_command(self, name: str, handler: Handler) -> None:
        """Answer one more command on the control socket."""
        self._commands[name] = handler

    def subscribe(self) -> Subscription:
        """Hear `{"push": "status", "status"}` and `{"push": "session", "session", "state"}`; use it with `with`."""
        return self._feed.subscribe()

    async def start(self, request: StartRequest) -> Message:
        """Begin a session; returns its status when it records.

        Raises:
            Busy: a session is under way.
            PepysError: why it could not begin.
        """
        return await self._steering.start(request)

    async def set(
        self,
        *,
        layout: str | None = None,
        sources: Sequence[str] | None = None,
        mute: Sequence[str] | None = None,
        unmute: Sequence[str] | None = None,
        balance: int | None = None,
    ) -> Message:
        """Change the recording under way; returns the status when it is so.

        What is heard is changed first, at once, and stays changed where the pictures then cannot be.

        Args:
            layout: compose otherwise.
            sources: show these instead.
            mute: record silence of these: tracks of sound, or nodes of gain.
            unmute: hear these again.
            balance: how two sounds are mixed, 0 to 100; 50 is both whole.

        Raises:
            NotFound: nothing is being recorded.
            PepysError: why it cannot be. Without a layout or sources nothing is changed then; with them the pictures go
                on as they were.
        """
        given = (layout, sources, mute, unmute, balance)
        asked = {name: value for name, value in zip(SETTABLE, given, strict=True) if value is not None}
        return await self._steering.set(**asked)

    async def pause(self) -> Message:
        """Pause; returns when no frame or sample can be taken any more."""
        return await self._steering.pause()

    async def resume(self, session: str | None = None) -> Message:
        """Go on after a pause, or with an interrupted session (an id or its prefix); returns when it records."""
        return await self._steering.resume(session)

    async def stop(self, session: str | None = None) -> Message:
        """End the recording, or complete an interrupted session; returns when it is completed."""
        return await self._steering.stop(session)

    async def note(self, text: str) -> Message:
        """Add a note now."""
        return await self._steering.note(text)

    async def mark(self, label: str = "") -> Message:
        """Add a marker now."""
        return await self._steering.mark(label)

    async def shot(self) -> Message:
        """Take a shot now; what the recorder tells of it.

        Raises:
            NotFound: nothing is being recorded.
            Busy: it is paused.
        """
        return await self._steering.shot()

    def end_unwatched(self) -> None:
        """Have the recorder end by itself without waiting for it."""
        self._steering.end_unwatched()

    def status(self) -> Message:
        """What happens now, from memory."""
        return self._steering.status()

    async def _on_status(self, args: dict[str, Any]) -> Message:
        return self.status()

    async def _on_shutdown(self, args: dict[str, Any]) -> Message:
        self.closing.set()
        return {"closing": True}
