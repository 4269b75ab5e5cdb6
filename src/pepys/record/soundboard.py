"""All sound of a session: its devices, their own tracks, and the mix.

Owns the order of things: what has arrived is given to the device's own track and to the mixer in steps of
`limits.SOUND_STEP_NS`, not block by block, and fragments close on the grid. A device is listened to only until it is
known where its samples lie on the clock; from then on it waits for the next step, because waking for each block costs
more than encoding it. Invariant: a device that is away, late or dead never holds up another, nor the mix; the hole is
silence, noted as a gap of its track.
"""

from __future__ import annotations

import select
from collections.abc import Callable

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.media.sound import OpusEncoder
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.mixer import Mixer, Pcm
from pepys.record.playback import Give, SoundStream, SpanPlace
from pepys.record.ports import SoundSource
from pepys.record.sound import SoundInput, duration_of, samples_in

Opener = Callable[[str, int], SoundSource]
_BIT_RATES = {1: 32_000, 2: 64_000}


class SoundBoard:
    """The devices of one session over all its spans."""

    def __init__(self, clock: Clock, loop: Loop, health: Health, opener: Opener) -> None:
        self.inputs: list[SoundInput] = []
        self._required: set[str] = set()
        self._clock, self._loop, self._health, self._opener = clock, loop, health, opener
        self._streams: dict[str, SoundStream] = {}
        self._encoders: dict[str, OpusEncoder] = {}
        self._watched: dict[str, int] = {}
        self._place: SpanPlace | None = None
        self._stepped_ns = 0
        self._mixer = Mixer(())
        self._mix: Callable[[Pcm], None] | None = None

    def add(self, track: str, device: str, channels: int, *, required: bool) -> None:
        """A device to record as `track`; a required one must deliver before anything starts."""
        self.inputs.append(SoundInput(track, device, channels, lambda: self._opener(device, channels), self._clock))
        self._health.add(track, device)
        if required:
            self._required.add(track)

    # --- before a span

    def open(self) -> None:
        """Start all devices."""
        for sound in self.inputs:
            if sound.dead:
                sound.open()
            self._watch(sound)

    @property
    def waits(self) -> bool:
        """Whether a device has been started and has not delivered or failed yet."""
        return any(not sound.delivers and not sound.dead for sound in self.inputs)

    def require(self) -> None:
        """Check that every required device delivers.

        Raises:
            DeviceMissing: one does not; it is named with the reason.
        """
        for sound in self.inputs:
            if sound.track in self._required and not sound.delivers:
                reason = sound.seen.detail or "it gives no sound"
                raise DeviceMissing(
                    f"the sound device {sound.device} cannot be recorded: {reason}",
                    "name another one (`pepys doctor` lists them), or add --allow-partial",
                )

    # --- a span

    def prepare(self) -> None:
        """Open the encoders, before the span's media time begins."""
        for sound in self.inputs:
            self._encoders[sound.track] = OpusEncoder(channels=sound.channels, bit_rate=_BIT_RATES[sound.channels])

    def begin(self, place: SpanPlace, give: Give, mix: Callable[[Pcm], None] | None) -> None:
        """A span starts; `mix` takes the mixed sound."""
        self._place, self._mix = place, mix
        self._stepped_ns = self._clock.now_ns()
        self._mixer = Mixer(sound.track for sound in self.inputs)
        for sound in self.inputs:
            self._streams[sound.track] = SoundStream(sound.track, place, self._encoders.pop(sound.track), give)
            sound.begin(place.base_ns)
            self._report(sound)
        if self.inputs:
            self._loop.set_timer("sound", self._clock.now_ns() + limits.SOUND_STEP_NS, self._on_step)

    def step(self) -> None:
        """Move on what has arrived."""
        place = self._place
        if place is None or not self.inputs:
            return
        now_ns = self._clock.now_ns()
        if now_ns - self._stepped_ns > limits.STALL_NS:
            # The process slept: the grid ends the span where it fell asleep, and no silence is made up for the time.
            return
        self._stepped_ns = now_ns
        for sound in self.inputs:
            self._read_waiting(sound)
            if sound.tick():
                self._watch(sound)
                self._health.set(sound.track, "restarting", self._at(now_ns), sound.seen.detail)
            elif sound.dead:
                self._unwatch(sound)
            sound.fill(now_ns)
            # A device whose clock is fast must not run ahead of the span, which may end now.
            self._move(sound, sound.give(samples_in(now_ns - place.base_ns)))
            self._report(sound)
        late = samples_in(max(0, now_ns - place.base_ns - limits.SOUND_LATE_NS))
        mixed = self._mixer.mix(late)
        if self._mix is not None:
            self._mix(mixed)

    def reached_ns(self) -> int:
        """The moment on the clock up to which some device has given sound; 0 outside a span."""
        if self._place is None:
            return 0
        return self._place.base_ns + duration_of(max((sound.position for sound in self.inputs), default=0))

    def close_fragments(self) -> None:
        """A grid point: the tracks' fragments close."""
        for stream in self._streams.values():
            stream.close()

    def finish(self, until_ns: int) -> None:
        """The span ends at `until_ns`; what was captured before is waited for, shortly, what comes later is dropped."""
        place = self._place
        if place is None:
            return
        self._loop.clear_timer("sound")
        until = samples_in(until_ns - place.base_ns)
        self._drain(until)
        for sound in self.inputs:
            self._move(sound, sound.end(until))
            self._report(sound)
        mixed = self._mixer.end(until)
        if self._mix is not None:
            self._mix(mixed)
        for stream in self._streams.values():
            stream.finish()
        self._streams.clear()
        self._place = self._mix = None

    def stop(self) -> None:
        """Let go of all devices: no sample can be taken any more."""
        for sound in self.inputs:
            self._unwatch(sound)
            sound.stop()

    # --- inside

    def _on_step(self) -> None:
        self.step()
        self._loop.set_timer("sound", self._clock.now_ns() + limits.SOUND_STEP_NS, self._on_step)

    def _move(self, sound: SoundInput, pcm: Pcm) -> None:
        if len(pcm):
            self._streams[sound.track].sound(pcm)
            self._mixer.add(sound.track, pcm)
        report = self._health.tracks[sound.track]
        report.attempt_ns, report.capture_ns = sound.seen.attempt_ns, sound.seen.capture_ns
        report.captured, report.dropped = sound.seen.captured, sound.seen.silent
        report.encoded = sound.seen.captured + sound.seen.silent

    def _report(self, sound: SoundInput) -> None:
        for change in sound.changes():
            place = self._place
            if place is None:
                state = "failed" if change.lost else "healthy"
                self._health.set(sound.track, state, None, change.detail)
                continue
            at_ns = place.at_ns + duration_of(change.position or 0)
            if change.lost:
                self._health.set(sound.track, "failed", at_ns, change.detail)
                self._health.open_gap(sound.track, "device_lost", at_ns, change.detail)
            else:
                self._health.set(sound.track, "healthy", at_ns)
                self._health.close_gap(sound.track, "device_lost", at_ns)

    def _at(self, clock_ns: int) -> int:
        assert self._place is not None
        return self._place.at_ns + clock_ns - self._place.base_ns

    def _watch(self, sound: SoundInput) -> None:
        if sound.source is not None and sound.track not in self._watched:
            fd = sound.source.fileno()
            self._watched[sound.track] = fd
            self._loop.add_reader(fd, lambda: self._on_readable(sound))

    def _unwatch(self, sound: SoundInput) -> None:
        fd = self._watched.pop(sound.track, None)
        if fd is not None:
            self._loop.remove_reader(fd)

    def _on_readable(self, sound: SoundInput) -> None:
        source = sound.source
        sound.read()
        if sound.source is None and source is not None:
            self._unwatch(sound)
            self._report(sound)

    def _read_waiting(self, sound: SoundInput) -> None:
        """Take all that a device has given since the last step, and wake for its blocks no more once it is placed."""
        for _ in range(limits.SOUND_READS_A_STEP):
            if sound.source is None or not sound.read():
                break
        source, steps_ns = sound.source, limits.SOUND_HOLD_STEPS * limits.SOUND_STEP_NS
        if source is None or (sound.delivers and source.capabilities.holds_ns >= steps_ns):
            self._unwatch(sound)

    def _drain(self, until: int) -> None:
        """Read until every living device has reached the end of the span, for a moment at most."""
        give_up_ns = self._clock.now_ns() + limits.SOUND_DRAIN_NS
        while True:
            behind = {
                sound.source.fileno(): sound
                for sound in self.inputs
                if sound.source is not None and sound.delivers and sound.position < until
            }
            left_ns = give_up_ns - self._clock.now_ns()
            if not behind or left_ns <= 0:
                return
            readable, _, _ = select.select(list(behind), [], [], left_ns / limits.NS_PER_S)
            for fd in readable:
                self._on_readable(behind[fd])
