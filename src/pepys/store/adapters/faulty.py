"""The adapter that fails as a script says: for tests, `bench`, and anybody who asks what a bad remote does.

A script is a text with a sign for each call, such as `..t.5`; what comes after its end goes well. So a sequence of
faults reads like the test's name.

| sign | what happens |
|---|---|
| `.` | it goes well |
| `t` | time-out: nothing was done |
| `5` | the server's own error: nothing was done |
| `s` | throttled: nothing was done, and a pause of one second is asked for |
| `l` | the answer is lost: it was done, and the connection dropped |
| `c` | the body was cut on the way, and the adapter noticed |
| `x` | access is refused |
| `n` | it is not there, whatever is |
| `C` | a lie: the bytes returned are cut, and no error tells it |
| `F` | a lie: one bit of the bytes returned is another |
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from pepys.errors import NotFound, PepysError, PermissionMissing
from pepys.store.adapters.around import Around
from pepys.store.blob_port import BlobAdapter, Held, TransientFault

T = TypeVar("T")

_BEFORE: Final = frozenset("t5sxn")
SIGNS: Final = frozenset(".lcCF") | _BEFORE


class Faulty(Around):
    """Faults around `inner`, one sign of `script` for each call; a listing is one, and fails after its first name.

    Raises:
        ValueError: the script has another sign.
    """

    def __init__(self, inner: BlobAdapter, script: str) -> None:
        super().__init__(inner)
        if set(script) - SIGNS:
            raise ValueError(f"{script!r} has other signs than {''.join(sorted(SIGNS))}")
        self._signs = iter(script)
        self._lock = threading.Lock()

    def names(self, prefix: str = "", after: str = "") -> Iterator[Held]:
        """See `BlobAdapter.names`."""
        sign = self._sign()
        if sign in _BEFORE:
            raise self._fault(sign, prefix)
        listing = self._inner.names(prefix, after)
        return listing if sign == "." else self._broken(listing, prefix, sign)

    def _broken(self, listing: Iterator[Held], prefix: str, sign: str) -> Iterator[Held]:
        yield from itertools.islice(listing, 1)
        raise self._fault(sign, prefix)

    def _do(self, kind: str, name: str, call: Callable[[], T]) -> T:
        sign = self._sign()
        if sign in _BEFORE:
            raise self._fault(sign, name)
        result = call()
        if sign in "lc":
            raise self._fault(sign, name)
        if sign in "CF" and isinstance(result, bytes):
            return _lie(result, sign)  # type: ignore[return-value] # bytes for bytes
        if sign in "CF" and isinstance(result, tuple):
            return (_lie(result[0], sign), *result[1:])  # type: ignore[return-value] # the same
        return result

    def _sign(self) -> str:
        with self._lock:
            return next(self._signs, ".")

    def _fault(self, sign: str, name: str) -> PepysError:
        at = f"{name} at {self.place}"
        if sign == "x":
            return PermissionMissing(f"{at}: access is refused", "check the credentials")
        if sign == "n":
            return NotFound(f"{at} is not there", "push it first")
        if sign == "s":
            return TransientFault(f"{at}: too many requests", "try again later", retry_after_s=1.0)
        why = {"t": "no answer in time", "5": "the server failed", "c": "the answer was cut off"}
        return TransientFault(f"{at}: {why.get(sign, 'the connection was lost')}", "try again later")


def _lie(data: bytes, sign: str) -> bytes:
    if sign == "C" or not data:
        return data[: len(data) // 2]
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
