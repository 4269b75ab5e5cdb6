"""What a recorder tells of itself: the one shape of `status`, beats and state pushes.

Of a track it tells what was `captured`, `encoded` and `dropped`. They do not add up for the screen: `captured` counts
changed pictures taken, `encoded` also those repeated while nothing changes, so that a quiet screen has more encoded.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.errors import StorageProblem
from pepys.record.health import TrackReport
from pepys.record.runfile import RunFile


class Disk:
    """Free space of the home, and how long it lasts at the rate of the last minute."""

    def __init__(self, home: Path, reserve_bytes: int) -> None:
        self.free_bytes = 0
        self._home, self._reserve_bytes = home, reserve_bytes
        self._past: deque[tuple[int, int]] = deque(maxlen=limits.DISK_RATE_LOOKS)

    def look(self, now_ns: int, written_bytes: int) -> None:
        """Look at the disk.

        Raises:
            StorageProblem: less than the reserve is free.
        """
        try:
            self.free_bytes = shutil.disk_usage(self._home).free
        except OSError as error:
            raise StorageProblem(f"the home {self._home} cannot be read: {error.strerror}", "mount it again") from error
        self._past.append((now_ns, written_bytes))
        if self.free_bytes < self._reserve_bytes:
            raise StorageProblem(
                f"the disk is nearly full: {_mebibytes(self.free_bytes)} are free, "
                f"{_mebibytes(self._reserve_bytes)} are kept in reserve",
                "free some space; what was recorded is safe",
            )

    def to_json(self) -> dict[str, Any]:
        """The `disk` part of a status; `seconds_left` is None while nothing is known of the rate."""
        left = None
        if len(self._past) > 1:
            (first_ns, first), (last_ns, last) = self._past[0], self._past[-1]
            if last > first and last_ns > first_ns:
                usable = max(0, self.free_bytes - self._reserve_bytes)
                left = usable * (last_ns - first_ns) // (last - first) // limits.NS_PER_S
        return {"free_bytes": self.free_bytes, "seconds_left": left}


def ready(told: RunFile, started_wall_ns: int, tracks: Iterable[TrackReport]) -> dict[str, Any]:
    """What the starter is told once it records."""
    return {
        "pid": told.pid, "pid_start": told.pid_start, "boot_id": told.boot_id, "protocol": told.protocol,
        "session": told.session, "socket": told.socket, "started_wall_ns": started_wall_ns,
        "tracks": [{"track": r.track, "state": r.state, "detail": r.detail} for r in tracks],
    }  # fmt: skip


def _mebibytes(count: int) -> str:
    return f"{count // (1024 * 1024)} MiB"
