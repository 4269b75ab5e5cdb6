"""Durable files and locks between processes: the only calls of the store into the file system's finer points.

Invariants: `replace_file` leaves the old content or the new one, never a mixture, and the new one is durable when it
returns. A lock is gone with the process that held it. Operating system errors that a user can act on become
`StorageProblem`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pepys.errors import StorageProblem
from pepys.store.trigger import reach

_REMEDIES: Final = {
    errno.ENOSPC: "free some space on this disk, or choose another folder with --home",
    errno.EDQUOT: "free some of your quota, or choose another folder with --home",
    errno.EROFS: "choose a writable folder with --home",
    errno.EACCES: "make it readable and writable for you, or choose another folder with --home",
    errno.EPERM: "make it readable and writable for you, or choose another folder with --home",
    errno.ENOTDIR: "choose a folder with --home: a part of this path is a file",
    errno.EEXIST: "choose a folder with --home: a file of that name is in the way",
    errno.EIO: "the disk failed: copy what is left of it, then check it",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors inside into `StorageProblem` about `path`; a missing file passes as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "see that the folder exists, is yours and has space")
        raise StorageProblem(f"{path}: {error.strerror or error}", remedy) from error


def make_folder(folder: Path) -> None:
    """Make a folder, private to the user, and its parents; make their names durable."""
    if folder.is_dir():
        return
    with storage_errors(folder):
        make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if not folder.is_dir():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        sync_folder(folder.parent)


def private_file(path: str | Path, flags: int) -> int:
    """An `opener` for `open`: what it makes, only this user can read, whatever the umask."""
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o600)


def sync_data(fd: int) -> None:
    """Bring a file's bytes and length to the disk."""
    if sys.platform == "darwin":
        import fcntl

        # On this system fsync stops at the drive's own memory.
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif sys.platform == "linux":
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def sync_folder(folder: Path) -> None:
    """Bring names made, changed or removed in a folder to the disk."""
    if sys.platform == "win32":
        return  # NTFS journals names itself, and a folder cannot be opened there
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte: one call may take fewer than it was given."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def replace_file(path: Path, data: bytes, point: str) -> None:
    """Put `data` at `path`, atomically and durably; `point` prefixes the trigger points."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with storage_errors(path):
        make_folder(path.parent)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            try:
                write_all(fd, data)
                sync_data(fd)
            finally:
                os.close(fd)
            reach(f"{point}.written")
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        reach(f"{point}.renamed")
        sync_folder(path.parent)
        reach(f"{point}.durable")


def remove_file(path: Path) -> None:
    """Remove a file if it is there, durably."""
    with storage_errors(path), contextlib.suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


if sys.platform == "win32":
    import msvcrt

    _FAR: Final = 1 << 40  # locks there are mandatory: a byte that no file reaches keeps the content readable

    def lock_fd(fd: int, *, shared: bool = False, wait: bool = True) -> bool:
        """Lock an open file; False when somebody else holds it and `wait` is off. This system has no shared lock."""
        while True:
            os.lseek(fd, _FAR, os.SEEK_SET)
            try:
                msvcrt.locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
                continue
            return True

else:
    import fcntl

    def lock_fd(fd: int, *, shared: bool = False, wait: bool = True) -> bool:
        """Lock an open file until it is closed; False when somebody else holds it and `wait` is off."""
        operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(fd, operation)
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file `path`, made when missing, for the moment of the block."""
    with storage_errors(path):
        make_folder(path.parent)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with storage_errors(path):
            lock_fd(fd, shared=shared)
        yield
    finally:
        os.close(fd)
