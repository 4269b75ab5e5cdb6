"""What happens to the sound of a track, as its owner is told.

Invariant: nothing is told more than once a second, however often it happens: corrections are summed up. Placing sound
is left to `record.sound`, gaps and events in the journal to its owner.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from pepys import limits
from pepys.record.account import samples_in
from pepys.record.sound_stream import DeviceStream
from pepys.record.standing import Tries

Kind = Literal["lost", "vain", "back", "switched", "kept", "corrected", "quiet", "heard", "fast"]


@dataclass(frozen=True, slots=True)
class SoundChange:
    """Something happened to the sound of a track.

    Attributes:
        kind: `lost` and `back`: from `position` on nothing is captured, or something is again (a hole inside a living
            device gives both); `vain`: a lost device was tried again so often that it counts as failed; `switched`:
            from there on it is `device` instead of `before`; `kept`: `device` was to take over and failed, the one in
            force goes on; `corrected`: samples were put in or left out since position `since`; `quiet`: digital silence
            for `limits.SOUND_QUIET_NS`, `heard`: it is over; `fast`: the device gives far more than its rate, and much
            of it is dropped.
        position: samples since the span's start; None outside a span.
        reason: a gap's reason (`lost`), or why the device was switched (`switched`, `kept`).
        ppm: by how much the device is fast, as measured.
        step: whether it was corrected in steps that can be heard, not by stretching.
    """

    kind: Kind
    position: int | None
    detail: str = ""
    reason: str = ""
    device: str = ""
    before: str = ""
    since: int | None = None
    inserted: int = 0
    dropped: int = 0
    ppm: int = 0
    step: bool = False

    def within(self, until: int) -> SoundChange:
        """The same, not after position `until`."""
        return self if self.position is None or self.position <= until else replace(self, position=until)

    @property
    def lost(self) -> bool:
        """Whether the device went away."""
        return self.kind == "lost"


@dataclass(slots=True)
class SoundState:
    """What the health of the track is made of.

    Attributes:
        state: `starting`, `healthy` or `restarting`.
        detail: the last reason for trouble.
        tries: how often a device that was lost was started again, when its time had come.
        retry_ns: when it is to be started again. One that others start sooner (a span begins, the server tells of it)
            neither counts as a try nor puts the next one off.
    """

    state: str = "starting"
    detail: str = ""
    capture_ns: int = 0
    attempt_ns: int = 0
    retry_ns: int = 0
    early: bool = False
    tries: Tries = field(default_factory=lambda: Tries(limits.SOUND_RETRY_MIN_NS, limits.SOUND_RETRY_MAX_NS))

    @property
    def lost_state(self) -> str:
        """The health of a track while nothing comes: it is tried again, until that was in vain too often."""
        return "failed" if self.tries.in_vain else "restarting"

    def tried(self, now_ns: int) -> None:
        """The device is started now, perhaps again."""
        self.attempt_ns = now_ns
        self.early = now_ns < self.retry_ns
        if self.state == "restarting" and not self.early:
            self.tries.tried()

    def came(self, now_ns: int) -> None:
        """The device delivers."""
        if self.state == "restarting" and not self.tries.count:
            self.tries.restarts += 1  # sooner than its first try
        self.state, self.detail = "healthy", ""
        self.tries.came(now_ns)

    def went(self, now_ns: int, message: str) -> None:
        """The device is gone, or could not be started."""
        again = self.state == "healthy" or not self.early
        self.state, self.detail = "restarting", message
        self.tries.went(now_ns)
        if again:
            self.retry_ns = now_ns + self.tries.wait_ns


class Manner:
    """How devices behave: that they give nothing but zeros, or far too much."""

    def __init__(self) -> None:
        self._quiet = False

    def listen(self, stream: DeviceStream, position: int | None) -> list[SoundChange]:
        """What the samples of the stream in force tell, at `position`."""
        found: list[SoundChange] = []
        still = stream.zeros > 0 or not stream.count
        quiet = stream.zeros >= samples_in(limits.SOUND_QUIET_NS) or (self._quiet and still)
        if quiet != self._quiet:
            self._quiet = quiet
            found.append(SoundChange("quiet" if quiet else "heard", position, device=stream.device))
        fast = stream.drift.ppm > limits.SOUND_FAST_PPM
        if fast and not stream.fast_told and stream.drift.seen_ns(stream.capture_ns) > limits.SOUND_FAST_NS:
            stream.fast_told = True
            detail = f"{stream.device} gives {1 + stream.drift.ppm / 1e6:.1f} times its rate"
            found.append(SoundChange("fast", position, detail, ppm=stream.drift.ppm))
        return found


@dataclass(slots=True)
class Corrections:
    """Corrections that have not been told yet, of one kind."""

    step: bool
    every_ns: int
    since: int = 0
    since_ns: int = 0
    inserted: int = 0
    dropped: int = 0

    def add(self, inserted: int, dropped: int, position: int, now_ns: int) -> None:
        """Count what was done to samples from `position` on."""
        if inserted or dropped:
            if not (self.inserted or self.dropped):
                self.since, self.since_ns = position, now_ns
            self.inserted += inserted
            self.dropped += dropped

    def due(self, now_ns: int, *, last: bool) -> bool:
        """Whether there is something to tell, now or (`last`) at all."""
        return bool(self.inserted or self.dropped) and (last or now_ns - self.since_ns >= self.every_ns)

    def tell(self, position: int | None, ppm: int) -> SoundChange:
        """Everything since the last time."""
        change = SoundChange(
            "corrected", position, since=self.since, inserted=self.inserted, dropped=self.dropped, ppm=ppm,
            step=self.step,
        )  # fmt: skip
        self.inserted = self.dropped = 0
        return change
