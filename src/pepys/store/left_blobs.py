"""Which blobs of film, sound and shots were left at a remote when a session was brought here, and where that was.

Owns the notes `left/SESSION`. Invariants: a note is sealed, as a remote's address is nobody else's; it names only what
was not here when it was written, so that a blob that was here and is gone is damage as ever; who brings all of a
session forgets its note. A note that does not open says nothing: what it named is then told as missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.model.ids import is_blob_id, is_session_id
from pepys.store.disk import Disk
from pepys.store.files import remove_file, replace_file, storage_errors
from pepys.store.keys import StoreKeys
from pepys.store.sealing import open_small, seal_small

MAGIC: Final = b"PPLF"
_FOLDER: Final = "left"
_INFO: Final = "pepys left"


@dataclass(frozen=True, slots=True)
class LeftAt:
    """What was left of one session.

    Attributes:
        place: the remote's address.
        blobs: what was left there.
    """

    place: str
    blobs: frozenset[str]


class LeftBlobs:
    """The notes of one home."""

    def __init__(self, home: Path, keys: StoreKeys, disk: Disk) -> None:
        self._folder = home / _FOLDER
        self._keys = keys
        self._disk = disk

    def of(self, session: str) -> LeftAt | None:
        """What was left of a session; None where nothing was, or where its note does not open.

        Raises:
            StorageProblem: it cannot be read.
        """
        if not is_session_id(session):
            return None
        path = self._folder / session
        try:
            with storage_errors(path):
                data = self._disk.read(path)
        except FileNotFoundError:
            return None
        try:
            told = json.loads(open_small(self._keys.head_key, MAGIC, f"{_INFO} {session}", data, f"the note {path}"))
            place, blobs = str(told["remote"]), told["blobs"]
            return LeftAt(place, frozenset(blob for blob in blobs if isinstance(blob, str) and is_blob_id(blob)))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def note(self, session: str, place: str, blobs: Iterable[str]) -> None:
        """Note what is left of a session, in the place of what was noted before; durable when it returns.

        Raises:
            StorageProblem: it cannot be written.
        """
        wanted = LeftAt(place, frozenset(blobs))
        if not wanted.blobs:
            self.forget(session)
        elif self.of(session) != wanted:
            told = json.dumps({"remote": place, "blobs": sorted(wanted.blobs)}).encode()
            data = seal_small(self._keys.head_key, MAGIC, f"{_INFO} {session}", told)
            replace_file(self._folder / session, data, "left.noted", self._disk)

    def forget(self, session: str) -> None:
        """Delete a session's note: all of it was brought, or it was deleted.

        Raises:
            StorageProblem: it cannot be deleted.
        """
        path = self._folder / session
        if self._disk.exists(path):
            remove_file(path, self._disk)
