"""Temporary files that nobody will finish: what a kill left of files that were being replaced or put.

Invariant: only what bears the name of such a file, and was last written longer ago than any of them takes, is deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pepys.limits import STRAY_NS
from pepys.store.heads_taken import TAKING
from pepys.store.store import Store

_FOLDERS: Final = ("journals", "keys", "removing", "blobs/open")


def discard_strays(store: Store) -> None:
    """Delete the temporary files of a home that are older than `STRAY_NS`.

    Raises:
        StorageProblem, OSError: the disk refused to tell of one, or to delete it.
    """
    before_ns = store.clock.wall_ns() - STRAY_NS
    store.blobs.discard_strays(before_ns)
    for folder in _folders(store):
        with contextlib.suppress(FileNotFoundError):
            for name in store.disk.listing(folder):
                if name.startswith(".") and name != TAKING:
                    _discard(store, folder / name, before_ns)


def _folders(store: Store) -> Iterator[Path]:
    yield from (store.path / name for name in _FOLDERS)
    yield from (store.path / "heads" / session for session in store.heads.sessions())


def _discard(store: Store, path: Path, before_ns: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if store.disk.stat(path).st_mtime_ns < before_ns:
            store.disk.unlink(path)
