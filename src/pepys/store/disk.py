"""The seam to the disk: every call by which the store touches its own files, each as thin as the system's own.

Whatever owns files in the store takes a `disk` and calls it by its name; nothing else there opens, writes, renames or
deletes one. So a test can put a disk in its place that fails, forgets and tears (tests/simulated_disk.py). Invariants:
a method is one call of the system, or a loop of reads; it raises what the system raises, as `OSError`; it keeps no
state. What is opened is a regular file, or a link to one: a FIFO, a device or a folder in its place is `NoFile` and
keeps nobody waiting. Left out are databases, which SQLite writes by itself. What is made of these calls (durable
replacement, locks between processes, errors in the user's words) is `pepys.store.files`.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Final

from pepys.store.trigger import about

READ: Final = os.O_RDONLY
WRITE: Final = os.O_RDWR
"""Open what is there, to read and write; it stands at its beginning."""
NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL
"""Make a file that must not be there."""
LOCK: Final = os.O_RDWR | os.O_CREAT
"""Make a file or take the one that is there: lock files have no content."""

_ALWAYS: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# Opening a FIFO waits for its other side otherwise, and a terminal could become this process's own.
_AT_ONCE: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_FILE: Final = frozenset({errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENODEV})

if sys.platform == "win32":
    import msvcrt

    _FAR: Final = 1 << 40  # locks there are mandatory: a byte that no file reaches keeps the content readable
else:
    import fcntl


class NoFile(OSError):
    """What is there under a file's name is none: a folder, a FIFO, a socket, a device, a link that goes in circles."""


class Disk:
    """The real disk. Descriptors are the system's numbers."""

    # --- open files

    def open(self, path: str | Path, flags: int) -> int:
        """Open a file, with `READ`, `WRITE`, `NEW` or `LOCK`; what is made, only this user can read.

        Raises:
            NoFile: with `READ` or `WRITE`, where something else is in its place.
        """
        if flags not in {READ, WRITE}:
            return os.open(path, flags | _ALWAYS, 0o600)
        try:
            fd = os.open(path, flags | _ALWAYS | _AT_ONCE)
        except OSError as error:
            if error.errno in _NO_FILE:
                raise NoFile(error.errno, error.strerror, str(path)) from None
            raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise NoFile(errno.EINVAL, "it is no file", str(path))
        return fd

    def close(self, fd: int) -> None:
        """Close a file; its locks are gone with it."""
        os.close(fd)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Write where the file stands; returns how many bytes were taken, which may be fewer than were given."""
        about("write", fd)
        return os.write(fd, data)

    def pread(self, fd: int, length: int, at: int) -> bytes:
        """Read `length` bytes at `at`; fewer where the file ends."""
        if sys.platform != "win32":
            return os.pread(fd, length, at)
        # Seeking is safe there, as every reader has a descriptor of its own.
        os.lseek(fd, at, os.SEEK_SET)
        return os.read(fd, length)

    def truncate(self, fd: int, length: int) -> None:
        """Cut a file, and stand at its new end."""
        about("truncate", fd)
        os.ftruncate(fd, length)
        os.lseek(fd, 0, os.SEEK_END)

    def fstat(self, fd: int) -> os.stat_result:
        """What the system knows of an open file."""
        return os.fstat(fd)

    def sync_data(self, fd: int) -> None:
        """Bring a file's bytes and length to the disk."""
        about("sync_data", fd)
        if sys.platform == "darwin":
            # On this system fsync stops at the drive's own memory.
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        elif sys.platform == "linux":
            os.fdatasync(fd)
        else:
            os.fsync(fd)

    if sys.platform == "win32":

        def lock(self, fd: int, *, shared: bool = False, wait: bool = True) -> bool:
            """Lock an open file; False when somebody else holds it and `wait` is off. No lock is shared here."""
            stood = os.lseek(fd, 0, os.SEEK_CUR)
            try:
                while True:
                    os.lseek(fd, _FAR, os.SEEK_SET)
                    try:
                        msvcrt.locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
                    except OSError:
                        if not wait:
                            return False
                        continue
                    return True
            finally:
                os.lseek(fd, stood, os.SEEK_SET)

    else:

        def lock(self, fd: int, *, shared: bool = False, wait: bool = True) -> bool:
            """Lock an open file until it is closed; False when somebody else holds it and `wait` is off."""
            operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
            try:
                fcntl.flock(fd, operation)
            except BlockingIOError:
                return False
            return True

    # --- names

    def read(self, path: Path, start: int = 0, length: int = -1) -> bytes:
        """The bytes of a file from `start`: all, or at most `length`."""
        with open(self.open(path, READ), "rb") as file:  # noqa: PTH123 - of a descriptor
            if start:
                file.seek(start)
            return file.read(length)

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name, which may be another file's."""
        about("replace", target)
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, which must be new; not every file system can."""
        about("link", target)
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """Delete a file, or one of its names."""
        about("unlink", path)
        path.unlink()

    def touch(self, path: Path) -> None:
        """Set a file's times to now."""
        about("touch", path)
        os.utime(path)

    def stat(self, path: Path) -> os.stat_result:
        """What the system knows of a name; of a link that goes in circles, what it knows of the link."""
        try:
            return path.stat()
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return path.lstat()

    def exists(self, path: Path) -> bool:
        """Whether there is something of that name."""
        return path.exists()

    def is_file(self, path: Path) -> bool:
        """Whether there is a file of that name."""
        return path.is_file()

    # --- folders

    def mkdir(self, folder: Path) -> None:
        """Make a folder, private to the user."""
        about("mkdir", folder)
        folder.mkdir(mode=0o700)

    def rmdir(self, folder: Path) -> None:
        """Delete an empty folder."""
        about("rmdir", folder)
        folder.rmdir()

    def is_folder(self, folder: Path) -> bool:
        """Whether there is a folder of that name."""
        return folder.is_dir()

    def is_writable(self, folder: Path) -> bool:
        """Whether this user may write there; a full disk shows only on writing."""
        return os.access(folder, os.W_OK)

    def listing(self, folder: Path) -> list[str]:
        """The names in a folder, in no order."""
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]

    def stats(self, folder: Path) -> list[tuple[str, os.stat_result]]:
        """The names in a folder, each with its `stat`, at a third of what asking for each would cost.

        One that is deleted meanwhile is left out.
        """
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                try:  # not `contextlib.suppress`: ten thousand of those are a sixth of the time
                    found.append((entry.name, entry.stat()))
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if error.errno != errno.ELOOP:
                        raise
                    found.append((entry.name, entry.stat(follow_symlinks=False)))
        return found

    def sync_folder(self, folder: Path) -> None:
        """Bring names made, changed or removed in a folder to the disk."""
        if sys.platform == "win32":
            return  # NTFS journals names itself, and a folder cannot be opened there
        about("sync_folder", folder)
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


DISK: Final = Disk()
