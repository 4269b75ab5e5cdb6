"""Blobs: what goes in comes out or is refused; names tell nothing; a growing one is readable; a crash leaves frames."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.limits import BLOB_BYTES, SEALED_FRAME_BYTES
from pepys.store.blobs import BlobStore
from pepys.store.disk import Disk
from pepys.store.store import Store
from tests.stored_session import flip, make_store

SIZES = [0, 1, SEALED_FRAME_BYTES - 1, SEALED_FRAME_BYTES, SEALED_FRAME_BYTES + 1, 3 * SEALED_FRAME_BYTES + 7]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def blobs(store: Store) -> BlobStore:
    return store.blobs


def file_of(store: Store, blob: str) -> Path:
    """Where a blob lies."""
    return store.path / "blobs" / blob[3:5] / blob[5:7] / blob


@pytest.mark.parametrize("size", SIZES)
def test_what_goes_in_comes_out(blobs: BlobStore, size: int) -> None:
    data = os.urandom(size)
    blob = blobs.put(data)
    assert blobs.read(blob) == data
    assert blobs.size(blob) == size
    assert blobs.exists(blob) and list(blobs.ids()) == [blob]
    for offset, length in [(0, 0), (0, 1), (size // 2, 1000), (max(0, size - 1), 5), (0, size)]:
        assert blobs.read_range(blob, offset, length) == data[offset : offset + length]


def test_equal_content_is_one_file_and_other_keys_give_other_names(store: Store, tmp_path: Path) -> None:
    first, second = store.blobs.put(b"the same"), store.blobs.put(b"the same")
    assert first == second and len(list(store.blobs.ids())) == 1
    assert make_store(tmp_path / "other").blobs.put(b"the same") != first


def test_nothing_readable_is_on_the_disk(store: Store) -> None:
    blob = store.blobs.put(b"the word zanzibar" * 1000)
    assert b"zanzibar" not in file_of(store, blob).read_bytes()


@pytest.mark.parametrize("place", [0, 4, 5, 20, 21, 24, 25, -1])
def test_a_flipped_bit_is_damage(store: Store, place: int) -> None:
    blob = store.blobs.put(os.urandom(200_000))
    path = file_of(store, blob)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged):
        store.blobs.read(blob)


def test_a_file_cut_at_a_frame_is_damage(store: Store) -> None:
    blob = store.blobs.put(os.urandom(2 * SEALED_FRAME_BYTES))
    path = file_of(store, blob)
    data = path.read_bytes()
    path.write_bytes(data[: 21 + 20 + SEALED_FRAME_BYTES])
    with pytest.raises(Damaged, match="not the one of its name"):
        store.blobs.read(blob)


def test_another_blob_under_the_name_is_damage(store: Store) -> None:
    blob, other = store.blobs.put(b"one"), store.blobs.put(b"two")
    file_of(store, blob).write_bytes(file_of(store, other).read_bytes())
    with pytest.raises(Damaged, match="not the one of its name"):
        store.blobs.read(blob)


@pytest.mark.parametrize("name", ["", "b3-", "b3-" + "0" * 63, "../../etc/passwd", "b3-" + "g" * 64])
def test_what_is_no_id_is_not_found(blobs: BlobStore, name: str) -> None:
    with pytest.raises(NotFound):
        blobs.read(name)
    with pytest.raises(NotFound):
        blobs.read("b3-" + "0" * 64)


def test_an_open_blob_is_read_while_it_grows(blobs: BlobStore) -> None:
    writer = blobs.writer("session-video-0")
    first, second = os.urandom(100_000), os.urandom(100)
    assert writer.append(first) == 0
    writer.sync()
    assert blobs.read_open("session-video-0", 0, 100_000) == first
    assert writer.append(second) == 100_000
    assert blobs.read_open("session-video-0", 99_990, 110) == first[-10:] + second
    blob = writer.seal()
    assert blobs.read(blob) == first + second
    assert blobs.became("session-video-0") == blob
    blobs.forget_intent("session-video-0")
    assert blobs.became("session-video-0") is None
    with pytest.raises(NotFound):
        blobs.read_open("session-video-0", 0, 1)
    with pytest.raises(ValueError, match="sealed"):
        writer.append(b"more")


def test_a_name_is_taken_once(blobs: BlobStore) -> None:
    blobs.writer("one").close()
    with pytest.raises(StorageProblem):
        blobs.writer("one")
    for name in ("", ".hidden", "a/b", "a\\b", "a\0b"):
        with pytest.raises(ValueError, match="no name"):
            blobs.writer(name)


def test_no_blob_passes_its_limit(blobs: BlobStore) -> None:
    writer = blobs.writer("large")
    writer.append(bytes(BLOB_BYTES))
    with pytest.raises(StorageProblem, match="pass"):
        writer.append(b"x")
    assert blobs.size(writer.seal()) == BLOB_BYTES


def test_a_discarded_blob_leaves_nothing(store: Store) -> None:
    writer = store.blobs.writer("gone")
    writer.append(b"data")
    writer.discard()
    assert not list((store.path / "blobs" / "open").iterdir())


@pytest.mark.parametrize("torn", [0, 1, 3, 4, 10, 119])
def test_recovery_keeps_whole_frames_within_what_was_told(store: Store, torn: int) -> None:
    writer = store.blobs.writer("session-video-0")
    writer.append(b"a" * 100)
    writer.append(b"b" * 100)
    writer.append(b"c" * 100)
    writer.close()
    path = store.path / "blobs" / "open" / "session-video-0"
    path.write_bytes(path.read_bytes()[: 21 + 2 * 120 + torn])
    blob = store.blobs.recover_open("session-video-0", 300)
    assert store.blobs.read(blob) == b"a" * 100 + b"b" * 100
    assert store.blobs.recover_open("session-video-0", 300) == blob


def test_recovery_drops_what_was_not_told(store: Store) -> None:
    writer = store.blobs.writer("x")
    writer.append(b"a" * 100)
    writer.append(b"b" * 100)
    writer.close()
    assert store.blobs.read(store.blobs.recover_open("x", 150)) == b"a" * 100
    with pytest.raises(NotFound):
        store.blobs.recover_open("never there", 1)


def test_a_full_disk_leaves_what_was_written_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = store.blobs.writer("x")
    writer.append(b"a" * 100)
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) > 50:
            return real(fd, data[:50])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageProblem, match="No space") as problem:
        writer.append(b"b" * 100)
    assert problem.value.exit_code == 5
    monkeypatch.undo()
    with pytest.raises(StorageProblem, match="took no more"):
        writer.append(b"c" * 100)
    assert store.blobs.read(writer.seal()) == b"a" * 100


def test_strays_of_killed_puts_go_when_they_are_old(store: Store) -> None:
    writer = store.blobs.writer("put-0123")
    writer.close()
    path = store.path / "blobs" / "open" / "put-0123"
    store.blobs.discard_strays(path.stat().st_mtime_ns)
    assert path.exists()
    store.blobs.discard_strays(path.stat().st_mtime_ns + 1)
    assert not path.exists()


def test_a_store_that_was_moved_away_is_not_begun_anew_in_its_place(store: Store) -> None:
    store.blobs.put(b"here")
    moved = store.path.rename(store.path.with_name("moved"))
    with pytest.raises(StorageProblem, match="is gone"):
        store.blobs.put(b"there")
    with pytest.raises(StorageProblem, match="is gone"):
        store.blobs.writer("growing")
    assert not store.path.exists()
    moved.rename(store.path)
    assert store.blobs.read(store.blobs.put(b"again")) == b"again"


class OneName(Disk):
    """A disk that gives no file a second name."""

    def link(self, source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("disk", [Disk(), OneName()])
def test_what_became_of_an_open_file_is_known_until_it_is_forgotten(store: Store, disk: Disk) -> None:
    """Would catch a kill between the name and the event that tells it which costs the segment."""
    blobs = Store(store.path, store.keys, store.clock, disk=disk).blobs
    for name in ("session-video-0", "session-video-1"):  # the second is what is there already
        writer = blobs.writer(name)
        writer.append(b"a" * 100_000)
        writer.append(b"b" * 100)
        blob = writer.seal()
        assert blobs.became(name) == blob
        assert blobs.noted() == [name]
        assert blobs.recover_open(name, 100_000) == blob, "what is a blob is not cut"
        assert blobs.read(blob) == b"a" * 100_000 + b"b" * 100
        blobs.forget_intent(name)
        assert blobs.became(name) is None
        assert not list((store.path / "blobs" / "open").iterdir())


def test_a_damaged_file_with_two_names_is_the_blob_that_it_was(store: Store) -> None:
    """Would catch a recovery that cuts a damaged blob, or names what is left of it as another."""
    writer = store.blobs.writer("session-video-0")
    writer.append(b"a" * 100)
    writer.append(b"b" * 100)
    blob = writer.seal()
    path = store.path / "blobs" / "open" / "session-video-0"
    flip(path, 21 + 120 + 30)
    size = path.stat().st_size
    assert store.blobs.recover_open("session-video-0", 200) == blob
    assert path.stat().st_size == size
    with pytest.raises(Damaged):
        store.blobs.read(blob)


def test_a_copy_by_links_is_recovered_as_its_own(store: Store) -> None:
    """Would catch a home that was copied by links whose open files are taken for blobs."""
    writer = store.blobs.writer("session-video-0")
    writer.append(b"a" * 100)
    writer.close()
    (store.path / "elsewhere").hardlink_to(store.path / "blobs" / "open" / "session-video-0")
    assert store.blobs.became("session-video-0") is None
    assert store.blobs.read(store.blobs.recover_open("session-video-0", 100)) == b"a" * 100


class Interrupted(Disk):
    """A disk during whose nth write the user presses Ctrl+C."""

    left = -1

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().write(fd, data)


@pytest.mark.parametrize("write", [1, 2, 3])
def test_an_interrupt_within_an_append_leaves_what_was_there(store: Store, write: int) -> None:
    """Catches frames in the file that its hash does not know: the sealed blob would not open, though acknowledged."""
    disk = Interrupted()
    blobs = BlobStore(store.path, store.keys, disk=disk)
    writer = blobs.writer("session-video-0")
    writer.append(b"kept")
    writer.sync()
    disk.left = write
    with pytest.raises(KeyboardInterrupt):
        writer.append(b"x" * 4 * SEALED_FRAME_BYTES)
    with pytest.raises(StorageProblem):
        writer.append(b"more")
    assert blobs.read(writer.seal()) == b"kept"


def test_an_open_file_that_is_gone_is_told(store: Store) -> None:
    """Catches a raw error of the system from `seal`, which nobody turns into words or into an exit code."""
    writer = store.blobs.writer("session-video-0")
    writer.append(b"a")
    (store.path / "blobs" / "open" / "session-video-0").unlink()
    with pytest.raises(StorageProblem, match="is gone"):
        writer.seal()


@pytest.mark.parametrize("write", [1, 2, 3])
def test_an_interrupt_within_a_put_leaves_no_file(store: Store, write: int) -> None:
    """Catches an open descriptor and a half written file for each Ctrl+C."""
    disk = Interrupted()
    disk.left = write
    with pytest.raises(KeyboardInterrupt):
        BlobStore(store.path, store.keys, disk=disk).put(b"x" * 4 * SEALED_FRAME_BYTES)
    assert list((store.path / "blobs" / "open").iterdir()) == []
