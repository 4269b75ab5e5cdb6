"""Reading a journal: its events in order, past what is damaged, up to its torn tail.

Reading takes no lock and writes nothing. One flipped bit costs at most the record that it hits (`journal_framing`), and
which events were passed over is told by their numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pepys.errors import Damaged, NewerFormat, NotFound
from pepys.limits import JOURNAL_RECORD_BYTES
from pepys.model.events import Event, UnknownEvent, decode
from pepys.model.ids import is_session_id
from pepys.store.disk import DISK, Disk
from pepys.store.files import storage_errors
from pepys.store.journal_framing import SALT, SALT_RECORD_BYTES, has_mark, is_near, is_salt, mend, record_end
from pepys.store.keys import WRAPPING_BYTES, StoreKeys
from pepys.store.sealing import LENGTH, TAG_BYTES, Opener

MAGIC: Final = b"PPJL\x01"
SESSION_CHARS: Final = 26
HEADER_BYTES: Final = len(MAGIC) + WRAPPING_BYTES + SESSION_CHARS
_LAST_BYTES: Final = 32
"""Of the last record that was read: its tag, or its salt, by which it is known again."""
_PASSED: Final = UnknownEvent("")
"""Stands for an event that opens and is not wanted."""
_REFUSED: Final = UnknownEvent("")
"""Stands for a record that opens and is no event: it was written whole, and is no torn tail."""


def journal_info(session: str) -> str:
    """What the keys of a session's journal are derived with."""
    return f"pepys journal {session}"


class JournalReader:
    """The reading side; `read` may be called again and again, and gives what has come since.

    Attributes:
        session: whose journal it is.
        offset: the end of the last whole record that was read.
        next_event: the number of the next event.
        damaged: offsets of records that do not open, or had a bit put right, although whole ones follow; those that
            do not open are passed over. 0 stands for the header.
        lost: the numbers of the events that were passed over, each stretch as the first and the one after the last.
    """

    def __init__(
        self,
        path: Path,
        keys: StoreKeys,
        offset: int = 0,
        wanted: Callable[[bytes], bool] | None = None,
        *,
        disk: Disk = DISK,
    ) -> None:
        """Stand at `offset`: 0, the offset of an opening, or any that a reader gave.

        Events that `wanted` refuses, asked with their bytes, are counted and neither decoded nor given.

        Raises:
            NotFound, Damaged: there is no such journal, or its header is none.
        """
        self._path = path
        self._keys = keys
        self._disk = disk
        self._wanted = wanted
        self._opener: Opener | None = None
        self._number = 0
        self._last = b""
        self.next_event = 0
        self.damaged: list[int] = []
        self.lost: list[tuple[int, int]] = []
        head = self._load(0, HEADER_BYTES + SALT_RECORD_BYTES)
        self._birth = head[HEADER_BYTES:]
        head = head[:HEADER_BYTES]
        # What else is in a home under such a name is one, and a bit of its magic may have flipped; the version counts.
        version = head[len(MAGIC) - 1 : len(MAGIC)]
        flipped = bool(version) and (version[0] ^ MAGIC[-1]).bit_count() == 1 and is_salt(self._birth, 0)
        if version > MAGIC[-1:] and head[:4] == MAGIC[:4] and not flipped:
            raise NewerFormat.of(f"the journal {path}", version[0], MAGIC[-1])
        if len(head) < HEADER_BYTES or version != MAGIC[-1:] or not is_near(head[:4], MAGIC[:4]):
            raise Damaged(f"{path} is no journal", "restore it from a backup; pepys verify lists all damage")
        self.session = head[-SESSION_CHARS:].decode("ascii", "replace")
        if is_session_id(path.stem):
            self.session = path.stem
        if head[:4] != MAGIC[:4] or head[-SESSION_CHARS:] != self.session.encode("ascii", "replace"):
            self.damaged.append(0)
        self.offset = HEADER_BYTES
        if offset > HEADER_BYTES:
            self._seek(offset)

    def is_current(self) -> bool:
        """Whether what was read is still there.

        A resumed session begins another journal; and one whose sync failed is cut back, and grows anew.
        """
        if self._load(HEADER_BYTES, SALT_RECORD_BYTES) != self._birth:
            return False
        return self._load(self.offset - len(self._last), len(self._last)) == self._last

    def read(self) -> Iterator[tuple[int, Event]]:
        """The events from here on, each with the offset after it; ends at the torn or growing tail.

        None where what was read before is gone (`is_current`).
        """
        base, at = self.offset - len(self._last), len(self._last)
        data = stored = self._load(base)
        if data[:at] != self._last:
            return
        while at < len(data):
            end, event = record_end(data, at), None
            torn = end is None or (has_mark(data, at) and not is_salt(data, at))
            if end is not None and not torn:
                event = self._event(data, at, end)
            if torn or (event is None and not is_salt(data, at)):
                if end is None or torn or not self._opens_later(data, end):
                    found = mend(data, at, self._opens_next)
                    if found is None:
                        return
                    self.damaged.append(base + at)
                    data, at = found
                    continue
                self.damaged.append(base + at)
                if self._opener is not None:
                    self._lose(self.next_event - 1, self.next_event)
            if event is _REFUSED:
                self.damaged.append(base + at)
                self._lose(self.next_event - 1, self.next_event)
            assert end is not None
            self.offset = base + end
            # As it lies there, not as it was put right: by that it is known again.
            self._last = stored[max(at, end - _LAST_BYTES) : end]
            at = end
            if event is not None and event is not _PASSED and event is not _REFUSED:
                yield self.offset, event

    def _event(self, data: bytes, at: int, end: int) -> Event | None:
        """The event of a record, or None: of a salt record, or of one that does not open."""
        if is_salt(data, at):
            salt, first = SALT.unpack_from(data, at + LENGTH.size)
            if self._opener is not None or any(self.damaged):
                # What lies between was passed over with lengths that said nothing.
                self._lose(self.next_event if self._opener is not None else 0, first)
            self._opener, self._number = Opener(self._keys.journal_key, journal_info(self.session), salt), 0
            self.next_event = first
            return None
        self._number += 1
        self.next_event += 1
        if self._opener is None:
            return None
        with contextlib.suppress(ValueError):
            plain = self._opener.open(self._number - 1, data[at + LENGTH.size : end])
            try:
                return decode(plain) if self._wanted is None or self._wanted(plain) else _PASSED
            except ValueError:
                return _REFUSED
        return None

    def _lose(self, first: int, end: int) -> None:
        if first < end:
            if self.lost and self.lost[-1][1] == first:
                first = self.lost.pop()[0]
            self.lost.append((first, end))

    def _opens_next(self, sealed: bytes) -> bool:
        if self._opener is None or not TAG_BYTES < len(sealed) <= JOURNAL_RECORD_BYTES + TAG_BYTES:
            return False
        with contextlib.suppress(ValueError):
            self._opener.open(self._number, sealed)
            return True
        return False

    def _opens_later(self, data: bytes, at: int) -> bool:
        """Whether a whole record follows: then what lies before it is damage and not a torn tail."""
        number = self._number
        while (end := record_end(data, at)) is not None:
            if is_salt(data, at):
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
        data = self._load(offset, SALT_RECORD_BYTES)
        if record_end(data, 0) is not None and is_salt(data, 0):
            self.offset = offset
            return
        data, at = self._load(HEADER_BYTES, offset - HEADER_BYTES), 0
        while (end := record_end(data, at)) is not None:
            if is_salt(data, at):
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
            with storage_errors(self._path):
                return self._disk.read(self._path, start, length)
        except FileNotFoundError:
            raise NotFound(f"there is no journal {self._path}", "the session is not being recorded") from None


def read_journal(path: Path, keys: StoreKeys, offset: int = 0, *, disk: Disk = DISK) -> Iterator[tuple[int, Event]]:
    """The events of a journal from `offset` on, each with the offset after it; stops at a torn tail.

    Raises:
        NotFound, Damaged: there is no such journal, or its header is none.
    """
    return JournalReader(path, keys, offset, disk=disk).read()
