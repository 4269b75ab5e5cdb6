"""What may be asked of the session under way, and making it happen.

Owns the operations of users. Invariants: an operation returns when it has happened; operations follow one another;
nothing slow runs in the event loop. The catalog is only told what changed: recording never waits for it. The chart and
the recorder are `course`'s; lock, socket and listeners are the host's.
"""

from __future__ import annotations

from typing import Any

from pepys import limits
from pepys.errors import Busy, DeviceMissing, Interrupted, NotFound, PepysError, Usage
from pepys.record.spec import RecordSpec
from pepys.record.wire import Message
from pepys.sessions import recording as recordings
from pepys.sessions.course import Course
from pepys.sessions.link import NoAnswer
from pepys.sessions.recording import Recording
from pepys.sessions.start import StartRequest
from pepys.sessions.statechart import UNDER_WAY, configuration, new_chart, restore


class Steering(Course):
    """What a user may ask for, one at a time."""

    async def start(self, request: StartRequest) -> Message:
        """Begin a session; returns its status when it records. One that could not begin leaves nothing.

        Raises:
            Busy: a session is under way.
            PepysError: why it could not begin.
        """
        self._refuse_second()
        async with self._operation:
            self._refuse_second()
            self._recording, self._session, self._last = None, None, None
            self._name = request.name
            self._restarts.forget()
            if self._chart.state != "idle":
                self._chart = new_chart(self._changed, self._event_lags)
            self._chart.send("start")
            try:
                live = await self._begin_new(request)
            except BaseException as error:
                if isinstance(error, PepysError) and not isinstance(error, Interrupted):
                    self._last = {"session": None, "state": "failed", "error": error.to_json()}
                await self._give_up("fail")
                raise
            self._chart.send("started")
            self._follow(live)
            told, session = self.status(), self._session  # it may end while it is put into the catalog
        await self._backing.index(str(session))
        return told

    async def set(self, **asked: Any) -> Message:
        """Change what is given: `layout`, `sources`, `mute`, `unmute`, `balance`; returns when the recorder has."""
        self._refuse_while_counting()
        async with self._operation:
            live = self._live()
            try:
                told = await live.link.call("set", limits.SET_S, **asked)
            except NoAnswer as error:
                raise recordings.no_answer(live, "set", limits.SET_S) from error
            self._heard(live, told, settled=True)
        self._tell_status()
        return self.status()

    async def pause(self) -> Message:
        """Pause; returns when no frame or sample can be taken any more.

        While the recorder is started again that is called off: the session is `interrupted`, `resume` goes on with it.
        """
        self._refuse_while_counting()
        called_off = await self._call_off()
        async with self._operation:
            called_off = await self._call_off() or called_off
            if called_off and self._chart.state == "interrupted":
                return self.status()
            live = self._live()
            if self._chart.state != "paused":
                self._chart.send("pause")
                await self._ask(live, "pause", "now_paused", limits.PAUSE_S)
            elif live.status.get("held"):
                await self._ask(live, "pause", None, limits.PAUSE_S)
        return self.status()

    async def resume(self, session: str | None = None) -> Message:
        """Go on after a pause, or with an interrupted session; returns when it records."""
        self._refuse_while_counting()
        if session is not None:
            session = await self._backing.resolve(session)
        async with self._operation:
            if session in {None, self._session}:
                await self._call_off()  # what waits to begin again begins now
            session = await self._interrupted(session)
            if session is not None:
                self._refuse_beside_departing()
                await self._go_on(session)
                return self.status()
            live = self._live()
            if self._chart.state != "recording":
                self._chart.send("resume")
                await self._ask(live, "resume", "resumed", limits.PAUSE_S)
        return self.status()

    async def stop(self, session: str | None = None) -> Message:
        """End the recording, or complete an interrupted session; returns when it is completed."""
        if session is None and self._countdown.stop():
            async with self._operation:  # the start has let go: nothing is left
                return {"session": None, "state": "cancelled"}
        if session is not None:
            session = await self._backing.resolve(session)
        if session in {None, self._session}:
            await self._call_off()
        async with self._operation:
            session = await self._interrupted(session)
            if session is not None:
                return await self._finish(session)
            live = self._live()
            if self._chart.state != "ending":
                self._chart.send("stop")
            await self._ask(live, "stop", None, limits.STOP_S)
            await live.over.wait()
            if self._chart.state == "interrupted":  # it died of something else meanwhile
                return await self._finish(live.session)
        return {"session": live.session, "state": self._last["state"] if self._last else "completed"}

    async def note(self, text: str) -> Message:
        """Add a note now."""
        return await self._live().link.call("note", text=text)

    async def mark(self, label: str = "") -> Message:
        """Add a marker now."""
        return await self._live().link.call("mark", label=label)

    async def shot(self) -> Message:
        """Take a shot now; what the recorder tells of it."""
        live = self._live()
        try:
            return await live.link.call("shot", limits.SHOT_S)
        except NoAnswer as error:
            raise recordings.no_answer(live, "shot", limits.SHOT_S) from error

    # --- who a command means

    def _refuse_second(self) -> None:
        if self.under_way and self._session is None:
            raise Busy(f"{self._coming()} is about to begin on this home", "end it with `pepys stop` first")
        if self.under_way:
            raise Busy(f"session {self._session} is being recorded on this home", "end it with `pepys stop` first")
        self._refuse_beside_departing()

    def _refuse_while_counting(self) -> None:
        if self._countdown.wanted:
            raise Busy(f"{self._coming()} has not begun", "wait until it records, or stop the countdown: `pepys stop`")

    def _coming(self) -> str:
        return f"the recording {self._name!r}" if self._name else "a recording"

    def _refuse_beside_departing(self) -> None:
        for text in self._departing.running:
            raise Busy(text, "wait a moment and try again; `pepys status` shows when it is gone")

    def _live(self) -> Recording:
        if self._restarting:
            raise Busy(self._restarts.notice or "the recorder is started again", "wait a moment and try again")
        if self._recording is None and self._chart.state == "resuming":
            raise Busy("the recorder is being started", "wait a moment and try again")
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
        session = await self._backing.resolve(session)
        if self.under_way:
            if session == self._session:
                return None
            self._refuse_second()
        seen = await self._backing.load(session)
        if seen.state != "interrupted":
            raise Usage(f"session {session} is {seen.state}, not interrupted", "only an interrupted one can go on")
        if not (self._chart.state == "interrupted" and self._session == session):
            self._session, self._recording = session, None
            self._restarts.forget()
            self._stored = await self._backing.figures(session)
            self._chart = restore(configuration("interrupted"), self._changed, self._event_lags)
        self._name = seen.name
        return session

    # --- beginning and ending

    async def _begin_new(self, request: StartRequest) -> Recording:
        checks = self._checked(request)
        spec = await (self._countdown.before(checks) if request.countdown_s else checks)
        self._chart.send("checked")
        self._session = spec.session
        live = await self._attach(spec)
        self._departing.forget()
        return live

    async def _checked(self, request: StartRequest) -> RecordSpec:
        """All that is before a recorder: checks, and the countdown that was asked for."""
        request, settings = await self._backing.validate(request)
        self._name = request.name
        self._chart.send("validated")
        spec = await self._backing.check(request, settings)
        if request.countdown_s:
            await self._backing.rehearse(spec)
            await self._countdown.run(request.countdown_s)
            await self._backing.require_room()  # a minute may have passed
        return spec

    async def _finish(self, session: str) -> Message:
        """Complete an interrupted session."""
        self._restarts.done()
        self._chart.send("stop")
        try:
            await self._backing.finish(session)
        except BaseException:
            self._chart.send("crash")
            raise
        await self._settled(session, "completed")
        return {"session": session, "state": "completed"}

    async def _ask(self, live: Recording, do: str, done: str | None, timeout_s: float) -> None:
        """Have the recorder do something and tell the chart; a dead recorder's end is told by `_on_lost`."""
        link = live.link
        try:
            result = await link.call(do, timeout_s)
        except PepysError as error:
            if link.lost:
                await link.seen_to.wait()
                if live.over.is_set() and do == "stop":
                    return
                if not live.over.is_set() and live.link is not link:
                    if do == "stop":  # to be asked twice does it no harm
                        await self._ask(live, do, done, timeout_s)
                        return
                    self._follow(live)
                    raise DeviceMissing(f"the answer to {do} was lost with the line", "try again") from error
            elif self._chart.allows("refused"):
                self._chart.send("refused")
                self._follow(live)
            if isinstance(error, NoAnswer):
                raise recordings.no_answer(live, do, timeout_s) from error
            raise
        if done is not None and self._chart.allows(done):
            self._chart.send(done)
        if do != "stop":
            self._heard(live, result, settled=True)
