"""A disk that is full: it takes no more than what is deleted on it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pepys.store.disk import Disk


class FullDisk(Disk):
    """The real disk, as if nothing was free."""

    def __init__(self) -> None:
        self.room = 0

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(data)
        return super().write(fd, data)

    def unlink(self, path: Path) -> None:
        size = path.stat().st_size
        super().unlink(path)
        self.room += size
