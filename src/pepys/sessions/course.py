"""The session under way on one home: its chart and its recorder, and what each makes of the other.

Owns both, the recorder's pushes, its death and its restart. Invariants: the chart says what the recorder last said,
except while an operation changes it; a recorder that dies is recovered at once, and started again where it should
record; there is never a second one. What a user may ask for is `steering`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from pepys import limits
from pepys.errors import DeviceMissing, PepysError
from pepys.record.lags import Lags
from pepys.record.spec import PROTOCOL, RecordSpec
from pepys.record.wire import Message
from pepys.sessions import recording as recordings
from pepys.sessions import telling
from pepys.sessions.backing import Backing
from pepys.sessions.countdown import Countdown
from pepys.sessions.departing import Departing
from pepys.sessions.feed import Feed
from pepys.sessions.link import RecorderLink
from pepys.sessions.recording import Ended, Recording
from pepys.sessions.restarts import Restarts
from pepys.sessions.statechart import (
    RECORDER_STATES,
    UNDER_WAY,
    SessionChart,
    configuration,
    new_chart,
    region_health,
    restore,
)


class Course:
    """The course of the session under way; `take_over` before anything else.

    Args:
        backing: store, devices and processes.
        feed: who is told.
        lags: the turns of the loop, where they are timed.
    """

    _chart: SessionChart

    def __init__(self, backing: Backing, feed: Feed, lags: Lags | None = None) -> None:
        self._backing = backing
        self._clock = backing.clock
        self._feed = feed
        self._lags = lags
        self._event_lags = Lags()
        self._operation = asyncio.Lock()
        self._recording: Recording | None = None
        self._beginning = False
        self._session: str | None = None
        self._name: str | None = None
        self._last: dict[str, Any] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stored: Message = {}
        self._restarts = Restarts(self._clock)
        self._restart: asyncio.Task[None] | None = None
        self._countdown = Countdown(feed.tell)
        self._departing = Departing(backing, self._departed)

    @property
    def under_way(self) -> bool:
        """Whether a session is being recorded, or about to be."""
        return self._chart.state in UNDER_WAY or self._restarting

    @property
    def _restarting(self) -> bool:
        return self._chart.state == "interrupted" and self._restart is not None and not self._restart.done()

    def end_unwatched(self) -> None:
        """Have the recorder end by itself; to be told twice does it no harm."""
        if self._recording is not None and self.under_way:
            self._recording.link.post("stop")

    async def leave(self) -> None:
        """Let go of the recorder, which goes on."""
        await self._call_off()
        await self._departing.close()
        if self._watch is not None:
            self._watch.cancel()
        if self._recording is not None:
            await self._recording.link.close()

    def status(self) -> Message:
        """What happens now, from memory."""
        state = self._chart.state
        again = self._restarting and not self._restarts.given_up
        live = self._recording if state in UNDER_WAY else None
        stored = self._stored if state in {"interrupted", "resuming"} else {}
        return telling.status(
            state="restarting" if again else state if state in UNDER_WAY or state == "interrupted" else None,
            session=self._session,
            name=self._name,
            live=live,
            told=stored if live is None or not live.status else live.told(self._clock.now_ns()),
            room=self._backing.room(),
            restarts=self._restarts,
            notices=self._departing.notices,
            countdown_s=self._countdown.left_s,
            lags=self._lags,
            event_lags=self._event_lags,
            last=self._last,
        )

    async def take_over(self) -> None:
        """Adopt the newest recorder that lives; send the others away; recover the sessions of those that do not."""
        self._chart = new_chart(self._changed, self._event_lags)
        await self._backing.look()
        for path, run in self._backing.survivors():
            if self._recording is None and run.protocol == PROTOCOL:
                try:
                    await self._adopt(await self._backing.adopt(path, run))
                except PepysError:
                    self._departing.ask(path, run)
            else:
                self._departing.ask(path, run)
        for session in await self._backing.recovered():
            await self._backing.index(session)

    # --- beginning

    async def _go_on(self, session: str, *, again: bool = False) -> None:
        """Record on in an interrupted session.

        Args:
            session: the session.
            again: its recorder died, and nobody asked.

        Raises:
            PepysError: why it cannot be; it is `interrupted` as before.
        """
        self._recording = None
        self._chart.send("resume")
        try:
            live = await self._attach(
                await self._backing.check_again(session, again=again, last=again and self._restarts.last_try)
            )
        except BaseException:
            await self._give_up("crash")
            raise
        self._chart.send("resumed")
        self._restarts.done()
        self._follow(live)
        self._feed.tell({"push": "session", "session": session, "state": "recording"})

    async def _attach(self, spec: RecordSpec) -> Recording:
        self._recording = None
        live = await self._backing.begin(spec)
        self._beginning = True
        try:
            await self._listen(live, limits.CONTROL_S)
            if live.link.lost:
                raise DeviceMissing("the recorder ended as it began", "see logs/recorder.log in the home")
            return live
        finally:
            self._beginning = False

    async def _adopt(self, live: Recording) -> None:
        """Take a recorder that lives; one that does not answer now is watched as any silent one."""
        name = (await self._backing.load(live.session)).name
        try:
            await self._listen(live, limits.RECORDER_ADOPT_S)
        except PepysError:
            if live.link.lost:
                return
            live.heard({"session": live.session, "state": "recording", "tracks": []}, self._clock.now_ns())
        self._session, self._name = live.session, name
        live.left_out = recordings.left_out(live.status.get("tracks", []), at_start=False)
        state, health = live.status["state"], region_health(_health(live.status))
        self._chart = restore(configuration(state, health), self._changed, self._event_lags)

    async def _listen(self, live: Recording, timeout_s: float) -> None:
        self._recording = live
        self._watch = asyncio.create_task(recordings.watch(live, self._clock, self._silent))
        await recordings.listen(
            live, self._clock, lambda push: self._on_push(live, push), lambda: self._on_lost(live), timeout_s
        )

    async def _give_up(self, event: str) -> None:
        """A beginning that failed or was cancelled: end a recorder that began already, and tell the chart.

        What a new session had stored is removed; one that was there before stays as it was left.
        """
        live, self._recording = self._recording, None
        if live is not None:
            if live.process is not None:
                recordings.send_away(live.process, resumed=live.resumed)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(live.over.wait(), limits.RECORDER_EXIT_S)
            recordings.kill(live, self._clock)  # one that hangs; any other is gone
            await live.over.wait()
            if event == "fail" and not live.resumed:
                await self._backing.remove(live.session)
        if self._chart.allows(event):
            self._chart.send(event)

    # --- what the recorder tells

    def _heard(self, live: Recording, status: Message, *, settled: bool = False) -> None:
        """Keep what a recorder tells of itself; its state is the chart's, except while an operation changes it."""
        live.heard(status, self._clock.now_ns())
        if settled or not self._operation.locked():
            self._follow(live)
        else:
            self._tell_health()

    def _follow(self, live: Recording) -> None:
        """Have the chart say what the recorder last said."""
        if live.status.get("state") in RECORDER_STATES:
            self._chart.follow(str(live.status["state"]))
        self._tell_health()

    async def _on_push(self, live: Recording, push: Message) -> None:
        if live is not self._recording:
            return
        kind = push.get("push")
        if kind == "beat":
            self._heard(live, {key: value for key, value in push.items() if key != "push"})
            self._tell_status()
        elif kind == "state":
            self._heard(live, {**push.get("status", live.status), "state": push.get("state")})
        elif kind == "track":
            tracks = [
                {**track, **{key: push[key] for key in ("state", "detail") if key in push}}
                if track.get("track") == push.get("track") else track
                for track in live.status.get("tracks", [])
            ]  # fmt: skip
            live.status = {**live.status, "tracks": tracks}
            self._tell_health()
            self._tell_status()
        if kind in {"track", "gap", "error", "levels", "warning"}:
            self._feed.tell(push)

    async def _on_lost(self, live: Recording) -> None:
        """The recorder is gone: in order, or not; or it cut off a host that stood still, and is there."""
        reached = False
        try:
            reached = await self._reach_again(live)
            if reached:
                return
            ended = await self._backing.settle(live)
            if self._beginning or live is not self._recording:
                return  # whoever begins it sees to it
            if ended.state == "interrupted":
                self._stored = await self._backing.figures(live.session)
            again = (
                self._chart.state == "recording" and ended.state == "interrupted" and not (ended.held or ended.alone)
            )
            if again:  # before the chart tells of a crash: the session goes on
                self._restarts.given_up = False
                self._restart = asyncio.create_task(self._start_again(live.session, ended))
            if ended.state == "completed" and self.under_way:
                self._chart.follow("ending")
            elif self._chart.allows("crash"):
                self._chart.send("crash")
            if not again:
                await self._settled(live.session, ended.state)
        finally:
            if not reached:
                live.over.set()

    async def _reach_again(self, live: Recording) -> bool:
        """Connect again to a recorder that only the line to was lost; whether it is there."""
        for _ in range(limits.RECORDER_REACHES):
            if self._beginning or live is not self._recording or not live.status:
                return False  # it was not heard yet: whoever begins it sees to it
            link = await self._backing.reach(live)
            if link is None:
                return False
            if await self._take_line(live, link):
                self._tell_status()
                return True
            await asyncio.sleep(limits.RECORDER_SILENT_LOOK_S)
        return False

    async def _take_line(self, live: Recording, link: RecorderLink) -> bool:
        """Go on by a new line to a recorder; whether it holds. A recorder that does not answer is watched as silent."""

        async def on_lost() -> None:
            if live.link is link:
                await self._on_lost(live)

        told: Message | None = None
        link.listen(lambda push: self._on_push(live, push), on_lost)
        try:
            with contextlib.suppress(PepysError):
                told = await link.call("subscribe", limits.RECORDER_ADOPT_S)
        except BaseException:
            await link.close()
            raise
        if link.lost:
            await link.close()
            return False
        before, live.link = live.link, link
        await before.close()
        if told is not None:
            self._heard(live, told)
        return True

    async def _start_again(self, session: str, ended: Ended) -> None:
        """Go on with a session whose recorder died, until it records or there were too many tries."""
        reason, anew = ended.reason, ended.anew
        while (wait_s := self._restarts.next(reason, anew=anew)) is not None:
            self._warn(session)
            self._tell_status()
            await asyncio.sleep(wait_s)
            async with self._operation:
                if self._chart.state != "interrupted" or self._session != session:
                    return  # somebody else has seen to it
                try:
                    await self._go_on(session, again=True)
                except (PepysError, OSError, ValueError) as error:
                    reason, anew = getattr(error, "message", str(error)), False
                else:
                    break
        else:
            self._warn(session)
            self._tell_status()
            await self._settled(session, "interrupted")
            return
        await self._backing.index(session)

    def _warn(self, session: str) -> None:
        told = {"track": "recorder", "kind": "restart", "text": self._restarts.notice, "session": session}
        self._feed.tell({"push": "warning", **told})

    async def _call_off(self) -> bool:
        """Start the recorder no more, and whether it was about to; what began already has ended when this returns."""
        task = self._restart
        if task is not None and not task.done() and self._chart.state in {"interrupted", "resuming"}:
            task.cancel()
            await asyncio.wait([task])
            self._restarts.done()
            self._tell_status()
            return True
        return False

    async def _settled(self, session: str, state: str) -> None:
        self._last = {"session": session, "state": state}
        if state == "completed" and self._chart.allows("ended"):
            self._chart.send("ended")
        await self._backing.index(session)
        self._feed.tell({"push": "session", "session": session, "state": state})

    async def _departed(self, session: str) -> None:
        with contextlib.suppress(PepysError):
            state = (await self._backing.load(session)).state
            await self._backing.index(session)
            self._feed.tell({"push": "session", "session": session, "state": state})
        self._tell_status()

    def _tell_health(self) -> None:
        if self._recording is not None and self._chart.state == "recording":
            told = self._recording.told(self._clock.now_ns())
            for region, health in region_health(_health(told)).items():
                self._chart.move(region, health)

    async def _silent(self) -> None:
        """The recorder does not beat: its tracks are worse than it told."""
        self._tell_health()
        self._tell_status()

    def _changed(self) -> None:
        self._tell_status()

    def _tell_status(self) -> None:
        self._feed.tell({"push": "status", "status": self.status()})


def _health(status: Message) -> list[tuple[str, str]]:
    return [(track["track"], track["state"]) for track in status.get("tracks", [])]
