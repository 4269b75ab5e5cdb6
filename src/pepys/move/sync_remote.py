"""What lies at a remote, as sync needs it: whose store it is, heads by session, which blobs are there, proven reads.

Invariants: the first file that is written there names the store and the format, so that two stores never mix and a
later format is not touched; a name that is none of this page's is passed over; memory does not grow with the number
of names, but for 24 bytes a blob up to a limit.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from pepys.errors import Damaged, KeyProblem, NewerFormat, NotFound, StorageProblem, Usage
from pepys.model.ids import is_device_id, is_session_id
from pepys.model.manifest import Head, Manifest, decode_manifest
from pepys.remote_limits import SYNC_DEVICES, SYNC_LISTED
from pepys.store.blob_port import BlobAdapter, Version, blob_name, blob_of
from pepys.store.blob_writer import INFO, MAGIC
from pepys.store.frames import open_all
from pepys.store.sealed_blobs import SealedBlobs
from pepys.store.store import Store

FORMAT: Final = 1
MARK: Final = "pepys.json"
_FOREIGN: Final = ("blobs/", "heads/", "keys/", "journals/")
_HOME: Final = ("keys/", "journals/")
_KEPT: Final = 16  # bytes of an id that tell it from others
_RECORD: Final = _KEPT + 8


def head_name(session: str, device: str) -> str:
    """The name at a remote of a device's head."""
    return f"heads/{session}/{device}"


class Remote:
    """One remote, for one home; every read is proven with the home's key."""

    def __init__(self, store: Store, adapter: BlobAdapter) -> None:
        self.adapter = adapter
        self.place = adapter.place
        self._store = store
        self._sealed = SealedBlobs(store)

    def begin(self, *, create: bool) -> None:
        """See that this store lies there; `create`: begin it where nothing does.

        Raises:
            NotFound: nothing is there, and `create` is off.
            KeyProblem: another store is.
            Usage: something else is, which is no remote.
            StorageProblem: it is one of a later format, or what names the store does not open.
        """
        mark = {"format": FORMAT, "kind": "pepys store", "store": self._store.keys.fingerprint()}
        try:
            data = self.adapter.read(MARK)
        except NotFound:
            if not create:
                raise NotFound(f"there is no pepys store at {self.place}", "pepys sync push begins one") from None
            for prefix in _FOREIGN:
                if next(self.adapter.names(prefix), None) is not None and not self._is_ours():
                    told = f"{self.place} holds other things ({prefix}): it is a home, or what is left of a remote"
                    raise Usage(told, "name an empty place") from None
            # Of two that begin at once one makes it, and both read what it says.
            self.adapter.put(MARK, json.dumps(mark).encode())
            data = self.adapter.read(MARK)
        self._check(data, mark)

    def _is_ours(self) -> bool:
        """Whether a remote without its mark is of this store: no keys or journals are there, and a head opens."""
        if any(next(self.adapter.names(prefix), None) is not None for prefix in _HOME):
            return False
        for session, devices in itertools.islice(self.heads(), 1):
            with contextlib.suppress(Damaged, NotFound):
                self.head(session, min(devices))
                return True
        return False

    def stay(self) -> None:
        """See that a folder is still the one that it was: where its disk was unmounted, another one has its name.

        Raises:
            StorageProblem: it is not.
        """
        if self.adapter.capabilities.distant:
            return
        try:
            self.adapter.size(MARK)
        except NotFound:
            raise StorageProblem(f"the remote {self.place} is gone", "mount its disk, then do it again") from None

    def _check(self, data: bytes, mark: dict[str, object]) -> None:
        try:
            found = json.loads(data)
            format, store = found["format"], found["store"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            told = f"{MARK} at {self.place} does not say which store lies there"
            raise Damaged(told, "restore it, or push to an empty place") from error
        if type(format) is int and format > FORMAT:
            told = f"the remote {self.place} has format {format}; this pepys reads up to {FORMAT}"
            raise StorageProblem(told, "update pepys")
        if format != FORMAT or not isinstance(store, str):
            told = f"{MARK} at {self.place} does not say which store lies there"
            raise Damaged(told, "restore it, or push to an empty place")
        if store != mark["store"]:
            told = f"another store lies at {self.place}: its id is {store[:16]!r}, this home's is {mark['store']!r}"
            raise KeyProblem(told, "name another place, or make this home one of that store with pepys key import")

    # --- heads

    def heads(self, prefix: str = "") -> Iterator[tuple[str, dict[str, int]]]:
        """Every session whose id begins with `prefix`, with the bytes of each device's head.

        Most places list in order; where one does not, a session may come again with other devices.
        """
        named = (held for held in self.adapter.names(f"heads/{prefix}") if _is_head(held.name))
        for session, group in itertools.groupby(named, lambda held: held.name.split("/")[1]):
            first = list(itertools.islice(group, SYNC_DEVICES))
            yield session, {held.name.split("/")[2]: held.size for held in first}

    def head(self, session: str, device: str) -> tuple[Head, bytes, Version]:
        """A head, as it says, as it lies there, and the version for its replacement.

        Raises:
            NotFound: there is none.
            Damaged: it does not open.
        """
        data, version = self.adapter.read_version(head_name(session, device))
        return self._store.heads.opened(session, data), data, version

    # --- blobs

    def fetch(self, blob: str) -> bytes:
        """A blob's file, proven.

        Raises:
            NotFound: it is not there.
            Damaged: its content is not the one of its name.
        """
        data = self.adapter.read(blob_name(blob))
        self._sealed.prove(blob, data)
        return data

    def read(self, blob: str) -> bytes:
        """A blob's content, from the home where it is whole there; NotFound and Damaged as `fetch`."""
        if self._sealed.exists(blob):
            try:
                return self._store.blobs.read(blob)
            except NewerFormat:
                raise
            except (Damaged, NotFound):
                pass  # the remote may have it whole
        return b"".join(open_all(self.fetch(blob), self._store.keys.blob_key, INFO, MAGIC))

    def manifest(self, head: Head) -> Manifest:
        """The manifest of a head.

        Raises:
            NotFound: it is not there.
            Damaged: it does not open, is of a later version, or another session's.
        """
        what = f"the manifest of session {head.session}"
        try:
            found = decode_manifest(self.read(head.manifest))
        except NewerFormat as error:
            raise error.about(what) from error
        except ValueError as error:
            raise Damaged(f"{what}: {error}", "push it again from another home") from error
        if found.session != head.session:
            raise Damaged(f"{what} is another session's", "push it again from another home")
        return found


class Listing:
    """Which blobs are at a remote, with their bytes: kept in order, 24 bytes each; none is an object of its own."""

    def __init__(self, remote: Remote, *, whole: bool) -> None:
        """List all; or, where a few will be asked for, nothing yet."""
        self._remote = remote
        self._records = bytearray()
        self._seen = bytearray()
        self._cut = not whole
        if not whole:
            return
        ordered = True
        for held in remote.adapter.names("blobs/"):
            blob = blob_of(held.name)
            if blob is None:
                continue
            if len(self) >= SYNC_LISTED:
                self._cut = True
                break
            self._records += bytes.fromhex(blob[3:])[:_KEPT] + held.size.to_bytes(8, "big")
            ordered = ordered and (len(self) < 2 or self._key(len(self) - 2) <= self._key(len(self) - 1))
        if not ordered:
            # Most places list in order; none has to.
            self._records = bytearray().join(sorted(self._record(n) for n in range(len(self))))
        self._seen = bytearray(len(self))

    def __len__(self) -> int:
        return len(self._records) // _RECORD

    def size(self, blob: str) -> int | None:
        """Bytes of the blob's file there; None when it is not there."""
        wanted = bytes.fromhex(blob[3:])[:_KEPT]
        at = bisect_left(range(len(self)), wanted, key=self._key)
        if at < len(self) and self._key(at) == wanted:
            self._seen[at] = 1
            return self._size(at)
        if not self._cut:
            return None
        try:
            return self._remote.adapter.size(blob_name(blob))
        except NotFound:
            return None

    def unasked(self) -> tuple[int, int] | None:
        """How many blobs are there that nobody asked for, and their bytes; None where not all were listed."""
        if self._cut:
            return None
        others = [n for n, seen in enumerate(self._seen) if not seen]
        return len(others), sum(map(self._size, others))

    def _record(self, at: int) -> bytes:
        return bytes(self._records[at * _RECORD : (at + 1) * _RECORD])

    def _key(self, at: int) -> bytes:
        return bytes(self._records[at * _RECORD : at * _RECORD + _KEPT])

    def _size(self, at: int) -> int:
        return int.from_bytes(self._records[at * _RECORD + _KEPT : (at + 1) * _RECORD], "big")


def _is_head(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 3 and is_session_id(parts[1]) and is_device_id(parts[2])
