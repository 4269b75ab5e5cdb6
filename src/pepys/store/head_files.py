"""The files of heads: a sealed one for each device of a session, each with a copy beside it.

Invariants: a head is replaced atomically; its copy is written after it and read only where the head does not open, so
that it is never ahead of it; of the two, what is written comes from the one that opens. Reading takes no lock and needs
no write access. When a head is replaced, and by what, is the part of `heads` and `heads_taken`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pepys.errors import Damaged, NewerFormat, NotFound, StorageProblem
from pepys.model.ids import is_session_id
from pepys.model.manifest import Head, decode_head
from pepys.store.disk import DISK, Disk, NoFile
from pepys.store.files import locked, remove_file, replace_file, storage_errors
from pepys.store.keys import StoreKeys
from pepys.store.sealing import open_small, seal_small

MAGIC: Final = b"PPHD"
INFO: Final = "pepys head"
COPY: Final = ".copy"


@dataclass(frozen=True, slots=True)
class HeadStamp:
    """A cheap sign that tells two versions of a session's heads apart: of each file its inode, time and length."""

    files: tuple[tuple[str, int, int, int], ...]


class HeadFiles:
    """The files of all heads of one home."""

    def __init__(self, home: Path, keys: StoreKeys, disk: Disk = DISK) -> None:
        self._root = home / "heads"
        self._locks = home / "locks"
        self._keys = keys
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
        names = {name for name, _ in found}
        # Where a head is gone its copy is the head.
        heads = (
            (name, stat)
            for name, stat in found
            if name[0] != "." and not (name.endswith(COPY) and name.removesuffix(COPY) in names)
        )
        return HeadStamp(tuple(sorted((name, s.st_ino, s.st_mtime_ns, s.st_size) for name, s in heads)))

    def read(self, session: str) -> Head:
        """The furthest head of all devices.

        Raises:
            NotFound: no such session.
            Damaged: no head of it opens.
        """
        return self.every(session)[-1]

    def every(self, session: str) -> list[Head]:
        """The heads of all devices that open, the furthest last; NotFound and Damaged as `read`."""
        problem: Damaged | None = None
        heads = []
        for path in self._devices(session):
            try:
                heads.append((self._read_either(path, session), path.name))
            except NewerFormat:
                raise
            except Damaged as error:
                problem = error
        if heads:
            return [head for head, _ in sorted(heads, key=lambda found: (found[0].sequence, found[1]))]
        if problem is not None:
            raise problem
        raise NotFound(f"there is no session {session}", "pepys list shows what there is")

    def damaged(self, session: str) -> list[Path]:
        """The heads and copies of a session that do not open.

        Raises:
            Damaged: what lies there is no folder.
        """
        found = []
        for path in self._files(session):
            try:
                self._read(path, session)
            except NewerFormat:
                continue  # whole, and not ours to restore or delete
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
                data = self._whole(path, session)
                # A folder is in the way of any file: `verify` tells of it.
                pair = (path, _copy_of(path))
                if data is not None and not any(self._disk.is_folder(one) for one in pair):
                    self._pair(session, path, data)
        left = self.damaged(session)
        return [path for path in damaged if path not in left]

    def forget_damaged(self, session: str) -> None:
        """Delete the heads and copies that do not open, of a session that was deleted: they say nothing."""
        with self.lock(session):
            for path in self.damaged(session):
                if self._disk.is_file(path):
                    remove_file(path, self._disk)

    def forget_empty(self, session: str) -> None:
        """Remove the folder of a session that never got a head."""
        folder = self._root / session
        if self._disk.is_folder(folder) and not self._files(session):
            for stray in self._disk.listing(folder):
                self._disk.unlink(folder / stray)
            self._disk.rmdir(folder)

    def lock(self, session: str) -> AbstractContextManager[None]:
        """The session's lock, as a context manager; held for moments only."""
        return locked(self._locks / f"{session}.lock", disk=self._disk)

    def opened(self, session: str, data: bytes) -> Head:
        """What the bytes of a head of this session say, wherever they were kept.

        Raises:
            Damaged: they are no head of it.
        """
        what = f"the head of session {session}"
        try:
            return decode_head(session, open_small(self._keys.head_key, MAGIC, f"{INFO} {session}", data, what))
        except NewerFormat:
            raise
        except ValueError as error:
            raise Damaged(f"{what} is damaged: {error}", "restore it from a backup") from error

    def _sealed(self, head: Head) -> bytes:
        value: dict[str, Any] = {"sequence": head.sequence, "manifest": head.manifest, "previous": head.previous}
        if head.edits:
            value["edits"] = head.edits
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
            data = self._whole(path, session)
            if data is not None and not self._pair(session, path, data):
                self._disk.sync_folder(path.parent)

    def _whole(self, path: Path, session: str) -> bytes | None:
        """The bytes of a head that opens, else of its copy; None where neither does, or one is of a later version."""
        found = None
        for one in (_copy_of(path), path):
            try:
                data = self._disk.read(one)
                self.opened(session, data)
            except NewerFormat:
                return None
            except (FileNotFoundError, NoFile, Damaged):
                continue
            found = data
        return found

    def _pair(self, session: str, path: Path, data: bytes) -> bool:
        """See that a head and its copy hold these bytes; whether they had to be written."""
        if all(self._holds(one, data) for one in (path, _copy_of(path))):
            return False
        self._write(session, path.name, data)
        return True

    def _holds(self, path: Path, data: bytes) -> bool:
        try:
            return self._disk.read(path) == data
        except (FileNotFoundError, NoFile):
            return False

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
        except NewerFormat:
            raise  # its copy may be what it was before
        except (Damaged, NotFound) as error:
            with contextlib.suppress(Damaged, NotFound):
                return self._read(_copy_of(path), session)
            raise error

    def _read(self, path: Path, session: str) -> Head:
        try:
            with storage_errors(path):
                data = self._disk.read(path)
        except FileNotFoundError:
            raise NotFound(f"there is no session {session}", "pepys list shows what there is") from None
        return self.opened(session, data)


def _copy_of(path: Path) -> Path:
    return path.with_name(path.name + COPY)
