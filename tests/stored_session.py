"""A store and small sessions for its tests: bytes that only look like media, written as a recorder does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pepys.clock import FakeClock
from pepys.limits import FRAGMENT_NS, NS_PER_S
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.model.manifest import ArtifactRef
from pepys.store.blob_writer import BlobWriter
from pepys.store.chunks import compress
from pepys.store.store import Store, open_store
from pepys.store.writer import SessionWriter

WALL_NS = 1_750_000_000_000_000_000


def make_store(folder: Path) -> Store:
    """A new store at `folder/home`, its master key at `folder/config`, on a clock that only tests move."""
    return open_store(folder / "home", clock=FakeClock(wall_ns=WALL_NS), config_dir=folder / "config")


def reopen(folder: Path, *, create: bool = False) -> Store:
    """The same store, opened again as another process would."""
    return open_store(folder / "home", create=create, clock=FakeClock(wall_ns=WALL_NS), config_dir=folder / "config")


def content(track: str, segment: int, fragment: int, size: int = 70_000) -> bytes:
    """The bytes of a fragment: more than one sealed frame, and different everywhere."""
    word = f"{track}/{segment}/{fragment};".encode()
    return (word * (size // len(word) + 1))[:size]


class Recording:
    """Writes a session as a recorder does: media first, then the event, then the group commit."""

    def __init__(self, writer: SessionWriter, acknowledged: Callable[[str], None] = lambda what: None) -> None:
        self.writer = writer
        self.session = writer.session
        self.at_ns = 0
        self.span = 0
        self.media: BlobWriter | None = None
        self._segment = -1
        self._fragments: list[tuple[int, int, int, int]] = []
        self._acknowledged = acknowledged

    @classmethod
    def begin(
        cls, store: Store, name: str = "Test session", tags: tuple[str, ...] = (), wall_ns: int = WALL_NS,
        acknowledged: Callable[[str], None] = lambda what: None,
    ) -> Recording:  # fmt: skip
        """Begin a session with one span, a video track and its init."""
        session = new_session_id(wall_ns)
        header = ev.SessionStarted(session, name, wall_ns, store.keys.device_id, tags)
        recording = cls(SessionWriter.create(store, header), acknowledged)
        acknowledged(f"session {session}")
        recording.begin_span()
        return recording

    def begin_span(self) -> None:
        """Begin a span here."""
        init = self.writer.put(b"init of every span")
        self.writer.append(
            ev.SpanStarted(self.span, self.at_ns, self.at_ns, "boot", self.at_ns, WALL_NS),
            ev.TrackStarted("video", "video", "display", "h264", 64, 36),
            ev.InitWritten("video", self.span, init, "video/mp4"),
            ev.FocusChanged(self.at_ns, "XTerm", "a terminal"),
        )
        self.writer.sync()

    def open_segment(self, n: int | None = None) -> None:
        """Begin the next segment."""
        self._segment, self._fragments = self._segment + 1 if n is None else n, []
        self.media = self.writer.open_segment("video", self._segment)
        self.writer.append(ev.SegmentOpened("video", self._segment, self.span, self.media.name))

    def fragment(self, size: int = 70_000) -> None:
        """One durable fragment of 0.8 s."""
        assert self.media is not None
        data = content("video", self._segment, len(self._fragments), size)
        offset = self.media.append(data)
        self.media.sync()
        self._fragments.append((offset, len(data), self.at_ns, FRAGMENT_NS))
        self.writer.append(
            ev.FragmentWritten("video", self._segment, offset, len(data), self.at_ns, FRAGMENT_NS, self.at_ns)
        )
        self.writer.sync()
        self.at_ns += FRAGMENT_NS
        self._acknowledged(f"fragment {self._segment} {len(self._fragments) - 1}")

    def seal_segment(self) -> None:
        """End the segment."""
        assert self.media is not None
        length, first = self.media.offset, self._fragments[0][2]
        blob = self.media.seal()
        duration = FRAGMENT_NS * len(self._fragments)
        sealed = ev.SegmentSealed(
            "video", self._segment, self.span, blob, length, first, duration, first, tuple(self._fragments)
        )
        self.media = None
        self.writer.append(sealed)
        self.writer.sync()

    def segment(self, fragments: int = 2) -> None:
        """A whole segment."""
        self.open_segment()
        for _ in range(fragments):
            self.fragment()
        self.seal_segment()

    def shot(self, picture: bytes = b"a picture", *, repeat: bool = False) -> str:
        """A durable screenshot; its blob."""
        blob = self.writer.put(picture)
        self.writer.append(ev.ShotTaken(self.at_ns, blob, 64, 36, repeat))
        self.writer.sync()
        self._acknowledged(f"shot {blob}")
        return blob

    def note(self, text: str, note: str | None = None) -> None:
        """A durable note; its id is its text unless given."""
        self.writer.append(ev.NoteAdded(note or text, self.at_ns, text))
        self.writer.sync()
        self._acknowledged(f"note {note or text}")

    def end(self) -> str:
        """End the session in order."""
        self.writer.append(ev.SpanEnded(self.span, self.at_ns, self.at_ns))
        self.writer.end(self.at_ns)
        self._acknowledged("ended")
        return self.session

    def die(self) -> str:
        """Let go of every file as a killed process does."""
        if self.media is not None:
            self.media.close()
        self.writer.close()
        return self.session


def complete_session(store: Store, name: str = "Test session", **more: object) -> str:
    """A completed session with two segments, a shot and a note."""
    recording = Recording.begin(store, name, **more)
    recording.segment()
    recording.shot()
    recording.note("a note of importance")
    recording.segment()
    return recording.end()


def sealed_beside(writer: SessionWriter) -> None:
    """Wait until no chunk is being sealed beside what is written."""
    with writer._lock:
        writer._wait_for_seal()


def encode_chunk(events: Iterable[ev.Event]) -> bytes:
    """One chunk that bears no session's name, as earlier versions wrote it."""
    listed = list(events)
    sealed = {(event.track, event.segment) for event in listed if isinstance(event, ev.SegmentSealed)}
    kept = (
        event
        for event in listed
        if not isinstance(event, ev.FragmentWritten | ev.SegmentOpened) or (event.track, event.segment) not in sealed
    )
    return compress(b"".join(ev.encode(event) + b"\n" for event in kept))


def damage_heads(store: Store, session: str) -> None:
    """Damage every head of a session, the copies too."""
    for path in (store.path / "heads" / session).iterdir():
        path.write_bytes(b"damaged")


def blob_files(store: Store, blob: str) -> list[Path]:
    """The files of a blob: its own, and its copy where it lies twice."""
    path = store.path / "blobs" / blob[3:5] / blob[5:7] / blob
    return [one for one in (path, path.with_name(f"{blob}.copy")) if one.exists()]


def flip(path: Path, at: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def screen_text(shot: str, *lines: str) -> tuple[ArtifactRef, dict[str, object]]:
    """The artifact of the text on a shot, each line in a box of its own."""
    boxes = [{"text": line, "x": 0.1, "y": 0.1 * n, "w": 0.5, "h": 0.05} for n, line in enumerate(lines)]
    value = {"stage": "screen_text", "unit": shot, "items": [{"shot": shot, "lines": boxes}]}
    return ArtifactRef("screen_text", shot, f"key of {shot}", "", "test"), value


def transcript(text: str, start_ms: int = 1000) -> tuple[ArtifactRef, dict[str, object]]:
    """The artifact of one turn of speech, each word lasting 300 ms."""
    words = [
        {"word": word, "start_ms": start_ms + 300 * n, "end_ms": start_ms + 300 * n + 300}
        for n, word in enumerate(text.split())
    ]
    item = {"track": "audio.mic", "start_ms": start_ms, "end_ms": words[-1]["end_ms"], "text": text, "words": words}
    value = {"stage": "transcript", "unit": f"at {start_ms}", "items": [item]}
    return ArtifactRef("transcript", f"at {start_ms}", f"key of {text}", "", "test"), value


SECOND = NS_PER_S
