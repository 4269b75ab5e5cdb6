"""The room of a home: what is told of it, and that a disk that hangs blocks nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import FakeClock, SystemClock
from pepys.errors import StorageProblem
from pepys.limits import NS_PER_S
from pepys.record.disk import Disk, Room, look_at
from pepys.sessions import room as rooms
from tests.waiting import wait_until

MIB = 1 << 20


class Shelf:
    """A disk that a test fills, drains and holds up."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.found: Room | OSError = Room(1000 * MIB)
        self.answers = threading.Event()
        self.answers.set()
        self.written = 0
        self.disk = Disk(Path("/a home"), 100 * MIB, self.clock, self._look)

    def _look(self, _home: Path) -> Room:
        self.answers.wait(10)
        if isinstance(self.found, OSError):
            raise self.found
        return self.found

    def second(self, written: int = 0, *, fills: bool = True) -> str:
        """One second of recording that writes so many bytes."""
        if fills and isinstance(self.found, Room):
            self.found = replace(self.found, free_bytes=self.found.free_bytes - written)
        self.written += written
        self.clock.advance(NS_PER_S)
        told = self.disk.look(self.clock.now_ns(), self.written)
        assert self.disk._looks.wait(5)
        return told

    def seconds(self, count: int, written: int) -> list[str]:
        """Seconds of recording; what was told."""
        return [told for _ in range(count) if (told := self.second(written))]


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()
    yield shelf
    shelf.answers.set()
    shelf.disk.close()


def test_how_long_it_lasts_at_the_rate_of_the_last_minute(shelf: Shelf) -> None:
    shelf.disk.begin()
    usual = limits.DISK_USUAL_BYTES_A_S
    assert shelf.disk.to_json() == {"free_bytes": 1000 * MIB, "seconds_left": 900 * MIB // usual, "warning": ""}
    shelf.second(30 * MIB)
    shelf.seconds(40, MIB // 2)
    assert shelf.disk.seconds_left == pytest.approx(850 * 2, rel=0.02), "what the start wrote is no rate"
    shelf.seconds(60, 0)
    assert shelf.disk.seconds_left == pytest.approx(850 * MIB / usual, rel=0.01), "a still screen promises no years"
    shelf.second(60 * MIB, fills=False)
    assert shelf.disk.seconds_left == pytest.approx(850, rel=0.02), "what is written counts though the disk hides it"


def test_others_fill_it_too(shelf: Shelf) -> None:
    shelf.disk.begin()
    for second in range(40):
        shelf.found = Room((1000 - second) * MIB)
        shelf.second(0)
    assert shelf.disk.seconds_left == pytest.approx(860, rel=0.1)


def test_the_user_is_told_under_ten_and_under_two_minutes_once_each(shelf: Shelf) -> None:
    shelf.disk.begin()
    told = shelf.seconds(30, MIB)
    assert told == [], "870 s"
    told = shelf.seconds(300, MIB)
    assert len(told) == 1 and "the disk lasts for 9 min more" in told[0] and "105 MB are kept" in told[0]
    assert shelf.disk.to_json()["warning"] == "low"
    told = shelf.seconds(500, MIB)
    assert len(told) == 1 and "119 s" in told[0]
    shelf.found = Room(5000 * MIB)
    assert shelf.seconds(70, MIB) == [] and shelf.disk.to_json()["warning"] == "", "somebody freed space"


def test_the_reserve_ends_it(shelf: Shelf) -> None:
    shelf.disk.begin()
    shelf.found = Room(99 * MIB)
    shelf.second()
    with pytest.raises(StorageProblem, match="nearly full: 104 MB are free, 105 MB are kept in reserve") as problem:
        shelf.second()
    assert (problem.value.exit_code, problem.value.remedy) == (5, "free 2 MB or more; what was recorded is safe")
    small = Disk(Path("/"), 1 << 62, SystemClock())
    with pytest.raises(StorageProblem, match="nearly full") as problem:
        small.begin()
    assert problem.value.remedy.endswith(" MB or more"), "nothing was recorded that could be safe"
    small.close()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Room(900 * MIB, read_only=True, place=(1, 1)), "is read-only now"),
        (Room(900 * MIB, place=(1, 2)), "another folder is in the place of the home"),
        (FileNotFoundError(2, "No such file or directory"), "cannot be read: No such file"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_a_home_that_is_lost_ends_it(shelf: Shelf, found: Room | OSError, words: str) -> None:
    shelf.found = Room(900 * MIB, place=(1, 1))
    shelf.disk.begin()
    shelf.found = found
    shelf.second()
    with pytest.raises(StorageProblem, match=words):
        shelf.second()


def test_a_disk_that_hangs_is_unknown_and_blocks_nobody(shelf: Shelf) -> None:
    shelf.disk.begin()
    shelf.seconds(12, MIB)
    threads = set(threading.enumerate())
    shelf.answers.clear()
    shelf.disk.look(shelf.clock.now_ns(), 0)
    for _ in range(5):
        shelf.clock.advance(NS_PER_S)
        assert shelf.disk.look(shelf.clock.now_ns(), 0) == ""
    assert shelf.disk.to_json() == {"free_bytes": None, "seconds_left": None, "warning": ""}
    assert set(threading.enumerate()) <= threads, "no look is begun beside it"
    shelf.answers.set()
    wait_until(lambda: not shelf.disk._looks.waits)
    shelf.second()
    assert shelf.disk.free_bytes is not None
    shelf.disk.close()
    wait_until(lambda: len(set(threading.enumerate()) & threads) < len(threads), 5, "the end of the thread")


def test_a_start_on_a_disk_that_hangs_is_refused(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DISK_ANSWER_S", 0.05)
    shelf.answers.clear()
    with pytest.raises(StorageProblem, match="does not answer"):
        shelf.disk.begin()


def test_a_real_look(tmp_path: Path) -> None:
    found = look_at(tmp_path)
    assert (
        found.free_bytes > 0 and not found.read_only and found.place == (tmp_path.stat().st_dev, tmp_path.stat().st_ino)
    )
    disk = Disk(tmp_path / "gone", 1, SystemClock())
    with pytest.raises(StorageProblem, match="cannot be read"):
        disk.begin()
    disk.close()


def test_the_room_before_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "not" / "made yet"
    monkeypatch.setattr(limits, "DISK_RESERVE_BYTES", 0)
    told = rooms.require_room(home)
    assert told["free_bytes"] == pytest.approx(look_at(tmp_path).free_bytes, rel=0.1)
    assert told["seconds_left"] == told["free_bytes"] // limits.DISK_USUAL_BYTES_A_S
    assert rooms.room(home)["free_bytes"]
    monkeypatch.setattr(limits, "DISK_RESERVE_BYTES", 1 << 62)
    with pytest.raises(StorageProblem, match="nearly full"):
        rooms.require_room(home)
    assert rooms.room(home) | {"free_bytes": 0} == {"free_bytes": 0, "seconds_left": 0, "warning": "low"}
    monkeypatch.setattr(rooms, "look_at", lambda _home: Room(1 << 40, read_only=True))
    with pytest.raises(StorageProblem, match="read-only"):
        rooms.require_room(home)
    stuck = threading.Event()
    monkeypatch.setattr(rooms, "look_at", lambda _home: stuck.wait(10))
    monkeypatch.setattr(limits, "DISK_ANSWER_S", 0.05)
    assert rooms.room(home) == {"free_bytes": None, "seconds_left": None, "warning": ""}
    stuck.set()
