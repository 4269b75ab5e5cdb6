"""Blobs: immutable, encrypted, named by the keyed hash of their plaintext.

Invariants: a name exists only for a file that is whole and durable; equal content is one file; a blob is at most
16 MiB. Reading all of a blob proves its hash; reading a range proves the frames it takes (AES-GCM). The name is keyed,
so that it tells nobody without the key what the content is. Who refers to a blob is not known here.

What tells of other blobs is stored twice, so that no flipped bit costs what it tells of: reading takes the copy where
the blob's own file is damaged, gone or cannot be read, and says nothing of it; `verify` does, and `twice` mends it.
"""

from __future__ import annotations

import contextlib
import io
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from blake3 import blake3

from pepys.errors import Damaged, NewerFormat, NotFound, PepysError, StorageProblem
from pepys.limits import BLOB_BYTES
from pepys.store.blob_names import LEFT, NOTE, BlobNames, copy_of
from pepys.store.blob_writer import INFO, MAGIC, BlobWriter
from pepys.store.disk import DISK, READ, WRITE, Disk
from pepys.store.files import locked, remove_file, storage_errors
from pepys.store.frames import open_all, open_file, opener, read_frame, read_span, walk
from pepys.store.keys import StoreKeys
from pepys.store.sealing import HEADER_BYTES, Opener
from pepys.store.trigger import reach

BlobId = str


class BlobStore:
    """The blobs of one home, under `blobs/`; open ones under `blobs/open/`. No remote is asked for any of them."""

    def __init__(self, home: Path, keys: StoreKeys, *, disk: Disk = DISK) -> None:
        self._names = BlobNames(home, keys, disk)
        self._keys = keys
        self._disk = disk

    # --- writing

    def put(self, data: bytes, *, twice: bool = False) -> BlobId:
        """Store `data`; durable when it returns. Content that is there already is kept as it is.

        With `twice` it gets a copy beside it: for what tells of other blobs.
        """
        self._names.stay()
        blob = self.id_of(data)
        copy = copy_of(self._names.path(blob))
        # A kill in between leaves one without the other: whole as far as it goes, and one blob for who sweeps.
        copied = twice and not self._disk.is_file(copy)
        if copied:
            self._write(data, blob, self._names.place_copy)
        try:
            if not self._names.keep(blob):
                self._write(data, blob, self._names.place)
        except StorageProblem:
            # A full disk gets back what was stored in vain.
            if copied and not self._disk.is_file(self._names.path(blob)):
                with contextlib.suppress(PepysError, OSError):
                    self.delete(blob)
            raise
        return blob

    def _write(self, data: bytes, blob: BlobId, name: Callable[[Path, str], None]) -> None:
        path = self._names.open_path(f"put-{secrets.token_hex(8)}")
        writer = BlobWriter(path, self._ids_and_blobs, name, blob=blob, disk=self._disk)
        try:
            writer.append(data)
            writer.sync()
            writer.seal()
        except BaseException:
            writer.discard()
            raise

    def writer(self, name: str) -> BlobWriter:
        """Begin a blob that grows in the open file `name`, which must be new.

        Raises:
            StorageProblem: it cannot be made, or the store is not where it was: another is not begun in its place.
        """
        self._names.stay()
        return BlobWriter(self._names.open_path(name), self._ids_and_blobs, self._names.name, disk=self._disk)

    @property
    def _ids_and_blobs(self) -> tuple[bytes, bytes]:
        return self._keys.id_key, self._keys.blob_key

    def id_of(self, data: bytes) -> BlobId:
        """The name that `data` has, or would have, in this store."""
        return f"b3-{blake3(data, key=self._keys.id_key).hexdigest()}"

    def recover_open(self, name: str, keep: int) -> BlobId:
        """Name what a dead writer left in the open file `name`: its whole frames within `keep` bytes of plaintext.

        Repeatable: a file that already became a blob gives that blob's id. A damaged frame ends the content before
        it: the blob's `size` tells how much there was.

        Raises:
            NotFound: there is neither such an open file nor a blob that it became.
            Damaged: its header is none.
        """
        path = self._names.open_path(name)
        if not self._disk.exists(path):
            blob = self._names.became(path)
            if blob is None:
                raise NotFound(f"the open blob {name} is not there", "pepys verify tells what is missing")
            return blob
        blob = self._names.linked(path)
        if blob is not None and self._names.keep(blob):
            return blob
        with storage_errors(path):
            fd = self._disk.open(path, WRITE)
            try:
                cipher, content, file_end = self._opener(fd, name), blake3(key=self._keys.id_key), HEADER_BYTES
                for frame in walk(self._disk, fd):
                    piece = read_frame(self._disk, fd, cipher, frame) if frame.end <= keep else None
                    if piece is None:
                        break
                    content.update(piece)
                    file_end = frame.file_end
                self._disk.truncate(fd, file_end)
                self._disk.sync_data(fd)
                reach("blob.trimmed")
                blob = f"b3-{content.hexdigest()}"
            finally:
                self._disk.close(fd)
        # This recovery may be killed as well: as after a writer's `seal`, the next one can tell what it became.
        self._names.name(path, blob)
        return blob

    def became(self, name: str) -> BlobId | None:
        """The blob that the open file `name` was sealed as, until that is forgotten."""
        return self._names.became(self._names.open_path(name))

    def noted(self) -> list[str]:
        """The names of the open files that were sealed and not yet forgotten."""
        return self._names.sealed()

    def discard_open(self, prefix: str) -> None:
        """Delete the open files and notes whose names begin with `prefix`; only for a session that nobody writes."""
        for name in self._names.open_names():
            if name.removeprefix(".").startswith(prefix):
                remove_file(self._names.open / name, self._disk)

    def set_aside(self, prefix: str) -> None:
        """Give the open files that begin with `prefix`, and that nobody knows any more, names that no writer takes."""
        sealed = self.noted()
        for name in self._names.open_names():
            if name.startswith(prefix) and name not in sealed and not name.endswith((NOTE, LEFT)):
                path = self._names.open / name
                with storage_errors(path):
                    self._disk.replace(path, path.with_name(name + LEFT))
                    self._disk.sync_folder(path.parent)

    def discard_strays(self, before_ns: int) -> None:
        """Delete the open files of `put` calls that were killed: those last written before `before_ns` (wall time)."""
        for name in self._names.open_names():
            path = self._names.open / name
            with contextlib.suppress(FileNotFoundError):
                if name.startswith("put-") and self._disk.stat(path).st_mtime_ns < before_ns:
                    self._disk.unlink(path)

    def accept(self, source: Path, blob: BlobId, *, copy: bool = False) -> None:
        """Give a finished, durable file, which was proven to be this blob, its name or its copy's; not yet durable."""
        if copy:
            self._names.place_copy(source, blob)
            return
        target = self._names.path(blob)
        self._names.into(target, lambda: self._disk.replace(source, target))

    def forget_intent(self, name: str) -> None:
        """Delete the other name of a sealed open file, or the note on it, once something durable refers to the blob."""
        self._names.forget(name)

    def delete(self, blob: BlobId) -> int:
        """Delete a blob and its copy; returns the bytes of disk freed (0 when it was not there)."""
        path, freed = self._names.path(blob), 0
        # The copy first: what a kill then leaves is a blob as any other.
        for one in (copy_of(path), path):
            with storage_errors(one), contextlib.suppress(FileNotFoundError):
                size = self._disk.stat(one).st_size
                self._disk.unlink(one)
                freed += size
        return freed

    def settle(self, blobs: Iterable[BlobId]) -> None:
        """Make it durable that blobs were deleted; folders that they left empty go."""
        self._names.settle(blobs)

    @contextlib.contextmanager
    def referring(self, blobs: Iterator[BlobId] | list[BlobId]) -> Iterator[None]:
        """Hold off deletion while a root that names `blobs` is replaced, and mark them as freshly used.

        Raises:
            NotFound: one of them is not there.
        """
        with locked(self._names.lock, shared=True, disk=self._disk):
            for blob in blobs:
                try:
                    self._disk.touch(self._names.there(blob) or self._names.path(blob))
                except FileNotFoundError:
                    raise NotFound(f"the blob {blob} is not in this store", "store it again before naming it") from None
            yield

    @contextlib.contextmanager
    def deleting(self) -> Iterator[None]:
        """Keep every other process from reusing a blob or replacing a head while unreferenced ones are deleted."""
        with locked(self._names.lock, disk=self._disk):
            yield

    # --- reading

    def read(self, blob: BlobId) -> bytes:
        """The content, proven to be what the name says.

        Raises:
            NotFound: no such blob.
            Damaged: its bytes are not what was stored.
        """
        path = self._names.path(blob)
        try:
            return self._read(path, blob)
        except (NotFound, Damaged, StorageProblem):
            with contextlib.suppress(NotFound, Damaged, StorageProblem):
                return self._read(copy_of(path), blob)
            raise

    def read_range(self, blob: BlobId, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, decrypting only what they need; fewer where the blob ends.

        Raises:
            NotFound, Damaged: as `read`.
        """
        _check_range(offset, length)
        path = self._names.path(blob)
        try:
            return self._range(path, blob, offset, length)
        except (NotFound, Damaged):
            with contextlib.suppress(NotFound, Damaged):
                return self._range(copy_of(path), blob, offset, length)
            raise

    def proven(self, blob: BlobId, sealed: bytes) -> bytes:
        """The content of a sealed file from elsewhere; Damaged where it is not what the name says."""
        return self._proven(blob, open_all(sealed, self._keys.blob_key, INFO, MAGIC))

    def read_open(self, name: str, offset: int, length: int) -> bytes:
        """The same of an open file; NotFound when it was sealed meanwhile, and the journal then names the blob."""
        return self._range(self._names.open_path(name), name, offset, length)

    def size(self, blob: BlobId) -> int:
        """Bytes of plaintext, from the lengths alone."""
        fd = self._descriptor(self._names.there(blob) or self._names.path(blob), blob)
        try:
            end = 0
            for frame in walk(self._disk, fd):
                end = frame.end
            return end
        finally:
            self._disk.close(fd)

    def file_bytes(self, blob: BlobId) -> int:
        """Bytes of its sealed file, its copy left out; 0 when it is not there."""
        path = self._names.path(blob)
        return self._bytes(path) or self._bytes(copy_of(path))

    def disk_bytes(self, blob: BlobId) -> int:
        """Bytes on disk, with its copy; 0 when it is not there."""
        path = self._names.path(blob)
        return self._bytes(path) + self._bytes(copy_of(path))

    def used_ns(self, blob: BlobId) -> int | None:
        """When it was stored or named again (nanoseconds of the file system's clock); None when it is not there."""
        try:
            return self._disk.stat(self._names.there(blob) or self._names.path(blob)).st_mtime_ns
        except FileNotFoundError:
            return None

    def exists(self, blob: BlobId) -> bool:
        """Whether the blob, or its copy, is there; says nothing of its content."""
        return self._names.there(blob) is not None

    def ids(self) -> Iterator[BlobId]:
        """Every blob, in the order of its name; one that lies twice, once."""
        return self._names.ids()

    # --- within

    def _read(self, path: Path, blob: BlobId) -> bytes:
        fd = self._descriptor(path, blob)
        try:
            with storage_errors(path):
                return self._proven(blob, open_file(self._disk, fd, self._keys.blob_key, INFO, MAGIC))
        finally:
            self._disk.close(fd)

    def _bytes(self, path: Path) -> int:
        try:
            with storage_errors(path):
                return self._disk.stat(path).st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def _proven(self, blob: BlobId, pieces: Iterator[bytes]) -> bytes:
        # It grows in place: a list of pieces would be there once more while they are joined.
        plain, content = io.BytesIO(), blake3(key=self._keys.id_key)
        try:
            for piece in pieces:
                content.update(piece)
                plain.write(piece)
        except NewerFormat as error:
            raise error.about(f"the blob {blob}") from error
        except ValueError as error:
            raise _damaged(blob, str(error)) from error
        if f"b3-{content.hexdigest()}" != blob:
            raise _damaged(blob, "its content is not the one of its name")
        return plain.getvalue()

    def _range(self, path: Path, name: str, offset: int, length: int) -> bytes:
        fd = self._descriptor(path, name)
        try:
            return self._span(fd, name, offset, length)
        finally:
            self._disk.close(fd)

    def _span(self, fd: int, name: str, offset: int, length: int) -> bytes:
        _check_range(offset, length)
        try:
            return read_span(self._disk, fd, self._opener(fd, name), offset, length)
        except NewerFormat as error:
            raise error.about(f"the blob {name}") from error
        except ValueError as error:
            raise _damaged(name, str(error)) from error

    def _opener(self, fd: int, name: str) -> Opener:
        try:
            return opener(self._disk, fd, self._keys.blob_key, INFO, MAGIC)
        except NewerFormat as error:
            raise error.about(f"the blob {name}") from error
        except ValueError as error:
            raise _damaged(name, str(error)) from error

    def _descriptor(self, path: Path, name: str) -> int:
        try:
            with storage_errors(path):
                return self._disk.open(path, READ)
        except FileNotFoundError:
            raise _missing(name) from None


def _check_range(offset: int, length: int) -> None:
    if not 0 <= offset <= BLOB_BYTES or not 0 <= length <= BLOB_BYTES:
        raise ValueError(f"no range of a blob: {offset}+{length}")


def _missing(blob: str) -> NotFound:
    return NotFound(f"the blob {blob} is missing", "pepys verify tells what it is part of")


def _damaged(blob: str, why: str) -> Damaged:
    return Damaged(f"the blob {blob} is damaged: {why}", "pepys verify tells what it is part of")
