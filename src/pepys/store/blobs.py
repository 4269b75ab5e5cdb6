"""Blobs: immutable, encrypted, named by the keyed hash of their plaintext.

Invariants: a name exists only for a file that is whole and durable; equal content is one file; a blob is at most
16 MiB. Reading all of a blob proves its hash; reading a range proves the frames it takes (AES-GCM). The name is keyed,
so that it tells nobody without the key what the content is. Who refers to a blob is not known here.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.limits import BLOB_BYTES, SEALED_FRAME_BYTES
from pepys.model.ids import is_blob_id
from pepys.store.blob_writer import INFO, MAGIC, BlobWriter, intent_path
from pepys.store.files import locked, make_folder, remove_file, replace_file, storage_errors, sync_folder
from pepys.store.frames import open_all, opener, read_frame, read_span, walk
from pepys.store.keys import StoreKeys
from pepys.store.sealing import HEADER_BYTES, Opener
from pepys.store.trigger import reach

BlobId = str


class BlobStore:
    """The blobs of one home, under `blobs/`; open ones under `blobs/open/`."""

    def __init__(self, home: Path, keys: StoreKeys) -> None:
        self._root = home / "blobs"
        self._open = self._root / "open"
        self._lock = home / "locks" / "blobs.lock"
        self._keys = keys
        self._seen = False

    # --- writing

    def put(self, data: bytes) -> BlobId:
        """Store `data`; durable when it returns. Content that is there already is kept as it is."""
        self._stay()
        blob = self.id_of(data)
        if not self._keep(blob):
            writer = self.writer(f"put-{secrets.token_hex(8)}")
            try:
                for at in range(0, len(data), SEALED_FRAME_BYTES):
                    writer.append(data[at : at + SEALED_FRAME_BYTES])
                writer.sync()
                writer.close()
                self._place(self._open / writer.name, blob)
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
        return BlobWriter(self._open_path(name), (self._keys.id_key, self._keys.blob_key), self._place)

    def _stay(self) -> None:
        there = self._root.is_dir()
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
        if not path.exists():
            blob = self._intent(path)
            if blob is None:
                raise NotFound(f"the open blob {name} is not there", "pepys verify tells what is missing")
            return blob
        with storage_errors(path):
            fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            try:
                cipher, content, file_end = self._opener(fd, name), blake3(key=self._keys.id_key), HEADER_BYTES
                for frame in walk(fd):
                    piece = read_frame(fd, cipher, frame) if frame.end <= keep else None
                    if piece is None:
                        break
                    content.update(piece)
                    file_end = frame.file_end
                os.ftruncate(fd, file_end)
                os.fsync(fd)
                reach("blob.trimmed")
                blob = f"b3-{content.hexdigest()}"
            finally:
                os.close(fd)
            # This recovery may be killed as well: as after a writer's `seal`, the note tells the next one the name.
            replace_file(intent_path(path), blob.encode("ascii"), "blob.intent")
        self._place(path, blob)
        return blob

    def became(self, name: str) -> BlobId | None:
        """The blob that the open file `name` was sealed as, while the note of that is kept."""
        return self._intent(self._open_path(name))

    def noted(self) -> list[str]:
        """The names of the sealed open files whose notes are kept."""
        return sorted(path.name.removesuffix(".sealed") for path in self._open.glob("*.sealed"))

    def discard_open(self, prefix: str) -> None:
        """Delete the open files and notes whose names begin with `prefix`; only for a session that nobody writes."""
        for path in (*self._open.glob(f"{prefix}*"), *self._open.glob(f".{prefix}*")):
            remove_file(path)

    def discard_strays(self, before_ns: int) -> None:
        """Delete the open files of `put` calls that were killed: those last written before `before_ns` (wall time)."""
        for path in self._open.glob("put-*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime_ns < before_ns:
                    path.unlink()

    def forget_intent(self, name: str) -> None:
        """Delete the note of a sealed open file, once something durable refers to the blob."""
        intent_path(self._open_path(name)).unlink(missing_ok=True)

    def delete(self, blob: BlobId) -> int:
        """Delete a blob; returns the bytes of disk freed (0 when it was not there)."""
        path = self._path(blob)
        try:
            with storage_errors(path):
                freed = path.stat().st_size
                path.unlink()
        except FileNotFoundError:
            return 0
        return freed

    @contextlib.contextmanager
    def referring(self, blobs: Iterator[BlobId] | list[BlobId]) -> Iterator[None]:
        """Hold off deletion while a root that names `blobs` is replaced, and mark them as freshly used.

        Raises:
            NotFound: one of them is not there.
        """
        with locked(self._lock, shared=True):
            for blob in blobs:
                try:
                    os.utime(self._path(blob))
                except FileNotFoundError:
                    raise NotFound(f"the blob {blob} is not in this store", "store it again before naming it") from None
            yield

    @contextlib.contextmanager
    def deleting(self) -> Iterator[None]:
        """Keep every other process from reusing a blob or replacing a head while unreferenced ones are deleted."""
        with locked(self._lock):
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
                data = path.read_bytes()
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
            for frame in walk(fd):
                end = frame.end
            return end
        finally:
            os.close(fd)

    def file_bytes(self, blob: BlobId) -> int:
        """Bytes on disk; 0 when it is not there."""
        try:
            return self._path(blob).stat().st_size
        except FileNotFoundError:
            return 0

    def used_ns(self, blob: BlobId) -> int | None:
        """When it was stored or named again (nanoseconds of the file system's clock); None when it is not there."""
        try:
            return self._path(blob).stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def exists(self, blob: BlobId) -> bool:
        """Whether the blob is there; says nothing of its content."""
        return self._path(blob).is_file()

    def ids(self) -> Iterator[BlobId]:
        """Every blob, in the order of its name."""
        for outer in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
            for inner in sorted(outer.iterdir()):
                yield from sorted(path.name for path in inner.iterdir() if is_blob_id(path.name))

    # --- within

    def _path(self, blob: BlobId) -> Path:
        if not is_blob_id(blob):
            raise NotFound(f"{blob[:80]!r} is no blob id", "ids begin with b3-")
        return self._root / blob[3:5] / blob[5:7] / blob

    def _open_path(self, name: str) -> Path:
        if not name or name.startswith(".") or set(name) & set("/\\\0:"):
            raise ValueError(f"{name!r} is no name for an open blob")
        return self._open / name

    def _keep(self, blob: BlobId) -> bool:
        """Whether the blob is there; if so it now counts as freshly used, and no removal under way deletes it."""
        with storage_errors(self._root), locked(self._lock, shared=True):
            try:
                os.utime(self._path(blob))
            except FileNotFoundError:
                return False
            return True

    def _place(self, source: Path, blob: BlobId) -> None:
        """Give a finished, durable file its name."""
        target = self._path(blob)
        with storage_errors(target):
            make_folder(target.parent)
            if self._keep(blob):
                source.unlink()
                return
            source.replace(target)
            self._seen = True
            reach("blob.renamed")
            sync_folder(target.parent)
            sync_folder(source.parent)
        reach("blob.placed")

    def _intent(self, path: Path) -> BlobId | None:
        try:
            blob = intent_path(path).read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        return blob if is_blob_id(blob) and self.exists(blob) else None

    def _range(self, path: Path, name: str, offset: int, length: int) -> bytes:
        fd = self._descriptor(path, name)
        try:
            return self._span(fd, name, offset, length)
        finally:
            os.close(fd)

    def _span(self, fd: int, name: str, offset: int, length: int) -> bytes:
        if not 0 <= offset <= BLOB_BYTES or not 0 <= length <= BLOB_BYTES:
            raise ValueError(f"no range of a blob: {offset}+{length}")
        try:
            return read_span(fd, self._opener(fd, name), offset, length)
        except ValueError as error:
            raise _damaged(name, str(error)) from error

    def _opener(self, fd: int, name: str) -> Opener:
        try:
            return opener(fd, self._keys.blob_key, INFO, MAGIC)
        except ValueError as error:
            raise _damaged(name, str(error)) from error

    def _descriptor(self, path: Path, name: str) -> int:
        try:
            with storage_errors(path):
                return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise _missing(name) from None


def _missing(blob: str) -> NotFound:
    return NotFound(f"the blob {blob} is missing", "pepys verify tells what it is part of")


def _damaged(blob: str, why: str) -> Damaged:
    return Damaged(f"the blob {blob} is damaged: {why}", "pepys verify tells what it is part of")
