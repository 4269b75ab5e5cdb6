"""The port to places that keep sealed files: what every adapter of a remote or a folder promises, and how it fails.

Owns the protocol, the rule for names, and the kinds of faults. Invariants: what goes through is bytes already sealed
(nothing here knows a key); a name is made once and its bytes never change, except the few that are replaced on
purpose (`replace`); whoever reads proves the content itself, with the store's key, because a remote is not trusted.
The adapters are in `pepys.store.adapters`, which is also where an address becomes one.

Faults, the same of every adapter:

| error | when | worth repeating |
|---|---|---|
| `NotFound` (exit 3) | there is nothing of that name | no |
| `PermissionMissing` (exit 4) | the credentials are missing, wrong, or do not suffice | no |
| `StorageProblem` (exit 5) | no such bucket or folder, a full disk, an answer that no store gives | no |
| `TransientFault` (exit 5) | time-out, throttled, a server's own error, a cut body, a dropped connection | yes |
| `Damaged` (exit 6) | what is there is not as long as was told, or longer than any sealed file | no |
| `Overtaken` (exit 8) | a replaced file is another version than the one that was named | read it again first |
| `Usage` (exit 2) | a name or an address that is none | no |
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pepys.errors import Busy, Damaged, StorageProblem, Usage
from pepys.model.ids import is_blob_id
from pepys.remote_limits import REMOTE_FILE_BYTES, REMOTE_NAME_BYTES

Version = str
"""Which content a replaced file has: opaque, and only compared with what the same adapter gave."""

_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{_PART}(/{_PART})*")
_PREFIX = re.compile(rf"({_PART}/)*({_PART})?")


class TransientFault(StorageProblem):
    """What may well work when it is tried again.

    Attributes:
        retry_after_s: how long the other side asks to be left alone; None where it did not say.
    """

    def __init__(self, message: str, remedy: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after_s = retry_after_s

    @property
    def code(self) -> str:
        """To a user it is a problem of storage like the others."""
        return "storage_problem"


class Overtaken(Busy):
    """Somebody else replaced the file meanwhile, or made it, or it is gone."""

    @property
    def code(self) -> str:
        """To a user somebody else is at it."""
        return "busy"


class Held(NamedTuple):
    """One file that is kept: its name, and its length in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What differs between adapters, as data.

    Attributes:
        kind: `folder`, `memory`, `s3`, `gcs`, `azure`.
        distant: calls go over a network: they fail now and then, and a cache and a few at once are worth it.
        lasting: what a call returned from outlives this process and a power cut.
        at_once: so many calls from different threads are faster than one after the other; all are safe with any number.
    """

    kind: str
    distant: bool
    lasting: bool
    at_once: int


class BlobAdapter(Protocol):
    """A place that keeps whole sealed files by name. Every method may be called from several threads at once.

    Names are parts of letters, digits, `_`, `-` and `.` (not first) between slashes: see `check_name`. A method given
    another name raises `Usage` before it touches anything. All may raise the faults of the module's table. Of two names
    none is the other's folder (`a` and `a/b`), nor do they differ in the case of letters alone: a disk may have no room
    for both.
    """

    @property
    def place(self) -> str:
        """What to call it in a message: the address without any secret."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; never changes."""
        ...

    def put(self, name: str, data: bytes) -> bool:
        """Keep `data` as `name` unless that is there already; durable on return, whichever of both it was.

        Safe to repeat: after any failure and any kill there is nothing of that name, or a whole file. What is there is
        never changed, and not compared: two sealings of one plaintext differ. Of several callers one makes it.

        Returns:
            Whether this call made it. A call that was repeated after a lost answer may say False of its own file.

        Raises:
            Usage: `data` is longer than `REMOTE_FILE_BYTES`.
        """
        ...

    def replace(self, name: str, data: bytes, version: Version | None) -> Version:
        """Put `data` in the place of the content `version`; None: make it, where there is none. Durable on return.

        Readers see the old content or the new one, never a mixture. Not safe to repeat blindly: after a lost answer
        the second call finds its own content and raises `Overtaken`, so read again and compare.

        Returns:
            The version of the new content.

        Raises:
            Overtaken: the content is another one by now, or is gone; or it is there and `version` is None.
        """
        ...

    def read(self, name: str, size: int | None = None) -> bytes:
        """The whole file; `size`: it must have so many bytes. Bytes that were cut on the way are never returned.

        Raises:
            NotFound: there is none.
            Damaged: its length is not `size`, or more than `REMOTE_FILE_BYTES`.
        """
        ...

    def read_version(self, name: str) -> tuple[bytes, Version]:
        """The whole file, and its version for `replace`."""
        ...

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`; fewer only where the file ends, none behind its end."""
        ...

    def size(self, name: str) -> int:
        """The file's length in bytes, without reading it.

        Raises:
            NotFound: there is none.
        """
        ...

    def delete(self, name: str) -> bool:
        """Remove the file; gone for good on return. Safe to repeat.

        Returns:
            Whether there was one, as far as the place tells (an object store does not: True there).
        """
        ...

    def names(self, prefix: str = "", after: str = "") -> Iterator[Held]:
        """The files whose names begin with `prefix`, each once, in an order that the place chooses and keeps to.

        Read in pages: memory is bounded, and what is put or deleted meanwhile may be told or not. What has no name of
        the rule (another program's file) is left out. A prefix ends anywhere, also inside a part. `after` goes on
        behind a name that an earlier listing of the same prefix told, as when that was broken off; that is exact where
        no part of a name is the beginning of another one beside it (so are blobs and heads): some servers tell `a/b`
        before `a-b`, and others after it.
        """
        ...

    def close(self) -> None:
        """Let go of connections; nothing is lost. Safe to repeat."""
        ...


def check_name(name: str) -> str:
    """The name itself, when it is one: safe below any folder and in any bucket.

    Raises:
        Usage: it is empty, too long, leads elsewhere (`..`, a leading `/`), is hidden, or has other characters.
    """
    if len(name) > REMOTE_NAME_BYTES or not _NAME.fullmatch(name):
        raise Usage(f"{name[:80]!r} is no name of a kept file", "letters, digits, _ - . and / between them")
    return name


def is_name(name: str) -> bool:
    """Whether `check_name` takes it."""
    return len(name) <= REMOTE_NAME_BYTES and _NAME.fullmatch(name) is not None


def check_prefix(prefix: str) -> str:
    """The prefix itself, when names can begin with it.

    Raises:
        Usage: no name begins with it.
    """
    if len(prefix) > REMOTE_NAME_BYTES or not _PREFIX.fullmatch(prefix):
        raise Usage(f"no name of a kept file begins with {prefix[:80]!r}", "letters, digits, _ - . and / between them")
    return prefix


def check_bytes(data: bytes) -> bytes:
    """The bytes themselves, when they are few enough for one sealed file.

    Raises:
        Usage: there are more than `REMOTE_FILE_BYTES`.
    """
    if len(data) > REMOTE_FILE_BYTES:
        raise Usage(f"{len(data)} bytes are more than a sealed file has", f"{REMOTE_FILE_BYTES} bytes are the most")
    return data


def check_range(offset: int, length: int) -> None:
    """Refuse a range that no sealed file has.

    Raises:
        Usage: it begins before the file, or is longer than `REMOTE_FILE_BYTES`.
    """
    if offset < 0 or not 0 <= length <= REMOTE_FILE_BYTES:
        raise Usage(f"{offset}+{length} is no range of a sealed file", f"{REMOTE_FILE_BYTES} bytes are the most")


def check_size(name: str, place: str, found: int, told: int | None) -> None:
    """Refuse a file that is longer than any sealed one, or whose length is not the one that was told.

    Raises:
        Damaged: so it is.
    """
    remedy = "pepys verify tells what it is part of; a copy of it elsewhere can be pushed again"
    if told is not None and found != told:
        raise Damaged(f"{name} at {place} has {found} bytes instead of {told}", remedy)
    if found > REMOTE_FILE_BYTES:
        raise Damaged(f"{name} at {place} has {found} bytes: more than any sealed file", remedy)


def blob_name(blob: str) -> str:
    """The name at a remote of the blob with this id: the same path as in a home.

    Raises:
        Usage: it is no blob id.
    """
    if not is_blob_id(blob):
        raise Usage(f"{blob[:80]!r} is no blob id", "ids begin with b3-")
    return f"blobs/{blob[3:5]}/{blob[5:7]}/{blob}"


def blob_of(name: str) -> str | None:
    """The id of the blob that is kept as `name`; None when the name is another file's."""
    blob = name.rpartition("/")[2]
    return blob if is_blob_id(blob) and blob_name(blob) == name else None
