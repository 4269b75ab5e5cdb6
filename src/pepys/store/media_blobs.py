"""Blobs of film, sound and shots, wherever they are: in the home, or left at a remote.

Invariants: these are the only blobs that are ever asked for at a remote. What tells of others (manifests, chunks,
artifacts, edit logs) is always in the home, so that recording, reading and editing know nothing of a remote, and a
remote does not learn what is looked for. What comes from there is proven as one's own.
"""

from __future__ import annotations

import re
from typing import Final

from pepys.errors import AtRemote, Damaged, NotFound, StorageProblem
from pepys.store.behind import Behind
from pepys.store.blobs import BlobStore
from pepys.store.left_blobs import LeftBlobs

_NAMED: Final = re.compile(r"^blobs/\S+ at ")


class MediaBlobs:
    """The media of one home's sessions.

    Attributes:
        behind: where those are read that are not here.
    """

    def __init__(self, blobs: BlobStore, behind: Behind, left: LeftBlobs) -> None:
        self.behind = behind
        self._blobs = blobs
        self._left = left

    def read(self, session: str, blob: str) -> bytes:
        """The content of a blob of a session's media, proven.

        Raises:
            NotFound: it is neither here nor at the remote in force, and was not left at one.
            AtRemote: it was left at a remote that is not in force, or that does not answer now.
            Damaged: its bytes are not what was stored, here or there.
            Usage, DeviceMissing, PermissionMissing: the remote in force cannot be used.
        """
        try:
            return self._blobs.read(blob)
        except NotFound as missing:
            return self._read_behind(session, blob, missing)

    def read_range(self, session: str, blob: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer where the blob ends; raises as `read`."""
        try:
            return self._blobs.read_range(blob, offset, length)
        except NotFound as missing:
            return self._read_behind(session, blob, missing)[offset : offset + length]

    def _read_behind(self, session: str, blob: str, missing: NotFound) -> bytes:
        try:
            sealed = self.behind.read(blob)
        except StorageProblem as error:
            # While a remote rests, what it said was of another piece.
            why = nameless(error.message)
            raise AtRemote(f"this piece lies at a remote that cannot be read now: {why}", error.remedy) from error
        if sealed is None:
            left = self._left.of(session)
            if left is not None and blob in left.blobs:
                raise AtRemote(f"this piece was left at {left.place}", remedy_for(left.place))
            raise missing
        try:
            return self._blobs.proven(blob, sealed)
        except Damaged as error:
            self.behind.forget(blob)
            raise type(error)(f"{error.message} (at {self.behind.place})", error.remedy) from error


def nameless(message: str) -> str:
    """What a remote said, without the name of the blob that was asked for: a hash tells a person nothing."""
    return _NAMED.sub("", message)


def remedy_for(place: str) -> str:
    """What brings what was left at a remote."""
    return f'set [store] remote = "{place}" to see it here; pepys sync pull {place} brings it'
