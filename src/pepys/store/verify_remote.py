"""What of a home's media is not here because it was left at a remote, told apart from what is missing.

Invariants: a remote is asked once, for the names that it has, and not before a blob is missed; nothing is read there.
One that cannot be asked is told, and costs no proof of what lies here.
"""

from __future__ import annotations

from pepys.errors import StorageProblem
from pepys.store.store import Store


class Elsewhere:
    """The blobs that one verification missed and does not count as damage.

    Attributes:
        there: those that the remote in force has.
        left: those that were left at a remote that is not in force, or could not be asked, with its address.
        unreached: why the remote in force could not be asked; empty where it was, or where nothing was missed.
    """

    def __init__(self, store: Store) -> None:
        self.there: set[str] = set()
        self.left: dict[str, str] = {}
        self.unreached = ""
        self._store = store
        self._place = ""
        self._names: frozenset[bytes] | None = None

    def has(self, session: str, blob: str) -> bool:
        """Whether a blob of a session's media is not here, and at a remote as far as can be told.

        Raises:
            Usage, DeviceMissing, PermissionMissing: the remote in force cannot be used.
        """
        if blob in self.there or blob in self.left:
            return True
        if self._store.blobs.exists(blob):
            return False
        if bytes.fromhex(blob[3:]) in self._named():
            self.there.add(blob)
            return True
        left = self._store.left.of(session)
        # A remote that was asked and has it no more has lost it.
        if left is None or blob not in left.blobs or (left.place == self._place and not self.unreached):
            return False
        self.left[blob] = left.place
        return True

    def _named(self) -> frozenset[bytes]:
        if self._names is None:
            self._names = frozenset()
            try:
                self._place = self._store.media.behind.place
                self._names = self._store.media.behind.blobs()
            except StorageProblem as error:
                self.unreached = f"{error.message}; {error.remedy}"
        return self._names
