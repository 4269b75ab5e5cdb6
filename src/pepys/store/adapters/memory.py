"""The adapter that keeps files in memory: for tests, and what every other adapter is compared with."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from pepys.errors import NotFound
from pepys.store.blob_port import (
    Capabilities,
    Held,
    Overtaken,
    Version,
    check_bytes,
    check_name,
    check_prefix,
    check_range,
    check_size,
)


class MemoryAdapter:
    """Files of this process; gone with it. `BlobAdapter` tells the contract."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, int]] = {}
        self._versions = 0
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        """Memory."""
        return "memory"

    @property
    def capabilities(self) -> Capabilities:
        """Nothing lasts."""
        return Capabilities(kind="memory", distant=False, lasting=False, at_once=1)

    def put(self, name: str, data: bytes) -> bool:
        """See `BlobAdapter.put`."""
        check_name(name)
        kept = bytes(check_bytes(data))
        with self._lock:
            if name in self._files:
                return False
            self._set(name, kept)
            return True

    def replace(self, name: str, data: bytes, version: Version | None) -> Version:
        """See `BlobAdapter.replace`."""
        check_name(name)
        kept = bytes(check_bytes(data))
        with self._lock:
            now = str(self._files[name][1]) if name in self._files else None
            if now != version:
                raise Overtaken(f"{name} in {self.place} was replaced by somebody else", "try again")
            return self._set(name, kept)

    def read(self, name: str, size: int | None = None) -> bytes:
        """See `BlobAdapter.read`."""
        data, _ = self._file(name)
        check_size(name, self.place, len(data), size)
        return data

    def read_version(self, name: str) -> tuple[bytes, Version]:
        """See `BlobAdapter.read_version`."""
        data, version = self._file(name)
        return data, str(version)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See `BlobAdapter.read_range`."""
        check_range(offset, length)
        return self._file(name)[0][offset : offset + length]

    def size(self, name: str) -> int:
        """See `BlobAdapter.size`."""
        return len(self._file(name)[0])

    def delete(self, name: str) -> bool:
        """See `BlobAdapter.delete`."""
        check_name(name)
        with self._lock:
            return self._files.pop(name, None) is not None

    def names(self, prefix: str = "", after: str = "") -> Iterator[Held]:
        """See `BlobAdapter.names`; in the order of the names."""
        check_prefix(prefix)
        with self._lock:
            found = [(name, len(data)) for name, (data, _) in self._files.items() if name.startswith(prefix)]
        return (Held(name, size) for name, size in sorted(found) if name > after)

    def close(self) -> None:
        """Nothing is open."""

    def _set(self, name: str, data: bytes) -> Version:
        self._versions += 1
        self._files[name] = (data, self._versions)
        return str(self._versions)

    def _file(self, name: str) -> tuple[bytes, int]:
        check_name(name)
        with self._lock:
            found = self._files.get(name)
        if found is None:
            raise NotFound(f"{name} is not in {self.place}", "push it first")
        return found
