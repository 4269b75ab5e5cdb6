"""Blobs as the sealed files they are, for who moves them between homes of one store: read and put byte for byte.

Invariants: nothing leaves a home, and nothing gets a name in one, that was not proven to hold what its name says; what
has a name is durable. Which blobs are to be moved, and that something refers to them afterwards, is the mover's part.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from blake3 import blake3

from pepys.errors import Damaged, NewerFormat, NotFound, StorageProblem
from pepys.store.blob_names import copy_of
from pepys.store.blob_port import blob_name
from pepys.store.blob_writer import INFO, MAGIC
from pepys.store.disk import NEW
from pepys.store.files import make_folder, storage_errors, write_all
from pepys.store.frames import open_all
from pepys.store.store import Store
from pepys.store.trigger import reach


class SealedBlobs:
    """The sealed files of one home's blobs; for any number of threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def exists(self, blob: str) -> bool:
        """Whether the blob's file lies in this home; one of which only the copy does is still to be brought."""
        return self._store.disk.is_file(self._store.path / blob_name(blob))

    def read(self, blob: str) -> bytes:
        """The file; its copy where it is not whole.

        Raises:
            NotFound: it is not there.
            Damaged: its content is not the one of its name.
        """
        path = self._store.path / blob_name(blob)
        try:
            return self.read_file(path, blob)
        except (NotFound, Damaged):
            with contextlib.suppress(NotFound, Damaged):
                return self.read_file(copy_of(path), blob)
            raise

    def read_file(self, path: Path, blob: str) -> bytes:
        """The bytes of one of a blob's two files; NotFound and Damaged as `read`."""
        try:
            with storage_errors(path):
                data = self._store.disk.read(path)
        except FileNotFoundError:
            raise NotFound(f"the blob {blob} is missing", "pepys verify tells what it is part of") from None
        self.prove(blob, data)
        return data

    def prove(self, blob: str, data: bytes) -> None:
        """Prove that `data` is a file of this store with the content that the name says.

        Raises:
            Damaged: it is not.
        """
        content, keys = blake3(key=self._store.keys.id_key), self._store.keys
        remedy = "pepys verify tells what it is part of"
        try:
            for piece in open_all(data, keys.blob_key, INFO, MAGIC):
                content.update(piece)
        except NewerFormat as error:
            raise error.about(f"the blob {blob}") from error
        except ValueError as error:
            raise Damaged(f"the blob {blob} is damaged: {error}", remedy) from error
        if f"b3-{content.hexdigest()}" != blob:
            raise Damaged(f"the blob {blob} is damaged: its content is not the one of its name", remedy)

    def put(self, blob: str, data: bytes, *, twice: bool = False) -> bool:
        """Keep a file that another home of this store sealed, `twice` with a copy; durable when it returns.

        Returns:
            Whether it was not there yet.

        Raises:
            Damaged: its content is not the one of the name.
            StorageProblem: it cannot be written, or the home is gone.
        """
        self.prove(blob, data)
        store, disk = self._store, self._store.disk
        if not disk.is_folder(store.path / "keys"):
            raise StorageProblem(f"the home {store.path} is gone", "mount it again, or move it back")
        if self.exists(blob):
            with contextlib.suppress(NotFound), store.blobs.referring([blob]):
                return False
        # As in `BlobStore.put`, what a kill leaves is brought anew.
        if twice:
            self._place(blob, data, copy=True)
        self._place(blob, data)
        with storage_errors(store.path / blob_name(blob)):
            disk.sync_folder((store.path / blob_name(blob)).parent)
        return True

    def _place(self, blob: str, data: bytes, *, copy: bool = False) -> None:
        """Write a file and give it the blob's name, or its copy's; the name is not yet durable."""
        store, disk = self._store, self._store.disk
        path = store.path / "blobs" / "open" / f"put-{secrets.token_hex(8)}"
        with storage_errors(store.path / blob_name(blob)):
            make_folder(path.parent, disk)
            fd = disk.open(path, NEW)
            try:
                try:
                    write_all(fd, data, disk)
                    disk.sync_data(fd)
                finally:
                    disk.close(fd)
                reach("blob.taken")
                store.blobs.accept(path, blob, copy=copy)
            except BaseException:
                with contextlib.suppress(OSError):
                    disk.unlink(path)
                raise
            reach("blob.kept")
