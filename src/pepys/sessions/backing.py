"""What a course has others do: store, catalog, devices and processes of one home, asked from the event loop.

Owns every step that may take long, each in a thread. Invariant: nothing here decides; a step that was given up is
harmless. When what is done, and what follows from it, is `course`'s and `steering`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.clock import Clock
from pepys.errors import NotFound, PepysError, Usage
from pepys.model.session import Session
from pepys.record.runfile import RunFile, still_runs
from pepys.record.spec import RecordSpec
from pepys.record.wire import Message
from pepys.sessions import recording as recordings
from pepys.sessions.control import run_files
from pepys.sessions.link import RecorderLink, open_link
from pepys.sessions.recording import Ended, Recording
from pepys.sessions.rehearsal import rehearse
from pepys.sessions.room import require_room, room
from pepys.sessions.start import StartRequest, make_spec, request_from_json, validate
from pepys.settings import Record
from pepys.store.catalog import Catalog, resolve_session
from pepys.store.index import index_session
from pepys.store.reader import load
from pepys.store.recover import finish, recover, recover_all
from pepys.store.remove import remove
from pepys.store.store import Store

_LOG = logging.getLogger(__name__)


class Backing:
    """The slow side of one home.

    Args:
        store: the open store.
        clock: the clock.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self.clock = clock
        self._store = store
        self._home = store.path
        self._indexing = asyncio.Lock()
        self._room: Message = {"free_bytes": None, "seconds_left": None, "warning": ""}
        self._room_ns: int | None = None
        self._looking: asyncio.Task[None] | None = None

    # --- before a recorder

    async def validate(self, request: StartRequest) -> tuple[StartRequest, Record]:
        """Judge a request by itself.

        Raises:
            Usage: it makes no sense.
        """
        return await asyncio.to_thread(validate, request, self.clock)

    async def check(self, request: StartRequest, settings: Record) -> RecordSpec:
        """Find disk and devices for a new session.

        Raises:
            PepysError: what is missing.
        """
        await self.require_room()
        return await asyncio.to_thread(make_spec, self._home, request, settings, self.clock)

    async def check_again(self, session: str, *, again: bool = False, last: bool = False) -> RecordSpec:
        """Find disk and devices for an interrupted session, with what was asked for when it began.

        Args:
            session: the session.
            again: nobody asked: a sound device that was unplugged meanwhile is waited for, and is no reason to give up.
            last: it is this or nothing: go on with whatever is there.

        Raises:
            PepysError: what is missing.
        """
        before = await self.load(session)
        asked = replace(request_from_json(before.config), countdown_s=0)
        if last:
            asked = replace(asked, allow_partial=True)
        request, settings = await self.validate(asked)
        await self.require_room()
        return await asyncio.to_thread(make_spec, self._home, request, settings, self.clock, before, again=again)

    async def require_room(self) -> None:
        """Refuse where less than the reserve is free.

        Raises:
            StorageProblem: it is.
        """
        self._room = await asyncio.to_thread(require_room, self._home)

    async def rehearse(self, spec: RecordSpec) -> None:
        """Try whether a recorder could begin.

        Raises:
            PepysError: why it could not.
        """
        await rehearse(spec, self._store)

    # --- recorders

    async def begin(self, spec: RecordSpec) -> Recording:
        """Start a recorder and connect to it once it records.

        When it cannot be, it has ended, and nothing of a session that would have been new is left.

        Raises:
            PepysError: why it did not begin.
        """
        try:
            return await self._begin(spec)
        except BaseException:
            if not spec.resume:
                with contextlib.suppress(PepysError):  # why it did not begin says more
                    await asyncio.shield(self.remove(spec.session))
            raise

    async def _begin(self, spec: RecordSpec) -> Recording:
        launched, ready = await recordings.begin(spec, self._store, self._home / "logs" / "recorder.log")
        try:
            live = await recordings.attach(
                spec.session, ready["socket"], Path(spec.run_file), self.clock, launched.process
            )
        except BaseException:
            recordings.send_away(launched.process, resumed=spec.resume)
            await asyncio.shield(asyncio.to_thread(recordings.reap, launched.process))
            raise
        live.resumed = spec.resume
        live.left_out = recordings.left_out(ready.get("tracks", []), at_start=True)
        return live

    async def adopt(self, path: Path, run: RunFile) -> Recording:
        """Connect to a recorder that outlived its host.

        Raises:
            PepysError: it is about to go.
        """
        return await recordings.attach(run.session, run.socket, path, self.clock, run=run)

    async def reach(self, live: Recording) -> RecorderLink | None:
        """A new line to a recorder that let go of the one it had; None when it is gone, or hears nobody any more."""
        if live.process is not None and live.process.poll() is not None:
            return None
        with contextlib.suppress(PepysError):
            return await open_link(live.socket)
        return None

    def survivors(self) -> list[tuple[Path, RunFile]]:
        """The recorders that run, newest session first; the files of those that do not are removed."""
        found = []
        for path, run in run_files(self._home):
            if self.runs(run):
                found.append((path, run))
            else:
                with contextlib.suppress(OSError):  # on a disk that takes nothing it stays
                    path.unlink(missing_ok=True)
        return found

    def runs(self, run: RunFile) -> bool:
        """Whether a recorder's process is alive."""
        return still_runs(run, self.clock)

    def signal(self, run: RunFile, number: int) -> None:
        """Send a signal to a recorder that is nobody's child here, if it is that very process."""
        recordings.signal_run(run, number, self.clock)

    async def settle(self, live: Recording) -> Ended:
        """How the session of a recorder that is gone stands; what a crash left is recovered."""
        return await asyncio.to_thread(recordings.settle, self._store, live, self.clock)

    # --- the store

    async def resolve(self, text: str) -> str:
        """The session that an id or its prefix means.

        Raises:
            NotFound: none, or several.
        """
        return str(await asyncio.to_thread(resolve_session, self._store, text))

    async def load(self, session: str) -> Session:
        """A session as it is stored.

        Raises:
            NotFound: there is none of that id.
        """
        return await asyncio.to_thread(load, self._store, session)

    async def figures(self, session: str) -> Message:
        """What is stored of a session, in the terms of a status; nothing when it cannot be read."""
        with contextlib.suppress(PepysError):
            return await asyncio.to_thread(recordings.figures, self._store, session)
        return {}

    async def finish(self, session: str) -> None:
        """Complete an interrupted session.

        Raises:
            PepysError: why it cannot be.
        """
        await asyncio.to_thread(finish, self._store, session)

    async def recovered(self, session: str | None = None) -> list[str]:
        """Recover one session, or all that dead recorders left; those that were."""
        if session is None:
            return await asyncio.to_thread(recover_all, self._store)
        with contextlib.suppress(PepysError, OSError):  # on a disk that takes nothing the next host does it
            await asyncio.to_thread(recover, self._store, session)
        return [session]

    async def remove(self, session: str) -> None:
        """Leave nothing of a session whose start failed."""
        with contextlib.suppress(NotFound, Usage):
            await asyncio.to_thread(remove, self._store, session)
        await self.index(session)

    async def index(self, session: str) -> None:
        """Tell the catalog, one session at a time."""
        async with self._indexing:
            # The catalog is derived and its readers catch it up: no failure of it may reach a recording.
            (error,) = await asyncio.gather(asyncio.to_thread(_index, self._store, session), return_exceptions=True)
            if error is not None:
                reason = error.message if isinstance(error, PepysError) else repr(error)
                _LOG.warning("pepys: the catalog was not told of session %s: %s", session, reason)

    # --- the room that is left

    def room(self) -> dict[str, Any]:
        """The `disk` of a status while nothing is recorded: as it was a moment ago; never waits."""
        now_ns = self.clock.now_ns()
        if self._looking is None and (self._room_ns is None or now_ns - self._room_ns > limits.ROOM_LOOK_NS):
            with contextlib.suppress(RuntimeError):  # a status that is asked for outside the loop is told what is known
                self._looking = asyncio.get_running_loop().create_task(self.look())
        return self._room

    async def look(self) -> None:
        """Look at the disk."""
        try:
            self._room = await asyncio.to_thread(room, self._home)
        finally:
            self._room_ns, self._looking = self.clock.now_ns(), None


def _index(store: Store, session: str) -> None:
    if not store.path.is_dir() or not (store.path / "keys").is_dir():
        return  # the home is gone, or another folder is in its place: none is begun there
    with Catalog(store) as catalog:
        index_session(catalog, store, session)
