"""Time, read in one place.

Owns the only calls into the operating system's clocks. Times are integer nanoseconds of CLOCK_BOOTTIME, which goes on
through suspend; the wall clock is read only to anchor a span and to name moments to people. A fake clock serves tests.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """What the rest of pepys knows of time."""

    def now_ns(self) -> int:
        """Nanoseconds since boot, suspend included; never goes back within one boot."""
        ...

    def awake_ns(self) -> int:
        """Nanoseconds that the machine was awake since boot: `now_ns` without the time it slept."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch; may step either way."""
        ...

    def boot_id(self) -> str:
        """An opaque name of this boot: `now_ns` of two boots cannot be compared."""
        ...

    def sleep_ns(self, duration_ns: int) -> None:
        """Block the calling thread for `duration_ns`; zero or less returns at once."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def __init__(self) -> None:
        self._boot_id = _read_boot_id()

    def now_ns(self) -> int:
        """CLOCK_BOOTTIME, or the monotonic clock where the system has none."""
        if sys.platform == "linux":
            return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return time.monotonic_ns()

    def awake_ns(self) -> int:
        """CLOCK_MONOTONIC, which stands still while the machine sleeps; elsewhere it is `now_ns`."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """The wall clock in nanoseconds since the Unix epoch."""
        return time.time_ns()

    def boot_id(self) -> str:
        """The kernel's random boot id."""
        return self._boot_id

    def sleep_ns(self, duration_ns: int) -> None:
        """Block the calling thread."""
        if duration_ns > 0:
            # The one sleep of the program: everything else waits through a clock, so that a test can move it.
            time.sleep(duration_ns / 1e9)


class FakeClock:
    """A clock that moves only when a test moves it; safe to share between threads."""

    def __init__(self, now_ns: int = 1_000_000_000, wall_ns: int = 1_800_000_000_000_000_000) -> None:
        self._now_ns = now_ns
        self._wall_ns = wall_ns
        self._slept_ns = 0
        self._boot_id = "fake-boot"
        self._moved = threading.Condition()

    def now_ns(self) -> int:
        """The time since the made-up boot."""
        return self._now_ns

    def awake_ns(self) -> int:
        """The time since the made-up boot without what `suspend` passed over."""
        return self._now_ns - self._slept_ns

    def wall_ns(self) -> int:
        """The made-up wall time."""
        return self._wall_ns

    def boot_id(self) -> str:
        """The made-up boot."""
        return self._boot_id

    def sleep_ns(self, duration_ns: int) -> None:
        """Wait until `advance` has moved the clock past the duration."""
        until = self._now_ns + duration_ns
        with self._moved:
            self._moved.wait_for(lambda: self._now_ns >= until)

    def advance(self, duration_ns: int) -> None:
        """Move both clocks on."""
        if duration_ns < 0:
            raise ValueError("a clock does not go back; use step_wall or reboot")
        with self._moved:
            self._now_ns += duration_ns
            self._wall_ns += duration_ns
            self._moved.notify_all()

    def suspend(self, duration_ns: int) -> None:
        """Let the machine sleep: time passes while it is not awake."""
        self._slept_ns += duration_ns
        self.advance(duration_ns)

    def step_wall(self, difference_ns: int) -> None:
        """Step the wall clock alone, as an administrator or NTP does."""
        self._wall_ns += difference_ns

    def reboot(self, boot_id: str, now_ns: int = 0) -> None:
        """Begin another boot: the boot clock restarts, the wall clock goes on."""
        self._boot_id, self._now_ns, self._slept_ns = boot_id, now_ns, 0


def _read_boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        # Systems without procfs have no boot id; one a process keeps spans of different processes apart.
        return f"process-{uuid.uuid4().hex}"


def rfc3339(wall_ns: int) -> str:
    """Write nanoseconds since the epoch as RFC 3339 in UTC with milliseconds."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"


def parse_rfc3339(text: str) -> int:
    """Read RFC 3339 (a missing zone means local time) as nanoseconds since the epoch.

    Raises:
        ValueError: the text is no RFC 3339 time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.astimezone()
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + moment.microsecond * 1000
