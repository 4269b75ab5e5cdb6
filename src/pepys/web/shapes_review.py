"""The shapes of what the review page shows, for the OpenAPI document and its tests.

Answers are built as plain data by `pepys.review` and sent as they are: a test holds real ones against these models.
"""

from __future__ import annotations

from pepys.web.shapes import Shape


class AppTime(Shape):
    """An application in front."""

    start_ms: int
    end_ms: int
    app: str


class GapTime(Shape):
    """Time that was not recorded."""

    start_ms: int
    end_ms: int
    reason: str


class SessionBase(Shape):
    """What a list and an overview both tell of a session."""

    id: str
    name: str
    state: str
    started_at: str
    ended_at: str | None
    duration_ms: int
    wall_ms: int
    tags: list[str]
    summary: str | None
    bytes_on_disk: int
    cost_usd: float
    enrichment_state: str
    poster: str | None


class Row(SessionBase):
    """A session in a list."""

    apps: list[AppTime]
    gaps: list[GapTime]


class SessionList(Shape):
    """A page of sessions, newest first."""

    total: int
    sessions: list[Row]


class Gap(GapTime):
    """Time that was not recorded, of the session or one track."""

    track: str | None
    detail: str | None


class TrackOut(Shape):
    """A track in figures."""

    track: str
    kind: str
    source: str
    codec: str
    encoder: str
    layout: str
    width: int
    height: int
    bytes: int
    segments: int
    frames_captured: int
    frames_encoded: int
    frames_dropped: int
    gaps: list[Gap]


class ShotCount(Shape):
    """How many screenshots there are."""

    total: int
    distinct: int


class StageOut(Shape):
    """One stage of enrichment."""

    name: str
    state: str
    seconds: float
    cost_usd: float
    error: str | None = None


class Enrichment(Shape):
    """How far enrichment is."""

    state: str
    stages: list[StageOut]
    cost_usd: float


class SessionOut(SessionBase):
    """A session in its overview; its `apps` and `gaps` stand beside it."""

    description: str
    category: str
    tracks: list[TrackOut]
    shots: ShotCount
    enrichment: Enrichment


class SpanOut(Shape):
    """A stretch of recording."""

    start_ms: int
    end_ms: int
    media_start_ns: int


class Chapter(Shape):
    """A chapter."""

    start_ms: int
    end_ms: int
    title: str
    summary: str


class AppTitle(AppTime):
    """A window in front."""

    title: str
    excluded: bool


class ClockStep(Shape):
    """The wall clock was set by `step_ms` at `at_ms`; the session's axis did not move."""

    at_ms: int
    step_ms: int


class NoteOut(Shape):
    """A note or marker."""

    id: str
    kind: str
    at_ms: int
    text: str


class NoteCut(NoteOut):
    """A note or marker, its text cut where `cut` is true."""

    cut: bool


class SummaryOut(Shape):
    """What the session was about."""

    title: str | None
    text: str | None
    points: list[str]


class Bucket(Shape):
    """How many items a bucket holds."""

    bucket: int
    shots: int
    transcript: int
    screen_text: int


class Overview(Shape):
    """All that paints the page, below 50 KB; `idle` are times `[start_ms, end_ms]` without input."""

    session: SessionOut
    spans: list[SpanOut]
    gaps: list[Gap]
    chapters: list[Chapter]
    apps: list[AppTitle]
    idle: list[tuple[int, int]]
    clock_steps: list[ClockStep]
    notes: list[NoteCut]
    summary: SummaryOut
    bucket_ms: int
    buckets: list[Bucket]
    poster: str | None


class ShotColumns(Shape):
    """Screenshots by column; `trigger` says why each was taken, and is empty where nobody knows."""

    at_ms: list[int]
    id: list[str]
    distinct: list[bool]
    trigger: list[str]


class TranscriptColumns(Shape):
    """Speech by column; a word is `[word, start_ms, end_ms]`."""

    track: list[str]
    start_ms: list[int]
    end_ms: list[int]
    text: list[str]
    words: list[list[tuple[str, int, int]]]


class TextColumns(Shape):
    """Text on the screen by column."""

    at_ms: list[int]
    end_ms: list[int]
    shot: list[str]
    text: list[str]


class Items(Shape):
    """The items of one bucket."""

    bucket: int
    shots: ShotColumns
    transcript: TranscriptColumns
    screen_text: TextColumns


class Line(Shape):
    """A line of text on a shot; shares of its width and height."""

    text: str
    x: float
    y: float
    w: float
    h: float


class ShotText(Shape):
    """The text on a shot."""

    width: int
    height: int
    lines: list[Line]


class PeakLane(Shape):
    """The waveform of a track from `start_ms` on, a value a step: bytes of 0.4 dB, 0 for -102 dB or less or nothing.

    `voice` holds the times `[start_ms, end_ms]` in which somebody may speak.
    """

    track: str
    start_ms: int
    step_ms: int
    peaks: list[int]
    loudness: list[int]
    voice: list[tuple[int, int]]


class Peaks(Shape):
    """The waveforms of the sound tracks."""

    tracks: list[PeakLane]


class PlaySpan(Shape):
    """A span of the playback stream; `init` is the id of its header."""

    span: int
    init: int
    mime: str
    media_start_ns: int
    media_end_ns: int
    start_ms: int


class PlaySegment(Shape):
    """A stored segment."""

    n: int
    span: int
    media_start_ns: int
    duration_ns: int
    bytes: int


class PlayFragment(Shape):
    """A fragment of the segment that grows."""

    i: int
    media_start_ns: int
    duration_ns: int
    bytes: int


class PlayTail(Shape):
    """The segment that grows."""

    n: int
    span: int
    media_start_ns: int
    fragments: list[PlayFragment]


class Playback(Shape):
    """The table of the playback stream."""

    version: str
    live: bool
    state: str
    spans: list[PlaySpan]
    segments: list[PlaySegment]
    tail: PlayTail | None
