"""Trouble in the middle of a writer's steps: what is durable counts and is told so; what is optional costs nothing."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pepys.clock import FakeClock
from pepys.errors import PepysError, StorageProblem
from pepys.limits import CHUNKS_SMALL, STRAY_NS
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.model.manifest import Manifest
from pepys.review.peaks import LevelLanes
from pepys.store.chunks import Wanted
from pepys.store.disk import Disk
from pepys.store.merging import merge_chunks
from pepys.store.pieces import Pieces
from pepys.store.reader import LiveView, chunk_events, events, load, manifest
from pepys.store.recover import recover_all
from pepys.store.removals import MERGE, listed_sessions, write_list
from pepys.store.remove import remove
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.stored_session import WALL_NS, make_store


class BadDisk(Disk):
    """Raises for the calls that `refuses` tells it to."""

    def __init__(self) -> None:
        self.refuses: Callable[[str, str], int] = lambda call, what: 0

    def _ask(self, call: str, what: object) -> None:
        number = self.refuses(call, str(what))
        if number:
            raise OSError(number, os.strerror(number))

    def read(self, path: Path, start: int = 0, length: int = -1) -> bytes:
        self._ask("read", path)
        return super().read(path, start, length)

    def listing(self, folder: Path) -> list[str]:
        self._ask("listing", folder)
        return super().listing(folder)

    def stat(self, path: Path) -> os.stat_result:
        self._ask("stat", path)
        return super().stat(path)

    def unlink(self, path: Path) -> None:
        self._ask("unlink", path)
        super().unlink(path)

    def replace(self, source: Path, target: Path) -> None:
        self._ask("replace", target)
        super().replace(source, target)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._ask("write", fd)
        return super().write(fd, data)

    def sync_data(self, fd: int) -> None:
        self._ask("sync_data", fd)
        super().sync_data(fd)


@pytest.fixture
def disk() -> BadDisk:
    return BadDisk()


@pytest.fixture
def store(tmp_path: Path, disk: BadDisk) -> Store:
    clock = FakeClock(wall_ns=WALL_NS)
    return open_store(tmp_path / "home", clock=clock, config_dir=tmp_path / "config", disk=disk)


def begin(store: Store) -> SessionWriter:
    header = ev.SessionStarted(new_session_id(WALL_NS), "s", WALL_NS, store.keys.device_id)
    return SessionWriter.create(store, header)


def note(name: object) -> ev.NoteAdded:
    return ev.NoteAdded(str(name), 0, str(name))


def names(store: Store, session: str) -> list[str]:
    return [event.id for event in events(store, session) if isinstance(event, ev.NoteAdded)]


def sealed_segment(writer: SessionWriter) -> None:
    media = writer.open_segment("video", 0)
    writer.append(ev.SegmentOpened("video", 0, 0, media.name))
    media.append(b"x" * 100)
    writer.sync()
    writer.append(ev.SegmentSealed("video", 0, 0, media.seal(), 100, 0, 1, 0, ((0, 100, 0, 1),)))


# --- what is durable counts


def test_a_note_that_cannot_be_deleted_fails_no_sync(store: Store, disk: BadDisk) -> None:
    """Would catch events told as refused although they are durable, and a hole in the numbers of the chunks."""
    writer = begin(store)
    sealed_segment(writer)
    disk.refuses = lambda call, what: errno.EROFS if call == "unlink" and "/open/" in what else 0
    writer.commit(note(0))
    writer.append(note(1))
    writer.sync()
    assert store.blobs.noted()
    disk.refuses = lambda call, what: 0
    writer.commit(note(2))
    assert not store.blobs.noted(), "it is tried again"
    writer.end(10)
    assert names(store, writer.session) == ["0", "1", "2"]
    assert verify(store).damages == ()


@pytest.mark.parametrize("after", [False, True])
def test_an_interrupt_around_the_sync_parts_no_numbers(store: Store, after: bool) -> None:
    """Would catch a journal that counted events which the next chunk does not: a hole for good."""
    writer = begin(store)
    writer.commit(note("before"))
    sync = writer._journal.sync

    def interrupted() -> None:
        if after:
            sync()
        raise KeyboardInterrupt

    writer._journal.sync = interrupted  # type: ignore[method-assign] # the interrupt comes just there
    with pytest.raises(KeyboardInterrupt):
        writer.commit(note("doubtful"))
    writer._journal.sync = sync  # type: ignore[method-assign] # the interrupt comes just there
    writer.append(note("behind"))
    writer.end(10)
    # What was durable by then counts, what was not does not.
    assert names(store, writer.session) == ["before", *(["doubtful"] if after else []), "behind"]
    assert verify(store).damages == ()


def test_an_interrupted_append_counts_nowhere(store: Store) -> None:
    """Would catch the same where nothing was to be durable yet."""
    writer = begin(store)
    writer.append(note("before"))
    append = writer._journal.append_encoded

    def interrupted(lines: Sequence[bytes]) -> None:
        append(lines)
        raise KeyboardInterrupt

    writer._journal.append_encoded = interrupted  # type: ignore[method-assign] # the interrupt comes just there
    with pytest.raises(KeyboardInterrupt):
        writer.append(note("interrupted"))
    writer._journal.append_encoded = append  # type: ignore[method-assign] # the interrupt comes just there
    writer.append(note("behind"))
    writer.end(10)
    assert names(store, writer.session) == ["before", "behind"]
    assert verify(store).damages == ()


# --- group commit


# --- what is optional


def test_a_merge_that_meets_a_bad_disk_fails_no_recording(store: Store, disk: BadDisk) -> None:
    """Would catch a recording that ends, though all of it is durable, because of one list that does not read."""
    writer = begin(store)
    write_list(store, writer.session, MERGE, [])
    disk.refuses = lambda call, what: errno.EIO if call == "read" and what.endswith(".chunks") else 0
    for number in range(CHUNKS_SMALL + 2):
        writer.append(note(number))
        writer.sync()
        writer.seal()
    writer.end(10)
    assert len(names(store, writer.session)) == CHUNKS_SMALL + 2


@pytest.mark.parametrize("call", ["read", "listing", "unlink"])
def test_what_tidies_up_keeps_no_session_from_its_recovery(store: Store, disk: BadDisk, call: str) -> None:
    """Would catch a host that cannot start, and dead sessions that nobody recovers, for an unreadable list."""
    writer = begin(store)
    writer.append(note(1))
    writer.seal()
    writer.close()
    write_list(store, writer.session, MERGE, ["b3-" + "0" * 64])
    disk.refuses = lambda asked, what: errno.EIO if asked == call and "/removing" in what else 0
    assert recover_all(store) == [writer.session]
    assert load(store, writer.session).state == "interrupted"


def test_a_merge_that_fails_again_and_again_leaves_nothing(store: Store, disk: BadDisk) -> None:
    """Would catch merged chunks that each later list forgets: garbage, on a disk that is full."""
    writer = begin(store)
    for number in range(4):
        writer.append(note(number))
        writer.seal()
    disk.refuses = lambda call, what: errno.ENOSPC if call == "replace" and "/heads/" in what else 0
    for number in range(3):
        with pytest.raises(StorageProblem):
            merge_chunks(store, writer.session)
        disk.refuses, refuses = (lambda call, what: 0), disk.refuses
        writer.append(note(f"more {number}"))
        writer.seal()
        disk.refuses = refuses
    disk.refuses = lambda call, what: 0
    assert verify(store).unreferenced == 0
    writer.end(10)
    report = verify(store)
    assert (report.damages, report.unreferenced, listed_sessions(store, MERGE)) == ((), 0, [])


def test_appends_go_on_while_chunks_are_merged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch every append and commit waiting for a merge of an hour's chunks."""
    writer = begin(store)
    merging, go = threading.Event(), threading.Event()

    def reach(point: str) -> None:
        if point == "merge.stored":
            merging.set()
            assert go.wait(30)

    monkeypatch.setattr("pepys.store.merging.reach", reach)
    for number in range(CHUNKS_SMALL):
        writer.append(note(number))
        writer.seal()
    assert merging.wait(30)
    worked = threading.Event()

    def work() -> None:
        writer.commit(note("meanwhile"))
        writer.append(note("too"))
        writer.seal()
        worked.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert worked.wait(10)
    finally:
        go.set()
        thread.join(30)
    writer.end(10)
    assert names(store, writer.session) == [*map(str, range(CHUNKS_SMALL)), "meanwhile", "too"]
    assert len(manifest(store, writer.session).chunks) == 1
    assert (verify(store).damages, verify(store).unreferenced) == ((), 0)


# --- readers beside a writer


def test_a_live_view_begins_anew_where_the_journal_was_cut_back(store: Store, disk: BadDisk) -> None:
    """Would catch a view that shows nothing of what is recorded, and then tells of a loss in a healthy session."""
    writer = begin(store)
    view = LiveView(store, writer.session)
    writer.commit(note(0))
    view.refresh()
    writer.append(note(1), note(2))
    view.refresh()
    disk.refuses = lambda call, what: errno.EIO if call == "sync_data" else 0
    with pytest.raises(StorageProblem):
        writer.sync()
    disk.refuses = lambda call, what: 0
    for number in range(3, 9):
        writer.commit(note(number))
    for _ in range(2):
        seen = view.refresh()
    assert [found.text for found in seen.notes] == [str(number) for number in range(9)]
    assert seen.unread == ()
    writer.seal()
    writer.commit(note(9))
    assert [found.text for found in view.refresh().notes] == [str(number) for number in range(10)]
    writer.close()


def test_a_deletion_beside_a_merge_waits_for_no_damage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch "run pepys verify, restore the damaged session" of a healthy one that is merged just then."""
    writer, other = begin(store), begin(store)
    other.end(1)
    for number in range(3):
        writer.append(note(number))
        writer.seal()
    met: list[bool] = []

    def merged(store: Store, current: Manifest, wanted: Wanted) -> Iterator[ev.Event]:
        if current.session == writer.session and not met:
            met.append(merge_chunks(store, writer.session))
        return chunk_events(store, current, wanted)

    monkeypatch.setattr("pepys.store.remove.chunk_events", merged)
    remove(store, other.session)
    assert met == [True]
    writer.end(2)


def test_live_lanes_miss_nothing_beside_a_merge(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch an hour without its waveform until the page is opened anew."""
    writer = begin(store)
    for number in range(3):
        at_ns = number * 1_000_000_000
        writer.append(ev.LevelsNoted("mic", at_ns, "0102", "0102", 0))
        writer.seal()
    read = Pieces.read_chunks
    met: list[bool] = []

    def merged(pieces: Pieces) -> None:
        if not met:
            met.append(merge_chunks(store, writer.session))
        read(pieces)

    monkeypatch.setattr(Pieces, "read_chunks", merged)
    lanes = LevelLanes(store, writer.session)
    lanes.refresh()
    assert met == [True]
    assert list(lanes.tracks) == ["mic"]
    writer.close()


# --- what is left lying about


def test_a_journal_that_cannot_be_begun_leaves_nothing(store: Store, disk: BadDisk) -> None:
    """Would catch a locked descriptor and a file at each attempt to record on a full disk."""
    begin(store).end(1)
    folder, open_files = store.path / "journals", Path("/proc/self/fd")
    written: list[str] = []

    def full(call: str, what: str) -> int:
        if call != "write":
            return 0
        written.append(what)
        return errno.ENOSPC if len(written) > 1 else 0

    before = len(list(open_files.iterdir()))
    for _ in range(3):
        written.clear()
        disk.refuses = full
        with pytest.raises(PepysError):
            begin(store)
    disk.refuses = lambda call, what: 0
    assert list(folder.iterdir()) == []
    assert len(list(open_files.iterdir())) == before


def test_temporary_files_of_the_killed_are_swept(tmp_path: Path) -> None:
    """Would catch the files of each kill within a replacement, kept for good; and one taken from who writes it now."""
    store = make_store(tmp_path)
    writer = begin(store)
    writer.end(1)
    folders = ("journals", f"heads/{writer.session}", "keys", "removing", "blobs/open")
    old: list[Path] = []
    fresh: list[Path] = []
    for folder in folders:
        (store.path / folder).mkdir(exist_ok=True, parents=True)
        for kind, at_ns in ((old, WALL_NS - 2 * STRAY_NS), (fresh, WALL_NS)):
            path = store.path / folder / f".some.{len(kind)}.{'ab' if kind is old else 'cd'}"
            path.write_bytes(b"half")
            os.utime(path, ns=(at_ns, at_ns))
            kind.append(path)
    recover_all(store)
    assert not [path for path in old if path.exists()]
    assert all(path.exists() for path in fresh)
