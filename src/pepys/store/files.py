"""Durable files and locks between processes: what the store makes of the plain calls of its disk.

Invariants: `replace_file` leaves the old content or the new one, never a mixture, and the new one is durable when it
returns. A lock is gone with the process that held it. Operating system errors that a user can act on become
`StorageProblem`. Of a home that this process has opened no folder is made once it is gone: on the disk below the one
that was unmounted nothing of it begins.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pepys.clock import SystemClock
from pepys.errors import Busy, Damaged, StorageProblem
from pepys.store.disk import DISK, LOCK, NEW, Disk, NoFile
from pepys.store.trigger import reach

_LOOK_NS: Final = 20_000_000
_ROOTS: Final = ("keys", "heads", "journals")
"""A home has one of these folders, or it is not there."""
_OPENED: Final[set[Path]] = set()
"""The homes that this process has opened."""
_REMEDIES: Final = {
    errno.ENOSPC: "free some space on this disk, or choose another folder with --home",
    errno.EDQUOT: "free some of your quota, or choose another folder with --home",
    errno.EROFS: "choose a writable folder with --home",
    errno.EACCES: "make it readable and writable for you, or choose another folder with --home",
    errno.EPERM: "make it readable and writable for you, or choose another folder with --home",
    errno.ENOTDIR: "choose a folder with --home: a part of this path is a file",
    errno.EEXIST: "choose a folder with --home: a file of that name is in the way",
    errno.ELOOP: "put a folder in its place: its links go in circles",
    errno.EIO: "the disk failed: copy what is left of it, then check it",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors inside into `StorageProblem` about `path`; a missing file passes as it is.

    Raises:
        Damaged: a file was to be opened, and something else has its name.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except NoFile as error:
        raise Damaged(f"{path} is no file", f"move it away ({moved_away(path)}), and restore the file") from error
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "see that the folder exists, is yours and has space")
        raise StorageProblem(f"{path}: {error.strerror or error}", remedy) from error


def moved_away(path: Path) -> str:
    """The command that moves what has a file's name out of the way, as a user types it."""
    return f"mv {shlex.quote(str(path))} ~/"


def stays(home: Path) -> None:
    """A home was opened: from now on none of its folders is made where it is no more."""
    _OPENED.add(home)


def begins(home: Path) -> None:
    """A home is to be made at a place where another may have been."""
    _OPENED.discard(home)


def make_folder(folder: Path, disk: Disk = DISK) -> None:
    """Make a folder, private to the user, and its parents; make their names durable.

    Raises:
        StorageProblem: it cannot be made, or is one of a home that was opened here and is gone.
    """
    if disk.is_folder(folder):
        return
    for home in (folder, *folder.parents):
        if home in _OPENED and not any(disk.is_folder(home / name) for name in _ROOTS):
            raise StorageProblem(f"the home {home} is gone", "mount its disk again, or move it back")
    with storage_errors(folder):
        make_folder(folder.parent, disk)
        with contextlib.suppress(FileExistsError):
            disk.mkdir(folder)
        if not disk.is_folder(folder):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        disk.sync_folder(folder.parent)


def private_file(path: str | Path, flags: int) -> int:
    """An `opener` for `open`: what it makes, only this user can read, whatever the umask."""
    return DISK.open(path, flags)


def sync_data(fd: int) -> None:
    """Bring a file's bytes and length to the disk; for files that lie in no home."""
    DISK.sync_data(fd)


def sync_folder(folder: Path) -> None:
    """Bring names made, changed or removed in a folder to the disk; for folders that lie in no home."""
    DISK.sync_folder(folder)


def write_all(fd: int, data: bytes | memoryview, disk: Disk = DISK) -> None:
    """Write every byte: one call may take fewer than it was given."""
    taken = disk.write(fd, data)
    while taken < len(data):
        taken += disk.write(fd, memoryview(data)[taken:])


def replace_file(path: Path, data: bytes, point: str, disk: Disk = DISK) -> None:
    """Put `data` at `path`, atomically and durably; `point` prefixes the trigger points."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with storage_errors(path):
        make_folder(path.parent, disk)
        fd = disk.open(temporary, NEW)
        try:
            try:
                write_all(fd, data, disk)
                disk.sync_data(fd)
            finally:
                disk.close(fd)
            reach(f"{point}.written")
            disk.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                disk.unlink(temporary)
            raise
        reach(f"{point}.renamed")
        disk.sync_folder(path.parent)
        reach(f"{point}.durable")


def remove_file(path: Path, disk: Disk = DISK) -> None:
    """Remove a file if it is there, durably."""
    with storage_errors(path), contextlib.suppress(FileNotFoundError):
        disk.unlink(path)
        disk.sync_folder(path.parent)


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, disk: Disk = DISK, within_s: float | None = None) -> Iterator[None]:
    """Hold the lock file `path`, made when missing, for the moment of the block.

    Raises:
        Busy: somebody else held it for all of `within_s`; without it the wait has no end.
    """
    with storage_errors(path):
        make_folder(path.parent, disk)
        fd = disk.open(path, LOCK)
    try:
        with storage_errors(path):
            if within_s is None:
                disk.lock(fd, shared=shared)
            else:
                _lock_within(path, fd, within_s, shared=shared, disk=disk)
        yield
    finally:
        disk.close(fd)


def _lock_within(path: Path, fd: int, within_s: float, *, shared: bool, disk: Disk) -> None:
    clock = SystemClock()
    until = clock.awake_ns() + int(within_s * 1e9)
    while not disk.lock(fd, shared=shared, wait=False):
        if clock.awake_ns() >= until:
            raise Busy(f"another process holds {path}", "wait for it, then try again")
        clock.sleep_ns(_LOOK_NS)
