"""Whether a store key is the one of a home, told from what the home holds and without any master key."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from pepys.errors import Damaged, NotFound
from pepys.store.disk import DISK, READ
from pepys.store.files import storage_errors
from pepys.store.key_wrapping import journals
from pepys.store.keys import StoreKeys

_TRIED: Final = 16
"""So many pieces of each kind are tried: one may be damaged, not all of them."""


def proves(home: Path, store_key: bytes) -> bool | None:
    """Whether the key opens the home's heads, journals, blobs or databases; None where there is nothing to open.

    Raises:
        StorageProblem: the home cannot be read.
    """
    keys = StoreKeys(store_key, "", b"")
    tried = False
    for opens in (_heads, _journals, _blobs, _databases):
        for opened in islice(opens(home, keys), _TRIED):
            if opened:
                return True
            tried = True
    return False if tried else None


def _heads(home: Path, keys: StoreKeys) -> Iterator[bool]:
    from pepys.store.head_files import INFO, MAGIC
    from pepys.store.sealing import open_small

    for folder in _entries(home / "heads"):
        for path in _entries(folder):
            try:
                with storage_errors(path):
                    open_small(keys.head_key, MAGIC, f"{INFO} {folder.name}", DISK.read(path), "a head")
            except (Damaged, FileNotFoundError):
                yield False
            else:
                yield True


def _journals(home: Path, keys: StoreKeys) -> Iterator[bool]:
    from pepys.store.journal_reader import JournalReader

    for path in journals(home):
        try:
            yield any(True for _ in islice(JournalReader(path, keys).read(), 1))
        except (Damaged, NotFound):
            yield False


def _blobs(home: Path, keys: StoreKeys) -> Iterator[bool]:
    from pepys.store.blob_writer import INFO, MAGIC
    from pepys.store.frames import opener, read_frame, walk

    folders = (inner for outer in _entries(home / "blobs") if outer.name != "open" for inner in _entries(outer))
    for path in (path for folder in folders for path in _entries(folder)):
        try:
            with storage_errors(path):
                fd = DISK.open(path, READ)
                try:
                    cipher = opener(DISK, fd, keys.blob_key, INFO, MAGIC)
                    first = next(walk(DISK, fd), None)
                    yield first is not None and read_frame(DISK, fd, cipher, first) is not None
                finally:
                    DISK.close(fd)
        except (ValueError, FileNotFoundError):
            yield False


def _databases(home: Path, keys: StoreKeys) -> Iterator[bool]:
    for path in _entries(home):
        if path.suffix == ".db":
            from pepys.store.database import DatabaseError, connect

            try:
                connect(path, keys.database_key(path.stem), "ro").close()
            except DatabaseError:
                yield False
            else:
                yield True


def _entries(folder: Path) -> Iterator[Path]:
    """What lies in a folder, unfinished files left out; nothing where it is none."""
    try:
        with storage_errors(folder):
            names = DISK.listing(folder) if DISK.is_folder(folder) else []
    except FileNotFoundError:
        return
    yield from (folder / name for name in sorted(names) if not name.startswith("."))
