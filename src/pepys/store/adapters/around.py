"""What every adapter around another one shares: it hands each call on.

A decorator overrides `_do` for what it does to all calls, and a method where one is special.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from pepys.store.blob_port import BlobAdapter, Capabilities, Held, Version

T = TypeVar("T")


class Around:
    """An adapter around `inner`, with the same contract: see `BlobAdapter`."""

    def __init__(self, inner: BlobAdapter) -> None:
        self._inner = inner

    def _do(self, kind: str, name: str, call: Callable[[], T]) -> T:
        """Make one call of `inner`: `kind` is the method's name, `name` the file's."""
        del kind, name
        return call()

    @property
    def place(self) -> str:
        """The inner one's."""
        return self._inner.place

    @property
    def capabilities(self) -> Capabilities:
        """The inner one's."""
        return self._inner.capabilities

    def put(self, name: str, data: bytes) -> bool:
        """See `BlobAdapter.put`."""
        return self._do("put", name, lambda: self._inner.put(name, data))

    def replace(self, name: str, data: bytes, version: Version | None) -> Version:
        """See `BlobAdapter.replace`."""
        return self._do("replace", name, lambda: self._inner.replace(name, data, version))

    def read(self, name: str, size: int | None = None) -> bytes:
        """See `BlobAdapter.read`."""
        return self._do("read", name, lambda: self._inner.read(name, size))

    def read_version(self, name: str) -> tuple[bytes, Version]:
        """See `BlobAdapter.read_version`."""
        return self._do("read_version", name, lambda: self._inner.read_version(name))

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See `BlobAdapter.read_range`."""
        return self._do("read_range", name, lambda: self._inner.read_range(name, offset, length))

    def size(self, name: str) -> int:
        """See `BlobAdapter.size`."""
        return self._do("size", name, lambda: self._inner.size(name))

    def delete(self, name: str) -> bool:
        """See `BlobAdapter.delete`."""
        return self._do("delete", name, lambda: self._inner.delete(name))

    def names(self, prefix: str = "", after: str = "") -> Iterator[Held]:
        """See `BlobAdapter.names`."""
        return self._inner.names(prefix, after)

    def close(self) -> None:
        """See `BlobAdapter.close`."""
        self._inner.close()
