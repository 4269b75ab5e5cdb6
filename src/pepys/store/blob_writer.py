"""A blob while it grows: an open file of sealed frames that gets its name when it is sealed.

Invariants: what `sync` returned from survives a kill and a power cut; the file is never written twice; from the moment
that it is a blob until something durable refers to that, recovery can tell which blob it became: the file has both
names, or, where a file system gives none a second one, a note beside the open files (`<name>.sealed`) tells it. What
is sealed goes through room of one frame, so that memory does not grow with what is appended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from blake3 import blake3

from pepys.errors import StorageProblem
from pepys.limits import BLOB_BYTES, SEALED_FRAME_BYTES
from pepys.store.disk import DISK, NEW, Disk
from pepys.store.files import make_folder, storage_errors, write_all
from pepys.store.sealing import FRAME_OVERHEAD, HEADER_BYTES, Sealer, header
from pepys.store.trigger import reach

MAGIC: Final = b"PPBL"
INFO: Final = "pepys blob"


class BlobWriter:
    """Appends to one open blob; for one thread at a time. `BlobStore.writer` makes it."""

    def __init__(
        self,
        path: Path,
        keys: tuple[bytes, bytes],
        name: Callable[[Path, str], None],
        *,
        blob: str | None = None,
        disk: Disk = DISK,
    ) -> None:
        """Open `path`, which must not exist; `keys` are (id key, blob key), `name` gives a finished file its blob's.

        Where it is known which `blob` comes of it, that is not found out again, and nobody will look for `path` after
        a power cut: that saves a sync.
        """
        self.name = path.name
        self.offset = 0
        self._path = path
        self._give_name = name
        self._disk = disk
        self._blob = blob
        self._hash = None if blob is not None else blake3(key=keys[0])
        self._sealer = Sealer(keys[1], INFO)
        self._file_bytes = HEADER_BYTES
        self._room = memoryview(bytearray(SEALED_FRAME_BYTES + FRAME_OVERHEAD))
        self._broken = self._lost = False
        self._unsynced = True
        with storage_errors(path):
            make_folder(path.parent, disk)
            self._fd: int | None = disk.open(path, NEW)
            try:
                write_all(self._fd, header(MAGIC, self._sealer.salt), disk)
                if blob is None:  # the name must be durable before anything in the file is called so
                    disk.sync_folder(path.parent)
            except BaseException:
                self.discard()
                raise
        reach("blob.opened")

    def append(self, data: bytes) -> int:
        """Write `data` as sealed frames of its own; returns the plaintext offset where it begins. Not yet durable.

        Raises:
            StorageProblem: the blob would pass its limit, or the disk refused; it then holds what it held before and
                can only be sealed or discarded.
        """
        if self.offset + len(data) > BLOB_BYTES:
            raise StorageProblem(f"the blob {self.name} would pass {BLOB_BYTES} bytes", "begin another segment")
        self._refuse_lost()
        if self._broken:
            raise StorageProblem(f"the blob {self.name} took no more after a failed write", "begin another segment")
        start, fd = self.offset, self._descriptor()
        view, file_bytes = memoryview(data), self._file_bytes
        content = None if self._hash is None else self._hash.copy()
        if content is not None:
            content.update(data)
        self._unsynced = True
        with storage_errors(self._path):
            try:
                for at in range(0, len(data), SEALED_FRAME_BYTES):
                    sealed = self._sealer.seal_into(view[at : at + SEALED_FRAME_BYTES], self._room)
                    write_all(fd, sealed, self._disk)
                    file_bytes += len(sealed)
                # In one step: an interrupt comes before all of it or after.
                self._hash, self.offset, self._file_bytes = content, start + len(data), file_bytes
            except BaseException:
                # The numbers of these frames are used up: nothing more may follow, and nothing torn may stay.
                self._broken = self._lost = True
                self._disk.truncate(fd, self._file_bytes)
                self._lost = False
                raise
        reach("blob.appended")
        return start

    def sync(self) -> None:
        """Make everything appended durable.

        Raises:
            StorageProblem: the disk failed. What was appended since the last time may be lost although a later call
                would succeed, as the system forgets what it could not write: the blob takes no more, and only
                recovery can name it.
        """
        self._refuse_lost()
        with storage_errors(self._path):
            self._sync(self._descriptor())
        reach("blob.synced")

    def seal(self) -> str:
        """Make it durable and immutable under its id, which is returned. The writer is then finished.

        Raises:
            StorageProblem: the disk failed, now or in a `sync` before; the open file is then left to recovery.
        """
        self._refuse_lost()
        blob = self._blob if self._hash is None else f"b3-{self._hash.hexdigest()}"
        assert blob is not None
        with storage_errors(self._path):
            fd = self._descriptor()
            if self._unsynced:  # a sync of nothing is still an order to the disk to empty its own memory
                self._sync(fd)
            self._disk.close(fd)
            self._fd = None
            self._give_name(self._path, blob)
        reach("blob.sealed")
        return blob

    def discard(self) -> None:
        """Close and delete the open file."""
        if self._fd is not None:
            self._disk.close(self._fd)
            self._fd = None
        with contextlib.suppress(FileNotFoundError):
            self._disk.unlink(self._path)

    def close(self) -> None:
        """Close the open file as it is, for recovery to seal; a finished writer stays finished."""
        if self._fd is not None:
            self._disk.close(self._fd)
            self._fd = None

    def _sync(self, fd: int) -> None:
        self._lost = True
        self._disk.sync_data(fd)
        self._lost = self._unsynced = False

    def _refuse_lost(self) -> None:
        if self._lost:
            raise StorageProblem(f"the disk lost a part of the blob {self.name}", "resume the session; check the disk")

    def _descriptor(self) -> int:
        if self._fd is None:
            raise ValueError(f"the blob {self.name} is sealed or discarded")
        return self._fd
