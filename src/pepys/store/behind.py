"""What lies behind a home: the remote in force, where blobs are read that this home does not have.

Owns when the remote is asked, how long that may last, and the cache in `cache/blobs`. Invariants: nothing is asked
before a blob is missed, and nothing is loaded or configured for it before; a person waits seconds, not minutes, as
they look at a session; while the remote does not answer it is not asked again and again. Nothing is proven here: the
blob store does that, as with a file of its own. Nothing is written to the remote.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pepys.clock import Clock, SystemClock
from pepys.config import remote_address
from pepys.errors import NotFound
from pepys.model.ids import is_blob_id
from pepys.remote_limits import BEHIND_AGAIN_S, BEHIND_DEADLINE_S, BEHIND_READ_S, BEHIND_TRIES, REMOTE_CONNECT_S
from pepys.store.disk import DISK, Disk

if TYPE_CHECKING:
    from pepys.store.adapters.caching import Caching
    from pepys.store.blob_port import TransientFault

_CACHE: Final = "cache/blobs"


class Behind:
    """The remote in force, for one home.

    Args:
        home: whose cache is used.
        disk: what the home lies on.
        clock: the time.
        address: gives the address of the remote; empty for none.
    """

    def __init__(
        self, home: Path, *, disk: Disk = DISK, clock: Clock | None = None, address: Callable[[], str] = remote_address
    ) -> None:
        self._cache = home / _CACHE
        self._disk = disk
        self._clock = clock or SystemClock()
        self._address = address
        self._opened: Caching | None = None
        self._asked = False
        self._lock = threading.Lock()
        self._fault: TransientFault | None = None
        self._again_ns = 0

    @property
    def place(self) -> str:
        """The remote's address; empty where none is in force.

        Raises:
            Usage: the setting is no address.
            DeviceMissing: the library for it is not installed.
        """
        adapter = self._adapter()
        return "" if adapter is None else adapter.place

    def read(self, blob: str) -> bytes | None:
        """The sealed file of a blob, unproven; None where no remote is in force, or it does not have it.

        Raises:
            Usage, DeviceMissing: as `place`.
            PermissionMissing, StorageProblem, Damaged: the remote could not be read: see `blob_port`.
        """
        adapter = self._adapter()
        if adapter is None:
            return None
        from pepys.store.blob_port import TransientFault, blob_name

        if self._fault is not None and self._clock.awake_ns() < self._again_ns:
            # A new one: each raise of the same would add to its traceback, and keep what that holds.
            raise type(self._fault)(self._fault.message, self._fault.remedy, retry_after_s=self._fault.retry_after_s)
        try:
            data = adapter.read(blob_name(blob))
        except NotFound:
            return None
        except TransientFault as fault:
            self._again_ns = self._clock.awake_ns() + int(BEHIND_AGAIN_S * 1e9)
            self._fault = fault
            raise
        self._fault = None
        return data

    def forget(self, blob: str) -> None:
        """Take a blob, that proved to be damaged, out of the cache: the remote may be mended."""
        adapter = self._adapter()
        if adapter is not None:
            adapter.forget(blob)

    def blobs(self) -> frozenset[bytes]:
        """The blobs at the remote, as the bytes of their hashes; none where no remote is in force.

        Raises:
            As `read`.
        """
        adapter = self._adapter()
        if adapter is None:
            return frozenset()
        from pepys.store.blob_port import blob_of

        found = map(blob_of, (held.name for held in adapter.names("blobs/")))
        return frozenset(bytes.fromhex(blob[3:]) for blob in found if blob)

    def _adapter(self) -> Caching | None:
        with self._lock:
            if not self._asked:
                address = self._address()
                self._opened = _open(address, self._cache, self._disk, self._clock) if address else None
                self._asked = True
            return self._opened


def forget_kept(home: Path, disk: Disk, blobs: Iterable[str]) -> None:
    """Delete what was read of blobs at a remote, whether or not one is in force now: nothing names them any more."""
    folder = home / _CACHE
    for blob in filter(is_blob_id, blobs if disk.is_folder(folder) else ()):
        with contextlib.suppress(OSError):
            disk.unlink(folder / blob)


def _open(address: str, cache: Path, disk: Disk, clock: Clock) -> Caching:
    from pepys.store.adapters.caching import Caching
    from pepys.store.adapters.opening import open_remote
    from pepys.store.adapters.retrying import Patience
    from pepys.store.adapters.timeouts import Timeouts

    patience = Patience(tries=BEHIND_TRIES, deadline_s=BEHIND_DEADLINE_S)
    timeouts = Timeouts(REMOTE_CONNECT_S, BEHIND_READ_S, BEHIND_DEADLINE_S)
    return Caching(open_remote(address, clock=clock, patience=patience, timeouts=timeouts), cache, disk=disk)
