"""Where the blobs of a home lie, and how a finished file gets the name of its content.

A blob that lies twice has a copy beside it (`copy_of`): that gets its name first, and goes first.

Invariants: a blob's name is durable before anybody is told of it; of a file that was begun under another name, one who
knows only that name finds the blob until `forget`: the file has both names, or, where a file system gives none a second
one (or the blob was there already), a note beside it (`NAME.sealed`) tells it. What has the name of a blob is never cut
or written to; an open file that somebody links elsewhere is still one file, and is. What the files hold is not looked
at here but to tell which of two names goes with which.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from blake3 import blake3

from pepys.errors import NotFound, StorageProblem
from pepys.model.ids import is_blob_id, is_open_name
from pepys.store.blob_writer import INFO, MAGIC
from pepys.store.disk import Disk, NoFile
from pepys.store.files import locked, make_folder, replace_file, storage_errors
from pepys.store.frames import open_all
from pepys.store.keys import StoreKeys
from pepys.store.trigger import reach

NOTE: Final = ".sealed"
COPY: Final = ".copy"
"""Ends the name of a blob's copy."""
_TRIES: Final = 5
LEFT: Final = ".left"
"""Ends the name of an open file that no event tells of any more, as the journal is gone; it goes with its session."""
_NO_LINK: Final = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EXDEV, errno.EINVAL}
)
"""What file systems answer that give no file a second name."""


class BlobNames:
    """The names under `blobs/` of one home."""

    def __init__(self, home: Path, keys: StoreKeys, disk: Disk) -> None:
        self.root = home / "blobs"
        self.open = self.root / "open"
        self.lock = home / "locks" / "blobs.lock"
        self.seen = False
        """Whether the folder was there: another is not begun in its place."""
        self._keys = keys
        self._disk = disk

    # --- where

    def path(self, blob: str) -> Path:
        """A blob's file.

        Raises:
            NotFound: it is no blob's id.
        """
        if not is_blob_id(blob):
            raise NotFound(f"{blob[:80]!r} is no blob id", "ids begin with b3-")
        return self.root / f"{blob[3:5]}/{blob[5:7]}/{blob}"

    def open_path(self, name: str) -> Path:
        """The file of a blob that is being written; ValueError for what is no name."""
        if not is_open_name(name):
            raise ValueError(f"{name!r} is no name for an open blob")
        return self.open / name

    def there(self, blob: str) -> Path | None:
        """A blob's file, or its copy where that is gone; None where neither is there."""
        path = self.path(blob)
        return next((one for one in (path, copy_of(path)) if self._disk.is_file(one)), None)

    def ids(self) -> Iterator[str]:
        """Every blob, in the order of its name; also one of which only the copy is there."""
        for outer in self._names(self.root):
            if len(outer) == 2 and not set(outer) - set("0123456789abcdef"):
                for inner in self._names(self.root / outer):
                    names = self._names(self.root / outer / inner)
                    yield from filter(is_blob_id, dict.fromkeys(name.removesuffix(COPY) for name in names))

    def open_names(self) -> list[str]:
        """What there is of files that are being written, and notes."""
        return self._names(self.open)

    def stay(self) -> None:
        """Refuse where the folder was and is no more.

        Raises:
            StorageProblem: the store is not where it was.
        """
        there = self._disk.is_folder(self.root)
        if self.seen and not there:
            raise StorageProblem(f"{self.root} is gone", "mount it again, or move it back")
        self.seen = there

    # --- giving names

    def keep(self, blob: str) -> bool:
        """Whether the blob is there; if so it now counts as freshly used, and no removal under way deletes it.

        Its name is durable then: who gave it may have been killed, or told that the disk failed, before that.
        """
        path = self.path(blob)
        with storage_errors(self.root), locked(self.lock, shared=True, disk=self._disk):
            try:
                self._disk.touch(path)
            except FileNotFoundError:
                return False
            self._disk.sync_folder(path.parent)
            return True

    def place_copy(self, source: Path, blob: str) -> None:
        """Give a finished, durable file the name of a blob's copy; `place` or `keep` then make that durable, too."""
        target = copy_of(self.path(blob))
        with storage_errors(target):
            self.into(target, lambda: self._disk.replace(source, target))
        reach("blob.copied")

    def place(self, source: Path, blob: str) -> None:
        """Give a finished, durable file its name; what a power cut may leave of the other one is a stray."""
        target = self.path(blob)
        with storage_errors(target):
            if self.keep(blob):
                self._disk.unlink(source)
                return
            self.into(target, lambda: self._disk.replace(source, target))
            self.seen = True
            reach("blob.renamed")
            self._disk.sync_folder(target.parent)
        reach("blob.placed")

    def name(self, source: Path, blob: str) -> None:
        """Give a finished, durable file its name, so that `became` tells it to who knows the one that it had."""
        target = self.path(blob)
        with storage_errors(target):
            try:
                # Two names are a note that costs no order to the disk of its own.
                self.into(target, lambda: self._disk.link(source, target))
            except OSError as error:
                if error.errno not in {errno.EEXIST, *_NO_LINK}:
                    raise
                self._name_with_note(source, blob)
                return
            self.seen = True
            reach("blob.linked")
            self._disk.sync_folder(target.parent)
        reach("blob.placed")

    def into(self, target: Path, give: Callable[[], None]) -> None:
        """Make the folder and give the name; a removal may take an empty folder away in between.

        Raises:
            StorageProblem: the home is gone, or the file that was to get the name.
        """
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                make_folder(target.parent, self._disk)
                give()
                return
        make_folder(target.parent, self._disk)
        try:
            give()
        except FileNotFoundError as error:
            raise StorageProblem(f"what was to be {target} is gone", "look who deletes files of this home") from error

    def _name_with_note(self, source: Path, blob: str) -> None:
        replace_file(_note_on(source), blob.encode("ascii"), "blob.intent", self._disk)
        self.place(source, blob)
        # A power cut must not bring it back: what recovery cut from it would be gone from the blob, too.
        self._disk.sync_folder(source.parent)

    # --- taking names away

    def settle(self, blobs: Iterable[str]) -> None:
        """Make it durable that files are gone; folders that they left empty go."""
        folders = {self.path(blob).parent for blob in blobs}
        while folders:
            above = set[Path]()
            for folder in sorted(folders):
                with storage_errors(folder), contextlib.suppress(FileNotFoundError):
                    if folder == self.root or self._disk.listing(folder) or not self._emptied(folder):
                        self._disk.sync_folder(folder)
                    else:
                        above.add(folder.parent)
            folders = above

    def _emptied(self, folder: Path) -> bool:
        """Delete a folder that was empty; False where somebody gave a blob its name in it meanwhile."""
        try:
            self._disk.rmdir(folder)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            return False
        return True

    # --- what became of the names before

    def became(self, path: Path) -> str | None:
        """The blob that an open file was sealed as, until that is forgotten."""
        return self._noted(path) or self.linked(path)

    def linked(self, path: Path) -> str | None:
        """The blob that an open file is at the same time; None when it is none."""
        try:
            with storage_errors(path):
                there = self._disk.stat(path)
        except FileNotFoundError:
            return None
        if there.st_nlink < 2:
            return None
        # Looking at every file is for one that is damaged, or for a home that was copied by links.
        for blob in (self._content_id(path), *self.ids()):
            with contextlib.suppress(FileNotFoundError):
                if blob and os.path.samestat(self._disk.stat(self.path(blob)), there):
                    return blob
        return None

    def sealed(self) -> list[str]:
        """The names of open files that were sealed and not yet forgotten."""
        names = self.open_names()
        noted = {name.removesuffix(NOTE) for name in names if name.endswith(NOTE) and name[0] != "."}
        return sorted(noted | {name for name in names if self._links(self.open / name) > 1})

    def forget(self, name: str) -> None:
        """Delete the other name of a sealed open file, or the note on it, once something durable refers to the blob."""
        path = self.open_path(name)
        try:
            self._disk.unlink(path)
        except FileNotFoundError:
            with contextlib.suppress(FileNotFoundError):
                self._disk.unlink(_note_on(path))

    def _noted(self, path: Path) -> str | None:
        try:
            blob = self._disk.read(_note_on(path)).decode("ascii", "replace")
        except (FileNotFoundError, NoFile):
            return None
        return blob if is_blob_id(blob) and self._disk.is_file(self.path(blob)) else None

    def _content_id(self, path: Path) -> str:
        """The id of what a sealed file holds; empty where it does not open."""
        content = blake3(key=self._keys.id_key)
        try:
            for piece in open_all(self._disk.read(path), self._keys.blob_key, INFO, MAGIC):
                content.update(piece)
        except (OSError, ValueError):
            return ""
        return f"b3-{content.hexdigest()}"

    def _links(self, path: Path) -> int:
        try:
            return self._disk.stat(path).st_nlink
        except FileNotFoundError:
            return 0

    def _names(self, folder: Path) -> list[str]:
        """The names in a folder in order; none where it is not there."""
        try:
            with storage_errors(folder):
                return sorted(self._disk.listing(folder))
        except FileNotFoundError:
            return []
        except StorageProblem:
            # A file, or a link in circles, in the place of a folder: what it held is missing, the rest is not.
            if folder != self.root and self._disk.exists(self.root) and not self._disk.is_folder(folder):
                return []
            raise


def copy_of(path: Path) -> Path:
    """Where the copy of a blob lies that lies twice."""
    return path.with_name(f"{path.name}{COPY}")


def _note_on(path: Path) -> Path:
    return path.with_name(f"{path.name}{NOTE}")
