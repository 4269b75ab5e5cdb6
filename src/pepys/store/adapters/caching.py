"""The adapter that keeps what was read: whole sealed blobs in a bounded folder, the least recently used go first.

Owns the folder. Invariants: only blobs are kept, as their bytes never change; each lies behind a hash of its bytes, so
that a file that was cut by a kill or a power cut, or changed, is taken away and read anew; the folder never needs more
than its limit and one file. Several processes may share it. It is a convenience: where it cannot be written, reading
goes on without it. Nothing in it is plaintext.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from pepys.clock import Clock, SystemClock
from pepys.errors import Damaged, StorageProblem
from pepys.limits import STRAY_NS
from pepys.model.ids import is_blob_id
from pepys.remote_limits import REMOTE_CACHE_BYTES, REMOTE_FILE_BYTES
from pepys.store.adapters.around import Around
from pepys.store.blob_port import BlobAdapter, blob_of, check_range, check_size
from pepys.store.disk import DISK, NEW, Disk
from pepys.store.files import make_folder, storage_errors, write_all

_HASH_BYTES: Final = 32
_BLOCK: Final = 4096
_PART: Final = ".part-"
_SCANS: Final = 8
"""The folder is looked at again after so many parts of its limit were added: another process may add to it too."""


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What the cache did up to one moment: reads it answered and did not, files it let go, bytes it has on disk."""

    hits: int
    misses: int
    evicted: int
    kept_bytes: int


class Caching(Around):
    """A cache before `inner`.

    Args:
        inner: what is read where the cache has nothing.
        folder: where it keeps files; made when the first one is kept.
        limit_bytes: of disk, for all of them.
        disk: what the folder lies on.
        clock: the time.
    """

    def __init__(
        self,
        inner: BlobAdapter,
        folder: Path,
        limit_bytes: int = REMOTE_CACHE_BYTES,
        *,
        disk: Disk = DISK,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(inner)
        self._folder = folder
        self._limit = limit_bytes
        self._disk = disk
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, int] | None = None
        self._bytes = self._added = 0
        self._hits = self._misses = self._evicted = 0

    def statistics(self) -> CacheStatistics:
        """What it did so far; does not change any more."""
        with self._lock:
            return CacheStatistics(self._hits, self._misses, self._evicted, self._bytes)

    def read(self, name: str, size: int | None = None) -> bytes:
        """See `BlobAdapter.read`; a blob comes from the cache where it is there."""
        blob = blob_of(name)
        if blob is None:
            return super().read(name, size)
        data = self._take(blob)
        if data is None:
            data = super().read(name, size)
            self._keep(blob, data)
        check_size(name, self.place, len(data), size)
        return data

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See `BlobAdapter.read_range`; of a blob the whole file is read and kept."""
        check_range(offset, length)
        if blob_of(name) is None:
            return super().read_range(name, offset, length)
        return self.read(name)[offset : offset + length]

    def delete(self, name: str) -> bool:
        """See `BlobAdapter.delete`."""
        blob = blob_of(name)
        if blob is not None:
            self.forget(blob)
        return super().delete(name)

    def forget(self, blob: str) -> None:
        """Take a blob out of the cache, as when its content proved to be wrong; the next read asks the inner one."""
        with self._lock:
            self._drop(blob)

    # --- within

    def _take(self, blob: str) -> bytes | None:
        path = self._folder / blob
        try:
            with storage_errors(path):
                data = self._disk.read(path, 0, _HASH_BYTES + REMOTE_FILE_BYTES + 1)
        except (FileNotFoundError, StorageProblem, Damaged):
            data = b""
        sound = len(data) >= _HASH_BYTES and blake3(data[_HASH_BYTES:]).digest() == data[:_HASH_BYTES]
        with self._lock:
            if not sound:
                self._misses += 1
                if data:
                    self._drop(blob)
                return None
            self._hits += 1
            if self._kept is not None and blob in self._kept:
                self._kept.move_to_end(blob)
        with contextlib.suppress(OSError):
            self._disk.touch(path)
        return data[_HASH_BYTES:]

    def _keep(self, blob: str, data: bytes) -> None:
        needed = _on_disk(_HASH_BYTES + len(data))
        if needed > self._limit:
            return
        # Read without the lock, so that several files come at once; kept one after the other.
        with self._lock, contextlib.suppress(OSError, StorageProblem):
            self._make_room(needed)
            part = self._folder / f"{_PART}{secrets.token_hex(8)}"
            try:
                fd = self._disk.open(part, NEW)
                try:
                    write_all(fd, blake3(data).digest(), self._disk)
                    write_all(fd, data, self._disk)
                finally:
                    self._disk.close(fd)
                self._disk.replace(part, self._folder / blob)
            except OSError:
                with contextlib.suppress(OSError):
                    self._disk.unlink(part)
                raise
            self._add(blob, needed)

    def _make_room(self, needed: int) -> None:
        """Let the least recently used go until `needed` bytes more fit."""
        make_folder(self._folder, self._disk)
        if self._kept is None or self._added > self._limit // _SCANS:
            self._scan()
        kept = self._kept or OrderedDict()
        while kept and self._bytes + needed > self._limit:
            self._drop(next(iter(kept)))
            self._evicted += 1

    def _scan(self) -> None:
        self._kept, self._bytes, self._added = OrderedDict(), 0, 0
        stray = self._clock.wall_ns() - STRAY_NS
        for name, stat in sorted(self._disk.stats(self._folder), key=lambda each: each[1].st_mtime_ns):
            if is_blob_id(name):
                self._kept[name] = _on_disk(stat.st_size)
                self._bytes += self._kept[name]
            elif name.startswith(_PART) and stat.st_mtime_ns < stray:
                # Of a process that was killed while it wrote.
                with contextlib.suppress(OSError):
                    self._disk.unlink(self._folder / name)

    def _add(self, blob: str, needed: int) -> None:
        if self._kept is not None:
            self._bytes += needed - self._kept.pop(blob, 0)
            self._kept[blob] = needed
            self._added += needed

    def _drop(self, blob: str) -> None:
        if self._kept is not None:
            self._bytes -= self._kept.pop(blob, 0)
        with contextlib.suppress(OSError):
            self._disk.unlink(self._folder / blob)


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
