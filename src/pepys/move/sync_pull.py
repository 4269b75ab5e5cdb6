"""`pepys sync pull`: what a remote knows, brought to this home.

Invariants: every blob is proven before it gets its name; a head is put beside those that are here when all it leads to
has been brought, or is told to be missing; a head here only moves forward; what was changed here and not yet pushed
stays; a session that another device deleted is deleted here, and stays so. Killed anywhere, it leaves blobs that
nothing names yet, and is done again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pepys.errors import Busy, Damaged, NewerFormat, NotFound, Partial, Usage
from pepys.model.manifest import Head, Manifest
from pepys.move.sync_pieces import Movers, bare, left_of, media, roots
from pepys.move.sync_remote import Remote
from pepys.move.sync_told import Left, Result, Told, nobody
from pepys.remote_limits import SYNC_TRIES
from pepys.store.blob_port import BlobAdapter
from pepys.store.head_chain import TWO_RECORDINGS, is_one_recording
from pepys.store.head_merge import holds
from pepys.store.heads_taken import begin_taking, sealed_heads, take_head
from pepys.store.references import Reference
from pepys.store.remove import remove_by
from pepys.store.sealed_blobs import SealedBlobs
from pepys.store.store import Store

_LAST = "last"


def pull(
    store: Store,
    adapter: BlobAdapter,
    sessions: Sequence[str] | None = None,
    told: Told = nobody,
    *,
    with_media: bool = True,
) -> Result:
    """Bring sessions from a remote.

    Args:
        store: this home.
        adapter: the remote.
        sessions: ids, unique prefixes of what is there, or `last`; None for all.
        told: hears how far it is.
        with_media: also inits, segments and shots.

    Raises:
        NotFound: no store lies there, or no such session.
        KeyProblem: another store lies there.
        PermissionMissing: the remote refuses.
        StorageProblem: it cannot be reached, or has a later format; or the home takes no more.
        Usage: a prefix is of several sessions.
    """
    remote = Remote(store, adapter)
    remote.begin(create=False)
    chosen = None if sessions is None else sorted({_resolve(remote, text) for text in sessions})
    with Movers() as movers:
        pulling = _Pull(store, remote, movers, with_media=with_media)
        prefixes = [""] if chosen is None else [f"{session}/" for session in chosen]
        found = (one for prefix in prefixes for one in remote.heads(prefix))
        for done, (session, devices) in enumerate(found):
            told(session, done, None if chosen is None else len(chosen), pulling.result)
            pulling.session(session, devices)
    return pulling.result


def _resolve(remote: Remote, text: str) -> str:
    if text == _LAST:
        newest = max((session for session, _ in remote.heads()), default=None)  # ids sort by time
        found = set() if newest is None else {newest}
    else:
        prefix, found = text.lower(), set[str]()
        for session, _ in remote.heads(prefix) if prefix.isascii() and prefix.isalnum() else ():
            found.add(session)
            if len(found) > 1:
                raise Usage(f"{text!r} is of several sessions at {remote.place}", "give more of the id")
    if not found:
        told = f"there is no session {text[:80]!r} at {remote.place}"
        raise NotFound(told, "pepys sync pull without an id brings all")
    return found.pop()


@dataclass(frozen=True, slots=True)
class _News:
    """A head that is not here: under which device it is to be put, its bytes, what it says, and its manifest."""

    device: str
    data: bytes
    head: Head
    manifest: Manifest


@dataclass(slots=True)
class _Brought:
    """What came of the pieces of one session.

    Attributes:
        here: those that are in this home now.
        without: whether chunks, artifacts or edit logs are not.
    """

    here: set[str] = field(default_factory=set)
    without: bool = False


class _Pull:
    def __init__(self, store: Store, remote: Remote, movers: Movers, *, with_media: bool) -> None:
        self.result = Result()
        self._store = store
        self._remote = remote
        self._movers = movers
        self._with_media = with_media
        self._outside: set[bytes] = set()
        self._sealed = SealedBlobs(store)

    def session(self, session: str, devices: Iterable[str]) -> None:
        """Pull one session, or note why not."""
        try:
            self._session(session, sorted(devices))
        except Busy as error:
            self.result.leave(Left(session, "", f"{error.message}: pull it when it has ended"))
        except Partial as error:
            self.result.leave(Left(session, "", error.message))
        except (Damaged, NotFound) as error:
            self.result.leave(Left(session, "", error.message, damaged=True))

    def _session(self, session: str, devices: list[str]) -> None:
        before = self.result.blobs
        self._mend(session)
        here = self._here(session)
        if here is not None and here[1].state == "deleted":
            self.result.skipped += 1
            return
        known = self.result.left_count
        found = [one for device in devices if (one := self._news(session, device, here))]
        news = list(self._of_one_recording(session, found, here))
        if news and self._store.has_journal(session):
            raise Busy("it is being recorded here")
        if tombstone := next((one for one in news if one.manifest.state == "deleted"), None):
            self._delete(session, tombstone, here)
            return
        taken = False
        for _ in range(SYNC_TRIES):
            try:
                taken = self._take(session, news, here)
                break
            except NotFound:
                # A removal freed a blob that was here a moment ago: it is brought again.
                continue
        else:
            self.result.leave(
                Left(session, "", "what it needs is deleted here as fast as it is brought: pull it again")
            )
        if taken or self.result.blobs > before:
            self.result.sessions += 1
        elif not news and known == self.result.left_count:
            self.result.skipped += 1

    def _here(self, session: str) -> tuple[Head, Manifest] | None:
        try:
            return self._store.heads.manifest(session)
        except (NotFound, Damaged):
            return None

    def _mend(self, session: str) -> None:
        """Bring anew the manifests that heads here lead to and that do not open: without one the rest is not known."""
        try:
            damaged = [head for head, _ in self._store.heads.untold(session)]
        except NotFound:
            return
        except Damaged:
            damaged = []
            with contextlib.suppress(Damaged):
                damaged = self._store.heads.every(session)
        for head in damaged:
            try:
                self._sealed.read(head.manifest)
            except NewerFormat:
                continue
            except (Damaged, NotFound):
                with contextlib.suppress(Damaged, NotFound):
                    data = self._remote.fetch(head.manifest)
                    self._store.blobs.delete(head.manifest)
                    self._sealed.put(head.manifest, data, twice=True)
                    self.result.moved(len(data))

    # --- heads

    def _news(self, session: str, device: str, here: tuple[Head, Manifest] | None) -> _News | None:
        """What a head there says that is not known here; None where it says nothing new, or does not open."""
        heads = self._store.heads
        try:
            there, data, _ = self._remote.head(session, device)
            mine = sealed_heads(self._store, session).get(device) if here is not None else None
            known = None if mine is None else heads.opened(session, mine)
            own = device == self._store.keys.device_id
            if known == there or (known is not None and not own and known.sequence >= there.sequence):
                return None
            manifest = self._remote.manifest(there)
        except NotFound as error:
            self.result.leave(Left(session, f"head of device {device}", f"at the remote: {error.message}", True))
            return None
        except Damaged as error:
            self.result.leave(Left(session, f"head of device {device}", f"at the remote: {error.message}", True))
            return None
        if own and known is not None and here is not None:
            if holds(here[1], manifest, self._remote.read):
                return None
            if known.sequence >= there.sequence or not holds(manifest, here[1], self._remote.read):
                # A copy of this home, which is the same device, went on elsewhere: both count, under two names.
                device = there.manifest[3:16]
        return _News(device, data, there, manifest)

    def _of_one_recording(self, session: str, news: list[_News], here: tuple[Head, Manifest] | None) -> Iterator[_News]:
        """Those that go on with what is here, or the other way round; the others are left out, and nothing is lost."""
        known = [] if here is None else [here[1]]
        for one in sorted(news, key=lambda one: (one.manifest.next_event, one.head.sequence), reverse=True):
            try:
                fits = all(is_one_recording(one.manifest, other, self._remote.read) for other in known)
            except (Damaged, NotFound) as error:
                told = f"nobody can tell whether it is what was recorded here: {error.message}"
                self.result.leave(Left(session, f"head of device {one.device}", told, damaged=True))
                continue
            if fits:
                known.append(one.manifest)
                yield one
            else:
                self.result.leave(Left(session, f"head of device {one.device}", TWO_RECORDINGS))

    def _delete(self, session: str, tombstone: _News, here: tuple[Head, Manifest] | None) -> None:
        """Take a tombstone, and free what the session had here."""
        blobs = [Reference(tombstone.head.manifest, "manifest", twice=True), *roots(tombstone.head, tombstone.manifest)]
        brought = _Brought()
        self._pieces(session, blobs, brought)
        if brought.without:
            return

        def bury() -> None:
            take_head(self._store, session, tombstone.device, tombstone.data, brought.here)

        if here is None:
            bury()
        else:
            remove_by(self._store, session, bury)
        self.result.deleted += 1
        self.result.sessions += 1

    def _take(self, session: str, news: list[_News], here: tuple[Head, Manifest] | None) -> bool:
        """Bring what the heads lead to, then the heads; whether one of them moved."""
        brought = _Brought()
        for one in news:
            self._pieces(session, roots(one.head, one.manifest), brought)
        if brought.without and here is not None:
            return False  # what is here says more than what would be put in its place; it is told what is missing
        manifests = [one.manifest for one in news]
        if here is not None:
            self._pieces(session, roots(*here), _Brought())
            manifests.append(here[1])
        outside: set[str] = set()
        for manifest in manifests:
            outside |= self._media(session, manifest, brought)
        # Before the head counts, so that nobody takes for damage what was left on purpose.
        self._store.left.note(session, self._remote.place, outside)
        # A manifest without its head looks like a head that somebody deleted, unless it is noted that one comes.
        if news:
            begin_taking(self._store, session)
        self._pieces(session, [Reference(one.head.manifest, "manifest", twice=True) for one in news], brought)
        moved = [
            take_head(self._store, session, one.device, one.data, sorted(brought.here))
            for one in sorted(news, key=lambda one: one.head.sequence)
        ]
        return any(moved)

    # --- blobs

    def _media(self, session: str, manifest: Manifest, brought: _Brought) -> set[str]:
        """Bring film, sound and shots; what of them is left at the remote on purpose."""
        if self._with_media:
            self._pieces(session, (one for one, _ in media(manifest, self._remote.read)), brought, roots=False)
            return set()
        outside: set[str] = set()
        for one, size in media(manifest, self._remote.read):
            if self._sealed.exists(one.blob):
                continue
            outside.add(one.blob)
            kept = bytes.fromhex(one.blob[3:35])
            if kept not in self._outside:
                self._outside.add(kept)
                self.result.media_blobs += 1
                self.result.media_bytes += size
        return outside

    def _pieces(self, session: str, pieces: Iterable[Reference], brought: _Brought, *, roots: bool = True) -> None:
        for reference, size, problem in self._movers.each(pieces, self._piece):
            if problem is None:
                brought.here.add(reference.blob)
                if size:
                    self.result.moved(size)
                continue
            brought.without = brought.without or roots
            reason = "it is missing at the remote" if isinstance(problem, NotFound) else "damaged at the remote"
            self.result.leave(left_of(session, reference, reason))

    def _piece(self, one: Reference) -> tuple[Reference, int, Damaged | NotFound | None]:
        """Bring one blob here; the bytes that were moved, or what is wrong with it there."""
        if self._sealed.exists(one.blob):
            return one, 0, None
        try:
            data = self._remote.fetch(one.blob)
        except (Damaged, NotFound) as error:
            return one, 0, bare(error)
        return one, len(data) if self._sealed.put(one.blob, data, twice=one.twice) else 0, None
