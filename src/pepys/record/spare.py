"""A little room kept on the disk, so that a session can be ended in order when nothing else fits any more.

The file has no name: its room is given back when it is closed, also by a kill. Where the system only makes files with
names, one that a kill left before it lost its name is deleted by the next recorder.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from pepys import limits

_PREFIX: Final = "spare-"


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
                self._fd = self._nameless()
                os.posix_fallocate(self._fd, 0, limits.SPARE_BYTES)
            with contextlib.suppress(OSError):
                for left in self._folder.glob(f"{_PREFIX}*"):
                    left.unlink(missing_ok=True)

    def _nameless(self) -> int:
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                return os.open(self._folder, os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
        fd, path = tempfile.mkstemp(prefix=_PREFIX, dir=self._folder)
        Path(path).unlink(missing_ok=True)
        return fd

    def free(self) -> None:
        """Give it back."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)
