"""The journal: the append-only, sealed event log of a session being recorded.

Invariants: the process that records holds the file's lock, so that a free lock means a dead recorder; an event is
durable once `sync` has returned; a torn tail is never taken for an event, and is cut by the next who appends; events
are numbered without holes from the session's start. After the header the file is a row of records: each opening begins
with a salt record, sealed events follow it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pepys.errors import Busy, Damaged, NotFound
from pepys.limits import JOURNAL_RECORD_BYTES
from pepys.model.events import Event, UnknownEvent, decode, encode
from pepys.store.files import lock_fd, make_folder, storage_errors, sync_data, sync_folder, write_all
from pepys.store.keys import WRAPPING_BYTES, StoreKeys
from pepys.store.sealing import LENGTH, SALT_BYTES, TAG_BYTES, Opener, Sealer
from pepys.store.trigger import reach

MAGIC: Final = b"PPJL\x01"
SESSION_CHARS: Final = 26
HEADER_BYTES: Final = len(MAGIC) + WRAPPING_BYTES + SESSION_CHARS
_SALT_MARK: Final = 0xFFFFFFFF
_SALT: Final = struct.Struct(f"<{SALT_BYTES}sQ")
_SALT_RECORD_BYTES: Final = LENGTH.size + _SALT.size + 4
_PASSED: Final = UnknownEvent("")
"""Stands for an event that opens and is not wanted."""


def _info(session: str) -> str:
    return f"pepys journal {session}"


class Journal:
    """The writing side; `create` and `open_for_append` make it and hold the lock until `close`."""

    def __init__(self, path: Path, keys: StoreKeys, session: str, fd: int, next_event: int) -> None:
        """For the constructors below; `fd` is locked and stands at the end of the whole records."""
        self.path = path
        self.session = session
        self.next_event = next_event
        self._keys = keys
        self._fd = fd
        self._closed = False
        self._sealer: Sealer | None = None
        self.offset = os.fstat(fd).st_size

    @classmethod
    def create(cls, path: Path, keys: StoreKeys, session: str, first_event: int = 0) -> Journal:
        """Begin a journal; durable, locked and named when it returns. The caller holds the session's lock.

        Raises:
            Busy: there is one already.
        """
        if path.exists():
            raise Busy(f"session {session} has a journal already", "pepys status tells what is being recorded")
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        with storage_errors(path):
            make_folder(path.parent)
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            try:
                # Locked before it has its name: nobody may ever see it without a living recorder.
                lock_fd(fd, wait=False)
                write_all(fd, MAGIC + keys.wrapping + session.encode("ascii"))
                journal = cls(path, keys, session, fd, first_event)
                journal.begin()
                sync_data(fd)
                reach("journal.written")
                temporary.rename(path)
                reach("journal.named")
                sync_folder(path.parent)
            except OSError:
                os.close(fd)
                temporary.unlink(missing_ok=True)
                raise
        reach("journal.created")
        return journal

    @classmethod
    def open_for_append(cls, path: Path, keys: StoreKeys) -> Journal:
        """Take over the journal of a dead recorder: lock it, cut its torn tail, begin a new opening.

        Raises:
            Busy: its recorder lives.
            NotFound: it is gone.
            Damaged: its header is no journal's.
        """
        try:
            with storage_errors(path):
                fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise NotFound(f"there is no journal {path}", "the session is not being recorded") from None
        try:
            with storage_errors(path):
                # Who only asks whether it is locked holds it for a moment: hence the tries.
                if not any(lock_fd(fd, wait=False) for _ in range(50)) or not _is_same(fd, path):
                    raise Busy(f"{path.stem} is being recorded", "stop it first, or wait")
                reader = JournalReader(path, keys)
                for _ in reader.read():
                    pass
                os.ftruncate(fd, reader.offset)
                os.lseek(fd, 0, os.SEEK_END)
                journal = cls(path, keys, reader.session, fd, reader.next_event)
                journal.begin()
                sync_data(fd)
        except BaseException:
            os.close(fd)
            raise
        reach("journal.reopened")
        return journal

    def begin(self) -> int:
        """Begin a new opening here; returns its offset, from which a reader can start without what lies before."""
        self._sealer = Sealer(self._keys.journal_key, _info(self.session))
        body = _SALT.pack(self._sealer.salt, self.next_event)
        at = self.offset
        self._write(LENGTH.pack(_SALT_MARK) + body + LENGTH.pack(zlib.crc32(body)))
        return at

    def append(self, *events: Event) -> None:
        """Write events in order, with one call to the system. Not yet durable.

        Raises:
            StorageProblem: the disk refused; none of them counts.
            ValueError: one is larger than a record may be.
        """
        plain = [encode(event) for event in events]
        if any(len(data) > JOURNAL_RECORD_BYTES for data in plain):
            raise ValueError(f"an event is larger than {JOURNAL_RECORD_BYTES} bytes")
        if self._sealer is None:
            self.begin()
        sealer = self._sealer
        assert sealer is not None
        self._write(b"".join(sealer.seal(data) for data in plain))
        self.next_event += len(plain)
        reach("journal.appended")

    def sync(self) -> None:
        """Make everything appended durable."""
        with storage_errors(self.path):
            sync_data(self._fd)
        reach("journal.synced")

    def remove(self) -> None:
        """Delete the file, then let the lock go."""
        with storage_errors(self.path):
            self.path.unlink(missing_ok=True)
            reach("journal.unlinked")
            sync_folder(self.path.parent)
        self.close()

    def close(self) -> None:
        """Let the lock go."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)

    def _write(self, data: bytes) -> None:
        with storage_errors(self.path):
            try:
                write_all(self._fd, data)
            except OSError:
                # The numbers of these records are used up: cut them away and begin anew under another key.
                self._sealer = None
                os.ftruncate(self._fd, self.offset)
                os.lseek(self._fd, 0, os.SEEK_END)
                raise
        self.offset += len(data)


class JournalReader:
    """The reading side; `read` may be called again and again, and gives what has come since.

    Attributes:
        session: whose journal it is.
        offset: the end of the last whole record that was read.
        next_event: the number of the next event.
        damaged: offsets of records that do not open although whole ones follow; they are passed over.
    """

    def __init__(
        self, path: Path, keys: StoreKeys, offset: int = 0, wanted: Callable[[bytes], bool] | None = None
    ) -> None:
        """Stand at `offset`: 0, the offset of an opening, or any that a reader gave.

        Events that `wanted` refuses, asked with their bytes, are counted and neither decoded nor given.

        Raises:
            NotFound, Damaged: there is no such journal, or its header is none.
        """
        self._path = path
        self._keys = keys
        self._wanted = wanted
        self._opener: Opener | None = None
        self._number = 0
        self.next_event = 0
        self.damaged: list[int] = []
        head = self._load(0, HEADER_BYTES + _SALT_RECORD_BYTES)
        self._birth = head[HEADER_BYTES:]
        head = head[:HEADER_BYTES]
        if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
            raise Damaged(f"{path} is no journal", "restore it from a backup; pepys verify lists all damage")
        self.session = head[-SESSION_CHARS:].decode("ascii", "replace")
        self.offset = HEADER_BYTES
        if offset > HEADER_BYTES:
            self._seek(offset)

    def is_current(self) -> bool:
        """Whether the file is still the journal that was opened: a resumed session begins another one."""
        return self._load(HEADER_BYTES, _SALT_RECORD_BYTES) == self._birth

    def read(self) -> Iterator[tuple[int, Event]]:
        """The events from here on, each with the offset after it; ends at the torn or growing tail."""
        data, base, at = self._load(self.offset), self.offset, 0
        while (end := _record_end(data, at)) is not None:
            event = self._event(data, at, end)
            if event is None and not self._is_salt(data, at):
                if not self._opens_later(data, end):
                    return
                self.damaged.append(base + at)
            self.offset = base + end
            at = end
            if event is not None and event is not _PASSED:
                yield self.offset, event

    def _event(self, data: bytes, at: int, end: int) -> Event | None:
        """The event of a record, or None: of a salt record, or of one that does not open."""
        if self._is_salt(data, at):
            salt, self.next_event = _SALT.unpack_from(data, at + LENGTH.size)
            self._opener, self._number = Opener(self._keys.journal_key, _info(self.session), salt), 0
            return None
        self._number += 1
        self.next_event += 1
        if self._opener is None:
            return None
        with contextlib.suppress(ValueError):
            plain = self._opener.open(self._number - 1, data[at + LENGTH.size : end])
            return decode(plain) if self._wanted is None or self._wanted(plain) else _PASSED
        return None

    def _is_salt(self, data: bytes, at: int) -> bool:
        if LENGTH.unpack_from(data, at)[0] != _SALT_MARK:
            return False
        body = data[at + LENGTH.size : at + LENGTH.size + _SALT.size]
        return bool(LENGTH.unpack_from(data, at + LENGTH.size + _SALT.size)[0] == zlib.crc32(body))

    def _opens_later(self, data: bytes, at: int) -> bool:
        """Whether a whole record follows: then what lies before it is damage and not a torn tail."""
        number = self._number
        while (end := _record_end(data, at)) is not None:
            if self._is_salt(data, at):
                return True
            with contextlib.suppress(ValueError):
                if self._opener is not None:
                    self._opener.open(number, data[at + LENGTH.size : end])
                    return True
            number, at = number + 1, end
        # The caller stops before this record, and counts it again when it comes back.
        self._number -= 1
        self.next_event -= 1
        return False

    def _seek(self, offset: int) -> None:
        """Walk the lengths to `offset`, opening nothing but the salt records; a salt record itself needs no walk."""
        data = self._load(offset, _SALT_RECORD_BYTES)
        if _record_end(data, 0) is not None and self._is_salt(data, 0):
            self.offset = offset
            return
        data, at = self._load(HEADER_BYTES, offset - HEADER_BYTES), 0
        while (end := _record_end(data, at)) is not None:
            if self._is_salt(data, at):
                self._event(data, at, end)
            else:
                self._number, self.next_event = self._number + 1, self.next_event + 1
            at = end
        if at == offset - HEADER_BYTES:
            self.offset = offset
        else:
            # The place is gone with a tail that was cut: begin with the first record.
            self._opener, self._number, self.next_event = None, 0, 0

    def _load(self, start: int, length: int = -1) -> bytes:
        try:
            with storage_errors(self._path), self._path.open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError:
            raise NotFound(f"there is no journal {self._path}", "the session is not being recorded") from None


def read_journal(path: Path, keys: StoreKeys, offset: int = 0) -> Iterator[tuple[int, Event]]:
    """The events of a journal from `offset` on, each with the offset after it; stops at a torn tail.

    Raises:
        NotFound, Damaged: there is no such journal, or its header is none.
    """
    return JournalReader(path, keys, offset).read()


def journal_locked(path: Path) -> bool:
    """Whether a living process records into this journal."""
    try:
        with storage_errors(path):
            fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not lock_fd(fd, shared=True, wait=False)
    finally:
        os.close(fd)


def _record_end(data: bytes, at: int) -> int | None:
    """Where the record at `at` ends; None when it is not whole or its length is impossible."""
    if at + LENGTH.size > len(data):
        return None
    (length,) = LENGTH.unpack_from(data, at)
    if length == _SALT_MARK:
        end = at + _SALT_RECORD_BYTES
    elif TAG_BYTES < length <= JOURNAL_RECORD_BYTES + TAG_BYTES:
        end = at + LENGTH.size + length
    else:
        return None
    return end if end <= len(data) else None


def _is_same(fd: int, path: Path) -> bool:
    """Whether the file that was locked still has this name: somebody may have removed it meanwhile."""
    try:
        seen, named = os.fstat(fd), path.stat()
    except FileNotFoundError:
        return False
    return (seen.st_dev, seen.st_ino) == (named.st_dev, named.st_ino)
