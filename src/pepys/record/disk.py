"""The room on the disk of a home: how much, how long it lasts, and when it is too little.

Owns the looks at a home (`Looks`) and what is made of them (`Disk`). Invariants: a disk that hangs blocks nobody who
asks, and its room is then unknown, not what it was; a home that is gone, read-only or another folder by now is found
within two looks. What writes to the disk, and what happens when it refuses, is left to `writing` and the recorder.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.clock import Clock
from pepys.errors import StorageProblem


@dataclass(frozen=True, slots=True)
class Room:
    """What a look at a home found; `place` is the folder itself, whatever it is called."""

    free_bytes: int
    read_only: bool = False
    place: tuple[int, int] = (0, 0)


def look_at(home: Path) -> Room:
    """Look at a home; waits as long as its disk does.

    Raises:
        OSError: the home is gone, or its disk fails.
    """
    found = home.stat()
    place = (found.st_dev, found.st_ino)
    if sys.platform == "win32":
        return Room(shutil.disk_usage(home).free, False, place)
    told = os.statvfs(home)
    return Room(told.f_bavail * told.f_frsize, bool(told.f_flag & os.ST_RDONLY), place)


class Looks:
    """A thread that looks at a home when it is asked to; nobody waits for it but in `wait`."""

    def __init__(self, home: Path, look: Callable[[Path], Room] = look_at) -> None:
        """Take the home; the thread begins with the first `ask`."""
        self._home, self._look = home, look
        self._changed = threading.Condition()
        self._found: Room | OSError | None = None
        self._asked = self._over = False
        self._thread: threading.Thread | None = None

    @property
    def found(self) -> Room | OSError | None:
        """What the newest look that is over found; None before the first is."""
        with self._changed:
            return self._found

    @property
    def waits(self) -> bool:
        """Whether a look is under way."""
        with self._changed:
            return self._asked

    def ask(self) -> None:
        """Let it look once more; while it still does, nothing happens."""
        with self._changed:
            if self._asked or self._over:
                return
            self._asked = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the look under way; whether it is over."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._asked, timeout_s)

    def close(self) -> None:
        """Let the thread end; one that hangs ends when its disk answers, or with the process."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked or self._over)
                if self._over:
                    return
            try:
                found: Room | OSError = self._look(self._home)
            except OSError as error:
                found = error
            with self._changed:
                self._found, self._asked = found, False
                self._changed.notify_all()


class Disk:
    """The room of a home that is recorded into; everything but the looks happens in the thread of the loop."""

    def __init__(self, home: Path, reserve_bytes: int, clock: Clock, look: Callable[[Path], Room] = look_at) -> None:
        """Take what is kept in reserve; nothing is looked at yet."""
        self.free_bytes: int | None = None
        """None while it is unknown: nothing was found yet, or the disk does not answer."""
        self.lost = False
        """Whether the home is gone, or another folder is in its place: nothing may be written there any more."""
        self._home, self._reserve_bytes, self._clock = home, reserve_bytes, clock
        self._looks = Looks(home, look)
        self._asked_ns = self._begun_ns = 0
        self._place: tuple[int, int] | None = None
        self._past: deque[tuple[int, int, int]] = deque(maxlen=limits.DISK_RATE_LOOKS)
        self._told = 0

    def begin(self) -> None:
        """Look once, and wait for it, `limits.DISK_ANSWER_S` at most.

        Raises:
            StorageProblem: there is too little room, the home is read-only, or its disk does not answer.
        """
        self._begun_ns = self._clock.now_ns()
        self._ask(self._begun_ns)
        if not self._looks.wait(limits.DISK_ANSWER_S):
            raise StorageProblem(f"the disk of {self._home} does not answer", "look what holds it up, then try again")
        self._take_up()

    def look(self, now_ns: int, written_bytes: int) -> str:
        """Take up what the last look found, and ask for another. Never waits.

        Args:
            now_ns: the time of the clock.
            written_bytes: what the session has by now.

        Returns:
            What the user is to be told now: that the room lasts less than ten, or less than two minutes. Else nothing.

        Raises:
            StorageProblem: there is too little room, or the home is gone, read-only or another one.
        """
        if self._looks.waits:
            if now_ns - self._asked_ns > limits.DISK_ANSWER_NS:
                self.free_bytes = None
                self._past.clear()
            return ""
        self._take_up()
        if self.free_bytes is not None and now_ns - self._begun_ns > limits.DISK_SETTLE_NS:
            self._past.append((now_ns, written_bytes, self.free_bytes))
        self._ask(now_ns)
        return self._warning()

    def close(self) -> None:
        """Look no more."""
        self._looks.close()

    @property
    def seconds_left(self) -> int | None:
        """How long the room above the reserve lasts at the rate of the last minute; None while it is unknown.

        The rate is what was written, or by how much the room shrank if that is more: others write as well. It is never
        less than what recordings usually write, or a still screen would promise years.
        """
        if self.free_bytes is None:
            return None
        return max(0, self.free_bytes - self._reserve_bytes) // self._bytes_a_second

    @property
    def _bytes_a_second(self) -> int:
        usual = limits.DISK_USUAL_BYTES_A_S
        if not self._past:
            return usual
        (first_ns, first, free), (last_ns, last, still_free) = self._past[0], self._past[-1]
        if last_ns - first_ns < limits.DISK_RATE_MIN_NS:
            return usual
        return max(usual, max(last - first, free - still_free) * limits.NS_PER_S // (last_ns - first_ns))

    def to_json(self) -> dict[str, Any]:
        """The `disk` part of a status: `free_bytes` and `seconds_left` are None where they are unknown."""
        return {
            "free_bytes": self.free_bytes,
            "seconds_left": self.seconds_left,
            "warning": "low" if self._told else "",
        }

    def _ask(self, now_ns: int) -> None:
        self._asked_ns = now_ns
        self._looks.ask()

    def _take_up(self) -> None:
        found = self._looks.found
        if found is None:
            return
        if isinstance(found, OSError):
            self.lost = True
            raise StorageProblem(f"the home {self._home} cannot be read: {found.strerror}", "mount it again") from found
        begun = self._place is not None
        self._place = self._place or found.place
        if found.place != self._place:
            self.lost = True
            raise StorageProblem(f"another folder is in the place of the home {self._home}", "mount it again")
        if found.read_only:
            raise StorageProblem(f"the home {self._home} is read-only now", "mount it writable, then resume it")
        self.free_bytes = found.free_bytes
        require_reserve(found.free_bytes, self._reserve_bytes, begun=begun)

    def _warning(self) -> str:
        """Each threshold is told of once; again only after the room lasted twice as long."""
        left = self.seconds_left
        if left is None:
            return ""
        passed = sum(left < low_s for low_s in limits.DISK_LOW_S)
        if passed > self._told:
            self._told = passed
            assert self.free_bytes is not None
            return (
                f"the disk lasts for {_duration(left)} more: {_megabytes(self.free_bytes)} are free, of which "
                f"{_megabytes(self._reserve_bytes)} are kept in reserve"
            )
        while self._told and left >= 2 * limits.DISK_LOW_S[self._told - 1]:
            self._told -= 1
        return ""


def require_reserve(free_bytes: int, reserve_bytes: int, *, begun: bool = False) -> None:
    """Check that the reserve is free.

    Args:
        free_bytes: what is free.
        reserve_bytes: what is kept.
        begun: whether something was recorded already.

    Raises:
        StorageProblem: it is not.
    """
    if free_bytes < reserve_bytes:
        raise StorageProblem(
            f"the disk is nearly full: {_megabytes(free_bytes)} are free, "
            f"{_megabytes(reserve_bytes)} are kept in reserve",
            f"free {_megabytes(reserve_bytes - free_bytes)} or more" + ("; what was recorded is safe" if begun else ""),
        )


def _megabytes(count: int) -> str:
    """In powers of ten and rounded up, as a status tells sizes."""
    return f"{-(-count // 1_000_000):,} MB"


def _duration(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"
