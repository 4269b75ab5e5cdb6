"""Ports of capture: what a source of pictures or sound offers to the recorder.

Invariants every adapter keeps (one contract suite runs over all of them):
- capabilities are data, never guessed from a class;
- opening may take minutes (a person is asked for consent), can be cancelled, and ends in a source or a typed error;
- a change is announced with the time at which it was learnt; pixels are taken later, newest state, only where changed;
- a new size is an event, not an error; an end is an event with its reason, never a silent stillness.

What becomes of pixels and samples (masks, scaling, encoding, files) is left to the users of the ports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Bgra = NDArray[np.uint8]
"""An array of shape (height, width, 4), bytes in the order blue, green, red, unused."""


@dataclass(frozen=True, slots=True)
class VideoCapabilities:
    """What a video source can do.

    Attributes:
        damage: how finely changes are told: rectangles, one bounding box, or not at all.
        cursor: whether the pointer is drawn into the pixels, comes apart from them, or is unknown to the source.
        ordered_windows: window events and pictures keep their order, so that masks can be exact.
        needs_consent: opening asks a person.
        exclusion: `kept` when excluded windows are black in what it gives, `refused` when it shows a screen and cannot
            keep them out, `not_needed` when it shows no windows at all.
        without: what it does without, each in words such as `no DAMAGE: pictures are compared`.
    """

    damage: Literal["rectangles", "box", "none"]
    cursor: Literal["embedded", "separate", "absent"]
    ordered_windows: bool = False
    needs_consent: bool = False
    exclusion: Literal["kept", "refused", "not_needed"] = "not_needed"
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Geometry:
    """Size of a source's picture in its own pixels; `epoch` rises by one with each change."""

    width: int
    height: int
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """Something in the picture changed; `pointer_only` when nothing but the pointer moved."""

    at_ns: int
    pointer_only: bool = False


@dataclass(frozen=True, slots=True)
class Resized:
    """The picture has another size; patches of the new epoch follow."""

    at_ns: int
    geometry: Geometry


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """The source is over: the last event it gives. `reason` is a gap's reason."""

    at_ns: int
    reason: Literal["source_closed", "device_lost"]
    message: str


VideoEvent = Changed | Resized | SourceEnded


@dataclass(frozen=True, slots=True)
class Patch:
    """A changed rectangle: where it lies and its pixels, writable and valid until the source is asked again."""

    x: int
    y: int
    pixels: Bgra


class VideoSource(Protocol):
    """A live picture that tells when and where it changed."""

    @property
    def name(self) -> str:
        """What the track names as its source, such as `:1`."""
        ...

    @property
    def capabilities(self) -> VideoCapabilities:
        """What this source can do; constant while it is open."""
        ...

    @property
    def geometry(self) -> Geometry:
        """The size in force; it changes only together with a `Resized` event."""
        ...

    def fileno(self) -> int:
        """A descriptor that is readable when `poll` has news."""
        ...

    def poll(self) -> list[VideoEvent]:
        """Events that have arrived, oldest first; never blocks, never raises for a source that died."""
        ...

    def wake_ns(self) -> int | None:
        """When `poll` must be called even if nothing is readable (a pointer to look at); None for never."""
        ...

    def take(self, align: int) -> list[Patch]:
        """Patches that bring a reader's picture up to date since the last `take`; none when nothing changed.

        Left edges are multiples of `align`, widths too except where the picture ends, tops and heights are even; what
        overhangs an odd picture is left out. A source that died or was resized meanwhile yields what it can and tells
        by its next event.
        """
        ...

    def refresh(self) -> None:
        """Make the next `take` yield the whole picture."""
        ...

    def grab(self) -> Bgra:
        """The whole picture at native size without the pointer, as the caller's own copy.

        Raises:
            DeviceMissing: the source has ended.
        """
        ...

    def close(self) -> None:
        """Let go of everything; safe to call twice and after the end."""
        ...


@runtime_checkable
class Holds(Protocol):
    """A source that can stand still and go on where it was."""

    def hold(self, held: bool) -> None:
        """Stand still: nothing is made or decoded until it goes on."""
        ...


@runtime_checkable
class Lives(Protocol):
    """A source that knows whether it lives also while nothing changes; one without this lives until it ends."""

    @property
    def alive_ns(self) -> int | None:
        """When it last showed that it lives; None where it lives until it ends."""
        ...


class Opening(Protocol):
    """A source that is being opened: asynchronous, because a person may be asked and a server may hang."""

    @property
    def name(self) -> str:
        """Which source it is going to be, as a user writes it."""
        ...

    def fileno(self) -> int:
        """A descriptor that is readable when `poll` has news."""
        ...

    def poll(self) -> VideoSource | None:
        """The open source, once; None while it is not there yet. Never blocks.

        Raises:
            DeviceMissing: there is no such source, it was refused, or it cannot be recorded; the message says why.
            Usage: the name means nothing, or too many things.
        """
        ...

    @property
    def hangs(self) -> bool:
        """Whether a thread still tries, though nobody may wait for it any more; it holds what it has opened."""
        ...

    def cancel(self) -> None:
        """Give up; safe at any time, also after the end. A source that comes later is closed unseen."""
        ...


@dataclass(frozen=True, slots=True)
class SoundCapabilities:
    """Format of a sound source's samples, and how long they may wait to be read before any is lost or held up."""

    rate: int
    channels: int
    holds_ns: int = 0


@dataclass(frozen=True, slots=True)
class SoundBlock:
    """Samples of shape (n, channels), int16; `at_ns` is when their last sample was read."""

    at_ns: int
    samples: NDArray[np.int16]


SoundEvent = SoundBlock | SourceEnded

DEFAULT_MICROPHONE: Final = "@DEFAULT_SOURCE@"
"""In place of a device's name: the microphone that is the default when the source is opened."""

DEFAULT_SYSTEM: Final = "@DEFAULT_MONITOR@"
"""The same for what the default speaker plays."""


class SoundSource(Protocol):
    """A live sound; the position of its samples is their count, blocks only anchor it to the clock."""

    @property
    def name(self) -> str:
        """The device's name as the sound server lists it."""
        ...

    @property
    def capabilities(self) -> SoundCapabilities:
        """Rate and channels; constant while it is open."""
        ...

    def fileno(self) -> int:
        """A descriptor that is readable when `poll` has news."""
        ...

    def poll(self) -> Sequence[SoundEvent]:
        """What has arrived, oldest first; bounded, never blocks. The end is told by `SourceEnded`, once."""
        ...

    def close(self) -> None:
        """Let go of the device; safe to call twice."""
        ...


@runtime_checkable
class Movable(Protocol):
    """A source of sound in whose place the server may put another device's; one without this stays what it is."""

    @property
    def may_be_moved(self) -> bool:
        """Whether that can happen to this one."""
        ...
