"""Heads: the small sealed files that say which manifest of a session is current.

Invariants: a head is replaced atomically, always as read, change, replace under the session's lock, by this one
function; every blob that a new manifest names is there when the head is replaced; of the manifests before, at most one
stays. Reading takes no lock and needs no write access. How the files lie on the disk is `head_files`' part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pepys.errors import Damaged, NewerFormat, NotFound, PepysError
from pepys.model.manifest import Head, Manifest, decode_manifest, encode_manifest
from pepys.store.blobs import BlobStore
from pepys.store.disk import DISK, Disk
from pepys.store.head_files import HeadFiles
from pepys.store.head_merge import joined
from pepys.store.keys import StoreKeys
from pepys.store.trigger import reach

_TRIES: Final = 5
_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class _Known:
    """What all heads of a session say together.

    Attributes:
        head: the one to go on from.
        manifest: the joined manifest.
        untold: heads whose own manifest does not open, and why.
    """

    head: Head
    manifest: Manifest
    untold: list[tuple[Head, Damaged | NotFound]]


class Heads(HeadFiles):
    """The heads of one home."""

    def __init__(self, home: Path, keys: StoreKeys, blobs: BlobStore, *, disk: Disk = DISK) -> None:
        super().__init__(home, keys, disk)
        self._blobs = blobs
        self._logs: dict[str, frozenset[str]] = {}

    def manifest(self, session: str) -> tuple[Head, Manifest]:
        """The current head with its manifest: the furthest, unless another device deleted the session.

        What other devices edited meanwhile is among its edits. Nothing that a device brings back undoes a deletion,
        however often it was edited there.

        Raises:
            NotFound: no such session.
            Damaged: head or manifest do not open, or the manifest is missing.
        """
        known = self._known(session)
        return known.head, known.manifest

    def untold(self, session: str) -> list[tuple[Head, Damaged | NotFound]]:
        """The heads whose manifest does not open, and why: each tells what only it knew; none of a deleted session.

        Raises:
            NotFound, Damaged: as `manifest`.
        """
        return self._known(session).untold

    def _known(self, session: str) -> _Known:
        last: NotFound | None = None
        for _ in range(_TRIES):
            heads = self.every(session)
            try:
                return self._with(heads)
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
        untold: list[tuple[Head, Damaged | NotFound]] = []
        try:
            known = self._known(session)
            head, current, untold = known.head, known.manifest, known.untold
        except NotFound:
            if first is None:
                raise
            head, current = Head(session, 0, ""), first
        changed = change(current)
        if changed.state != "deleted":
            self._refuse_blind(session, untold)
        data = encode_manifest(changed)
        blob = self._blobs.put(data, twice=True)
        if blob == head.manifest:
            self._settle(session)
            return head
        named = _named(changed) - (_named(current) if head.sequence else set())
        before = self._roots(session)
        new = Head(session, head.sequence + 1, blob, head.manifest or None, changed.edits)
        try:
            with self._blobs.referring([blob, *sorted(named)]):
                self._write(session, self._keys.device_id, self._sealed(new))
        except (PepysError, OSError):
            with contextlib.suppress(PepysError, OSError):
                self._let_go(session, blob)
            raise
        self._keep(blob, changed)
        # What the head of another device names stays: it may know what nobody else does.
        after = self._roots(session)
        if before is not None and after is not None:
            for old in sorted(before - after):
                self._blobs.delete(old)
                reach("head.cleared")
        return new

    def bury_locked(self, session: str, tombstone: Manifest) -> Head:
        """Put a tombstone in the place of heads of which the furthest leads to nothing that opens, or none opens.

        The caller holds `lock`, and calls `forget_damaged` later.

        Raises:
            StorageProblem: it cannot be written.
            Damaged: what lies in the place of the heads is no folder.
        """
        sequence = 0
        with contextlib.suppress(NotFound, Damaged):
            sequence = self.read(session).sequence
        blob = self._blobs.put(encode_manifest(tombstone), twice=True)
        new = Head(session, sequence + 1, blob, None, tombstone.edits)
        with self._blobs.referring([blob, *sorted(_named(tombstone))]):
            self._write(session, self._keys.device_id, self._sealed(new))
        return new

    def _let_go(self, session: str, manifest: str) -> None:
        """Delete a manifest that was stored for a head that did not come to be: a full disk would fill up with them.

        One that was there before stays: a head may name it, perhaps as the one before its last.
        """
        with self._blobs.deleting():
            named = self._roots(session)
            if named is not None and manifest not in named:
                self._blobs.delete(manifest)

    def _roots(self, session: str) -> set[str] | None:
        """What `led_to` tells of all heads; None where one does not open, so that nobody can tell."""
        found = set[str]()
        try:
            for path in self._devices(session):
                found |= self.led_to(self._read_either(path, session))
        except (Damaged, NotFound):
            return None
        return found

    def led_to(self, head: Head) -> set[str]:
        """The manifests that a head names, the one before the last included, and the edit logs of both.

        Of these none is any other session's.

        Raises:
            Damaged: its manifest does not open, so that nobody can tell.
        """
        found = {head.manifest, *head.edits.values()}
        with contextlib.suppress(NotFound):  # one that is gone leads to nothing
            found |= self._logs_of(head)
        if head.previous:
            found.add(head.previous)
            with contextlib.suppress(NotFound, Damaged):  # the head tells once more of the edits that count
                found |= self._logs_of(replace(head, manifest=head.previous))
        return found

    def _logs_of(self, head: Head) -> frozenset[str]:
        """The edit logs that a head's manifest names; kept for a few, as a manifest never changes."""
        logs = self._logs.get(head.manifest)
        return self._keep(head.manifest, self._manifest(head)) if logs is None else logs

    def _keep(self, blob: str, manifest: Manifest) -> frozenset[str]:
        if len(self._logs) >= _KEPT:
            self._logs.clear()
        logs = self._logs[blob] = frozenset(manifest.edits.values())
        return logs

    def _refuse_blind(self, session: str, untold: list[tuple[Head, Damaged | NotFound]]) -> None:
        """Refuse to replace this device's head where what it leads to does not open: nothing else names that."""
        damaged = [head for head, error in untold if isinstance(error, Damaged)]
        with contextlib.suppress(NotFound):
            if damaged and self._read_either(self._root / session / self._keys.device_id, session) in damaged:
                told = f"this device's manifest of session {session} is damaged"
                raise Damaged(told, "run pepys rebuild; where that does not help, restore it from a backup")

    def _with(self, heads: list[Head]) -> _Known:
        """The furthest head's manifest together with what heads of other devices know."""
        found: list[tuple[Head, Manifest | Damaged | NotFound]] = []
        for one in heads:
            try:
                found.append((one, self._manifest(one)))
            except NotFound as error:
                # Earlier versions freed that of a device when another one had gone on with it; nothing was lost.
                if one.edits or one is heads[-1]:
                    found.append((one, error))
            except Damaged as error:
                found.append((one, error))
        opened = [(one, known) for one, known in found if isinstance(known, Manifest)]
        if any(known.state == "deleted" for _, known in opened):
            # A removal frees the manifests of all devices, also of one that had gone further than its tombstone.
            return _Known(*joined(opened, self._blobs.read), [])
        untold = [(one, error) for one, error in found if not isinstance(error, Manifest)]
        if untold and untold[-1][0] is heads[-1]:
            raise untold[-1][1]
        if any(isinstance(error, NotFound) for _, error in untold) and self.every(heads[-1].session) != heads:
            raise untold[-1][1]  # it moved on meanwhile
        told = [(one, known if isinstance(known, Manifest) else self._left_of(one)) for one, known in found]
        return _Known(*joined(told, self._blobs.read), untold)

    def _left_of(self, head: Head) -> Manifest:
        """Of a head whose manifest does not open: what the one before it says, with the edits that the head tells."""
        known = Manifest(head.session, "interrupted", "", 0)
        with contextlib.suppress(NotFound, Damaged):
            if head.previous:
                known = self._manifest(replace(head, manifest=head.previous))
        state = "interrupted" if known.state == "recording" else known.state
        return replace(known, state=state, edits={**known.edits, **head.edits})

    def _manifest(self, head: Head) -> Manifest:
        """The manifest of a head, as far as what it says can be taken for its word."""
        try:
            found = decode_manifest(self._blobs.read(head.manifest))
        except NewerFormat as error:
            raise error.about(f"session {head.session}") from error
        except ValueError as error:
            raise Damaged(f"the manifest of session {head.session}: {error}", "restore it from a backup") from error
        if found.session != head.session:
            raise Damaged(f"the manifest of session {head.session} is another session's", "restore it from a backup")
        return found


def _named(manifest: Manifest) -> set[str]:
    """The blobs that a manifest names by itself."""
    chunks = {chunk.blob for chunk in manifest.chunks}
    artifacts = {artifact.blob for artifact in manifest.artifacts if artifact.blob}
    return chunks | artifacts | set(manifest.edits.values())
