"""The journal: order, durability at the torn tail, damage in the middle, the lock, and reading on from an offset."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pepys.errors import Busy, Damaged, NotFound, StorageProblem
from pepys.limits import JOURNAL_RECORD_BYTES
from pepys.model.events import Event, NoteAdded
from pepys.model.ids import new_session_id
from pepys.store.journal import Journal, journal_locked
from pepys.store.journal_reader import HEADER_BYTES, JournalReader, read_journal
from pepys.store.keys import StoreKeys
from tests.stored_session import make_store

SESSION = new_session_id(1)


@pytest.fixture
def keys(tmp_path: Path) -> StoreKeys:
    return make_store(tmp_path).keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journals" / f"{SESSION}.journal"


def note(number: int) -> NoteAdded:
    return NoteAdded(str(number), number, f"text of {number}")


def numbers(path: Path, keys: StoreKeys, offset: int = 0) -> list[int]:
    """The numbers of the notes in a journal."""
    return [event.at_ns for _, event in read_journal(path, keys, offset) if isinstance(event, NoteAdded)]


def written(path: Path, keys: StoreKeys, count: int = 5) -> list[int]:
    """A closed journal of so many notes; the file's length after each."""
    journal = Journal.create(path, keys, SESSION)
    lengths = []
    for number in range(count):
        journal.append(note(number))
        lengths.append(journal.offset)
    journal.sync()
    journal.close()
    return lengths


def test_events_come_back_in_order(path: Path, keys: StoreKeys) -> None:
    journal = Journal.create(path, keys, SESSION)
    journal.append(note(0), note(1))
    journal.append(note(2))
    assert numbers(path, keys) == [0, 1, 2]
    assert journal.next_event == 3
    assert b"text of" not in path.read_bytes()
    journal.close()


def test_every_tear_of_the_tail_loses_only_the_torn_event(path: Path, keys: StoreKeys) -> None:
    lengths = written(path, keys)
    whole = path.read_bytes()
    for length in range(lengths[3], len(whole)):
        path.write_bytes(whole[:length])
        assert numbers(path, keys) == [0, 1, 2, 3]
        journal = Journal.open_for_append(path, keys)
        assert journal.next_event == 4
        journal.append(note(99))
        journal.close()
        assert numbers(path, keys) == [0, 1, 2, 3, 99]


def test_a_tail_of_zeroes_is_cut(path: Path, keys: StoreKeys) -> None:
    lengths = written(path, keys)
    path.write_bytes(path.read_bytes()[: lengths[3]] + bytes(500))
    assert numbers(path, keys) == [0, 1, 2, 3]
    Journal.open_for_append(path, keys).close()
    assert numbers(path, keys) == [0, 1, 2, 3]


def test_damage_in_the_middle_is_told_and_passed_over(path: Path, keys: StoreKeys) -> None:
    lengths = written(path, keys)
    data = bytearray(path.read_bytes())
    data[lengths[2] - 3] ^= 1
    path.write_bytes(data)
    reader = JournalReader(path, keys)
    assert [event for _, event in reader.read()] == [note(0), note(1), note(3), note(4)]
    assert reader.damaged == [lengths[1]]
    assert reader.next_event == 5


def test_records_do_not_change_places(path: Path, keys: StoreKeys) -> None:
    lengths = written(path, keys)
    data = path.read_bytes()
    first, second = data[lengths[0] : lengths[1]], data[lengths[1] : lengths[2]]
    path.write_bytes(data[: lengths[0]] + second + first + data[lengths[2] :])
    assert numbers(path, keys) == [0, 3, 4]


def test_a_journal_of_another_session_does_not_open(path: Path, keys: StoreKeys) -> None:
    written(path, keys)
    other = path.with_name(f"{new_session_id(2)}.journal")
    path.rename(other)
    assert numbers(other, keys) == []


def test_reading_goes_on_where_it_was(path: Path, keys: StoreKeys) -> None:
    journal = Journal.create(path, keys, SESSION)
    reader = JournalReader(path, keys)
    seen: list[Event] = []
    for number in range(6):
        if number == 3:
            journal.begin()
        journal.append(note(number))
        fresh = list(reader.read())
        assert [event for _, event in fresh] == [note(number)]
        seen += [event for _, event in fresh]
        assert numbers(path, keys, fresh[-1][0]) == []
    assert len(seen) == 6
    offsets = [offset for offset, _ in read_journal(path, keys)]
    for number, offset in enumerate(offsets):
        assert numbers(path, keys, offset) == list(range(number + 1, 6))
    journal.close()


def test_an_opening_can_be_read_without_what_lies_before(path: Path, keys: StoreKeys) -> None:
    journal = Journal.create(path, keys, SESSION)
    journal.append(note(0), note(1))
    offset = journal.begin()
    journal.append(note(2))
    reader = JournalReader(path, keys, offset)
    assert [event for _, event in reader.read()] == [note(2)]
    assert reader.next_event == 3
    # A place that was cut away is read from the start: too much is better than too little.
    assert numbers(path, keys, offset + 10_000) == [0, 1, 2]
    journal.close()


def test_the_lock_lasts_as_long_as_the_writer(path: Path, keys: StoreKeys) -> None:
    assert not journal_locked(path)
    journal = Journal.create(path, keys, SESSION)
    assert journal_locked(path)
    with pytest.raises(Busy):
        Journal.open_for_append(path, keys)
    with pytest.raises(Busy):
        Journal.create(path, keys, SESSION)
    journal.close()
    assert not journal_locked(path)
    again = Journal.open_for_append(path, keys)
    assert journal_locked(path)
    again.remove()
    assert not path.exists()
    with pytest.raises(NotFound):
        Journal.open_for_append(path, keys)


def test_numbers_go_on_from_where_they_are_told(path: Path, keys: StoreKeys) -> None:
    journal = Journal.create(path, keys, SESSION, first_event=40)
    journal.append(note(0))
    assert journal.next_event == 41
    reader = JournalReader(path, keys)
    list(reader.read())
    assert reader.next_event == 41
    journal.close()


def test_a_full_disk_takes_back_what_it_did_not_hold(
    path: Path, keys: StoreKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.create(path, keys, SESSION)
    journal.append(note(0))
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) > 20:
            return real(fd, data[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageProblem):
        journal.append(note(1))
    monkeypatch.undo()
    assert journal.next_event == 1
    journal.append(note(2))
    assert numbers(path, keys) == [0, 2]
    journal.close()


def test_no_record_passes_its_limit(path: Path, keys: StoreKeys) -> None:
    journal = Journal.create(path, keys, SESSION)
    with pytest.raises(ValueError, match="larger"):
        journal.append(NoteAdded("1", 0, "x" * JOURNAL_RECORD_BYTES))
    journal.append(note(1))
    assert numbers(path, keys) == [1]
    journal.close()


def test_what_is_no_journal_is_damage(path: Path, keys: StoreKeys) -> None:
    path.parent.mkdir()
    for data in (b"", b"PPJL", b"x" * 500, bytes(HEADER_BYTES)):
        path.write_bytes(data)
        with pytest.raises(Damaged):
            read_journal(path, keys)
