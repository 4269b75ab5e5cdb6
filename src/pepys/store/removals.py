"""Lists of blobs that are to be deleted: what a removal, a merge or an edit has still to free after a kill.

Of each kind a session has at most one list, sealed, durable before the first of its blobs loses its last reference.
Which of the blobs may really go is up to `remove`, `merging` and `edits`; that none takes another's list for its own,
which would free what is in use, is sure by name and by key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.errors import Damaged, NewerFormat
from pepys.model.ids import is_blob_id, is_session_id
from pepys.store.files import remove_file, replace_file, storage_errors
from pepys.store.sealing import open_small, seal_small
from pepys.store.store import Store

MAGIC: Final = b"PPRM"
_FOLDER: Final = "removing"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a list is of: how its file's name ends, and the info of its key."""

    suffix: str
    info: str


REMOVAL: Final = Kind("", "pepys removal")
MERGE: Final = Kind(".chunks", "pepys merge")
EDIT: Final = Kind(".edits", "pepys edit")


def listed_sessions(store: Store, kind: Kind) -> list[str]:
    """The sessions that have a list.

    Raises:
        StorageProblem: that cannot be told.
    """
    folder = store.path / _FOLDER
    try:
        with storage_errors(folder):
            names = store.disk.listing(folder)
    except FileNotFoundError:
        return []
    ending = len(kind.suffix)
    return sorted(name[: len(name) - ending] for name in names if _is_list(name, kind))


def write_list(store: Store, session: str, kind: Kind, blobs: Iterable[str]) -> None:
    """Put a session's list, durably.

    Raises:
        StorageProblem: it cannot be written.
    """
    data = seal_small(store.keys.head_key, MAGIC, f"{kind.info} {session}", json.dumps(list(blobs)).encode())
    replace_file(_path(store, session, kind), data, "remove.list", store.disk)


def read_list(store: Store, session: str, kind: Kind) -> list[str] | None:
    """A session's list; None where it has none.

    Raises:
        Damaged: it does not open.
        StorageProblem: it cannot be read.
    """
    path = _path(store, session, kind)
    try:
        with storage_errors(path):
            data = store.disk.read(path)
    except FileNotFoundError:
        return None
    what = f"the list {path}"
    try:
        blobs = json.loads(open_small(store.keys.head_key, MAGIC, f"{kind.info} {session}", data, what))
    except NewerFormat:
        raise
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{what} is damaged: {error}", "delete it: some garbage is then kept") from error
    if not isinstance(blobs, list):
        raise Damaged(f"{what} is no list", "delete it: some garbage is then kept")
    return [blob for blob in blobs if isinstance(blob, str) and is_blob_id(blob)]


def drop_list(store: Store, session: str, kind: Kind) -> None:
    """Delete a session's list, durably."""
    remove_file(_path(store, session, kind), store.disk)


def _path(store: Store, session: str, kind: Kind) -> Path:
    return store.path / _FOLDER / f"{session}{kind.suffix}"


def _is_list(name: str, kind: Kind) -> bool:
    return name.endswith(kind.suffix) and is_session_id(name[: len(name) - len(kind.suffix)])
