"""A session as people and pages see it, and its time axis.

These are the results of folding events and edits (`pepys.model.projection`); nothing here reads or writes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pepys.model.events import Fragment
from pepys.model.manifest import ArtifactRef


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of recording; `end_ns` is axis time, `media_ns` where it begins on the playback timeline."""

    span: int
    start_ns: int
    end_ns: int
    media_ns: int
    open: bool = False

    @property
    def duration_ns(self) -> int:
        """Recorded time."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class Gap:
    """Time that was not recorded, of all tracks or of one."""

    start_ns: int
    end_ns: int
    reason: str
    track: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a track. `blob` is empty while it grows in the open file `name`.

    `fragments` holds `(offset, length, media_ns, duration_ns)`; offsets are of the plaintext.
    """

    n: int
    span: int
    blob: str
    name: str
    bytes: int
    media_ns: int
    duration_ns: int
    at_ns: int
    fragments: Sequence[Fragment] = ()


@dataclass(frozen=True, slots=True)
class Init:
    """The header of a track's segments in one span."""

    span: int
    blob: str
    mime: str


@dataclass(frozen=True, slots=True)
class SpanAccount:
    """Where the samples of a sound track went in one span; counts as in `events.SoundAccounted`.

    `written` are those that its segments hold. One that is not `final` was told at most ten seconds before the span was
    `crashed`, or is of a span that runs; nothing but `written` is known where none was told. In a span that ended in
    order one that is final is `due`.
    """

    span: int
    delivered: int
    captured: int
    dropped: int
    inserted: int
    silent: int
    muted: int
    encoded: int
    refused: int
    written: int
    lost: dict[str, int] = field(default_factory=dict)
    final: bool = False
    crashed: bool = False
    due: bool = False

    @property
    def exact(self) -> bool:
        """Whether every sample is accounted for; of a span that crashed or runs, those that were told."""
        held = self.encoded == self.captured + self.inserted + self.silent and self.silent == sum(self.lost.values())
        kept = self.encoded == self.written + self.refused if self.final else not self.due
        return held and kept and self.delivered == self.captured + self.dropped


@dataclass(frozen=True, slots=True)
class SoundLoss:
    """Samples that were not recorded of one track, from `at_ns` on; of the whole session's gaps see there."""

    at_ns: int
    samples: int
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SoundDrift:
    """What was corrected because a device's clock differs: samples inserted and dropped, hard steps, the last rate."""

    inserted: int = 0
    dropped: int = 0
    steps: int = 0
    ppm: int = 0


@dataclass(frozen=True, slots=True)
class DeviceSwitch:
    """From `at_ns` on a track is recorded from `device` instead of `before`."""

    at_ns: int
    device: str
    before: str
    reason: str


@dataclass(frozen=True, slots=True)
class Track:
    """One kind of media or events from one source.

    `video` may be composed of several sources by its `layout`; each of those has a track `video.1`, `video.2` ... of
    its own, with health, counters and gaps but without segments.
    """

    track: str
    kind: str
    source: str
    codec: str = ""
    width: int = 0
    height: int = 0
    layout: str = ""
    encoder: str = ""
    state: str = "starting"
    detail: str = ""
    captured: int = 0
    encoded: int = 0
    dropped: int = 0
    inits: tuple[Init, ...] = ()
    segments: tuple[Segment, ...] = ()
    gaps: tuple[Gap, ...] = ()
    shot_bytes: int = 0
    accounts: tuple[SpanAccount, ...] = ()
    losses: tuple[SoundLoss, ...] = ()
    drift: SoundDrift | None = None
    switches: tuple[DeviceSwitch, ...] = ()

    @property
    def bytes(self) -> int:
        """Plaintext bytes of all segments, or of all distinct shots."""
        return self.shot_bytes + sum(segment.bytes for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Shot:
    """A screenshot; a repeat shares the blob of an earlier one. See `events.ShotTaken`."""

    at_ns: int
    blob: str
    width: int
    height: int
    repeat: bool = False
    trigger: str = ""
    app: str = ""
    title: str = ""
    near: bool = False


@dataclass(frozen=True, slots=True)
class Focus:
    """What was in front from `start_ns` to `end_ns`."""

    start_ns: int
    end_ns: int
    app: str
    title: str
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Windows:
    """What was shown from `at_ns` on, topmost first, as `events.WindowsNoted` has it."""

    at_ns: int
    windows: tuple[tuple[str, str, int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class InputCount:
    """How much the user did from `start_ns` to `end_ns`."""

    start_ns: int
    end_ns: int
    keys: int
    clicks: int
    scrolls: int
    moves: int


@dataclass(frozen=True, slots=True)
class ClockStep:
    """At `at_ns` the wall clock was set by `step_ns`; the session's axis did not move."""

    at_ns: int
    step_ns: int


@dataclass(frozen=True, slots=True)
class Note:
    """A note or marker."""

    id: str
    at_ns: int
    text: str
    kind: str = "note"


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of what was written of a session that does not open, so that the session is told without it.

    Attributes:
        what: `events` (of a chunk, which a backup may bring back), `journal` (its records do not open), `lost` (events
            that a recovery could not read: nobody can any more), `edits`, or `manifest` (the newest one does not open:
            what is told is from one before it).
        first: the number of the first event; 0 of edits.
        end: the number after the last.
        start_ns: axis time of what comes before them; 0 where nothing does.
        end_ns: axis time of what follows; None where nothing does, and of edits.
        device: whose edits.
    """

    what: str
    first: int = 0
    end: int = 0
    start_ns: int = 0
    end_ns: int | None = None
    device: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether it is gone for good, and all that is stored is whole."""
        return self.what == "lost"

    def __str__(self) -> str:
        if self.what == "edits":
            return f"edits of device {self.device}"
        if self.what == "manifest":
            return "the newest manifest, with what was changed last,"
        return f"events {self.first} to {self.end}" if self.first < self.end else f"events from {self.first} on"


@dataclass(frozen=True, slots=True)
class Session:
    """All that is known of one session, without its media.

    `idle` has starts and ends on the axis. `sound_graph` is the last one; `sound_set` has what each gain and mix of any
    of them was set to last, by name: a graph lacks those whose device was not there. `unread` is what of it does not
    open: everything else is told without that.
    """

    id: str
    name: str
    state: str
    started_wall_ns: int
    end_ns: int
    device: str = ""
    description: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    gaps: tuple[Gap, ...] = ()
    tracks: tuple[Track, ...] = ()
    shots: tuple[Shot, ...] = ()
    focus: tuple[Focus, ...] = ()
    windows: tuple[Windows, ...] = ()
    inputs: tuple[InputCount, ...] = ()
    idle: tuple[tuple[int, int], ...] = ()
    clock_steps: tuple[ClockStep, ...] = ()
    notes: tuple[Note, ...] = ()
    artifacts: tuple[ArtifactRef, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] | None = None
    manifest: str = ""
    sound_graph: dict[str, Any] | None = None
    sound_set: dict[str, dict[str, Any]] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()

    @property
    def duration_ns(self) -> int:
        """Recorded time, gaps out."""
        return sum(span.duration_ns for span in self.spans)

    @property
    def timeline(self) -> Timeline:
        """The map between the session's axis and the playback timeline."""
        return Timeline(self.spans)

    def track(self, name: str) -> Track | None:
        """The track of that name, if the session has one."""
        return next((track for track in self.tracks if track.track == name), None)

    @property
    def distinct_shots(self) -> tuple[Shot, ...]:
        """The first shot of each distinct picture, in time order."""
        first: dict[str, Shot] = {}
        for shot in self.shots:
            first.setdefault(shot.blob, shot)
        return tuple(first.values())


@dataclass(frozen=True, slots=True)
class Timeline:
    """Maps axis time (gaps in) to media time (gaps out) and back; spans are in order."""

    spans: tuple[Span, ...]

    def media_ns(self, at_ns: int) -> int:
        """The playback position for an axis time; a time inside a gap maps to where recording went on."""
        index = bisect_right([span.start_ns for span in self.spans], at_ns) - 1
        if index < 0:
            return 0
        span = self.spans[index]
        return span.media_ns + min(at_ns - span.start_ns, span.duration_ns)

    def at_ns(self, media_ns: int) -> int:
        """The axis time of a playback position; where two spans meet, the later one's start."""
        index = bisect_right([span.media_ns for span in self.spans], media_ns) - 1
        if index < 0:
            return 0
        span = self.spans[index]
        return span.start_ns + min(media_ns - span.media_ns, span.duration_ns)
