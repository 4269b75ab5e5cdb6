"""What may happen to the session under way, and making it happen.

Owns the statechart and the recorder of one home. Invariants: an operation returns when it has happened; operations
follow one another; nothing slow runs in the event loop; a recorder that dies is recovered at once. The catalog is only
told what changed: recording never waits for it. Lock, socket and listeners are the host's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.clock import Clock, rfc3339
from pepys.errors import Busy, NotFound, PepysError, Usage
from pepys.record.runfile import RunFile, still_runs
from pepys.record.spec import PROTOCOL, RecordSpec
from pepys.record.wire import Message
from pepys.sessions import recording as recordings
from pepys.sessions.control import run_files
from pepys.sessions.feed import Feed
from pepys.sessions.link import NoAnswer
from pepys.sessions.recording import Recording
from pepys.sessions.room import require_room, room
from pepys.sessions.start import StartRequest, make_spec, request_from_json, validate
from pepys.sessions.statechart import UNDER_WAY, SessionChart, configuration, new_chart, region_health, restore
from pepys.store.catalog import Catalog, resolve_session
from pepys.store.index import index_session
from pepys.store.reader import load
from pepys.store.recover import finish, recover_all
from pepys.store.store import Store

_LOG = logging.getLogger(__name__)


class Steering:
    """The session under way on one store; `take_over` before anything else.

    Args:
        store: the open store.
        feed: who is told.
        clock: the clock.
    """

    _chart: SessionChart

    def __init__(self, store: Store, feed: Feed, clock: Clock) -> None:
        self._store = store
        self._feed = feed
        self._clock = clock
        self._home = store.path
        self._operation = asyncio.Lock()
        self._indexing = asyncio.Lock()
        self._recording: Recording | None = None
        self._session: str | None = None
        self._name: str | None = None
        self._last: dict[str, Any] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stored: Message = {}

    @property
    def under_way(self) -> bool:
        """Whether a session is being recorded, or about to be."""
        return self._chart.state in UNDER_WAY

    def end_unwatched(self) -> None:
        """Have the recorder end by itself; to be told twice does it no harm."""
        if self._recording is not None and self.under_way:
            self._recording.link.post("stop")

    async def leave(self) -> None:
        """Let go of the recorder, which goes on."""
        if self._watch is not None:
            self._watch.cancel()
        if self._recording is not None:
            await self._recording.link.close()

    async def start(self, request: StartRequest) -> Message:
        """Begin a session; returns its status when it records.

        Raises:
            Busy: a session is under way.
            PepysError: why it could not begin.
        """
        self._refuse_second()
        async with self._operation:
            self._refuse_second()
            self._recording, self._session, self._last = None, None, None
            self._chart = await new_chart(self._changed)
            await self._chart.send("start")
            try:
                request, settings = await asyncio.to_thread(validate, request, self._clock)
                self._name = request.name
                await self._chart.send("validated")
                require_room(self._home)
                spec = await asyncio.to_thread(make_spec, self._home, request, settings, self._clock)
                await self._chart.send("checked")
                self._session = spec.session
                await self._attach_new(spec)
            except BaseException as error:
                if isinstance(error, PepysError):
                    self._last = {"session": None, "state": "failed", "error": error.to_json()}
                await self._give_up("fail")
                raise
            await self._chart.send("started")
            await self._tell_health()
            told = self.status()  # a recorder may end while its session is put into the catalog
        await self._index(spec.session)
        return told

    async def set(self, **asked: Any) -> Message:
        """Change what is given: `layout`, `sources`, `mute`, `unmute`, `balance`; returns when the recorder has."""
        async with self._operation:
            live = self._live()
            try:
                told = await live.link.call("set", limits.SET_S, **asked)
            except NoAnswer as error:
                raise recordings.no_answer(live, "set", limits.SET_S) from error
            live.heard(told, self._clock.now_ns())
            await self._tell_health()
        self._tell_status()
        return self.status()

    async def pause(self) -> Message:
        """Pause; returns when no frame or sample can be taken any more."""
        async with self._operation:
            live = self._live()
            if self._chart.state != "paused":
                await self._chart.send("pause")
                await self._ask(live, "pause", "now_paused", limits.PAUSE_S)
        return self.status()

    async def resume(self, session: str | None = None) -> Message:
        """Go on after a pause, or with an interrupted session; returns when it records."""
        async with self._operation:
            session = await self._interrupted(session)
            if session is not None:
                await self._resume_interrupted(session)
                return self.status()
            live = self._live()
            if self._chart.state != "recording":
                await self._chart.send("resume")
                await self._ask(live, "resume", "resumed", limits.PAUSE_S)
                await self._tell_health()
        return self.status()

    async def stop(self, session: str | None = None) -> Message:
        """End the recording, or complete an interrupted session; returns when it is completed."""
        async with self._operation:
            session = await self._interrupted(session)
            if session is not None:
                await self._chart.send("stop")
                await asyncio.to_thread(finish, self._store, session)
                await self._settled(session, "completed")
                return {"session": session, "state": "completed"}
            live = self._live()
            if self._chart.state != "ending":
                await self._chart.send("stop")
            await self._ask(live, "stop", None, limits.STOP_S)
            await live.over.wait()
        return {"session": live.session, "state": self._last["state"] if self._last else "completed"}

    async def note(self, text: str) -> Message:
        """Add a note now."""
        return await self._live().link.call("note", text=text)

    async def mark(self, label: str = "") -> Message:
        """Add a marker now."""
        return await self._live().link.call("mark", label=label)

    def status(self) -> Message:
        """What happens now, from memory."""
        live, state = self._recording, self._chart.state
        told: dict[str, Any] = {}
        if live is not None and state in UNDER_WAY:
            told = live.told(self._clock.now_ns())
        elif state == "interrupted":
            told = self._stored
        under_way = state in UNDER_WAY or state == "interrupted"
        started = told.get("started_wall_ns")
        return {
            "state": state if under_way else "idle",
            "session": self._session if under_way else None,
            "name": self._name if under_way else None,
            "since": rfc3339(started) if started else None,
            "recorded_ms": told.get("recorded_ms", 0),
            "wall_ms": told.get("wall_ms", 0),
            "bytes": told.get("bytes", 0),
            "tracks": told.get("tracks", []),
            "left_out": list(live.left_out) if live is not None and state in UNDER_WAY else [],
            "sources": told.get("sources", []),
            "layout": told.get("layout", ""),
            "sound": told.get("sound"),
            "gaps_open": told.get("gaps_open", []),
            "disk": told.get("disk") or room(self._home),
            "last": self._last,
        }

    def _refuse_second(self) -> None:
        if self.under_way:
            raise Busy(
                f"session {self._session or ''} is being recorded on this home", "end it with `pepys stop` first"
            )

    def _live(self) -> Recording:
        if self._recording is None or self._recording.over.is_set() or self._chart.state not in UNDER_WAY:
            raise NotFound("nothing is being recorded", "begin with `pepys start` or `pepys record`")
        return self._recording

    async def _interrupted(self, session: str | None) -> str | None:
        """The interrupted session that a command means; None when it means the one under way.

        Raises:
            Busy: another session is under way.
            Usage: the session is not interrupted.
        """
        if session is None:
            return self._session if self._chart.state == "interrupted" else None
        session = str(await asyncio.to_thread(resolve_session, self._store, session))
        if self.under_way:
            if session == self._session:
                return None
            self._refuse_second()
        seen = await asyncio.to_thread(load, self._store, session)
        if seen.state != "interrupted":
            raise Usage(f"session {session} is {seen.state}, not interrupted", "only an interrupted one can go on")
        if not (self._chart.state == "interrupted" and self._session == session):
            self._session, self._recording = session, None
            self._stored = await asyncio.to_thread(recordings.figures, self._store, session)
            self._chart = await restore(configuration("interrupted"), self._changed)
        self._name = seen.name
        return session

    async def _resume_interrupted(self, session: str) -> None:
        before = await asyncio.to_thread(load, self._store, session)
        asked = request_from_json(before.config)
        await self._chart.send("resume")
        try:
            request, settings = await asyncio.to_thread(validate, asked, self._clock)
            require_room(self._home)
            spec = await asyncio.to_thread(make_spec, self._home, request, settings, self._clock, before)
            await self._attach_new(spec)
        except BaseException:
            await self._give_up("crash")
            raise
        await self._chart.send("resumed")
        await self._tell_health()
        self._feed.tell({"push": "session", "session": session, "state": "recording"})

    async def _attach_new(self, spec: RecordSpec) -> None:
        launched, ready = await recordings.begin(spec, self._store, self._home / "logs" / "recorder.log")
        run_file = Path(spec.run_file)
        live = await recordings.attach(spec.session, ready["socket"], run_file, self._clock, launched.process)
        live.left_out = recordings.left_out(ready.get("tracks", []), at_start=True)
        await self._adopt(live, None)

    async def _adopt(self, live: Recording, run: RunFile | None) -> None:
        self._recording = live
        await recordings.listen(live, self._clock, self._on_push, lambda: self._on_lost(live, run))
        if run is not None:
            live.left_out = recordings.left_out(live.status.get("tracks", []), at_start=False)
        self._watch = asyncio.create_task(recordings.watch(live, self._clock, self._silent))

    async def _give_up(self, event: str) -> None:
        """A start that failed or was cancelled: end a recorder that began already, and tell the chart."""
        live = self._recording
        if live is not None:
            if live.process is not None:
                live.process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(live.over.wait(), limits.RECORDER_EXIT_S)
        if self._chart.allows(event):
            await self._chart.send(event)

    async def _ask(self, live: Recording, do: str, done: str | None, timeout_s: float) -> None:
        """Have the recorder do something and tell the chart; a dead recorder's end is told by `_on_lost`."""
        try:
            result = await live.link.call(do, timeout_s)
        except PepysError as error:
            if live.link.lost:
                await live.over.wait()
                if do == "stop" and (self._last or {}).get("state") == "completed":
                    return
            elif self._chart.allows("refused"):
                await self._chart.send("refused")
                await self._tell_health()
            if isinstance(error, NoAnswer):
                raise recordings.no_answer(live, do, timeout_s) from error
            raise
        if done is not None and self._chart.allows(done):
            live.heard(result, self._clock.now_ns())
            await self._chart.send(done)

    async def _on_push(self, push: Message) -> None:
        live = self._recording
        if live is None:
            return
        kind = push.get("push")
        if kind == "beat":
            live.heard({key: value for key, value in push.items() if key != "push"}, self._clock.now_ns())
            await self._tell_health()
            self._tell_status()
        elif kind == "state":
            live.heard(push.get("status", live.status), self._clock.now_ns())
            if not self._operation.locked() and push.get("state") != "completed":
                await self._chart.follow(str(push.get("state")))
        elif kind == "track":
            tracks = [
                {**track, **{key: push[key] for key in ("state", "detail") if key in push}}
                if track.get("track") == push.get("track") else track
                for track in live.status.get("tracks", [])
            ]  # fmt: skip
            live.status = {**live.status, "tracks": tracks}
            await self._tell_health()
            self._tell_status()
        if kind in {"track", "gap", "error", "levels", "warning"}:
            self._feed.tell(push)

    async def _on_lost(self, live: Recording, run: RunFile | None) -> None:
        """The recorder is gone: in order, or not."""
        try:
            state = await asyncio.to_thread(recordings.settle, self._store, live, run, self._clock)
            if state == "interrupted":
                with contextlib.suppress(PepysError):
                    self._stored = await asyncio.to_thread(recordings.figures, self._store, live.session)
            if self.under_way:
                if state == "completed":
                    await self._chart.follow("ending")
                elif self._chart.allows("crash"):
                    await self._chart.send("crash")
            await self._settled(live.session, state)
        finally:
            live.over.set()

    async def _settled(self, session: str, state: str) -> None:
        self._last = {"session": session, "state": state}
        if state == "completed" and self._chart.allows("ended"):
            await self._chart.send("ended")
        await self._index(session)
        self._feed.tell({"push": "session", "session": session, "state": state})

    async def take_over(self) -> None:
        """Adopt the newest recorder that lives; recover the sessions of those that do not."""
        self._chart = await new_chart(self._changed)
        for path, run in run_files(self._home):
            if not still_runs(run, self._clock):
                path.unlink(missing_ok=True)
            elif self._recording is None and run.protocol == PROTOCOL:
                with contextlib.suppress(PepysError):
                    live = await recordings.attach(run.session, run.socket, path, self._clock)
                    self._session = run.session
                    self._name = (await asyncio.to_thread(load, self._store, run.session)).name
                    await self._adopt(live, run)
                    health = region_health((track["track"], track["state"]) for track in live.status.get("tracks", []))
                    self._chart = await restore(configuration(live.status["state"], health), self._changed)
        for session in await asyncio.to_thread(recover_all, self._store):
            await self._index(session)

    async def _tell_health(self) -> None:
        if self._recording is not None and self._chart.state == "recording":
            tracks = self._recording.told(self._clock.now_ns()).get("tracks", [])
            for region, health in region_health((track["track"], track["state"]) for track in tracks).items():
                await self._chart.move(region, health)

    async def _silent(self) -> None:
        """The recorder does not beat: its tracks are worse than it told."""
        await self._tell_health()
        self._tell_status()

    async def _changed(self) -> None:
        self._tell_status()

    def _tell_status(self) -> None:
        self._feed.tell({"push": "status", "status": self.status()})

    async def _index(self, session: str) -> None:
        """Tell the catalog, one session at a time."""
        async with self._indexing:
            # The catalog is derived and its readers catch it up: no failure of it may reach a recording.
            (error,) = await asyncio.gather(asyncio.to_thread(_index, self._store, session), return_exceptions=True)
            if error is not None:
                reason = error.message if isinstance(error, PepysError) else repr(error)
                _LOG.warning("pepys: the catalog was not told of session %s: %s", session, reason)


def _index(store: Store, session: str) -> None:
    with Catalog(store) as catalog:
        index_session(catalog, store, session)
