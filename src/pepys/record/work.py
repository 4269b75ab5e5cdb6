"""What the recorder's writer is given: media, shots, events, and what ends a span or a session.

Plain data, made in the loop's thread and the shots', used up in the writer's. What becomes of it is `writing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pepys.model import events as ev


@dataclass(frozen=True, slots=True)
class Fragment:
    """Encoded media; `cut` begins a new segment with it."""

    track: str
    span: int
    data: bytes = field(repr=False)
    media_ns: int
    duration_ns: int
    at_ns: int
    cut: bool
    pictures: bool


@dataclass(frozen=True, slots=True)
class InitHeader:
    """The header of a track's segments in a span."""

    track: str
    span: int
    data: bytes = field(repr=False)
    mime: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A shot; without `data` it repeats the one with the same digest, or, with `near`, equals it but for no text."""

    at_ns: int
    digest: bytes
    width: int
    height: int
    data: bytes | None = field(repr=False)
    trigger: str = ""
    app: str = ""
    title: str = ""
    near: bool = False


@dataclass(frozen=True, slots=True)
class Events:
    """Events as they are."""

    events: tuple[ev.Event, ...]


@dataclass(frozen=True, slots=True)
class SealSegments:
    """Every open segment is finished: the span is over."""


@dataclass(frozen=True, slots=True)
class End:
    """The session is completed at `at_ns`; where the disk refuses, it is left to the recovery of the next start."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Leave:
    """The session is left as it is, for another recorder to go on with."""


Work = Fragment | InitHeader | Picture | Events | SealSegments | End | Leave
