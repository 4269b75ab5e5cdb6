"""One sound device as an unbroken stream of samples: started again when it dies, aligned to the clock, holes filled.

Invariants: from a span's start on, the samples given are without holes and without overlap; their position is their
count; what was not captured is silence, declared as such (`SoundState.lost_from`). Aligning uses the least delay seen
(`clock - count`), since blocks are read late, never early. Samples from before a span or after its end are never given.
Mixing, encoding and events in the journal are left to others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pepys import limits
from pepys.clock import Clock
from pepys.errors import PepysError
from pepys.record.ports import SoundBlock, SoundSource, SourceEnded

Pcm = NDArray[np.int16]
Opener = Callable[[], SoundSource]


def samples_in(duration_ns: int) -> int:
    """Whole samples in a duration."""
    return duration_ns * limits.SOUND_RATE // limits.NS_PER_S


def duration_of(samples: int) -> int:
    """How long that many samples last, in nanoseconds, rounded down."""
    return samples * limits.NS_PER_S // limits.SOUND_RATE


class _Anchor:
    """Where a stream's sample 0 lies on the clock: the least (read time - count) of its blocks, until it is held."""

    def __init__(self) -> None:
        self.zero_ns = 0
        self.count = 0
        self.blocks = 0
        self._held = False
        self._low_ns = 0
        self._window_ns = 0

    def see(self, block: SoundBlock) -> int:
        """Count a block; its last sample was read at `block.at_ns`.

        Returns:
            By how much the stream has come to lie behind (or, negative, before) the clock for good; judged once a
            window, and 0 when it does not.
        """
        self.count += len(block.samples)
        zero_ns = block.at_ns - duration_of(self.count)
        self.blocks += 1
        if not self._held:
            self.zero_ns = zero_ns if self.blocks == 1 else min(self.zero_ns, zero_ns)
            return 0
        self._low_ns = min(self._low_ns, zero_ns)
        if block.at_ns < self._window_ns + limits.SOUND_DRIFT_WINDOW_NS:
            return 0
        drift_ns = self._low_ns - self.zero_ns
        self._window_ns, self._low_ns = block.at_ns, zero_ns
        if abs(drift_ns) < limits.SOUND_DRIFT_NS:
            return 0
        self.zero_ns += drift_ns
        return drift_ns

    def hold(self, at_ns: int) -> None:
        """Samples are given by this anchor from now on: it moves only where the stream drifts."""
        self._held, self._window_ns, self._low_ns = True, at_ns, at_ns


@dataclass(frozen=True, slots=True)
class SoundChange:
    """From `position` on (samples since the span's start; None outside a span) a device is lost or is back."""

    lost: bool
    position: int | None
    detail: str = ""


@dataclass(slots=True)
class SoundState:
    """What the health of the track is made of.

    Attributes:
        state: `starting`, `healthy` or `restarting`.
        detail: the last reason for trouble.
        captured: samples that the device delivered and that were given.
        silent: samples of silence that stand in for what was not captured.
        corrections: samples of silence put in (or, negative, left out) because the device's clock drifts.
    """

    state: str = "starting"
    detail: str = ""
    captured: int = 0
    silent: int = 0
    corrections: int = 0
    capture_ns: int = 0
    attempt_ns: int = 0


class SoundInput:
    """One device over all its deaths. The owner calls `read` when readable or in steps, and `tick` now and then."""

    def __init__(self, track: str, device: str, channels: int, opener: Opener, clock: Clock) -> None:
        self.track = track
        self.device = device
        self.channels = channels
        self.seen = SoundState()
        self.source: SoundSource | None = None
        self.position = 0
        self._opener = opener
        self._clock = clock
        self._anchor = _Anchor()
        self._early: deque[Pcm] = deque()
        self._ready: list[Pcm] = []
        self._changes: list[SoundChange] = []
        self._base_ns: int | None = None
        self._lost_in_span = False
        self._aligned = False
        self._retry_ns = 0
        self._backoff_ns = limits.SOUND_RETRY_MIN_NS
        self._opened_ns = 0

    # --- the device

    def open(self) -> None:
        """Start the device; a failure to start counts as its death."""
        self.seen.attempt_ns = self._opened_ns = self._clock.now_ns()
        self._new_stream()
        try:
            self.source = self._opener()
        except PepysError as error:
            self._lost(error.message)
        except OSError as error:
            self._lost(f"parec cannot be started: {error.strerror}")

    @property
    def delivers(self) -> bool:
        """Whether enough blocks have come to know where they lie on the clock."""
        return self._anchor.blocks >= limits.SOUND_SETTLE_BLOCKS

    @property
    def dead(self) -> bool:
        """Whether the device is away and waits to be started again."""
        return self.source is None

    def read(self) -> bool:
        """Take what has arrived; whether anything had."""
        events = self.source.poll() if self.source is not None else ()
        for event in events:
            if isinstance(event, SourceEnded):
                self._lost(event.message)
            else:
                self._take(event)
        return bool(events)

    def tick(self) -> bool:
        """Notice a device that is mute for too long, start it again when due; whether `source` was started."""
        now_ns = self._clock.now_ns()
        if self.source is not None:
            last_ns = max(self.seen.capture_ns, self._opened_ns)
            # A monitor that nothing plays to gives its first block only after 2 s.
            patience = limits.SOUND_SILENT_NS if self._anchor.blocks else limits.SOURCE_START_NS
            if now_ns - last_ns > patience:
                self._lost("the device gives no more sound")
            return False
        if now_ns < self._retry_ns:
            return False
        self.open()
        return self.source is not None

    def stop(self) -> None:
        """Let go of the device and forget what was not given out."""
        if self.source is not None:
            self.source.close()
        self.source = None
        self._base_ns = None
        self._new_stream()
        self._ready.clear()

    def changes(self) -> list[SoundChange]:
        """What happened to the device since the last call."""
        found, self._changes = self._changes, []
        return found

    # --- the stream of a span

    def begin(self, base_ns: int) -> None:
        """A span starts at `base_ns`: position 0. A device that does not deliver yet is silent from there on."""
        self._base_ns, self.position = base_ns, 0
        self._ready.clear()
        self._early.clear()
        self._aligned = False
        self._lost_in_span = not self.delivers
        if self._lost_in_span:
            self._changes.append(SoundChange(True, 0, self.seen.detail or "the device gives no sound yet"))

    def end(self, until: int) -> Pcm:
        """The rest up to position `until`, filled with silence; later samples are never given."""
        rest = self.give()
        past = self.position - until
        if past > 0:
            self.position = until
            self.seen.captured -= past
            return rest[: len(rest) - min(past, len(rest))]
        self._silence(until)
        return np.concatenate((rest, self.give()))

    def give(self, limit: int | None = None) -> Pcm:
        """The samples since the last call, as (n, channels); those beyond position `limit` are kept for later."""
        if not self._ready:
            return np.zeros((0, self.channels), np.int16)
        block = self._ready[0] if len(self._ready) == 1 else np.concatenate(self._ready)
        self._ready.clear()
        past = 0 if limit is None else min(len(block), max(0, self.position - limit))
        if past:
            self._ready.append(block[len(block) - past :])
        return block[: len(block) - past]

    def fill(self, now_ns: int) -> None:
        """While the device is away, let silence follow the clock at a distance that a late block may still need."""
        if self._base_ns is not None and self._lost_in_span:
            self._silence(samples_in(max(0, now_ns - self._base_ns - limits.SOUND_LATE_NS)))

    # --- inside

    def _take(self, block: SoundBlock) -> None:
        drift_ns = self._anchor.see(block)
        self.seen.capture_ns = block.at_ns
        if self.delivers and self.seen.state != "healthy":
            self.seen.state, self.seen.detail = "healthy", ""
            self._backoff_ns = limits.SOUND_RETRY_MIN_NS
            if self._base_ns is None:
                self._changes.append(SoundChange(False, None))
        if self._base_ns is None:
            return
        self._early.append(block.samples)
        if not self.delivers:
            return
        if drift_ns:
            self.seen.corrections += samples_in(drift_ns)
            self._aligned = False
        pending = np.concatenate(self._early) if len(self._early) > 1 else self._early[0]
        self._early.clear()
        self._place(self._anchor.count - len(pending), pending, self._base_ns)

    def _place(self, count: int, samples: Pcm, base_ns: int) -> None:
        """Give samples; the first ones of a stream stand where the clock says, later ones follow by their count."""
        if not self._aligned:
            start = count + samples_in(self._anchor.zero_ns - base_ns)
            samples = samples[max(0, self.position - start) :]
            if not len(samples):
                return
            self._silence(start)
            self._aligned = True
            self._anchor.hold(self.seen.capture_ns)
        if self._lost_in_span:
            self._lost_in_span = False
            self._changes.append(SoundChange(False, self.position))
        self._ready.append(samples)
        self.position += len(samples)
        self.seen.captured += len(samples)

    def _silence(self, until: int) -> None:
        missing = until - self.position
        if missing > 0:
            self._ready.append(np.zeros((missing, self.channels), np.int16))
            self.position = until
            self.seen.silent += missing

    def _lost(self, message: str) -> None:
        if self.source is not None:
            self.source.close()
            self.source = None
        self._new_stream()
        self.seen.state, self.seen.detail = "restarting", message
        inside = self._base_ns is not None
        if not (inside and self._lost_in_span):
            self._changes.append(SoundChange(True, self.position if inside else None, message))
        self._lost_in_span = inside
        self._retry_ns = self._clock.now_ns() + self._backoff_ns
        self._backoff_ns = min(2 * self._backoff_ns, limits.SOUND_RETRY_MAX_NS)

    def _new_stream(self) -> None:
        self._anchor = _Anchor()
        self._aligned = False
        self._early.clear()
