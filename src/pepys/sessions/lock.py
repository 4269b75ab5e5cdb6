"""The lock that makes a process the one host of a home.

Held as an flock on `run/host.lock` for the life of the host, so that the kernel frees it when the host dies. The file
itself stays: removing it would let two processes lock two files of one name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pepys.errors import Busy, StorageProblem
from pepys.store.files import make_folder

if sys.platform != "win32":
    import fcntl


class HostLock:
    """Taken when made; `release` gives it up.

    Raises:
        Busy: another process holds it.
        StorageProblem: the file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "host.lock"
        try:
            make_folder(folder)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StorageProblem(
                f"{path} cannot be written: {error.strerror}", "choose a folder that can be written with --home"
            ) from error
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._file)
                raise Busy(
                    f"another pepys holds {folder.parent} (a daemon, or a recording)",
                    "use `pepys start`, `stop` and `status` to steer it, or another --home",
                ) from error

    def release(self) -> None:
        """Give it up; once."""
        os.close(self._file)
