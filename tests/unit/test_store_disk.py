"""What a disk that fails once must not make of the store afterwards.

Each is a fault that the machine of tests/disk_machine.py looks for among others, in its shortest form.
"""

from __future__ import annotations

import contextlib
import errno
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pepys.clock import FakeClock
from pepys.errors import StorageProblem
from pepys.model.events import NoteAdded, SessionStarted, ShotTaken
from pepys.store.disk import NEW
from pepys.store.edits import add_artifacts
from pepys.store.reader import events, load
from pepys.store.recover import recover_all
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.disk_troubles import DEVICE, KEYS, SESSIONS
from tests.simulated_disk import Fault, PowerCut, SimulatedDisk
from tests.stored_session import WALL_NS, screen_text

SESSION = SESSIONS[0]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SimulatedDisk]:
    keys = tmp_path / "home" / "keys"
    keys.mkdir(parents=True)
    for name in (f"{DEVICE}.wrap", f"{DEVICE}.wrap.copy"):
        (keys / name).write_bytes(KEYS.wrapping)
    made = SimulatedDisk(tmp_path / "home")
    yield made
    made.end()


@pytest.fixture
def store(disk: SimulatedDisk) -> Store:
    return Store(disk.root, KEYS, FakeClock(wall_ns=WALL_NS), disk=disk)


@pytest.fixture
def after_cuts(disk: SimulatedDisk, tmp_path: Path) -> Callable[[], Iterator[Store]]:
    """The store on several legal states of the disk after a power cut now, each recovered and proven."""

    def cut() -> Iterator[Store]:
        for seed in range(12):
            state = tmp_path / f"after-{seed}"
            disk.after_power_cut(random.Random(seed), state)
            after = Store(state, KEYS, FakeClock(wall_ns=WALL_NS))
            recover_all(after)
            assert verify(after).damages == (), seed
            yield after

    return cut


def begun(store: Store) -> SessionWriter:
    return SessionWriter.create(store, SessionStarted(SESSION, "Test", WALL_NS, DEVICE))


def note(writer: SessionWriter, text: str) -> None:
    writer.append(NoteAdded(text, 1, text))
    writer.sync()


def notes(store: Store) -> list[str]:
    return [event.text for event in events(store, SESSION) if isinstance(event, NoteAdded)]


def test_what_follows_a_failed_sync_of_the_journal_is_durable(
    disk: SimulatedDisk, store: Store, after_cuts: Callable[[], Iterator[Store]]
) -> None:
    """Catches: a sync that succeeds, after one that failed, taken for proof of what the first was to write."""
    writer = begun(store)
    note(writer, "one")
    disk.aim(Fault(("sync_data",), error=errno.EIO))
    with pytest.raises(StorageProblem):
        note(writer, "two")
    note(writer, "three")
    for after in after_cuts():
        assert [text for text in notes(after) if text != "two"] == ["one", "three"]


@pytest.mark.parametrize("call", ["append", "sync", "seal"])
def test_a_blob_whose_sync_failed_takes_no_more(disk: SimulatedDisk, store: Store, call: str) -> None:
    """Catches: a segment that is named by the hash of bytes that the disk has lost."""
    blob = store.blobs.writer("x-video-0")
    blob.append(b"a" * 9_000)
    disk.aim(Fault(("sync_data",), error=errno.EIO))
    with pytest.raises(StorageProblem, match="Input/output"):
        blob.sync()
    with pytest.raises(StorageProblem, match="lost a part"):
        {"append": lambda: blob.append(b"b"), "sync": blob.sync, "seal": blob.seal}[call]()
    blob.close()


def test_a_blob_that_could_not_be_cut_after_a_failed_write_is_not_sealed(disk: SimulatedDisk, store: Store) -> None:
    """Catches: a torn frame inside a file that has a name."""
    blob = store.blobs.writer("x-video-0")
    blob.append(b"a" * 9_000)
    disk.aim(Fault(("write",), error=errno.ENOSPC, take=50), Fault(("truncate",), error=errno.EIO))
    with pytest.raises(StorageProblem):
        blob.append(b"b" * 9_000)
    with pytest.raises(StorageProblem, match="lost a part"):
        blob.seal()
    blob.close()


def test_events_after_a_journal_that_could_not_be_cut_are_read(disk: SimulatedDisk, store: Store) -> None:
    """Catches: acknowledged events behind the torn ones of a write that failed, where no reader looks."""
    writer = begun(store)
    note(writer, "one")
    disk.aim(Fault(("write",), error=errno.ENOSPC, take=50), Fault(("truncate",), error=errno.EIO))
    with pytest.raises(StorageProblem):
        note(writer, "two")
    disk.aim()
    note(writer, "three")
    assert [text for text in notes(store) if text != "two"] == ["one", "three"]


def test_a_shot_that_is_there_but_not_yet_named_for_good_is_made_so(
    disk: SimulatedDisk, store: Store, after_cuts: Callable[[], Iterator[Store]]
) -> None:
    """Catches: a blob that `put` finds and acknowledges, whose name a power cut takes back."""
    writer = begun(store)
    nth = 0
    named = False
    while not named:
        nth += 1
        data = b"picture %d" % nth
        disk.aim(Fault(("sync_folder",), nth=nth, error=errno.EIO))
        with contextlib.suppress(StorageProblem):
            store.blobs.put(data)
        assert disk.struck, "no fault came after a rename"
        named = store.blobs.exists(store.blobs.id_of(data))
    disk.aim()
    writer.append(ShotTaken(nth, store.blobs.put(data), 64, 36))
    writer.sync()
    for after in after_cuts():
        assert after.blobs.read(store.blobs.id_of(data)) == data


def test_an_artifact_that_is_named_but_not_yet_for_good_is_made_so(
    disk: SimulatedDisk, store: Store, after_cuts: Callable[[], Iterator[Store]]
) -> None:
    """Catches: a head that needs no change, taken for durable after the sync of its folder had failed."""
    begun(store).close()
    recover_all(store)
    for nth in range(1, 12):
        disk.aim(Fault(("sync_folder",), nth=nth, error=errno.EIO))
        try:
            add_artifacts(store, SESSION, [screen_text(f"u{nth}", "text")])
        except StorageProblem:
            disk.aim()
            add_artifacts(store, SESSION, [screen_text(f"u{nth}", "text")])
    for after in after_cuts():
        assert {ref.unit for ref in load(after, SESSION).artifacts} == {f"u{nth}" for nth in range(1, 12)}


def test_a_chunk_whose_head_moved_although_it_failed_is_not_written_twice(disk: SimulatedDisk, store: Store) -> None:
    """Catches: events that are in two chunks, as the first head's folder was not synced but its name was there."""
    writer = begun(store)
    for nth in range(1, 10):
        writer.append(ShotTaken(nth, store.blobs.put(b"picture %d" % nth), 64, 36))
        writer.sync()
        disk.aim(Fault(("sync_folder",), nth=nth, error=errno.EIO))
        try:
            writer.seal()
        except StorageProblem:
            disk.aim()
            writer.seal()
        disk.aim()
    writer.end(20)
    shots = [event.at_ns for event in events(store, SESSION) if isinstance(event, ShotTaken)]
    assert shots == list(range(1, 10))
    assert verify(store).damages == ()


def test_the_power_cut_comes_before_the_call(disk: SimulatedDisk, store: Store) -> None:
    """The disk of these tests is itself one that loses what was not synced, and nothing else."""
    fd = disk.open(store.path / "file", NEW)
    disk.write(fd, b"durable")
    disk.sync_data(fd)
    disk.sync_folder(store.path)
    disk.write(fd, b" and not")
    disk.cut_in(0)
    with pytest.raises(PowerCut):
        disk.write(fd, b" never")
    left = set()
    for seed in range(30):
        state = store.path.with_name(f"cut-{seed}")
        disk.after_power_cut(random.Random(seed), state)
        left.add((state / "file").read_bytes())
    assert left == {b"durable", b"durable and not"}
