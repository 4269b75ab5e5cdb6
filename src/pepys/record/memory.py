"""How much memory the recorder takes, and when that is too much: a leak must not take the machine with it.

Free memory goes back once a minute: pictures and sound of all lengths, which come and go for hours, leave gaps between
what stays, and the process would grow by them though nothing is kept.

The limit is what the user allows, or twice what the recorder took once its sources were open where that is more: many
large sources are no leak.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

from pepys import heap, limits

_STATM: Final = Path("/proc/self/statm")


def resident_bytes() -> int:
    """The memory of this process that is in use, shared pages too; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """Looks at the memory now and then.

    Attributes:
        resident_bytes: as it was looked at last.
        limit_bytes: what it may come to; until the sources have been open for a while, what the user allows.
    """

    def __init__(self, allowed_bytes: int) -> None:
        self.resident_bytes = 0
        self.limit_bytes = allowed_bytes
        self._looks = 0

    def look(self) -> bool:
        """Look; whether it is too much. Free memory goes back once a minute."""
        if self._looks % limits.MEMORY_TRIM_LOOKS == 0:
            heap.trim()
        self.resident_bytes = resident_bytes()
        self._looks += 1
        if self._looks == limits.MEMORY_SETTLED_LOOKS:
            self.limit_bytes = max(self.limit_bytes, 2 * self.resident_bytes)
        return self._looks > limits.MEMORY_SETTLED_LOOKS and self.resident_bytes > self.limit_bytes

    @property
    def beyond_help(self) -> bool:
        """Whether it is so much that the recording has to end, if nobody starts it anew."""
        return self._looks > limits.MEMORY_SETTLED_LOOKS and self.resident_bytes > 2 * self.limit_bytes

    def to_json(self) -> dict[str, Any]:
        """The `memory` part of a status."""
        return {"rss_bytes": self.resident_bytes, "limit_bytes": self.limit_bytes}
