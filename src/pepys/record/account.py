"""Where each sample of a track went: counted when it is given, so that the sums hold at any moment.

Invariants: `delivered = captured + dropped`, `encoded = captured + inserted + silent`, and `silent` is the sum of
`lost`; what was placed but not given yet, or lies past a span's end, is no part of it. A part that is cut keeps its own
counts.
What the user muted and the disk refused is counted by those who know, and passed to `Account.at`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pepys import limits
from pepys.media.silence import joined, silence
from pepys.model import events as ev

Pcm = NDArray[np.int16]


def samples_in(duration_ns: int) -> int:
    """Whole samples in a duration."""
    return duration_ns * limits.SOUND_RATE // limits.NS_PER_S


def duration_of(samples: int) -> int:
    """How long that many samples last, in nanoseconds, rounded down."""
    return samples * limits.NS_PER_S // limits.SOUND_RATE


@dataclass(frozen=True, slots=True)
class Part:
    """Placed samples of one origin: a device's, or silence for a reason.

    Attributes:
        pcm: shape (n, channels).
        silent: why they are silence that nobody captured; empty when a device gave them.
        inserted: how many of them the device did not give: its clock is slow.
        dropped: how many the device gave besides, which are left out: its clock is fast.
    """

    pcm: Pcm
    silent: str = ""
    inserted: int = 0
    dropped: int = 0

    def split(self, at: int) -> tuple[Part, Part]:
        """The first `at` samples, and the rest."""
        inserted = min(self.inserted, at)
        return (
            Part(self.pcm[:at], self.silent, inserted, self.dropped),
            Part(self.pcm[at:], self.silent, self.inserted - inserted, 0),
        )


@dataclass(slots=True)
class Account:
    """Sums of one track since its span began, in samples at 48 kHz.

    Attributes:
        delivered: what the device in force gave.
        captured: of that, what the track holds.
        dropped: of that, what was left out because the device's clock is fast.
        inserted: what was put in because the device's clock is slow.
        silent: silence that stands in for what was not captured.
        encoded: what the track holds altogether.
        lost: the silence by its reason: `device_lost` (it was away), `device_starting` (it had not begun to deliver),
            `device_stalled` (it lived, but gave too little).
    """

    delivered: int = 0
    captured: int = 0
    dropped: int = 0
    inserted: int = 0
    silent: int = 0
    encoded: int = 0
    lost: dict[str, int] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether every sample is accounted for."""
        return (
            self.delivered == self.captured + self.dropped
            and self.encoded == self.captured + self.inserted + self.silent
            and self.silent == sum(self.lost.values())
        )

    def give(self, part: Part) -> None:
        """Count a part that goes into the track."""
        count = len(part.pcm)
        self.encoded += count
        if part.silent:
            self.silent += count
            self.lost[part.silent] = self.lost.get(part.silent, 0) + count
            return
        self.delivered += count - part.inserted + part.dropped
        self.captured += count - part.inserted
        self.inserted += part.inserted
        self.dropped += part.dropped

    def at(
        self, *, track: str, span: int, at_ns: int, muted: int = 0, refused: int = 0, final: bool = False
    ) -> ev.SoundAccounted:
        """The sums as an event for the journal."""
        return ev.SoundAccounted(
            track, span, at_ns, self.delivered, self.captured, self.dropped, self.inserted, self.silent, muted,
            self.encoded, refused, dict(self.lost), final,
        )  # fmt: skip


class Placed:
    """The parts of a span in order: put at `position`, given from the front. Bounded by whoever gives in time."""

    def __init__(self, channels: int) -> None:
        self.account = Account()
        self.position = 0
        self._channels = channels
        self._parts: deque[Part] = deque()

    def begin(self) -> None:
        """A span starts: position 0, and an account of its own."""
        self.account = Account()
        self.position = 0
        self._parts.clear()

    def put(self, part: Part) -> None:
        """The next samples."""
        if len(part.pcm) or part.dropped:
            self._parts.append(part)
            self.position += len(part.pcm)

    def silence(self, until: int, reason: str) -> int:
        """Fill up to position `until`; how many samples that took."""
        missing = max(0, until - self.position)
        if missing:
            self.put(Part(silence(missing, self._channels), reason))
        return missing

    def give(self, limit: int | None = None) -> Pcm:
        """What was put since the last call, counted; what lies beyond position `limit` is kept for later."""
        wanted = self.position - self.account.encoded
        if limit is not None:
            wanted = min(wanted, max(0, limit - self.account.encoded))
        given: list[Pcm] = []
        while self._parts and (wanted or not len(self._parts[0].pcm)):
            part = self._parts.popleft()
            if len(part.pcm) > wanted:
                part, rest = part.split(wanted)
                self._parts.appendleft(rest)
            wanted -= len(part.pcm)
            self.account.give(part)
            given.append(part.pcm)
        return joined(given) if given else silence(0, self._channels)

    def cut(self, until: int) -> Pcm:
        """The last samples of a span, up to position `until`; those past it are forgotten."""
        given = self.give(until)
        self._parts.clear()
        self.position = self.account.encoded
        return given
