"""Round trips and invariants of the store over made-up input."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pepys.errors import Damaged
from pepys.limits import SEALED_FRAME_BYTES, UNPACKED_BYTES
from pepys.model.events import NoteAdded
from pepys.store.chunks import compress, decode_chunk, decompress
from pepys.store.edits import apply_edit
from pepys.store.query import bigrams, fold, marks, parse
from pepys.store.reader import LiveView, load, manifest
from pepys.store.recover import finish, recover
from pepys.store.sealing import open_small, seal_small
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.stored_session import Recording, content, encode_chunk, make_store

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("store"))


@QUICK
@given(data=st.binary(max_size=3 * SEALED_FRAME_BYTES), cut=st.integers(0, 400_000), flip=st.integers(0, 400_000))
def test_a_small_file_opens_whole_or_not_at_all(data: bytes, cut: int, flip: int) -> None:
    sealed = seal_small(KEY, b"TEST", "info", data)
    assert open_small(KEY, b"TEST", "info", sealed, "it") == data
    assert seal_small(KEY, b"TEST", "info", data) != sealed
    altered = bytearray(sealed)
    altered[flip % len(altered)] ^= 0x10
    shorter = sealed[: cut % len(sealed)]
    for other, key, magic, info in [
        (bytes(altered), KEY, b"TEST", "info"), (sealed, KEY[::-1], b"TEST", "info"),
        (sealed, KEY, b"ELSE", "info"), (sealed, KEY, b"TEST", "other"),
    ]:  # fmt: skip
        with pytest.raises(Damaged):
            open_small(key, magic, info, other, "it")
    if (len(shorter) - 21) % (SEALED_FRAME_BYTES + 20):
        with pytest.raises(Damaged):
            open_small(KEY, b"TEST", "info", shorter, "it")


@QUICK
@given(
    pieces=st.lists(st.integers(1, 150_000), min_size=1, max_size=6),
    ranges=st.lists(st.tuples(st.integers(0, 600_000), st.integers(0, 200_000)), max_size=5),
    number=st.integers(0, 1 << 62),
)
def test_any_range_of_any_blob(store: Store, pieces: list[int], ranges: list[tuple[int, int]], number: int) -> None:
    parts = [content("video", number, n, size) for n, size in enumerate(pieces)]
    whole = b"".join(parts)
    writer = store.blobs.writer(f"growing-{number}")
    for part in parts:
        writer.append(part)
    for offset, length in ranges:
        assert store.blobs.read_open(writer.name, offset, length) == whole[offset : offset + length]
    blob = writer.seal()
    assert blob == store.blobs.id_of(whole) == store.blobs.put(whole)
    assert store.blobs.read(blob) == whole
    for offset, length in ranges:
        assert store.blobs.read_range(blob, offset, length) == whole[offset : offset + length]
    store.blobs.forget_intent(writer.name)


@QUICK
@given(texts=st.lists(st.text(max_size=50), max_size=30))
def test_chunks_hold_events(texts: list[str]) -> None:
    events = [NoteAdded(str(n), n, text.encode("utf-8", "replace").decode()) for n, text in enumerate(texts)]
    assert list(decode_chunk(encode_chunk(events))) == events


@QUICK
@given(data=st.binary(max_size=300))
def test_no_bytes_break_the_readers(data: bytes) -> None:
    for read in (lambda: list(decode_chunk(data)), lambda: decompress(data)):
        try:
            read()
        except ValueError:
            continue


def test_what_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        decompress(compress(bytes(UNPACKED_BYTES + 1)))


@QUICK
@given(text=st.text(max_size=200), query=st.text(max_size=30))
def test_marks_lie_in_the_text_and_in_order(text: str, query: str) -> None:
    assert len(fold(text)) == len(text)
    end = 0
    for start, stop in marks(parse(query), text):
        assert end <= start < stop <= len(text)
        end = stop
    bigrams(text)


class Sessions(RuleBasedStateMachine):
    """One session through every order of its writer's calls, crashes and edits, beside a plain model of it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="pt-")
        self.store = make_store(Path(self._folder.name))
        self.notes: list[str] = []
        self.fragments = 0
        self.tags: set[str] = set()

    @initialize()
    def begin(self) -> None:
        self.recording: Recording | None = Recording.begin(self.store)
        self.session = self.recording.session
        self.view = LiveView(self.store, self.session)
        self.next_segment, self.next_span = 0, 1

    def teardown(self) -> None:
        if getattr(self, "recording", None):
            self.alive().die()
        assert verify(self.store).damages == ()
        self._folder.cleanup()

    def alive(self) -> Recording:
        assert self.recording is not None
        return self.recording

    @precondition(lambda self: self.recording)
    @rule()
    def note(self) -> None:
        self.notes.append(f"note {len(self.notes)}")
        self.alive().note(self.notes[-1])

    @precondition(lambda self: self.recording)
    @rule()
    def fragment(self) -> None:
        if self.alive().media is None:
            self.alive().open_segment(self.next_segment)
            self.next_segment += 1
        self.alive().fragment()
        self.fragments += 1

    @precondition(lambda self: self.recording and self.recording.media)
    @rule()
    def seal_segment(self) -> None:
        self.alive().seal_segment()

    @precondition(lambda self: self.recording)
    @rule()
    def seal_chunk(self) -> None:
        self.alive().writer.seal()

    @rule(tag=st.sampled_from("abc"))
    def edit(self, tag: str) -> None:
        apply_edit(self.store, self.session, ("tag", {"value": tag}))
        self.tags.add(tag)

    @precondition(lambda self: self.recording)
    @rule(how=st.sampled_from([recover, None]))
    def crash_and_resume(self, how: Callable[[Store, str], bool] | None) -> None:
        at_ns = self.alive().at_ns
        self.alive().die()
        if how is not None:
            how(self.store, self.session)
        self.recording = Recording(SessionWriter.resume(self.store, self.session))
        self.recording.at_ns, self.recording.span = at_ns + 1, self.next_span
        self.next_span += 1
        self.recording.begin_span()

    @precondition(lambda self: self.recording)
    @rule(crash=st.booleans())
    def end(self, crash: bool) -> None:
        recording, self.recording = self.alive(), None
        if crash:
            recording.die()
            finish(self.store, self.session)
            return
        if recording.media is not None:
            recording.seal_segment()
        recording.end()

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "session"):
            return
        view = load(self.store, self.session)
        assert view.state == ("recording" if self.recording else "completed")
        assert [note.text for note in view.notes] == self.notes
        assert set(view.tags) == self.tags
        track = view.track("video")
        assert sum(len(segment.fragments) for segment in track.segments) == self.fragments if track else True
        assert self.view.refresh() == view
        ends = [chunk.end for chunk in manifest(self.store, self.session).chunks]
        assert [chunk.first for chunk in manifest(self.store, self.session).chunks] == [0, *ends][: len(ends)]


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
