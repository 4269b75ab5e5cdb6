"""Disks with a twist, for what is killed: one without second names, one that falls sick, one that takes turns."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from pepys.clock import FakeClock
from pepys.limits import CHUNK_INTERVAL_NS
from pepys.store.disk import Disk
from pepys.store.store import Store
from tests.kill_diary import Diary, Tell
from tests.stored_session import WALL_NS, reopen

TURNS: Final = 30
"""At how many calls of a seal the recording goes on meanwhile."""


class InTurns(Disk):
    """A disk that asks before each call of the thread that seals, and waits until it may go on."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._answered: SimpleQueue[None] = SimpleQueue()
        self._watched = False

    def turn(self) -> bool:
        """Wait until that thread is about to call; False once it has ended."""
        if not self._watched:
            self._watched = True
            (seal,) = [thread for thread in threading.enumerate() if thread.name == "seal"]
            threading.Thread(target=self._watch, args=(seal,), daemon=True).start()
        return self._asked.get()

    def _watch(self, seal: threading.Thread) -> None:
        seal.join()
        self._asked.put(False)

    def back(self) -> None:
        """Let it call."""
        self._answered.put(None)

    def _wait(self) -> None:
        if threading.current_thread().name == "seal":
            self._asked.put(True)
            self._answered.get()

    def open(self, path: str | Path, flags: int) -> int:
        self._wait()
        return super().open(path, flags)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._wait()
        return super().write(fd, data)

    def sync_data(self, fd: int) -> None:
        self._wait()
        super().sync_data(fd)

    def replace(self, source: Path, target: Path) -> None:
        self._wait()
        super().replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._wait()
        super().sync_folder(folder)


class OneName(Disk):
    """A disk of a file system without second names, as that of a memory card."""

    def link(self, source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


class Sick(Disk):
    """A disk that fails to bring a file's bytes down while it is told to."""

    sick = False

    def sync_data(self, fd: int) -> None:
        if self.sick:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync_data(fd)


def beside(folder: Path, tell: Tell) -> None:
    """A recording that goes on while a chunk is sealed: a note is told between any two steps of that."""
    clock, disk = FakeClock(wall_ns=WALL_NS), InTurns()
    diary = Diary.begin(Store(folder / "home", reopen(folder).keys, clock, disk=disk), tell)
    diary.segments()
    clock.advance(CHUNK_INTERVAL_NS)
    diary.note("it is due")
    turns = 0
    while disk.turn():
        turns += 1
        # How many folders are made depends on chance, and with them the number of calls.
        if turns <= TURNS:
            diary.note(f"meanwhile {turns}")
        disk.back()
    assert turns >= TURNS, "no chunk was sealed beside"
    diary.head()
    diary.end()
