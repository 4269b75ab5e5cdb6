"""A little room kept on the disk, so that a session can be ended in order when nothing else fits any more.

The file has no name: its room is given back when it is closed, also by a kill.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from pepys import limits


class Spare:
    """Room for the last events, the last manifest and its head."""

    def __init__(self, folder: Path) -> None:
        """Take the folder whose disk is meant."""
        self._folder = folder
        self._fd = -1

    def take(self) -> None:
        """Take the room; where the disk or the system gives none, there is none."""
        if self._fd < 0 and hasattr(os, "posix_fallocate"):
            with contextlib.suppress(OSError):
                fd, path = tempfile.mkstemp(prefix="spare-", dir=self._folder)
                Path(path).unlink()
                self._fd = fd
                os.posix_fallocate(fd, 0, limits.SPARE_BYTES)

    def free(self) -> None:
        """Give it back."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)
