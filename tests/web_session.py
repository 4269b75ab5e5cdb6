"""Sessions made through the store's own writer, without devices or codecs: bytes that only look like media."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.store.store import Store
from pepys.store.writer import SessionWriter

MIME = 'video/mp4; codecs="avc1.42c028,mp4a.40.2"'
SOUND_MIME = 'audio/mp4; codecs="mp4a.40.2"'
FRAGMENT_NS = 800 * NS_PER_MS
STARTED_WALL_NS = 1_800_000_000 * NS_PER_S


@dataclass
class Tape:
    """A session being written: one span after another, segment by segment."""

    store: Store
    name: str = "made up"
    tags: tuple[str, ...] = ()
    started_wall_ns: int = STARTED_WALL_NS
    at_ns: int = 0
    media_ns: int = 0
    span: int = -1
    segment: int = -1
    fragments: dict[tuple[int, int], bytes] = field(default_factory=dict)
    fragment_bytes: int = 2_000
    track: str = "video"
    segments: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.session = new_session_id(self.started_wall_ns)
        header = ev.SessionStarted(self.session, self.name, self.started_wall_ns, "device", self.tags)
        self.writer = SessionWriter.create(self.store, header)
        if self.track == "video":
            self.writer.append(ev.TrackStarted("video", "video", ":0", "h264", 1280, 720))
        else:
            self.writer.append(ev.TrackStarted(self.track, "audio", "mix", "aac"))
        self.writer.append(ev.TrackStarted("shots", "shots", ":0", "png", 1280, 720))
        self.writer.append(ev.TrackStarted("activity", "activity", ":0"))
        self._blob = None

    def turn_to(self, track: str) -> None:
        """The next span has its media in another track."""
        self.segments[self.track], self.track = self.segment, track
        if track not in self.segments:
            self.writer.append(ev.TrackStarted(track, "audio", "mix", "aac"))
        self.segment = self.segments.get(track, -1)

    def begin_span(self) -> None:
        """Recording begins or goes on."""
        self.span += 1
        init = self.writer.put(b"init %d of %s" % (self.span, self.session.encode()))
        self.writer.append(
            ev.SpanStarted(self.span, self.at_ns, self.media_ns, "boot", self.at_ns, self.started_wall_ns + self.at_ns),
            ev.InitWritten(self.track, self.span, init, MIME if self.track == "video" else SOUND_MIME),
        )
        self.writer.sync()

    def write(self, fragments: int, *, seal: bool = True) -> None:
        """Write some fragments into the growing segment; `seal` gives it its name."""
        if self._blob is None:
            self.segment += 1
            self._blob = self.writer.open_segment(self.track, self.segment)
            self._first = (self.media_ns, self.at_ns)
            self._table: list[tuple[int, int, int, int]] = []
            self.writer.append(ev.SegmentOpened(self.track, self.segment, self.span, self._blob.name))
        for _ in range(fragments):
            index = len(self._table)
            data = (b"%d/%d " % (self.segment, index) * self.fragment_bytes)[: self.fragment_bytes]
            self.fragments[self.segment, index] = data
            offset = self._blob.append(data)
            self._blob.sync()
            self._table.append((offset, len(data), self.media_ns, FRAGMENT_NS))
            self.writer.append(
                ev.FragmentWritten(self.track, self.segment, offset, len(data), self.media_ns, FRAGMENT_NS, self.at_ns),
                ev.Beat(self.track, self.at_ns, index + 1, index + 1, 0),
            )
            self.at_ns += FRAGMENT_NS
            self.media_ns += FRAGMENT_NS
        self.writer.sync()
        if seal:
            self.seal_segment()

    def seal_segment(self) -> None:
        """The growing segment gets its name."""
        assert self._blob is not None
        name = self._blob.seal()
        size = sum(length for _, length, _, _ in self._table)
        media_ns, at_ns = self._first
        self.writer.append(
            ev.SegmentSealed(
                self.track, self.segment, self.span, name, size, media_ns, self.media_ns - media_ns, at_ns,
                tuple(self._table),
            )
        )  # fmt: skip
        self.writer.sync()
        self._blob = None

    def pause(self, duration_ns: int) -> None:
        """The span ends; the pause passes."""
        self.writer.append(
            ev.SpanEnded(self.span, self.at_ns, self.media_ns),
            ev.GapNoted(self.at_ns, self.at_ns + duration_ns, "pause"),
        )
        self.at_ns += duration_ns
        self.writer.sync()

    def shot(self, at_ns: int, picture: bytes) -> str:
        """A screenshot; the same bytes again are a repeat."""
        blob = self.writer.put(picture)
        self.writer.append(ev.ShotTaken(at_ns, blob, 1280, 720))
        return blob

    def end(self) -> str:
        """End in order; returns the session's id."""
        if self._blob is not None:
            self.seal_segment()
        self.writer.append(ev.SpanEnded(self.span, self.at_ns, self.media_ns))
        self.writer.end(self.at_ns)
        return self.session


def two_spans(store: Store, name: str = "made up", tags: tuple[str, ...] = ()) -> Tape:
    """An ended session: two segments, a pause of a minute, one segment; shots, focus and a note."""
    tape = Tape(store, name, tags)
    tape.begin_span()
    tape.writer.append(ev.FocusChanged(0, "Terminal", "the marker zebrafish"))
    tape.shot(0, b"\x89PNG first")
    tape.write(4)
    tape.writer.append(
        ev.NoteAdded("note1", tape.at_ns, "remember the milk"), ev.FocusChanged(tape.at_ns, "Editor", "x")
    )
    tape.shot(tape.at_ns, b"\x89PNG second")
    tape.write(3)
    tape.pause(60 * NS_PER_S)
    tape.begin_span()
    tape.shot(tape.at_ns, b"\x89PNG second")
    tape.write(2)
    tape.end()
    return tape


def busy_hour(store: Store, minutes: int = 60) -> Tape:
    """A long and busy session: a shot each 5 s, a change of window each 4 s, long titles, notes, short pauses."""
    tape = Tape(store, "a busy hour " * 20, tuple(f"tag-{n}" for n in range(8)))
    tape.fragment_bytes = 64
    for minute in range(minutes):
        if minute % 10 == 0:
            if minute:
                tape.pause(30 * NS_PER_S)
            tape.begin_span()
        start_ns = tape.at_ns
        tape.write(75)
        for second in range(0, 60, 4):
            n = (minute * 15 + second) % 23
            title = f"{minute}:{second} a window with a long title that says what is done in it, number {n}"
            tape.writer.append(ev.FocusChanged(start_ns + second * NS_PER_S, f"Application {n}", title))
        for second in range(0, 60, 5):
            tape.shot(start_ns + second * NS_PER_S, b"\x89PNG %d %d" % (minute, second // 15))
        tape.writer.append(ev.NoteAdded(f"note{minute}", start_ns, f"note {minute} " * 60))
        tape.writer.sync()
    tape.end()
    return tape


def is_gapless(starts_and_lengths: list[tuple[int, int]]) -> bool:
    """Whether each piece begins where the one before ends."""
    return all(start + length == following for (start, length), (following, _) in pairwise(starts_and_lengths))
