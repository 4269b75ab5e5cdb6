"""The adapter of a folder: another disk, a mounted share, a stick.

Owns everything below its root. Invariants: a name exists only for a file that is whole and durable (temporary file,
its bytes synced, renamed, the folder synced); nothing outside the root is read, written or made, also where somebody
put a link into it; a killed call leaves at most a file in `.part`, which the next writer an hour later takes away.
Making and replacing hold the lock `.lock` of the root for a moment, because not every file system of a stick or share
has links that make a file only where there is none.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pepys.clock import Clock, SystemClock
from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.limits import STRAY_NS
from pepys.remote_limits import REMOTE_FILE_BYTES
from pepys.store.blob_port import (
    Capabilities,
    Held,
    Overtaken,
    Version,
    check_bytes,
    check_name,
    check_prefix,
    check_range,
    check_size,
    is_name,
)
from pepys.store.disk import DISK, NEW, READ, Disk
from pepys.store.files import locked, make_folder, remove_file, storage_errors, write_all
from pepys.store.trigger import reach

_PART: Final = ".part"
_DEPTH: Final = 16
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_OTHER_PLACE: Final = "or name another place for the remote; what was brought there stays"
_STRAY: Final = re.compile("[0-9a-f]{24}")


class FolderAdapter:
    """A folder, made when something is put there. `BlobAdapter` tells the contract."""

    def __init__(self, root: Path, *, disk: Disk = DISK, clock: Clock | None = None) -> None:
        self._root = root
        self._disk = disk
        self._clock = clock or SystemClock()
        self._swept = False
        self._seen = False

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._root)

    @property
    def capabilities(self) -> Capabilities:
        """Lasting and near."""
        return Capabilities(kind="folder", distant=False, lasting=True, at_once=1)

    def put(self, name: str, data: bytes) -> bool:
        """See `BlobAdapter.put`."""
        path = self._path(name)
        check_bytes(data)
        with self._staying(path):
            if self._there(path):
                self._disk.sync_folder(path.parent)
                return False
            part = self._write(data)
            try:
                with self._locked():
                    if self._there(path):
                        # Who made it may not have come to that yet.
                        self._disk.sync_folder(path.parent)
                        return False
                    self._name(part, path)
            finally:
                self._drop(part)
        return True

    def replace(self, name: str, data: bytes, version: Version | None) -> Version:
        """See `BlobAdapter.replace`."""
        path = self._path(name)
        check_bytes(data)
        with self._staying(path):
            part = self._write(data)
            try:
                with self._locked():
                    now = _version(self._read(name, path)) if self._there(path) else None
                    if now != version:
                        raise Overtaken(f"{name} in {self.place} was replaced by somebody else", "try again")
                    self._name(part, path)
            finally:
                self._drop(part)
        return _version(data)

    def read(self, name: str, size: int | None = None) -> bytes:
        """See `BlobAdapter.read`."""
        path = self._path(name)
        with self._errors(name, path):
            # Before it is taken into memory.
            check_size(name, self.place, self._disk.stat(path).st_size, None)
        data = self._read(name, path)
        check_size(name, self.place, len(data), size)
        return data

    def read_version(self, name: str) -> tuple[bytes, Version]:
        """See `BlobAdapter.read_version`."""
        data = self.read(name)
        return data, _version(data)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See `BlobAdapter.read_range`."""
        check_range(offset, length)
        path = self._path(name)
        with self._errors(name, path):
            fd = self._disk.open(path, READ)
            try:
                return self._disk.pread(fd, length, offset)
            finally:
                self._disk.close(fd)

    def size(self, name: str) -> int:
        """See `BlobAdapter.size`."""
        path = self._path(name)
        with self._errors(name, path):
            if self._disk.is_folder(path):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return self._disk.stat(path).st_size

    def delete(self, name: str) -> bool:
        """See `BlobAdapter.delete`."""
        path = self._path(name)
        with storage_errors(path):
            if not self._there(path):
                return False
        remove_file(path, self._disk)
        return True

    def names(self, prefix: str = "", after: str = "") -> Iterator[Held]:
        """See `BlobAdapter.names`; in the order of the names' bytes."""
        check_prefix(prefix)
        self._stay()
        return self._below(self._root, "", prefix, after, _DEPTH)

    def close(self) -> None:
        """Nothing is open."""

    # --- within

    def _path(self, name: str) -> Path:
        """Where the file lies.

        Raises:
            Usage: it is no name.
            StorageProblem: a link below the root leads out of it, or in circles; or the root is gone.
        """
        parts = check_name(name).split("/")
        self._stay()
        path = self._root
        for part in parts:
            path = _no_link(path / part)
        return path

    def _stay(self) -> None:
        there = self._disk.is_folder(self._root)
        if not there and self._disk.exists(self._root) and not self._disk.is_folder(self._root):
            raise StorageProblem(f"{self._root} is a file, not a folder", "name a folder, or mount its disk")
        # What is not mounted is not made anew on the disk below.
        if not there and (self._seen or not self._disk.is_folder(self._root.parent)):
            gone = "is gone" if self._seen else "is not there"
            raise StorageProblem(f"{self._root} {gone}", "mount its disk, or make the folder")
        self._seen = there

    def _there(self, path: Path) -> bool:
        if self._disk.is_folder(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return self._disk.is_file(path)

    def _write(self, data: bytes) -> Path:
        """Write a durable file without a name yet."""
        folder = _no_link(self._root / _PART)
        make_folder(folder, self._disk)
        self._seen = True
        self._sweep(folder)
        part = folder / secrets.token_hex(12)
        fd = self._disk.open(part, NEW)
        try:
            write_all(fd, data, self._disk)
            self._disk.sync_data(fd)
        except OSError:
            self._drop(part)
            raise
        finally:
            self._disk.close(fd)
        reach("remote.written")
        return part

    def _name(self, part: Path, path: Path) -> None:
        make_folder(path.parent, self._disk)
        self._disk.replace(part, path)
        reach("remote.renamed")
        self._disk.sync_folder(path.parent)
        reach("remote.durable")

    def _drop(self, part: Path) -> None:
        with contextlib.suppress(OSError):
            self._disk.unlink(part)

    def _sweep(self, folder: Path) -> None:
        if self._swept:
            return
        self._swept = True
        before = self._clock.wall_ns() - STRAY_NS
        for name, stat in self._disk.stats(folder):
            # Nothing but what `_write` makes: who else put files there keeps them.
            if stat.st_mtime_ns < before and _STRAY.fullmatch(name) and not (folder / name).is_symlink():
                self._drop(folder / name)

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return locked(_no_link(self._root / ".lock"), disk=self._disk)

    @contextlib.contextmanager
    def _staying(self, path: Path) -> Iterator[None]:
        try:
            with storage_errors(path):
                yield
        except StorageProblem as error:
            # What helps a home does not help here.
            number = getattr(error.__cause__, "errno", None)
            if number in _FULL:
                raise StorageProblem(error.message, f"free some space there, {_OTHER_PLACE}") from error
            if number in _REFUSED:
                raise StorageProblem(error.message, f"make it writable, {_OTHER_PLACE}") from error
            raise
        except FileNotFoundError as error:
            raise StorageProblem(f"{self._root} is gone", "mount its disk, then try again") from error

    @contextlib.contextmanager
    def _errors(self, name: str, path: Path) -> Iterator[None]:
        try:
            with storage_errors(path):
                yield
        except FileNotFoundError:
            raise NotFound(f"{name} is not in {self.place}", "push it first") from None
        except Damaged:
            # To an object store a folder is only the beginning of names.
            if self._disk.is_folder(path):
                raise NotFound(f"{name} is not in {self.place}", "push it first") from None
            raise

    def _read(self, name: str, path: Path) -> bytes:
        with self._errors(name, path):
            # One byte more tells that it is too long, and no more of it is taken into memory.
            return self._disk.read(path, 0, REMOTE_FILE_BYTES + 1)

    def _below(self, folder: Path, path: str, prefix: str, after: str, depth: int) -> Iterator[Held]:
        try:
            with storage_errors(folder):
                found = self._disk.stats(folder)
        except FileNotFoundError:
            return
        kept = ((name, stat, folder / name) for name, stat in found if is_name(path + name))
        entries = [(f"{path}{name}/" if _is_folder(stat.st_mode) else path + name, stat, at) for name, stat, at in kept]
        for name, stat, at in sorted(entries, key=lambda entry: entry[0]):
            if name.endswith("/"):
                wanted = name.startswith(prefix) or prefix.startswith(name)
                passed = after > name and not after.startswith(name)
                # A link is not followed: it may lead out, or in circles.
                if wanted and not passed and depth and not at.is_symlink():
                    yield from self._below(at, name, prefix, after, depth - 1)
            elif name.startswith(prefix) and name > after and _is_file(stat.st_mode) and not at.is_symlink():
                yield Held(name, stat.st_size)


def _no_link(path: Path) -> Path:
    if path.is_symlink():
        raise StorageProblem(f"{path} is a link", "put a folder or a file in the place of the link")
    return path


def _is_folder(mode: int) -> bool:
    return mode & 0o170000 == 0o040000


def _is_file(mode: int) -> bool:
    return mode & 0o170000 == 0o100000


def _version(data: bytes) -> Version:
    return hashlib.sha256(data).hexdigest()
