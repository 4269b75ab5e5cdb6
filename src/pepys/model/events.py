"""The events of a session: one record each in its journal, later in its sealed chunks.

An event is a frozen dataclass; on disk it is one JSON object with its type's name under `t`. Unknown fields are
ignored and missing ones take their default, so that a reader of this version reads what a later one of the same
format wrote. `at_ns` is axis time: nanoseconds since media time 0 on the session's wall axis, gaps included.
`media_ns` is the position on the playback timeline, gaps excluded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pepys.model.event_forms import encodable, fitting_fields, forms_of, refuse_unfit, to_json

Fragment = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the journal."""


@dataclass(frozen=True, slots=True)
class SessionStarted(Event):
    """The first event: what was asked for, and the wall time of media time 0."""

    session: str
    name: str
    started_wall_ns: int
    device: str
    tags: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SpanStarted(Event):
    """Recording began or went on; `boot_ns` is CLOCK_BOOTTIME at `at_ns` in the boot `boot_id`."""

    span: int
    at_ns: int
    media_ns: int
    boot_id: str
    boot_ns: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class AnchorNoted(Event):
    """The wall clock, read again once a minute, and at once when it was set: by `step_ns`."""

    at_ns: int
    wall_ns: int
    step_ns: int = 0


@dataclass(frozen=True, slots=True)
class SpanEnded(Event):
    """Nothing of this span lies past `at_ns`; `media_ns` is where the next span begins."""

    span: int
    at_ns: int
    media_ns: int


@dataclass(frozen=True, slots=True)
class TrackStarted(Event):
    """A track exists. `track` is `video`, `audio.mic`, `audio.system`, `shots` or `activity`.

    Where several sources are composed into `video`, `video.1`, `video.2` ... stand for one source each: they have
    health, counters and gaps, and no segments. `layout` says how they are composed, `encoder` what coded the pictures.
    """

    track: str
    kind: str
    source: str
    codec: str = ""
    width: int = 0
    height: int = 0
    layout: str = ""
    encoder: str = ""


@dataclass(frozen=True, slots=True)
class CompositionSet(Event):
    """From `at_ns` on other sources are shown, or in another layout; a session that is resumed begins with these."""

    at_ns: int
    sources: tuple[str, ...]
    layout: str


@dataclass(frozen=True, slots=True)
class InitWritten(Event):
    """The header that the segments of `track` in `span` need, and the MIME type they play as."""

    track: str
    span: int
    blob: str
    mime: str


@dataclass(frozen=True, slots=True)
class SegmentOpened(Event):
    """A segment grows in the open file `name`; its fragments follow as events."""

    track: str
    segment: int
    span: int
    name: str


@dataclass(frozen=True, slots=True)
class FragmentWritten(Event):
    """A fragment is durable at `offset` (plaintext bytes) of its segment."""

    track: str
    segment: int
    offset: int
    length: int
    media_ns: int
    duration_ns: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class SegmentSealed(Event):
    """A segment got its name. `fragments` holds `(offset, length, media_ns, duration_ns)` of each fragment.

    It replaces the segment's `FragmentWritten` events, which chunks leave out.
    """

    track: str
    segment: int
    span: int
    blob: str
    bytes: int
    media_ns: int
    duration_ns: int
    at_ns: int
    fragments: Sequence[Fragment] = ()


@dataclass(frozen=True, slots=True)
class ShotTaken(Event):
    """A screenshot of `bytes` bytes. A repeat names the blob that it equals and stores nothing.

    `trigger` says why it was taken, `app` and `title` what was in front both before and after its pixels were read; of
    an excluded window `excluded` and no title. `near` tells a repeat that equals its blob but for what carries no text
    (a cursor, a clock).
    """

    at_ns: int
    blob: str
    width: int
    height: int
    repeat: bool = False
    bytes: int = 0
    trigger: str = ""  # start (of a span), interval, adaptive, focus, title, change or manual
    app: str = ""
    title: str = ""
    near: bool = False


@dataclass(frozen=True, slots=True)
class FocusChanged(Event):
    """Another window or title came to the front; an excluded one has no title, and `excluded` for its application."""

    at_ns: int
    app: str
    title: str
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class WindowsNoted(Event):
    """The windows that are shown from `at_ns` on, topmost first: `(app, title, x, y, width, height)` in screen pixels.

    An excluded one has `excluded` for its application and no title.
    """

    at_ns: int
    windows: tuple[tuple[str, str, int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class InputCounted(Event):
    """What the user did from `at_ns` on for `duration_ns`: counts, never what was typed or where was clicked."""

    at_ns: int
    duration_ns: int
    keys: int = 0
    clicks: int = 0
    scrolls: int = 0
    moves: int = 0


@dataclass(frozen=True, slots=True)
class IdleNoted(Event):
    """Nobody touched keyboard or pointer from `start_ns` on; `end_ns` is None while it lasts."""

    start_ns: int
    end_ns: int | None


@dataclass(frozen=True, slots=True)
class NoteAdded(Event):
    """A note or a marker (`kind` is `note` or `marker`)."""

    id: str
    at_ns: int
    text: str
    kind: str = "note"


@dataclass(frozen=True, slots=True)
class GapNoted(Event):
    """Time that was not recorded: of the whole session, or of `track` alone. `end_ns` is None while it lasts."""

    start_ns: int
    end_ns: int | None
    reason: str  # pause, crash, device_lost, source_closed, disk_full, locked, suspended or forgotten
    track: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrackHealth(Event):
    """A track changed its state: `starting`, `healthy`, `degraded`, `failed`, `restarting` or `off`."""

    track: str
    state: str
    at_ns: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Beat(Event):
    """Proof that the screen was watched: counters of one track since the session began."""

    track: str
    at_ns: int
    captured: int
    encoded: int
    dropped: int


@dataclass(frozen=True, slots=True)
class SoundGraphSet(Event):
    """From `at_ns` on sound goes through this graph (`pepys.model.sound_graph` reads it); the last one is in force."""

    at_ns: int
    graph: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SoundAccounted(Event):
    """Where the samples of a track went, since its span began; `final` when the span is over.

    All are counts of samples at 48 kHz. What the device gave is `delivered = captured + dropped`; what the track holds
    is `encoded = captured + inserted + silent`, of which `muted` were silenced by the user; `refused` of them were not
    taken by the disk. `lost` counts silent samples by reason.
    """

    track: str
    span: int
    at_ns: int
    delivered: int
    captured: int
    dropped: int
    inserted: int
    silent: int
    muted: int
    encoded: int
    refused: int
    lost: dict[str, int] = field(default_factory=dict)
    final: bool = False


@dataclass(frozen=True, slots=True)
class SoundCorrected(Event):
    """A device's clock differs: since `since_ns` samples were inserted or dropped, softly or in a step of `step`.

    `ppm` is by how much the device is fast (or, negative, slow), as measured.
    """

    track: str
    at_ns: int
    since_ns: int
    inserted: int
    dropped: int
    ppm: int
    step: bool = False


@dataclass(frozen=True, slots=True)
class DeviceSwitched(Event):
    """From `at_ns` on a track is recorded from `device` instead of `before`."""

    track: str
    at_ns: int
    device: str
    before: str
    reason: str


@dataclass(frozen=True, slots=True)
class LevelsNoted(Event):
    """Twenty levels a second of a track from `at_ns` on, 50 ms each (`pepys.model.sound_levels` packs them).

    `peaks` and `loudness` are base64, a byte each; bit n of `voice` says whether somebody may speak in the n-th.
    """

    track: str
    at_ns: int
    peaks: str
    loudness: str
    voice: int


@dataclass(frozen=True, slots=True)
class EventsLost(Event):
    """Recovery could not read the events `first` to `end` (the number after the last) of the journal: they are gone.

    They were written between the axis times `start_ns` and `end_ns`, as far as their neighbours tell; `wall_ns` is when
    it was found.
    """

    first: int
    end: int
    start_ns: int
    end_ns: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """The last event of a session that was ended in order."""

    at_ns: int


_TYPES: Final[dict[str, type[Event]]] = {kind.__name__: kind for kind in (
    SessionStarted, SpanStarted, AnchorNoted, SpanEnded, TrackStarted, CompositionSet, InitWritten, SegmentOpened,
    FragmentWritten, SegmentSealed, ShotTaken, FocusChanged, WindowsNoted, InputCounted, IdleNoted, NoteAdded, GapNoted,
    TrackHealth, Beat, SoundGraphSet, SoundAccounted, SoundCorrected, DeviceSwitched, LevelsNoted, EventsLost,
    SessionEnded,
)}  # fmt: skip
_FORMS: Final = {name: forms_of(kind) for name, kind in _TYPES.items()}


@dataclass(frozen=True, slots=True)
class UnknownEvent(Event):
    """An event whose type this version does not know; kept so that a fold can pass over it."""

    type: str


def encode(event: Event) -> bytes:
    """Write an event as compact JSON in UTF-8.

    Raises:
        ValueError: a field holds what `decode` would refuse.
    """
    # Fields hold plain values only: `asdict`, which copies all of them deeply, takes longer than the rest.
    values = {name: getattr(event, name) for name in event.__dataclass_fields__}
    if (forms := _FORMS.get(kind := type(event).__name__)) is not None:
        refuse_unfit(kind, forms, values)
    return to_json({"t": kind, **values}).encode()


def decode(data: bytes) -> Event:
    """Read an event.

    Raises:
        ValueError: the bytes are no event of this format.
    """
    try:
        value = json.loads(data)
        encodable(data, value)
        return event_of(value)
    except RecursionError as error:
        raise ValueError(f"no event: {error}") from error


def event_of(value: Any, fragments: Sequence[Fragment] | None = None) -> Event:
    """The event of a parsed object, which is used up; `fragments` are given where they were not parsed with it."""
    try:
        name = value.pop("t")
        if (kind := _TYPES.get(name)) is None:
            return UnknownEvent(str(name))
        known = fitting_fields(_FORMS[name], value)
        if fragments is not None and kind is SegmentSealed:
            known["fragments"] = fragments
        return kind(**known)
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"no event: {error}") from error
