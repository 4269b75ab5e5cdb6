"""Blobs: immutable, encrypted, named by the keyed hash of their plaintext.

Invariants: a name exists only for a file that is whole and durable; equal content is one file; a blob is at most
16 MiB. Reading all of a blob proves its hash; reading a range proves the frames it takes (AES-GCM). The name is keyed,
so that it tells nobody without the key what the content is. Who refers to a blob is not known here.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.limits import BLOB_BYTES, SEALED_FRAME_BYTES
from pepys.model.ids import is_blob_id
from pepys.store.blob_writer import INFO, MAGIC, BlobWriter, intent_path
from pepys.store.disk import DISK, READ, WRITE, Disk, NoFile
from pepys.store.files import locked, make_folder, remove_file, replace_file, storage_errors
from pepys.store.frames import open_all, opener, read_frame, read_span, walk
from pepys.store.keys import StoreKeys
from pepys.store.sealing import HEADER_BYTES, Opener
from pepys.store.trigger import reach

BlobId = str


class BlobStore:
    """The blobs of one home, under `blobs/`; open ones under `blobs/open/`."""

    def __init__(self, home: Path, keys: StoreKeys, *, disk: Disk = DISK) -> None:
        self._root = home / "blobs"
        self._open = self._root / "open"
        self._lock = home / "locks" / "blobs.lock"
        self._keys = keys
        self._disk = disk
        self._seen = False

    # --- writing

    def put(self, data: bytes) -> BlobId:
        """Store `data`; durable when it returns. Content that is there already is kept as it is."""
        self._stay()
        blob = self.id_of(data)
        if not self._keep(blob):
            path = self._open_path(f"put-{secrets.token_hex(8)}")
            writer = BlobWriter(path, self._ids_and_blobs, self._place, lasting=False, disk=self._disk)
            try:
                for at in range(0, len(data), SEALED_FRAME_BYTES):
                    writer.append(data[at : at + SEALED_FRAME_BYTES])
                writer.sync()
                writer.close()
                # What a power cut may leave of the other name is a stray.
                self._place(path, blob, lasting=False)
            except StorageProblem:
                writer.discard()
                raise
        return blob

    def writer(self, name: str) -> BlobWriter:
        """Begin a blob that grows in the open file `name`, which must be new.

        Raises:
            StorageProblem: it cannot be made, or the store is not where it was: another is not begun in its place.
        """
        self._stay()
        return BlobWriter(self._open_path(name), self._ids_and_blobs, self._place, disk=self._disk)

    @property
    def _ids_and_blobs(self) -> tuple[bytes, bytes]:
        return self._keys.id_key, self._keys.blob_key

    def _stay(self) -> None:
        there = self._disk.is_folder(self._root)
        if self._seen and not there:
            raise StorageProblem(f"{self._root} is gone", "mount it again, or move it back")
        self._seen = there

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
        path = self._open_path(name)
        if not self._disk.exists(path):
            blob = self._intent(path)
            if blob is None:
                raise NotFound(f"the open blob {name} is not there", "pepys verify tells what is missing")
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
            # This recovery may be killed as well: as after a writer's `seal`, the note tells the next one the name.
            replace_file(intent_path(path), blob.encode("ascii"), "blob.intent", self._disk)
        self._place(path, blob)
        return blob

    def became(self, name: str) -> BlobId | None:
        """The blob that the open file `name` was sealed as, while the note of that is kept."""
        return self._intent(self._open_path(name))

    def noted(self) -> list[str]:
        """The names of the sealed open files whose notes are kept."""
        names = self._open_names()
        return sorted(name.removesuffix(".sealed") for name in names if name.endswith(".sealed") and name[0] != ".")

    def discard_open(self, prefix: str) -> None:
        """Delete the open files and notes whose names begin with `prefix`; only for a session that nobody writes."""
        for name in self._open_names():
            if name.removeprefix(".").startswith(prefix):
                remove_file(self._open / name, self._disk)

    def discard_strays(self, before_ns: int) -> None:
        """Delete the open files of `put` calls that were killed: those last written before `before_ns` (wall time)."""
        for name in self._open_names():
            path = self._open / name
            with contextlib.suppress(FileNotFoundError):
                if name.startswith("put-") and self._disk.stat(path).st_mtime_ns < before_ns:
                    self._disk.unlink(path)

    def forget_intent(self, name: str) -> None:
        """Delete the note of a sealed open file, once something durable refers to the blob."""
        with contextlib.suppress(FileNotFoundError):
            self._disk.unlink(intent_path(self._open_path(name)))

    def delete(self, blob: BlobId) -> int:
        """Delete a blob; returns the bytes of disk freed (0 when it was not there)."""
        path = self._path(blob)
        try:
            with storage_errors(path):
                freed = self._disk.stat(path).st_size
                self._disk.unlink(path)
        except FileNotFoundError:
            return 0
        return freed

    @contextlib.contextmanager
    def referring(self, blobs: Iterator[BlobId] | list[BlobId]) -> Iterator[None]:
        """Hold off deletion while a root that names `blobs` is replaced, and mark them as freshly used.

        Raises:
            NotFound: one of them is not there.
        """
        with locked(self._lock, shared=True, disk=self._disk):
            for blob in blobs:
                try:
                    self._disk.touch(self._path(blob))
                except FileNotFoundError:
                    raise NotFound(f"the blob {blob} is not in this store", "store it again before naming it") from None
            yield

    @contextlib.contextmanager
    def deleting(self) -> Iterator[None]:
        """Keep every other process from reusing a blob or replacing a head while unreferenced ones are deleted."""
        with locked(self._lock, disk=self._disk):
            yield

    # --- reading

    def read(self, blob: BlobId) -> bytes:
        """The content, proven to be what the name says.

        Raises:
            NotFound: no such blob.
            Damaged: its bytes are not what was stored.
        """
        path = self._path(blob)
        try:
            with storage_errors(path):
                data = self._disk.read(path)
            plain = b"".join(open_all(data, self._keys.blob_key, INFO, MAGIC))
        except FileNotFoundError:
            raise _missing(blob) from None
        except ValueError as error:
            raise _damaged(blob, str(error)) from error
        if self.id_of(plain) != blob:
            raise _damaged(blob, "its content is not the one of its name")
        return plain

    def read_range(self, blob: BlobId, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, decrypting only what they need; fewer where the blob ends.

        Raises:
            NotFound, Damaged: as `read`.
        """
        return self._range(self._path(blob), blob, offset, length)

    def read_open(self, name: str, offset: int, length: int) -> bytes:
        """The same of an open file; NotFound when it was sealed meanwhile, and the journal then names the blob."""
        return self._range(self._open_path(name), name, offset, length)

    def size(self, blob: BlobId) -> int:
        """Bytes of plaintext, from the lengths alone."""
        path = self._path(blob)
        fd = self._descriptor(path, blob)
        try:
            end = 0
            for frame in walk(self._disk, fd):
                end = frame.end
            return end
        finally:
            self._disk.close(fd)

    def file_bytes(self, blob: BlobId) -> int:
        """Bytes on disk; 0 when it is not there."""
        path = self._path(blob)
        try:
            with storage_errors(path):
                return self._disk.stat(path).st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def used_ns(self, blob: BlobId) -> int | None:
        """When it was stored or named again (nanoseconds of the file system's clock); None when it is not there."""
        try:
            return self._disk.stat(self._path(blob)).st_mtime_ns
        except FileNotFoundError:
            return None

    def exists(self, blob: BlobId) -> bool:
        """Whether the blob is there; says nothing of its content."""
        return self._disk.is_file(self._path(blob))

    def ids(self) -> Iterator[BlobId]:
        """Every blob, in the order of its name."""
        for outer in self._names(self._root):
            if len(outer) == 2 and not set(outer) - set("0123456789abcdef"):
                for inner in self._names(self._root / outer):
                    yield from filter(is_blob_id, self._names(self._root / outer / inner))

    # --- within

    def _names(self, folder: Path) -> list[str]:
        """The names in a folder in order; none where it is not there."""
        try:
            with storage_errors(folder):
                return sorted(self._disk.listing(folder))
        except FileNotFoundError:
            return []
        except StorageProblem:
            # A file, or a link in circles, in the place of a folder: what it held is missing, the rest is not.
            if folder != self._root and self._disk.exists(self._root) and not self._disk.is_folder(folder):
                return []
            raise

    def _open_names(self) -> list[str]:
        return self._names(self._open)

    def _path(self, blob: BlobId) -> Path:
        if not is_blob_id(blob):
            raise NotFound(f"{blob[:80]!r} is no blob id", "ids begin with b3-")
        return self._root / f"{blob[3:5]}/{blob[5:7]}/{blob}"

    def _open_path(self, name: str) -> Path:
        if not name or name.startswith(".") or set(name) & set("/\\\0:"):
            raise ValueError(f"{name!r} is no name for an open blob")
        return self._open / name

    def _keep(self, blob: BlobId) -> bool:
        """Whether the blob is there; if so it now counts as freshly used, and no removal under way deletes it.

        Its name is durable then: who gave it may have been killed, or told that the disk failed, before that.
        """
        path = self._path(blob)
        with storage_errors(self._root), locked(self._lock, shared=True, disk=self._disk):
            try:
                self._disk.touch(path)
            except FileNotFoundError:
                return False
            self._disk.sync_folder(path.parent)
            return True

    def _place(self, source: Path, blob: BlobId, *, lasting: bool = True) -> None:
        """Give a finished, durable file its name; `lasting`: and make sure that its other one is gone for good."""
        target = self._path(blob)
        with storage_errors(target):
            make_folder(target.parent, self._disk)
            if self._keep(blob):
                self._disk.unlink(source)
                return
            self._disk.replace(source, target)
            self._seen = True
            reach("blob.renamed")
            self._disk.sync_folder(target.parent)
            if lasting:
                self._disk.sync_folder(source.parent)
        reach("blob.placed")

    def _intent(self, path: Path) -> BlobId | None:
        try:
            blob = self._disk.read(intent_path(path)).decode("ascii", "replace")
        except (FileNotFoundError, NoFile):
            return None
        return blob if is_blob_id(blob) and self.exists(blob) else None

    def _range(self, path: Path, name: str, offset: int, length: int) -> bytes:
        fd = self._descriptor(path, name)
        try:
            return self._span(fd, name, offset, length)
        finally:
            self._disk.close(fd)

    def _span(self, fd: int, name: str, offset: int, length: int) -> bytes:
        if not 0 <= offset <= BLOB_BYTES or not 0 <= length <= BLOB_BYTES:
            raise ValueError(f"no range of a blob: {offset}+{length}")
        try:
            return read_span(self._disk, fd, self._opener(fd, name), offset, length)
        except ValueError as error:
            raise _damaged(name, str(error)) from error

    def _opener(self, fd: int, name: str) -> Opener:
        try:
            return opener(self._disk, fd, self._keys.blob_key, INFO, MAGIC)
        except ValueError as error:
            raise _damaged(name, str(error)) from error

    def _descriptor(self, path: Path, name: str) -> int:
        try:
            with storage_errors(path):
                return self._disk.open(path, READ)
        except FileNotFoundError:
            raise _missing(name) from None


def _missing(blob: str) -> NotFound:
    return NotFound(f"the blob {blob} is missing", "pepys verify tells what it is part of")


def _damaged(blob: str, why: str) -> Damaged:
    return Damaged(f"the blob {blob} is damaged: {why}", "pepys verify tells what it is part of")
