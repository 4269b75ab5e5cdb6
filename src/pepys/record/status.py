"""What a recorder tells of itself: the one shape of `status`, beats and state pushes.

Of a track it tells what was `captured`, `encoded` and `dropped`. They do not add up for the screen: `captured` counts
changed pictures taken, `encoded` also those repeated while nothing changes, so that a quiet screen has more encoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pepys.record.health import TrackReport
from pepys.record.runfile import RunFile


def ready(told: RunFile, started_wall_ns: int, tracks: Iterable[TrackReport]) -> dict[str, Any]:
    """What the starter is told once it records."""
    return {
        "pid": told.pid, "pid_start": told.pid_start, "boot_id": told.boot_id, "protocol": told.protocol,
        "session": told.session, "socket": told.socket, "started_wall_ns": started_wall_ns,
        "tracks": [{"track": r.track, "state": r.state, "detail": r.detail} for r in tracks],
    }  # fmt: skip
