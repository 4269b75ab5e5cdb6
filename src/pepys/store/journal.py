"""The journal: the append-only, sealed event log of a session being recorded.

Invariants: the process that records holds the file's lock, so that a free lock means a dead recorder; an event is
durable once `sync` has returned; a torn tail is never taken for an event, and is cut by the next who appends; events
are numbered without holes from the session's start. After the header the file is a row of records: each opening begins
with a salt record, sealed events follow it.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pepys.clock import SystemClock
from pepys.errors import Busy, Damaged, NotFound, StorageProblem
from pepys.limits import JOURNAL_RECORD_BYTES, NS_PER_MS
from pepys.model.events import Event, encode
from pepys.store.disk import DISK, NEW, READ, WRITE, Disk
from pepys.store.files import make_folder, storage_errors, write_all
from pepys.store.journal_framing import SALT, SALT_MARK
from pepys.store.journal_reader import MAGIC, JournalReader, journal_info
from pepys.store.keys import StoreKeys
from pepys.store.sealing import LENGTH, Sealer
from pepys.store.trigger import reach

_ASKED_NS: Final = 200 * NS_PER_MS
"""How long those who only ask whether it is locked may hold up who takes it over."""
_LOOK_NS: Final = NS_PER_MS


class Journal:
    """The writing side; `create` and `open_for_append` make it and hold the lock until `close`.

    Attributes:
        unsure: nobody knows what of the last events is on the disk; nothing is taken before `cut_back`.
    """

    def __init__(
        self, path: Path, keys: StoreKeys, session: str, fd: int, next_event: int, *, disk: Disk = DISK
    ) -> None:
        """For the constructors below; `fd` is locked and stands at the end of the whole records."""
        self.path = path
        self.session = session
        self.next_event = next_event
        self._keys = keys
        self._fd = fd
        self._disk = disk
        self._closed = False
        self._sealer: Sealer | None = None
        self.unsure = False
        self.offset = disk.fstat(fd).st_size
        self._durable = (self.offset, next_event)

    @classmethod
    def create(cls, path: Path, keys: StoreKeys, session: str, first_event: int = 0, *, disk: Disk = DISK) -> Journal:
        """Begin a journal; durable, locked and named when it returns. The caller holds the session's lock.

        Raises:
            Busy: there is one already.
        """
        if disk.exists(path):
            raise Busy(f"session {session} has a journal already", "pepys status tells what is being recorded")
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        with storage_errors(path):
            make_folder(path.parent, disk)
            fd = disk.open(temporary, NEW)
            try:
                # Locked before it has its name: nobody may ever see it without a living recorder.
                disk.lock(fd, wait=False)
                write_all(fd, MAGIC + keys.wrapping_now(path.parents[1], disk) + session.encode("ascii"), disk)
                journal = cls(path, keys, session, fd, first_event, disk=disk)
                journal.begin()
                disk.sync_data(fd)
                journal._durable = (journal.offset, journal.next_event)
                reach("journal.written")
                disk.replace(temporary, path)
                reach("journal.named")
                disk.sync_folder(path.parent)
            except BaseException:
                disk.close(fd)
                with contextlib.suppress(OSError):
                    disk.unlink(temporary)
                raise
        reach("journal.created")
        return journal

    @classmethod
    def open_for_append(cls, path: Path, keys: StoreKeys, *, disk: Disk = DISK) -> Journal:
        """Take over the journal of a dead recorder: lock it, cut its torn tail, begin a new opening.

        Raises:
            Busy: its recorder lives.
            NotFound: it is gone.
            Damaged: its header is no journal's.
        """
        try:
            with storage_errors(path):
                fd = disk.open(path, WRITE)
        except FileNotFoundError:
            raise NotFound(f"there is no journal {path}", "the session is not being recorded") from None
        try:
            with storage_errors(path):
                if not _taken(disk, fd, path) or not _is_same(disk, fd, path):
                    raise Busy(f"{path.stem} is being recorded", "stop it first, or wait")
                reader = JournalReader(path, keys, disk=disk)
                for _ in reader.read():
                    pass
                disk.truncate(fd, reader.offset)
                journal = cls(path, keys, reader.session, fd, reader.next_event, disk=disk)
                journal.begin()
                disk.sync_data(fd)
                journal._durable = (journal.offset, journal.next_event)
        except BaseException:
            disk.close(fd)
            raise
        reach("journal.reopened")
        return journal

    @property
    def durable_event(self) -> int:
        """The number after the last event that is durable for sure."""
        return self._durable[1]

    def begin(self) -> int:
        """Begin a new opening here; returns its offset, from which a reader can start without what lies before."""
        self._sealer = Sealer(self._keys.journal_key, journal_info(self.session))
        body = SALT.pack(self._sealer.salt, self.next_event)
        at = self.offset
        self._write(LENGTH.pack(SALT_MARK) + body + LENGTH.pack(zlib.crc32(body)))
        return at

    def append(self, *events: Event) -> None:
        """Write events in order, with one call to the system. Not yet durable.

        Raises:
            StorageProblem: the disk refused; none of them counts.
            ValueError: one is larger than a record may be.
        """
        self.append_encoded([encode(event) for event in events])

    def append_encoded(self, plain: Sequence[bytes]) -> None:
        """`append` of events that were encoded before."""
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
        """Make everything appended durable.

        Raises:
            StorageProblem: the disk failed. What was appended since the last time may be lost although a later call
                would succeed, as the system forgets what it could not write: `cut_back` comes before anything else.
        """
        self._refuse_unsure()
        with storage_errors(self.path):
            self.unsure = True
            self._disk.sync_data(self._fd)
            self.unsure = False
        self._durable = (self.offset, self.next_event)
        reach("journal.synced")

    def cut_back(self) -> None:
        """Go back to what was durable at last: the events since then are gone, and their numbers are given again.

        Raises:
            StorageProblem: the disk refused; nothing can be appended until it succeeds.
        """
        offset, next_event = self._durable
        with storage_errors(self.path):
            self._disk.truncate(self._fd, offset)
        self.offset, self.next_event = offset, next_event
        # The numbers of the records are used up: what follows is sealed under another key.
        self._sealer, self.unsure = None, False
        reach("journal.cut")

    def remove(self) -> None:
        """Delete the file, then let the lock go."""
        with storage_errors(self.path):
            with contextlib.suppress(FileNotFoundError):
                self._disk.unlink(self.path)
            reach("journal.unlinked")
            self._disk.sync_folder(self.path.parent)
        self.close()

    def close(self) -> None:
        """Let the lock go."""
        if not self._closed:
            self._closed = True
            self._disk.close(self._fd)

    def _refuse_unsure(self) -> None:
        if self.unsure:
            raise StorageProblem(f"{self.path}: the disk lost events", "check the disk, then resume the session")

    def _write(self, data: bytes) -> None:
        self._refuse_unsure()
        with storage_errors(self.path):
            try:
                write_all(self._fd, data, self._disk)
            except BaseException:
                # The numbers of these records are used up: cut them away and begin anew under another key.
                self._sealer, self.unsure = None, True
                self._disk.truncate(self._fd, self.offset)
                self.unsure = False
                raise
        self.offset += len(data)


def journal_locked(path: Path, *, disk: Disk = DISK) -> bool:
    """Whether a living process records into this journal."""
    try:
        with storage_errors(path):
            fd = disk.open(path, READ)
    except (Damaged, FileNotFoundError):
        return False  # nobody records into what is no file
    try:
        return not disk.lock(fd, shared=True, wait=False)
    finally:
        disk.close(fd)


def _taken(disk: Disk, fd: int, path: Path) -> bool:
    """Lock an open journal, unless its recorder has it.

    Who only asks whether it is locked shares it with others who ask, for a moment: that is waited for.
    """
    clock = SystemClock()
    until = clock.awake_ns() + _ASKED_NS
    while not disk.lock(fd, wait=False):
        # Where no lock is shared nobody can tell the two apart.
        recorded = sys.platform != "win32" and journal_locked(path, disk=disk)
        if recorded or clock.awake_ns() >= until:
            return False
        clock.sleep_ns(_LOOK_NS)
    return True


def _is_same(disk: Disk, fd: int, path: Path) -> bool:
    """Whether the file that was locked still has this name: somebody may have removed it meanwhile."""
    try:
        seen, named = disk.fstat(fd), disk.stat(path)
    except FileNotFoundError:
        return False
    return (seen.st_dev, seen.st_ino) == (named.st_dev, named.st_ino)
