"""Named points at which a test can kill this process, or make its disk slow.

Code calls `reach("blob.renamed")` after each step that reaches the disk; the seam to the disk calls `about` before each
call that changes it, which reaches `blobs.replace` (the folder, the call). Nothing happens unless PEPYS_TEST_KILL names
that point (`name`, `name:3` for the third time it is reached, or `any:3` for the third point of all): then the process
dies at once, as from kill -9. While the file that PEPYS_TEST_SLOW names is there, each `synced` lasts as many
milliseconds longer as it says.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from pepys.clock import SystemClock

VARIABLE: Final = "PEPYS_TEST_KILL"
SLOW: Final = "PEPYS_TEST_SLOW"
ANY: Final = "any"
_AREAS: Final = ("open", "blobs", "heads", "journals", "keys", "removing", "locks")
_TARGET = os.environ.get(VARIABLE, "")
_SLOW = os.environ.get(SLOW, "")
seen: Counter[str] = Counter()


def aim(target: str) -> None:
    """Aim at a point of this process from now on; `*` only counts in `seen` which points are reached."""
    global _TARGET
    _TARGET = target
    seen.clear()


def reach(point: str) -> None:
    """Die here when a test asked for it, or wait."""
    if _SLOW and point.endswith(".synced"):
        _wait()
    if not _TARGET:
        return
    name, _, count = _TARGET.partition(":")
    seen[point] += 1
    times = seen.total() if name == ANY else seen[point] if name == point else 0
    if times == int(count or 1):
        # No clean-up, no flushing, no exit handlers: what a kill leaves is what the test looks at.
        if sys.platform != "win32":
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(137)


def about(call: str, where: Path | int) -> None:
    """Reach the point just before a call that changes the disk: of a path, or of an open file."""
    if _TARGET:
        reach(f"{_area(where)}.{call}")


def _area(where: Path | int) -> str:
    """The folder of a home that a path, or an open file, lies in."""
    if isinstance(where, int):
        try:
            where = Path(f"/proc/self/fd/{where}").readlink()
        except OSError:
            return "file"
    return next((name for name in reversed(where.parts) if name in _AREAS), "home")


def _wait() -> None:
    try:
        milliseconds = int(Path(_SLOW).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    SystemClock().sleep_ns(milliseconds * 1_000_000)
