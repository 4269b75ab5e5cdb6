"""The adapter that counts: calls, faults and bytes, by kind of call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from pepys.errors import PepysError
from pepys.store.adapters.around import Around
from pepys.store.blob_port import BlobAdapter, Held, Version

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one kind of call did: how many there were, how many failed, and the bytes of files that went each way."""

    calls: int = 0
    faults: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was counted up to one moment.

    Attributes:
        kinds: by the name of the method, such as `put`; a kind that was never called is not there.
    """

    kinds: Mapping[str, Traffic]

    @property
    def calls(self) -> int:
        """Calls of all kinds."""
        return sum(kind.calls for kind in self.kinds.values())

    @property
    def faults(self) -> int:
        """Calls that raised an error."""
        return sum(kind.faults for kind in self.kinds.values())

    @property
    def bytes_up(self) -> int:
        """Bytes of the files that were given; those of a call that failed count too, as they may have been sent."""
        return sum(kind.bytes_up for kind in self.kinds.values())

    @property
    def bytes_down(self) -> int:
        """Bytes of files that were returned."""
        return sum(kind.bytes_down for kind in self.kinds.values())


class Counting(Around):
    """Counts the calls of `inner`: put it inside `Retrying` to count each try, outside to count each wish."""

    def __init__(self, inner: BlobAdapter) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._kinds: dict[str, Traffic] = {}

    def statistics(self) -> Statistics:
        """What was counted so far; does not change any more."""
        with self._lock:
            return Statistics(MappingProxyType(dict(self._kinds)))

    def put(self, name: str, data: bytes) -> bool:
        """See `BlobAdapter.put`."""
        self._add("put", up=len(data))
        return super().put(name, data)

    def replace(self, name: str, data: bytes, version: Version | None) -> Version:
        """See `BlobAdapter.replace`."""
        self._add("replace", up=len(data))
        return super().replace(name, data, version)

    def names(self, prefix: str = "", after: str = "") -> Iterator[Held]:
        """See `BlobAdapter.names`; a listing counts as one call, however many pages it has."""
        listing = self._do("names", prefix, lambda: super(Counting, self).names(prefix, after))
        try:
            yield from listing
        except PepysError:
            self._add("names", faults=1)
            raise

    def _do(self, kind: str, name: str, call: Callable[[], T]) -> T:
        self._add(kind, calls=1)
        try:
            result = call()
        except PepysError:
            self._add(kind, faults=1)
            raise
        data = result[0] if isinstance(result, tuple) else result
        if isinstance(data, bytes):
            self._add(kind, down=len(data))
        return result

    def _add(self, kind: str, *, calls: int = 0, faults: int = 0, up: int = 0, down: int = 0) -> None:
        with self._lock:
            so = self._kinds.get(kind, Traffic())
            self._kinds[kind] = Traffic(so.calls + calls, so.faults + faults, so.bytes_up + up, so.bytes_down + down)
