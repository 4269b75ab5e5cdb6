"""One track's sound over deaths, drifts and switches of its devices: unbroken positions on the clock, and an account.

Owns where each sample stands. Invariants: from a span's start on, the samples given are without holes and without
overlap; their position is their count; what was not captured is silence for a reason; every sample of the device in
force is placed or told as dropped, the last ones before a death, a switch or the span's end too. A new device is
started while the old one goes on, and takes over once it delivers. Samples from before a span or after its end are
never given. Levels, mixing, encoding and events in the journal are left to others.
"""

from __future__ import annotations

from collections.abc import Callable

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing, PepysError
from pepys.media.silence import silence
from pepys.record.account import Account, Part, Pcm, Placed, duration_of, samples_in
from pepys.record.ports import SoundSource
from pepys.record.sound_change import Corrections, Manner, SoundChange, SoundState
from pepys.record.sound_stream import Corrector, DeviceStream

__all__ = ["Account", "Opener", "Pcm", "SoundChange", "SoundInput", "SoundState", "duration_of", "samples_in"]

Opener = Callable[[str], SoundSource]
"""Opens a device by its name."""


class SoundInput:
    """One track's device. The owner calls `read` when readable or in steps, and `tick` now and then."""

    def __init__(
        self,
        track: str,
        device: str,
        channels: int,
        opener: Opener,
        clock: Clock,
        closing: Callable[[SoundSource], None] = lambda _source: None,
    ) -> None:
        """Take what to record; `closing` is told of each source before it is closed."""
        self.track = track
        self.device = device
        self.channels = channels
        self.seen = SoundState()
        self.finished = False
        """Whether it came to its end and is not started again: a file."""
        self._opener, self._closing = opener, closing
        self._clock = clock
        self._placed = Placed(channels)
        self._stream: DeviceStream | None = None
        self._next: DeviceStream | None = None
        self._next_reason = ""
        self._corrector: Corrector | None = None
        self._changes: list[SoundChange] = []
        self._base_ns: int | None = None
        self._absent = ""
        """Why nothing is captured within the span, as the account names it; empty while something is."""
        self._taken_over: tuple[str, str, str] | None = None
        self._joint: tuple[int, int] | None = None
        """When the last span ended, and the number of the first sample of the stream that was not in it."""
        self._ticked_ns = 0
        self._manner = Manner()
        self._soft = Corrections(step=False, every_ns=limits.SOUND_TOLD_NS)
        self._steps = Corrections(step=True, every_ns=limits.NS_PER_S)

    @property
    def source(self) -> SoundSource | None:
        """The source in force."""
        return self._stream.source if self._stream is not None else None

    @property
    def sources(self) -> list[SoundSource]:
        """All that are open: the one in force, and the one that is to take over. `read` polls them all."""
        return [stream.source for stream in (self._stream, self._next) if stream is not None]

    @property
    def account(self) -> Account:
        """Where the samples went that were given since the span began."""
        return self._placed.account

    @property
    def position(self) -> int:
        """How many samples stand in the span."""
        return self._placed.position

    @property
    def ppm(self) -> int:
        """By how much the device is fast, as measured; 0 until it shows."""
        return self._stream.drift.ppm if self._stream is not None else 0

    @property
    def delivers(self) -> bool:
        """Whether enough blocks have come to know where they lie on the clock."""
        return self._stream is not None and self._stream.delivers

    @property
    def dead(self) -> bool:
        """Whether the device is away and waits to be started again."""
        return self._stream is None

    @property
    def wants_arrivals(self) -> bool:
        """Whether the descriptors of `sources` should be watched for now; else reading in steps is enough."""
        if self._next is not None:
            return True
        return self._stream is not None and self._stream.drift.wants_arrivals(self._clock.now_ns())

    def open(self) -> None:
        """Start the device; a failure to start counts as its death. What came to its end is not started again."""
        if self.finished:
            return
        self._ticked_ns = self._clock.now_ns()
        self.seen.tried(self._ticked_ns)
        try:
            self._stream = self._start(self.device)
        except PepysError as error:
            self._lost(error.message)

    def switch(self, device: str, reason: str) -> None:
        """Let `device` take over once it delivers; until then, and should it fail, the one in force goes on."""
        if self._next is not None:
            self._keep("another device was chosen meanwhile")
        self._next_reason = reason
        try:
            self._next = self._start(device)
        except PepysError as error:
            self._changes.append(SoundChange("kept", self._where(), error.message, reason, device, self.device))

    def read(self, *, at_arrival: bool = False) -> bool:
        """Take what has arrived; whether anything had. At an arrival its time counts: it is placed by the next call."""
        came = False
        if self._stream is not None:
            came = self._stream.read()
            if not at_arrival or self._corrector is None or self._stream.ended is not None:
                self._take()
            if self._stream.ended is not None:
                self.finished = self._stream.ended.reason == "source_closed"
                self._lost(self._stream.ended.message)
        if self._next is not None:
            came = self._next.read() or came
            self._next.trim()
            # While another goes on there is time to learn well where the new one lies on the clock.
            enough = limits.SOUND_SETTLE_BLOCKS if self._stream is None else limits.SOUND_SWITCH_BLOCKS
            if self._next.drift.blocks >= enough:
                self._take_over()
            elif self._next.ended is not None:
                self._keep(self._next.ended.message)
        return came

    def lose(self, message: str, since_ns: int) -> None:
        """The device is not there since then: what came after is another's, for servers move streams without a word."""
        if self._stream is not None:
            self._stream.abandon(since_ns)
            self._lost(message)

    def reaches(self, until: int) -> bool:
        """Whether all that was captured before position `until` has come; also where nothing more will."""
        stream, base_ns = self._stream, self._base_ns
        if stream is None or base_ns is None or not stream.delivers or stream.ended is not None:
            return True
        return stream.count >= stream.number_at(base_ns + duration_of(until))

    def tick(self) -> bool:
        """Notice a device that is mute for too long, start it again when due; whether `source` was started."""
        now_ns = self._clock.now_ns()
        if now_ns - self._ticked_ns > limits.SOUND_SILENT_NS // 2:
            # We slept, not the devices: one that gave something before has as long again to show that it lives.
            for stream in filter(None, (self._stream, self._next)):
                stream.opened_ns = now_ns if stream.capture_ns >= stream.opened_ns else stream.opened_ns
        self._ticked_ns = now_ns
        if self._next is not None and self._next.mute_for_ns(now_ns) > 0:
            self._keep("the device gives no sound")
        if self._stream is not None:
            if self._stream.mute_for_ns(now_ns) > 0 and not self._stream.read():
                self._lost("the device gives no more sound")
            return False
        if self.finished or now_ns < self.seen.retry_ns:
            return False
        self.open()
        return self._stream is not None

    def stop(self) -> None:
        """Let go of the devices and forget what was not given out."""
        for stream in filter(None, (self._stream, self._next)):
            stream.close()
        self._stream = self._next = self._corrector = self._base_ns = self._joint = None
        self._placed.begin()

    def changes(self) -> list[SoundChange]:
        """What happened since the last call."""
        found, self._changes = self._changes, []
        return found

    # --- the stream of a span

    def begin(self, base_ns: int) -> None:
        """A span starts at `base_ns`: position 0. A device that does not deliver yet is silent from there on."""
        if self._joint is not None and abs(self._joint[0] - base_ns) > limits.NS_PER_MS:
            self._joint = None
        self._base_ns, self._ticked_ns = base_ns, self._clock.now_ns()
        self._placed.begin()
        self._corrector = None
        self._absent = "" if self.delivers else "source_closed" if self.finished else "device_starting"
        if self._absent:
            self._tell_lost(0, self.seen.detail or "the device gives no sound yet")

    def end(self, until: int, *, rests: bool = False) -> Pcm:
        """The rest up to position `until`, filled with silence; later samples are never given.

        Where recording `rests` after it, nothing that was captured later stands in for what lags behind the clock.
        """
        stream, base_ns = self._stream, self._base_ns
        self._joint = None
        if stream is not None and base_ns is not None:
            if rests and self._corrector is not None:
                stream.leave(stream.number_at(base_ns + duration_of(until)))
            self._take(last=True)
            runs_on = self._corrector is not None
            self._flush()
            lacks = until - self.position
            if runs_on and not rests and lacks <= 0:
                self._joint = base_ns + duration_of(until), stream.count + lacks
            if runs_on and rests and 0 < lacks <= limits.SOUND_STEP_SAMPLES:
                part = Part(silence(lacks, self.channels), "", lacks, 0)
                self._put([part], lacks if lacks > limits.SOUND_NEAR_SAMPLES else 0, self.position)
            stream.put_back()
        self._tell_corrections(last=True)
        self._bridge(until)
        self._base_ns = None
        self._changes = [change.within(until) for change in self._changes]
        return self._placed.cut(until)

    def give(self, limit: int | None = None) -> Pcm:
        """The samples since the last call, as (n, channels); those beyond position `limit` are kept for later."""
        return self._placed.give(limit)

    def fill(self, now_ns: int) -> None:
        """While the device is away, let silence follow the clock at a distance that a late block may still need."""
        if self._base_ns is None or not self._absent:
            return
        until = samples_in(max(0, now_ns - self._base_ns - limits.SOUND_LATE_NS))
        if self._stream is not None and self._stream.waiting:
            until = min(until, self._start_of(self._stream, self._base_ns))
        self._placed.silence(until, self._absent)

    def _where(self) -> int | None:
        return self._placed.position if self._base_ns is not None else None

    def _start_of(self, stream: DeviceStream, base_ns: int) -> int:
        """Where the first sample that waits stands: by the clock, or where the last span left off just now."""
        first = stream.count - stream.waiting
        if self._joint is not None:
            return first - self._joint[1]
        return first + samples_in(stream.drift.zero_ns(stream.capture_ns) - base_ns)

    def _take(self, *, last: bool = False) -> None:
        """Place what waits in the stream in force, once it is known where it lies, or for the last time."""
        stream, base_ns = self._stream, self._base_ns
        assert stream is not None
        if stream.capture_ns:
            self.seen.capture_ns = stream.capture_ns
        self._listen(stream)
        if base_ns is None:
            stream.trim()
        elif stream.waiting and (stream.delivers or last or stream.ended is not None):
            self._place(stream, base_ns)

    def _place(self, stream: DeviceStream, base_ns: int) -> None:
        placed, now_ns = self._placed, stream.capture_ns
        if self._corrector is None:
            start = self._start_of(stream, base_ns)
            over = placed.position - start
            if over > 0 and over >= stream.waiting:
                self._leave_out(stream.take(), start)
                return
            pcm = stream.take()
            if over > 0:
                self._leave_out(pcm[:over], start)
                pcm = pcm[over:]
            self._bridge(start)
            self._corrector, self._joint = Corrector(stream.drift, self.channels), None
            self._is_back(stream)
        else:
            pcm = stream.take()
        ends = stream.count + samples_in(stream.drift.zero_ns(now_ns) - base_ns)
        error = ends - (placed.position + self._corrector.held + len(pcm))
        since = placed.position
        parts, hole, step = self._corrector.push(pcm, error, now_ns)
        self._put(parts, step, since)
        if hole:
            self._bridge(placed.position + hole)
        self._tell_corrections()

    def _bridge(self, until: int) -> None:
        """Silence up to `until`: a hole of its own, told with both its ends, unless one is open already."""
        start = self._placed.position
        if self._placed.silence(until, self._absent or "device_stalled") and not self._absent:
            self._changes.append(SoundChange("lost", start, f"{self.device} left sound out", "device_lost"))
            self._changes.append(SoundChange("back", self._placed.position))

    def _put(self, parts: list[Part], step: int, since: int) -> None:
        now_ns = self._clock.now_ns()
        for part in parts:
            self._placed.put(part)
            # What was not done in the step was done softly.
            net = part.inserted - part.dropped - step
            self._steps.add(max(0, step), max(0, -step), since, now_ns)
            self._soft.add(max(0, net), max(0, -net), since, now_ns)
            step = 0

    def _leave_out(self, pcm: Pcm, start: int) -> None:
        """Samples whose place is taken: by silence already, or by what is no loss (another device, the time before)."""
        within = min(len(pcm), start + len(pcm)) if self._taken_over is None else 0
        if within > 0:
            self._placed.put(Part(pcm[:0], "", 0, within))

    def _flush(self) -> None:
        """What the corrector holds comes out: the stream ends here, or the span does."""
        if self._corrector is not None:
            self._put(self._corrector.end(), 0, self._placed.position)
        self._corrector = None

    def _start(self, device: str) -> DeviceStream:
        try:
            source = self._opener(device)
        except OSError as error:
            raise DeviceMissing(f"the device cannot be started: {error.strerror}") from error
        return DeviceStream(device, source, self.channels, self._clock.now_ns(), self._closing)

    def _is_back(self, stream: DeviceStream) -> None:
        position = self._where()
        if self._taken_over is not None:
            device, before, reason = self._taken_over
            self._taken_over = None
            self._changes.append(SoundChange("switched", position, "", reason, device, before))
        if self._absent:
            self._absent = ""
            self._changes.append(SoundChange("back", position))

    def _listen(self, stream: DeviceStream) -> None:
        """What the samples themselves tell: that there are any, that they are silent, that they are too many."""
        if stream.delivers and self.seen.state != "healthy":
            self.seen.came(self._clock.now_ns())
            if self._base_ns is None:
                self._changes.append(SoundChange("back", None))
        self._changes += self._manner.listen(stream, self._where())

    def _lost(self, message: str) -> None:
        if self._stream is not None:
            self._let_go(self._stream)
            self._stream = self._joint = None
        self.seen.went(self._clock.now_ns(), message)
        if self._base_ns is None or not self._absent:
            self._tell_lost(self._where(), message)
        elif self.seen.tries.count == limits.RESTART_TRIES:
            self._changes.append(SoundChange("vain", self._where(), message, device=self.device))
        if self._base_ns is not None:
            self._absent = self._absent or ("source_closed" if self.finished else "device_lost")

    def _tell_lost(self, position: int | None, message: str) -> None:
        reason = "source_closed" if self.finished else "device_lost"
        self._changes.append(SoundChange("lost", position, message, reason, self.device))

    def _let_go(self, stream: DeviceStream) -> None:
        """Close the stream in force, and place the last of what it gave."""
        stream.close()
        self._take(last=True)
        self._flush()
        self._tell_corrections(last=True)

    def _take_over(self) -> None:
        """The new device delivers: the old one is read to its end, and the new one goes on where that was."""
        fresh, old, before = self._next, self._stream, self.device
        assert fresh is not None
        if old is not None:
            self._let_go(old)
        self._joint = None
        self._stream, self._next, self.device = fresh, None, fresh.device
        self._taken_over = (fresh.device, before, self._next_reason)
        self.seen.tries.well()
        if self._base_ns is None:
            self._is_back(fresh)
        self._take()

    def _keep(self, detail: str) -> None:
        fresh = self._next
        assert fresh is not None
        fresh.close()
        self._next = None
        self._changes.append(SoundChange("kept", self._where(), detail, self._next_reason, fresh.device, self.device))

    def _tell_corrections(self, *, last: bool = False) -> None:
        now_ns = self._clock.now_ns()
        for corrections in (self._soft, self._steps):
            if corrections.due(now_ns, last=last):
                self._changes.append(corrections.tell(self._where(), self.ppm))
