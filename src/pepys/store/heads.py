"""Heads: the small sealed files that say which manifest of a session is current.

Invariants: a head is replaced atomically, always as read, change, replace under the session's lock, by this one
function; every blob that a new manifest names is there when the head is replaced; of the manifests before, at most one
stays. Each head has a copy beside it, written after it and read only where the head does not open: never ahead of it,
and behind it only until `update` returns. Reading takes no lock and needs no write access.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pepys.errors import Damaged, NotFound, PepysError, StorageProblem
from pepys.model.ids import is_session_id
from pepys.model.manifest import (
    Head,
    Manifest,
    NewerFormat,
    decode_edits,
    decode_head,
    decode_manifest,
    encode_manifest,
)
from pepys.store.blobs import BlobStore
from pepys.store.disk import DISK, Disk, NoFile
from pepys.store.files import locked, remove_file, replace_file, storage_errors
from pepys.store.keys import StoreKeys
from pepys.store.sealing import open_small, seal_small
from pepys.store.trigger import reach

MAGIC: Final = b"PPHD"
INFO: Final = "pepys head"
COPY: Final = ".copy"
UPDATE: Final = "update pepys"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class HeadStamp:
    """A cheap sign that tells two versions of a session's heads apart: of each file its inode, time and length."""

    files: tuple[tuple[str, int, int, int], ...]


class Heads:
    """The heads of one home."""

    def __init__(self, home: Path, keys: StoreKeys, blobs: BlobStore, *, disk: Disk = DISK) -> None:
        self._root = home / "heads"
        self._locks = home / "locks"
        self._keys = keys
        self._blobs = blobs
        self._disk = disk

    def sessions(self) -> list[str]:
        """The ids of all sessions that have a head, deleted ones included, oldest first."""
        try:
            with storage_errors(self._root):
                return sorted(filter(is_session_id, self._disk.listing(self._root)))
        except FileNotFoundError:
            return []

    def stamps(self) -> Iterator[tuple[str, HeadStamp]]:
        """Every session with the stamp of its heads; opens no file."""
        for session in self.sessions():
            yield session, self.stamp(session)

    def stamp(self, session: str) -> HeadStamp:
        """The stamp of one session's heads."""
        folder = self._root / session
        try:
            found = self._disk.stats(folder)
        except FileNotFoundError:
            found = []
        except OSError:
            if self._disk.is_folder(folder):
                raise
            found = [(session, self._disk.stat(folder))]  # no folder at all: it is damaged
        heads = ((name, stat) for name, stat in found if name[0] != "." and not name.endswith(COPY))
        return HeadStamp(tuple(sorted((name, s.st_ino, s.st_mtime_ns, s.st_size) for name, s in heads)))

    def read(self, session: str) -> Head:
        """The furthest head of all devices.

        Raises:
            NotFound: no such session.
            Damaged: no head of it opens.
        """
        return self._heads(session)[-1]

    def _heads(self, session: str) -> list[Head]:
        """The heads of all devices that open, the furthest last; NotFound and Damaged as `read`."""
        problem: Damaged | None = None
        heads = []
        for path in self._devices(session):
            try:
                heads.append((self._read_either(path, session), path.name))
            except Damaged as error:
                problem = error
        if heads:
            return [head for head, _ in sorted(heads, key=lambda found: (found[0].sequence, found[1]))]
        if problem is not None:
            raise problem
        raise NotFound(f"there is no session {session}", "pepys list shows what there is")

    def manifest(self, session: str) -> tuple[Head, Manifest]:
        """The current head with its manifest: the furthest, unless another device deleted the session.

        What other devices edited meanwhile is among its edits. Nothing that a device brings back undoes a deletion,
        however often it was edited there.

        Raises:
            NotFound: no such session.
            Damaged: head or manifest do not open, or the manifest is missing.
        """
        last: NotFound | None = None
        for _ in range(_TRIES):
            *others, head = self._heads(session)
            try:
                current = self._manifest(head)
                return self._with(others, head, current) if others else (head, current)
            except NotFound as error:
                # Between the two reads the head may have moved on twice, and this manifest gone.
                last = error
        raise Damaged(f"the manifest of session {session} is missing: {last}", "restore it from a backup")

    def update(self, session: str, change: Callable[[Manifest], Manifest], first: Manifest | None = None) -> Head:
        """Replace the head by what `change` makes of the current manifest; nothing happens when that is the same.

        Args:
            session: whose head.
            change: called once, under the session's lock; what it raises leaves the head as it is.
            first: the manifest to begin with when there is no head yet.

        Raises:
            NotFound: no such session and no `first`; or the new manifest names a blob that is not there.
            StorageProblem: it cannot be written.
        """
        with self.lock(session):
            return self.update_locked(session, change, first)

    def update_locked(
        self, session: str, change: Callable[[Manifest], Manifest], first: Manifest | None = None
    ) -> Head:
        """`update` for a caller that already holds `lock`."""
        try:
            head, current = self.manifest(session)
        except NotFound:
            if first is None:
                raise
            head, current = Head(session, 0, ""), first
        changed = change(current)
        data = encode_manifest(changed)
        blob = self._blobs.put(data)
        if blob == head.manifest:
            self._settle(session)
            return head
        named = _named(changed) - (_named(current) if head.sequence else set())
        new = Head(session, head.sequence + 1, blob, head.manifest or None)
        try:
            with self._blobs.referring([blob, *sorted(named)]):
                self._write(session, self._keys.device_id, self._sealed(new))
        except (PepysError, OSError):
            with contextlib.suppress(PepysError, OSError):
                self._let_go(session, blob)
            raise
        if head.previous and head.previous not in {new.manifest, new.previous}:
            self._blobs.delete(head.previous)
            reach("head.cleared")
        return new

    def _let_go(self, session: str, manifest: str) -> None:
        """Delete a manifest that was stored for a head that did not come to be: a full disk would fill up with them."""
        with self._blobs.deleting():
            if self._read(self._root / session / self._keys.device_id, session).manifest != manifest:
                self._blobs.delete(manifest)

    def damaged(self, session: str) -> list[Path]:
        """The heads and copies of a session that do not open.

        Raises:
            Damaged: what lies there is no folder.
        """
        found = []
        for path in self._files(session):
            try:
                self._read(path, session)
            except Damaged:
                found.append(path)
            except NotFound:
                continue  # replaced or removed meanwhile
        return sorted(found)

    def devices(self, session: str) -> set[str]:
        """The devices of which a head, or its copy, opens."""
        damaged = self.damaged(session)
        return {path.name.removesuffix(COPY) for path in self._files(session) if path not in damaged}

    def mend(self, session: str) -> list[Path]:
        """Make every head and its copy the same again, from the one of them that opens.

        Returns:
            Those that were damaged and are whole again.
        """
        with self.lock(session):
            damaged = self.damaged(session)
            for path in self._devices(session):
                pair = (path, _copy_of(path))
                data = next(
                    (self._disk.read(one) for one in pair if self._disk.exists(one) and one not in damaged), None
                )
                # A folder is in the way of any file: `verify` tells of it.
                if data is None or any(self._disk.is_folder(one) for one in pair):
                    continue
                if not all(self._holds(one, data) for one in pair):
                    self._write(session, path.name, data)
        left = self.damaged(session)
        return [path for path in damaged if path not in left]

    def _holds(self, path: Path, data: bytes) -> bool:
        try:
            return self._disk.read(path) == data
        except (FileNotFoundError, NoFile):
            return False

    def lock(self, session: str) -> AbstractContextManager[None]:
        """The session's lock, as a context manager; held for moments only."""
        return locked(self._locks / f"{session}.lock", disk=self._disk)

    def forget_empty(self, session: str) -> None:
        """Remove the folder of a session that never got a head."""
        folder = self._root / session
        if self._disk.is_folder(folder) and not self._files(session):
            for stray in self._disk.listing(folder):
                self._disk.unlink(folder / stray)
            self._disk.rmdir(folder)

    def _with(self, others: list[Head], head: Head, current: Manifest) -> tuple[Head, Manifest]:
        """The furthest head's manifest together with what heads of other devices know."""
        edits = dict(current.edits)
        for other in others:
            # One that the furthest came after may have lost its manifest to it.
            with contextlib.suppress(NotFound, Damaged):
                known = self._manifest(other)
                if known.state == "deleted" and current.state != "deleted":
                    return other, known
                for device, blob in known.edits.items():
                    edits[device] = self._longer(edits.get(device, blob), blob)
        return head, current if current.state == "deleted" else replace(current, edits=edits)

    def _longer(self, one: str, other: str) -> str:
        """Of two versions of a device's edit log the one that goes further; one that is gone was gone on with."""
        return one if one == other else max((one, other), key=lambda blob: (self._length(blob), blob))

    def _length(self, log: str) -> int:
        try:
            return len(decode_edits(self._blobs.read(log)))
        except (NotFound, Damaged, ValueError):
            return -1

    def _files(self, session: str) -> list[Path]:
        if not is_session_id(session):
            raise NotFound(f"{session[:80]!r} is no session id", "pepys list shows the ids")
        folder = self._root / session
        try:
            with storage_errors(folder):
                return [folder / name for name in self._disk.listing(folder) if not name.startswith(".")]
        except FileNotFoundError:
            return []
        except StorageProblem as error:
            if self._disk.is_folder(folder) or not self._disk.is_folder(self._root):
                raise
            raise Damaged(f"{folder} is no folder of session {session}", "restore it from a backup") from error

    def _devices(self, session: str) -> list[Path]:
        """The place of each device's head; the head itself may be missing where only its copy is left."""
        return sorted({path.with_name(path.name.removesuffix(COPY)) for path in self._files(session)})

    def _read_either(self, path: Path, session: str) -> Head:
        """A head, or its copy where it does not open."""
        try:
            return self._read(path, session)
        except (Damaged, NotFound) as error:
            with contextlib.suppress(Damaged, NotFound):
                return self._read(_copy_of(path), session)
            raise error

    def _read(self, path: Path, session: str) -> Head:
        what = f"the head of session {session}"
        try:
            with storage_errors(path):
                data = self._disk.read(path)
            plain = open_small(self._keys.head_key, MAGIC, f"{INFO} {session}", data, what)
            return decode_head(session, plain)
        except FileNotFoundError:
            raise NotFound(f"there is no session {session}", "pepys list shows what there is") from None
        except ValueError as error:
            raise Damaged(f"{what} is damaged: {error}", "restore it from a backup") from error

    def _sealed(self, head: Head) -> bytes:
        value = {"sequence": head.sequence, "manifest": head.manifest, "previous": head.previous}
        info = f"{INFO} {head.session}"
        return seal_small(self._keys.head_key, MAGIC, info, json.dumps(value, separators=(",", ":")).encode())

    def _write(self, session: str, device: str, data: bytes) -> None:
        path = self._root / session / device
        replace_file(path, data, "head", self._disk)
        try:
            replace_file(_copy_of(path), data, "head.copy", self._disk)
        except StorageProblem:
            # The head has moved and that counts; a copy that stayed behind it would be worse than none.
            with contextlib.suppress(StorageProblem):
                remove_file(_copy_of(path), self._disk)

    def _settle(self, session: str) -> None:
        """Make this device's head durable, and its copy the same: the `update` that put it there may have failed."""
        path = self._root / session / self._keys.device_id
        with storage_errors(path), contextlib.suppress(FileNotFoundError):
            data = self._disk.read(path)
            if not self._holds(_copy_of(path), data):
                self._write(session, path.name, data)
            else:
                self._disk.sync_folder(path.parent)

    def _manifest(self, head: Head) -> Manifest:
        """The manifest of a head, as far as what it says can be taken for its word."""
        try:
            found = decode_manifest(self._blobs.read(head.manifest))
        except NewerFormat as error:
            raise Damaged(f"the manifest of session {head.session}: {error}", UPDATE) from error
        except ValueError as error:
            raise Damaged(f"the manifest of session {head.session}: {error}", "restore it from a backup") from error
        if found.session != head.session:
            raise Damaged(f"the manifest of session {head.session} is another session's", "restore it from a backup")
        return found


def _copy_of(path: Path) -> Path:
    return path.with_name(path.name + COPY)


def _named(manifest: Manifest) -> set[str]:
    """The blobs that a manifest names by itself."""
    chunks = {chunk.blob for chunk in manifest.chunks}
    artifacts = {artifact.blob for artifact in manifest.artifacts if artifact.blob}
    return chunks | artifacts | set(manifest.edits.values())
