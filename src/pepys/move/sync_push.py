"""`pepys sync push`: what this home knows, brought to a remote.

Invariants: of a session first every blob is there, then its manifest, then its head, so that a remote is consistent
whenever this is killed; a head there only moves forward, and never to one that knows less; nothing there is deleted;
what is damaged here is not brought there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.model.manifest import Head, Manifest, encode_manifest
from pepys.move.sync_pieces import Movers, bare, left_of, media, roots
from pepys.move.sync_remote import Listing, Remote, head_name
from pepys.move.sync_told import Left, Result, Told, nobody
from pepys.remote_limits import SYNC_TRIES
from pepys.store.blob_port import BlobAdapter, Overtaken, TransientFault, Version, blob_name
from pepys.store.head_chain import TWO_RECORDINGS, is_one_recording
from pepys.store.head_merge import holds
from pepys.store.heads_taken import is_being_taken, sealed_heads
from pepys.store.journal import journal_locked
from pepys.store.references import Reference
from pepys.store.sealed_blobs import SealedBlobs
from pepys.store.store import Store


def push(store: Store, adapter: BlobAdapter, sessions: Sequence[str] | None = None, told: Told = nobody) -> Result:
    """Bring sessions to a remote; what is there already is left as it is.

    Args:
        store: this home.
        adapter: the remote; begun where it is empty.
        sessions: whole ids; None for all, deleted ones included.
        told: hears how far it is.

    Raises:
        KeyProblem: another store lies there.
        PermissionMissing: the remote refuses.
        StorageProblem: it cannot be reached, takes no more, or has a later format.
        Usage: there are other things in its place.
    """
    remote = Remote(store, adapter)
    remote.begin(create=True)
    with Movers() as movers:
        pushing = _Push(store, remote, movers, whole=sessions is None)
        # One that a pull began to bring is nobody's news yet.
        here = (one for one in store.heads.sessions() if not is_being_taken(store, one) or sealed_heads(store, one))
        wanted = list(here) if sessions is None else sorted(set(sessions))
        for done, session in enumerate(wanted):
            told(session, done, len(wanted), pushing.result)
            pushing.session(session)
        if sessions is None and (others := pushing.listing.unasked()):
            pushing.result.unnamed_blobs, pushing.result.unnamed_bytes = others
    return pushing.result


@dataclass(frozen=True, slots=True)
class _Local:
    """The head that is to be pushed: whose, its bytes, what it says, and its manifest."""

    device: str
    data: bytes
    head: Head
    manifest: Manifest


class _Moved(Exception):
    """The head moved on meanwhile, and what it named is gone."""


class _LeftOut(Exception):
    """This session is not pushed."""

    def __init__(self, reason: str, *, damaged: bool = False) -> None:
        super().__init__(reason)
        self.damaged = damaged


class _Push:
    def __init__(self, store: Store, remote: Remote, movers: Movers, *, whole: bool) -> None:
        self.result = Result()
        self.listing = Listing(remote, whole=whole)
        self._heads = _Heads(remote, whole=whole)
        self._store = store
        self._remote = remote
        self._movers = movers
        self._sealed = SealedBlobs(store)

    def session(self, session: str) -> None:
        """Push one session, or note why not."""
        for _ in range(SYNC_TRIES):
            try:
                self._session(session)
            except _Moved:
                continue
            except _LeftOut as left:
                self.result.leave(Left(session, "", str(left), left.damaged))
            except (Damaged, NotFound) as error:
                self.result.leave(Left(session, "", error.message, isinstance(error, Damaged)))
            return
        self.result.leave(Left(session, "", "it changes faster than it can be read"))

    def _session(self, session: str) -> None:
        local = self._local(session)
        version = self._may_move(local, self._heads.devices(session))
        pieces = {one.blob: one for one in roots(local.head, local.manifest)}
        pieces |= {one.blob: one for one, _ in media(local.manifest, self._store.blobs.read)}
        before = self.result.blobs
        self._pieces(local, pieces.values())
        # The manifest names them all, and comes when they are there.
        self._pieces(local, [Reference(local.head.manifest, "manifest")])
        moved = version is not _KNOWN and self._move(local, version)
        if moved:
            self.result.deleted += local.manifest.state == "deleted"
        if moved or self.result.blobs > before:
            self.result.sessions += 1
        else:
            self.result.skipped += 1

    # --- heads

    def _local(self, session: str) -> _Local:
        """The head to push: one that knows all that is known here."""
        store = self._store
        if store.has_journal(session):
            live = journal_locked(store.journal_path(session), disk=store.disk)
            raise _LeftOut(
                "it is being recorded: push it when it has ended" if live else "what was recorded last is not recovered"
            )
        head, manifest = store.heads.manifest(session)
        if manifest.state == "recording":
            raise _LeftOut("its journal is missing")
        sealed = sealed_heads(store, session)
        if len(sealed) > 1 and store.blobs.id_of(encode_manifest(manifest)) != head.manifest:
            # What several devices changed becomes one manifest, of this device, that names all of it.
            try:
                head = store.heads.update(session, lambda current: current)
            except StorageProblem as error:
                raise _LeftOut(f"what several devices changed is not put together: {error.message}") from error
            sealed, manifest = sealed_heads(store, session), store.heads.manifest(session)[1]
        for device, data in sealed.items():
            if store.heads.opened(session, data) == head:
                return _Local(device, data, head, manifest)
        raise _Moved

    def _may_move(self, local: _Local, devices: Iterable[str]) -> Version | None:
        """What the head is to replace there: its version, None for nothing, `_KNOWN` where it need not move.

        Raises:
            _LeftOut: what lies there knows more than is known here, and would be lost or undone.
        """
        version: Version | None = None
        known = sealed_heads(self._store, local.head.session)
        for device in devices:
            try:
                there, data, found = self._remote.head(local.head.session, device)
            except NotFound:
                continue
            except Damaged:
                if device == local.device:
                    version = self._remote.adapter.read_version(head_name(local.head.session, device))[1]
                continue
            if device == local.device:
                version = _KNOWN if there == local.head else found
            if there == local.head or known.get(device) == data:
                continue
            self._look(local, device, there)
            if device == local.device and there.sequence >= local.head.sequence:
                version = _KNOWN
        return version

    def _look(self, local: _Local, device: str, there: Head) -> None:
        """Look at a head that this home does not have."""
        try:
            theirs = self._remote.manifest(there)
        except (Damaged, NotFound):
            return  # pull tells of it; what it says nobody can read
        if theirs.state == "deleted" and local.manifest.state != "deleted":
            raise _LeftOut("another device deleted it: pepys sync pull deletes it here too")
        if not is_one_recording(local.manifest, theirs, self._remote.read):
            raise _LeftOut(TWO_RECORDINGS)
        if device == local.device and not holds(local.manifest, theirs, self._remote.read):
            raise _LeftOut("another copy of this home pushed changes that are not here: pull first")

    def _move(self, local: _Local, version: Version | None) -> bool:
        """Put the head there; False where it is there already, or a later one."""
        name = head_name(local.head.session, local.device)
        self._remote.stay()
        for _ in range(SYNC_TRIES):
            try:
                self._remote.adapter.replace(name, local.data, version)
            except (Overtaken, TransientFault) as error:
                # Another push of this home; or this one, whose answer was lost.
                try:
                    there, _data, version = self._remote.head(local.head.session, local.device)
                except NotFound:
                    version = None
                    continue
                if there == local.head:
                    return isinstance(error, TransientFault)
                self._look(local, local.device, there)
                if there.sequence >= local.head.sequence:
                    return False
            else:
                return True
        raise _LeftOut("somebody else pushes it all the time: push it again")

    # --- blobs

    def _pieces(self, local: _Local, pieces: Iterable[Reference]) -> None:
        for reference, size, problem in self._movers.each(self._missing(pieces), self._piece):
            if isinstance(problem, NotFound):
                if self._store.heads.manifest(local.head.session)[0].sequence != local.head.sequence:
                    raise _Moved
                self.result.leave(left_of(local.head.session, reference, "it is missing here, and at the remote"))
            elif problem is not None:
                self.result.leave(left_of(local.head.session, reference, f"damaged here: {problem.message}"))
            elif size:
                self.result.moved(size)

    def _missing(self, pieces: Iterable[Reference]) -> Iterator[tuple[Reference, int | None]]:
        """The pieces that are not there, or not of the length that they have here, with their length there."""
        for one in pieces:
            there = self.listing.size(one.blob)
            here = self._store.blobs.file_bytes(one.blob)
            if there is None or (here and there != here):
                yield one, there

    def _piece(self, item: tuple[Reference, int | None]) -> tuple[Reference, int, Damaged | NotFound | None]:
        """Bring one blob there; its bytes, or what is wrong with it here."""
        one, there = item
        name, adapter = blob_name(one.blob), self._remote.adapter
        version: Version | None = None
        if there is not None:
            # Two homes seal the same content in pieces of other lengths: only what does not prove is replaced.
            try:
                self._remote.fetch(one.blob)
            except Damaged:
                version = self._version(name)
            except NotFound:
                pass
            else:
                return one, 0, None
        try:
            data = self._sealed.read(one.blob)
        except (Damaged, NotFound) as error:
            return one, 0, bare(error)
        if version is not None:
            adapter.replace(name, data, version)
            self.result.mended += 1
            return one, len(data), None
        return one, len(data) if adapter.put(name, data) else 0, None

    def _version(self, name: str) -> Version | None:
        adapter = self._remote.adapter
        try:
            return adapter.read_version(name)[1]
        except Damaged:
            # Longer than any sealed file: nothing reads it, so that it can go.
            adapter.delete(name)
            return None


class _Heads:
    """Which devices have a head of a session there; for all sessions from one listing, asked for in order."""

    def __init__(self, remote: Remote, *, whole: bool) -> None:
        self._remote = remote
        self._all = remote.heads() if whole else None
        self._next: tuple[str, dict[str, int]] | None = ("", {})

    def devices(self, session: str) -> list[str]:
        if self._all is None:
            return [device for _, devices in self._remote.heads(f"{session}/") for device in devices]
        while self._next is not None and self._next[0] < session:
            before, self._next = self._next[0], next(self._all, None)
            if self._next is not None and self._next[0] <= before:
                self._all = None  # it does not list in order
                return self.devices(session)
        return list(self._next[1]) if self._next is not None and self._next[0] == session else []


_KNOWN: Version = "\0known"
