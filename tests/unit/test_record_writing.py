"""The writer thread: durable before it is told, bounded, and orderly when the disk refuses."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import SystemClock
from pepys.errors import PepysError, StorageProblem
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.record.spare import Spare
from pepys.record.writing import End, Fragment, InitHeader, Leave, Picture, SealSegments, Writer
from pepys.store.blob_writer import BlobWriter
from pepys.store.reader import events, load
from pepys.store.recover import recover
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.waiting import wait_until


def _fragment(n: int, cut: bool = False, pictures: bool = True, track: str = "video") -> Fragment:
    return Fragment(track, 0, b"fragment %d" % n * 100, n * 800, 800, n * 800, cut, pictures)


def _begin(folder: Path) -> tuple[Store, SessionWriter]:
    clock = SystemClock()
    store = open_store(folder / "home", config_dir=folder / "config", clock=clock)
    header = ev.SessionStarted(new_session_id(clock.wall_ns()), "t", clock.wall_ns(), "d")
    session = SessionWriter.create(store, header)
    session.append(ev.SpanStarted(0, 0, 0, "b", 0, 0), ev.TrackStarted("video", "video", ":1"))
    return store, session


def _writer(session: object, failed: list[PepysError] | None = None) -> Writer:
    told: list[PepysError] = [] if failed is None else failed
    return Writer(session, SystemClock(), lambda call: call(), told.append)  # type: ignore[arg-type] # a fake, or real


class Faulty:
    """A session writer that counts, can be held up, and refuses from the n-th call of a kind on."""

    def __init__(self, inner: SessionWriter, refuse: str = "", after: int = 0) -> None:
        self.inner, self.refuse, self.left = inner, refuse, after
        self.calls: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def _step(self, name: str) -> None:
        self.gate.wait(10)
        self.calls.append(name)
        if name == self.refuse:
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")

    def open_segment(self, track: str, n: int) -> BlobWriter:
        self._step("open")
        writer = self.inner.open_segment(track, n)
        append, sync = writer.append, writer.sync

        def appending(data: bytes) -> int:
            self._step("media")
            return append(data)

        def syncing() -> None:
            self._step("media sync")
            sync()

        writer.append, writer.sync = appending, syncing  # type: ignore[method-assign] # the fault is put in here
        return writer

    def put(self, data: bytes) -> str:
        self._step("put")
        return self.inner.put(data)

    def append(self, *events: ev.Event) -> None:
        self._step("append " + " ".join(type(event).__name__ for event in events))
        self.inner.append(*events)

    def sync(self) -> None:
        self._step("sync")
        self.inner.sync()

    def end(self, at_ns: int) -> None:
        self._step("end")
        self.inner.end(at_ns)

    def close(self) -> None:
        self.inner.close()


def test_media_is_synced_before_the_journal_names_it_and_told_after(tmp_path: Path) -> None:
    _, session = _begin(tmp_path)
    faulty = Faulty(session)
    writer = _writer(faulty)
    told: list[list[str]] = []
    writer.give(_fragment(0), lambda _error: told.append(list(faulty.calls)))
    wait_until(lambda: told, 5)
    assert told == [["open", "append SegmentOpened", "media", "media sync", "append FragmentWritten", "sync"]]
    writer.give(End(800))
    writer.join(5)


def test_segments_init_and_shots_are_read_back(tmp_path: Path) -> None:
    store, session = _begin(tmp_path)
    writer = _writer(session)
    writer.give(InitHeader("video", 0, b"init", "video/mp4"))
    for n in range(5):
        assert writer.give(_fragment(n, cut=n in {0, 3}))
    writer.give(Picture(10, b"d1", 4, 3, b"picture"))
    writer.give(Picture(20, b"d1", 4, 3, None, "focus", "editor", "letter", near=True))
    writer.give(Picture(30, b"unknown", 4, 3, None))
    writer.give(SealSegments())
    writer.events(ev.SpanEnded(0, 4000, 4000))
    done: list[PepysError | None] = []
    writer.give(End(4000), done.append)
    writer.join(5)
    view = load(store, session.session)
    video = view.track("video")
    assert video is not None and done == [None] and writer.completed and view.state == "completed"
    assert [(part.n, part.media_ns, part.duration_ns, len(part.fragments)) for part in video.segments] == [
        (0, 0, 2400, 3), (1, 2400, 1600, 2),
    ]  # fmt: skip
    assert store.blobs.read(video.segments[1].blob) == b"fragment 3" * 100 + b"fragment 4" * 100
    assert [(shot.at_ns, shot.repeat) for shot in view.shots] == [(10, False), (20, True)]
    near = view.shots[1]
    assert (near.trigger, near.app, near.title, near.near) == ("focus", "editor", "letter", True)
    assert store.blobs.read(view.shots[1].blob) == b"picture"
    assert writer.bytes == 5 * 1000 + len(b"picture")


def test_a_segment_that_no_blob_can_hold_goes_on_in_another(tmp_path: Path) -> None:
    store, session = _begin(tmp_path)
    writer = _writer(session)
    data = b"x" * (limits.BLOB_BYTES * 2 // 3)
    for n in range(2):
        assert writer.give(Fragment("video", 0, data, n * 800, 800, n * 800, n == 0, True))
    assert not writer.give(Fragment("video", 0, b"x" * (limits.BLOB_BYTES + 1), 1600, 800, 1600, False, True))
    writer.give(End(1600))
    writer.join(10)
    video = load(store, session.session).track("video")
    assert video is not None and [segment.bytes for segment in video.segments] == [len(data)] * 2
    assert writer.completed and writer.refused == 1


def test_written_focus_counts_as_a_write_of_its_track(tmp_path: Path) -> None:
    _, session = _begin(tmp_path)
    writer = _writer(session)
    writer.events(ev.NoteAdded("n", 0, "a note"))
    writer.events(ev.FocusChanged(0, "Editor", "a title"))
    writer.give(End(1))
    writer.join(10)
    assert list(writer.written_ns) == ["activity"]


def test_a_full_queue_refuses_pictures_first_then_sound_and_counts(tmp_path: Path) -> None:
    _, session = _begin(tmp_path)
    faulty = Faulty(session)
    faulty.gate.clear()
    writer = _writer(faulty)
    writer.give(_fragment(0))
    wait_until(lambda: writer.waiting == 0, 5)  # the thread holds the first and is held up with it
    given = 0
    while writer.give(_fragment(given + 1)):
        given += 1
    assert writer.pressed and given == limits.WRITE_QUEUE_ITEMS - 2 * limits.WRITE_QUEUE_SOUND_RESERVE
    sound = 0
    while writer.give(_fragment(sound, pictures=False, track="audio.mic")):
        sound += 1
    assert sound == limits.WRITE_QUEUE_SOUND_RESERVE
    events = 0
    while writer.events(ev.AnchorNoted(0, 0)):
        events += 1
    assert events == limits.WRITE_QUEUE_SOUND_RESERVE and writer.refused == 3
    faulty.gate.set()
    wait_until(lambda: writer.waiting == 0, 5)
    assert not writer.pressed
    assert writer.give(End(0))
    writer.join(10)
    assert writer.completed


def _stuffed(folder: Path, failed: list[PepysError]) -> tuple[Store, Faulty, Writer]:
    """A writer whose disk hangs, its queue full of all that can be refused."""
    store, session = _begin(folder)
    faulty = Faulty(session)
    faulty.gate.clear()
    writer = _writer(faulty, failed)
    writer.give(_fragment(0))
    wait_until(lambda: writer.waiting == 0, 5)
    while writer.events(ev.AnchorNoted(0, 0)):
        pass
    return store, faulty, writer


def test_a_full_queue_still_takes_what_states_and_spans_wait_for(tmp_path: Path) -> None:
    failed: list[PepysError] = []
    store, faulty, writer = _stuffed(tmp_path, failed)
    told: list[PepysError | None] = []
    gap = ev.GapNoted(800, 900, "pause")
    assert (
        writer.give(SealSegments())
        and writer.events(ev.SpanEnded(0, 800, 800), gap)
        and writer.events(then=told.append)
    )
    assert not writer.give(_fragment(1)) and not writer.events(ev.NoteAdded("n", 0, "later"))
    assert writer.give(End(900), told.append), "the end is always let in"
    assert not writer.events(ev.AnchorNoted(0, 0)), "nothing goes behind it"
    faulty.gate.set()
    writer.join(10)
    assert told == [None, None] and writer.completed and not failed
    view = load(store, faulty.inner.session)
    assert [(g.start_ns, g.reason) for g in view.gaps] == [(800, "pause")] and not view.spans[0].open


def test_control_work_that_finds_no_room_at_all_fails_the_recording_and_is_told(tmp_path: Path) -> None:
    failed: list[PepysError] = []
    store, faulty, writer = _stuffed(tmp_path, failed)
    told: list[PepysError | None] = []
    taken = 0
    while writer.events(then=told.append):
        taken += 1
    assert taken == limits.WRITE_QUEUE_CONTROL_RESERVE and writer.waiting == taken + limits.WRITE_QUEUE_ITEMS
    assert len(failed) == 1 and told == failed == [writer.failure]
    assert not writer.give(SealSegments()) and len(failed) == 1
    assert writer.give(End(900), told.append)
    faulty.gate.set()
    writer.join(10)
    assert told == failed * (taken + 2) and not writer.completed and "end" not in faulty.calls
    assert recover(store, faulty.inner.session) and verify(store).damages == ()


def test_a_segment_that_gets_no_name_leaves_the_session_to_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, session = _begin(tmp_path)
    failed: list[PepysError] = []
    writer = _writer(session, failed)
    for n in range(5):
        writer.give(_fragment(n))
    wait_until(lambda: "video" in writer.written_ns, 5)

    def refusing(done: Callable[[BlobWriter], str | None]) -> Callable[[BlobWriter], str | None]:
        def refuse(growing: BlobWriter) -> str | None:
            if "-video-" not in growing.name:
                return done(growing)
            raise OSError(errno.EIO, "Input/output error")

        return refuse

    with monkeypatch.context() as patch:
        patch.setattr(BlobWriter, "sync", refusing(BlobWriter.sync))
        patch.setattr(BlobWriter, "seal", refusing(BlobWriter.seal))
        writer.give(_fragment(5))
        wait_until(lambda: failed, 5)
        writer.give(SealSegments())
        writer.events(ev.SpanEnded(0, 4000, 4000))
        writer.give(End(4000))
        writer.join(5)
    assert not writer.completed and load(store, session.session).state == "interrupted"
    recover(store, session.session)
    video = load(store, session.session).track("video")
    assert video is not None and len(store.blobs.read(video.segments[0].blob)) >= 5000
    assert verify(store).damages == ()


def test_what_no_writer_expects_fails_the_recording_and_ends_it_in_order(tmp_path: Path) -> None:
    _, session = _begin(tmp_path)
    faulty, failed, told = Faulty(session), list[PepysError](), list[PepysError | None]()
    faulty.put = lambda data: [][len(data)]  # type: ignore[method-assign] # a fault of the program
    writer = _writer(faulty, failed)
    writer.give(InitHeader("video", 0, b"init", ""), told.append)
    writer.give(End(1), told.append)
    writer.join(5)
    assert told == failed * 2 and "IndexError" in failed[0].message and writer.completed


def test_spare_room_has_no_name_and_what_a_kill_left_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "spare-left").write_bytes(b"x")
    spare = Spare(tmp_path)
    spare.take()
    assert list(tmp_path.iterdir()) == []
    spare.free()


@pytest.mark.parametrize("refuse", ["open", "media", "media sync", "put", "append FragmentWritten", "sync"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_disk_that_refuses_loses_nothing_that_was_told(tmp_path: Path, refuse: str, after: int) -> None:
    store, session = _begin(tmp_path)
    faulty = Faulty(session, refuse, after)
    failed: list[PepysError] = []
    writer = _writer(faulty, failed)
    durable: list[int] = []

    def note(n: int) -> Callable[[PepysError | None], None]:
        return lambda error: durable.append(n) if error is None else None

    for n in range(4):
        writer.give(InitHeader("video", n, b"init %d" % n, ""))
        writer.give(_fragment(n, cut=n == 2), note(n))
        wait_until(lambda: writer.waiting == 0, 5)
    wait_until(lambda: failed, 5)
    assert isinstance(failed[0], StorageProblem) and len(failed) == 1 and "No space" in failed[0].message
    faulty.refuse = ""  # a little space is left for the end
    writer.events(ev.SpanEnded(0, 3200, 3200))
    writer.give(End(3200))
    writer.join(5)
    recover(store, session.session) if not writer.completed else None
    view = load(store, session.session)
    video = view.track("video")
    kept = [part[2] // 800 for segment in video.segments for part in segment.fragments] if video else []
    assert set(durable) <= set(kept)
    assert verify(store).damages == ()


def test_a_disk_that_refuses_even_the_end_leaves_the_session_to_recovery(tmp_path: Path) -> None:
    store, session = _begin(tmp_path)
    faulty = Faulty(session, "end")
    writer = _writer(faulty)
    writer.give(_fragment(0))
    told: list[PepysError | None] = []
    writer.give(End(800), told.append)
    writer.join(5)
    assert isinstance(told[0], StorageProblem) and not writer.completed
    assert load(store, session.session).state == "interrupted"
    recover(store, session.session)
    assert load(store, session.session).spans[0].duration_ns == 800


def test_a_shot_that_an_earlier_recorder_stored_is_a_repeat_and_takes_no_more_room(tmp_path: Path) -> None:
    store, session = _begin(tmp_path)
    shot = Picture(800, b"d" * 32, 4, 3, b"a picture")
    for again in (False, True):
        view = load(store, session.session) if again else None
        writer = Writer(session, SystemClock(), lambda call: call(), lambda _error: None, view)
        writer.give(shot)
        writer.give(Leave())
        writer.join(5)
        assert writer.bytes == len(b"a picture")
        if not again:
            recover(store, session.session)
            session = SessionWriter.resume(store, session.session)
    recover(store, session.session)
    told = [event for event in events(store, session.session) if isinstance(event, ev.ShotTaken)]
    assert [(event.repeat, event.bytes) for event in told] == [(False, 9), (True, 0)]
    assert len({event.blob for event in told}) == 1
