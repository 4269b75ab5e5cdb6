"""The writing side of a session: what the recorder holds while it records.

Invariants: journal and head (state `recording`) are durable before the first event can be appended; media is durable
before an event names it (the caller's part, by the order of calls); events are durable when `sync` or `commit` returns;
a journal is deleted only after the head that holds all of its events is durable. Every step may be the last one:
`recover` ends what a kill left.

What waits to be sealed is bounded by number, bytes and time. What waits is what the journal has from event `_first` on;
after any step between the two that failed or was interrupted, nobody knows what reached the disk: the journal is cut
back to what was durable before, and what was appended since is written again before anything else. Events of an
`append` or a `commit` that failed are not, unless they were durable by then. What can wait (a note on a sealed segment,
a chunk that is due, the merging of chunks: the last two have threads of their own) never fails what is durable.

A chunk that is due is packed and stored beside commits, one at a time. It takes what is pending at its beginning, and a
new opening of the journal begins there, durable before the thread does anything. Until the head names the chunk, the
journal alone counts and what it takes stays pending: so a seal that is killed, or refused, has changed nothing.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

from pepys.errors import Damaged, NotFound, PepysError, StorageProblem, Usage
from pepys.limits import CHUNK_BYTES, CHUNK_EVENTS, CHUNK_INTERVAL_NS, CHUNKS_SMALL, PENDING_BYTES, SEAL_RETRY_NS
from pepys.model.events import Event, SegmentOpened, SegmentSealed, SessionEnded, SessionStarted, encode
from pepys.model.manifest import Manifest
from pepys.model.session import Session
from pepys.store.beside import beside
from pepys.store.blob_writer import BlobWriter
from pepys.store.chunks import store_lines
from pepys.store.commit import GroupCommit
from pepys.store.journal import Journal
from pepys.store.merging import merge_if_possible
from pepys.store.reader import load_whole
from pepys.store.recover import recover
from pepys.store.sealing import FRAME_OVERHEAD
from pepys.store.store import Store

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Sealing:
    """Events on their way into chunks: the first of what is pending, encoded.

    Attributes:
        first: the number of the first.
        end: the number after the last.
        lines: the events.
        offset: where the journal goes on after them; 0 where it does not.
        state: the session's, once they are in chunks.
    """

    first: int
    end: int
    lines: list[bytes]
    offset: int
    state: str


class SessionWriter:
    """Writes one session; safe to share between threads.

    Attributes:
        store: where it writes.
        session: the session's id.
        view: the session as it was when a resumed one was taken up; None for a new one.
    """

    _beside = staticmethod(beside)

    def __init__(self, store: Store, journal: Journal, view: Session | None = None) -> None:
        """For `create` and `resume`."""
        self.store = store
        self.session = journal.session
        self.view = view
        self._journal = journal
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._first = self._taken = journal.next_event
        self._unsure = False
        self._chunks = 0
        self._sealing = False
        self._merging: threading.Thread | None = None
        self._open: dict[tuple[str, int], str] = {}
        self._named: list[str] = []
        self._sealed_ns = store.clock.now_ns()
        self._refused_ns: int | None = None
        self._lock = threading.RLock()
        self._sealed = threading.Condition(self._lock)
        self._group = GroupCommit(self._commit)

    @classmethod
    def create(cls, store: Store, header: SessionStarted) -> SessionWriter:
        """Begin a session; it is on disk, locked and listed as `recording` when this returns.

        Raises:
            StorageProblem: it cannot be written.
        """
        with store.heads.lock(header.session):
            journal = Journal.create(store.journal_path(header.session), store.keys, header.session, disk=store.disk)
            writer = cls(store, journal)
            try:
                writer.append(header)
                writer.sync()
                first = Manifest(header.session, "recording", header.name, header.started_wall_ns)
                store.heads.update_locked(header.session, lambda current: current, first)
            except BaseException:
                writer.close()
                raise
        return writer

    @classmethod
    def resume(cls, store: Store, session: str) -> SessionWriter:
        """Go on with an interrupted session, after recovering it where that was not done yet.

        Raises:
            Busy: it is being recorded.
            Usage: it is completed.
            NotFound: there is none of that id.
            Damaged: some of its events do not open: nobody can tell where it would go on.
        """
        recover(store, session)
        with store.heads.lock(session):
            current = store.heads.manifest(session)[1]
            if current.state == "deleted":
                raise NotFound(f"session {session} was deleted", "pepys list shows what there is")
            if current.state == "completed":
                raise Usage(f"session {session} is completed", "record another one")
            view = load_whole(store, session)
            path = store.journal_path(session)
            journal = Journal.create(path, store.keys, session, current.next_event, disk=store.disk)
            writer = cls(store, journal, view)
            try:
                store.heads.update_locked(session, lambda m: replace(m, state="recording", journal_offset=0))
            except BaseException:
                writer.close()
                raise
        return writer

    def open_segment(self, track: str, n: int) -> BlobWriter:
        """Begin segment `n` of a track; the caller appends `SegmentOpened` with the writer's name."""
        return self.store.blobs.writer(f"{self.session}-{track}-{n}")

    def put(self, data: bytes) -> str:
        """Store a blob, durably; only then append the event that names it."""
        return self.store.blobs.put(data)

    def append(self, *events: Event) -> None:
        """Write events in order; `sync` makes them durable.

        Raises:
            StorageProblem: the disk refused, or has for so long refused to take chunks that no more are held; none of
                them counts.
            ValueError: one is larger than a record may be.
        """
        with self._lock:
            self._add(events, durable=False)

    def commit(self, *events: Event) -> None:
        """Write events and make them durable, together with those that other threads give meanwhile.

        For programs with several threads that write. The recorder has one, which serves all that wait with one `sync`
        by itself (`record.writing`).

        Raises:
            StorageProblem: the disk refused; none of them counts.
            ValueError: one is larger than a record may be.
        """
        self._group.commit(events)

    def sync(self) -> None:
        """Make every appended event durable; begins to seal a chunk, in a thread, when one is due.

        Raises:
            StorageProblem: the disk refused; what was appended is written again before anything else.
        """
        with self._lock:
            self._sync()
            self._seal_when_due()

    def seal(self) -> None:
        """Move the events so far into a chunk and the head on to it; may begin to merge chunks, in a thread."""
        with self._lock:
            self._wait_for_seal()
            self._seal("recording")
            self._merge_when_many()

    def end(self, at_ns: int) -> None:
        """End the session in order: everything sealed, the head `completed`, the journal gone, the lock free."""
        with self._lock:
            self._wait_for_seal()
            self.append(SessionEnded(at_ns))
            self._sync()
            self._seal("completed")
            self._wait_for_merge()
            merge_if_possible(self.store, self.session)
            self._journal.remove()

    def close(self) -> None:
        """Let the lock go without an end: the session is then one to recover."""
        with self._lock:
            self._wait_for_seal()
            self._wait_for_merge()
            self._journal.close()

    def _commit(self, events: tuple[Event, ...]) -> None:
        """One turn of the group commit: all of these events are durable, or none counts."""
        with self._lock:
            self._add(events, durable=True)
            self._forget_notes()
            self._seal_when_due()

    def _add(self, events: tuple[Event, ...], *, durable: bool) -> None:
        """Bring events into the journal, behind what has to be written again, and hold them for the next chunk."""
        lines = [encode(event) for event in events]
        if self._pending_bytes >= PENDING_BYTES:
            self._wait_for_seal()
        self._mend()
        if self._pending_bytes >= PENDING_BYTES:
            self.seal()
        pending, size, named = len(self._pending), self._pending_bytes, len(self._named)
        try:
            self._journal.append_encoded(lines)
            self._pending += lines
            self._pending_bytes += _size(lines)
            self._keep(events)
            if durable:
                self._journal.sync()
        except BaseException:
            # Who brought them is told that they do not count, unless it was an interrupt and they do.
            if self._journal.durable_event < self._first + pending + len(events):
                del self._pending[pending:], self._named[named:]
                self._pending_bytes = size
                self._unsure = True
            raise

    def _keep(self, events: tuple[Event, ...]) -> None:
        """Hold on to which open files became blobs."""
        for event in events:
            if isinstance(event, SegmentOpened):
                self._open[event.track, event.segment] = event.name
            elif isinstance(event, SegmentSealed):
                name = self._open.pop((event.track, event.segment), None)
                if name is not None:
                    self._named.append(name)

    def _mend(self) -> None:
        """After a failed sync: begin again behind what was durable, with what was appended since."""
        self._unsure = self._unsure or self._journal.unsure
        if not self._unsure:
            return
        self._journal.cut_back()
        self._journal.append_encoded(self._pending[max(0, self._journal.durable_event - self._first) :])
        self._unsure = False

    def _sync(self) -> None:
        """Make the events durable, and drop the notes on what they name."""
        self._mend()
        self._journal.sync()
        self._forget_notes()

    def _forget_notes(self) -> None:
        """Drop the notes on sealed segments that durable events name; one that stays is tried again."""
        left = []
        for name in self._named:
            try:
                self.store.blobs.forget_intent(name)
            except (OSError, StorageProblem):
                left.append(name)
        self._named = left

    def _seal_when_due(self) -> None:
        """Begin to seal a chunk, in a thread; the events are durable whether or not that succeeds now."""
        if self._is_due():
            try:
                sealing = self._take("recording")
            except (PepysError, OSError, ValueError) as error:
                self._tell(error)
                return
            self._sealing = True
            self._beside("seal", lambda: self._seal_beside(sealing))

    def _seal_beside(self, sealing: _Sealing) -> None:
        """Store what was taken, without the lock, then let it go."""
        try:
            chunks = self._store(sealing)
            with self._lock:
                self._let_go(sealing, chunks)
                self._merge_when_many()
        except (PepysError, OSError, ValueError) as error:
            self._tell(error)
        finally:
            with self._lock:
                self._sealing = False
                self._sealed.notify_all()

    def _tell(self, error: Exception) -> None:
        _LOG.warning("no chunk of session %s was sealed, it is tried again: %s", self.session, error)

    def _wait_for_seal(self) -> None:
        """Until none is under way; others may write meanwhile."""
        while self._sealing:
            self._sealed.wait()

    def _is_due(self) -> bool:
        """Whether a chunk should be sealed, by number, bytes or time; one that the disk refused waits a while."""
        now_ns = self.store.clock.now_ns()
        if (
            self._sealing
            or not self._pending
            or (self._refused_ns is not None and now_ns - self._refused_ns < SEAL_RETRY_NS)
        ):
            return False
        full = len(self._pending) >= CHUNK_EVENTS or self._pending_bytes >= CHUNK_BYTES
        return full or now_ns - self._sealed_ns >= CHUNK_INTERVAL_NS

    def _seal(self, state: str) -> None:
        """Chunks of what is pending, one manifest, one head; while nobody writes."""
        sealing = self._take(state)
        self._let_go(sealing, self._store(sealing))

    def _take(self, state: str) -> _Sealing:
        """What is pending, durable, with the journal begun anew behind it."""
        self._mend()
        refused, self._refused_ns = self._refused_ns is not None, self.store.clock.now_ns()
        if refused:
            # Where the head moved on and only telling so failed, what it names is not sealed a second time.
            current = self.store.heads.manifest(self.session)[1]
            if current.next_event != self._taken:
                self._refuse_moved(current, self._first)
            self._drop(current.next_event - self._first)
        end, offset = self._journal.next_event, 0
        if state == "recording":
            # A reader of the next head begins there, and need not open what the chunks hold.
            try:
                offset = self._journal.begin()
                self._sync()
            except BaseException:
                self._unsure = True
                raise
        self._taken = end
        return _Sealing(self._first, end, list(self._pending), offset, state)

    def _refuse_moved(self, current: Manifest, first: int) -> None:
        """Refuse to go on behind events that are not this recording's: the journal then keeps what it has."""
        if current.next_event != first:
            told = f"session {self.session} was gone on with elsewhere: events from {first} on are in its journal alone"
            raise Damaged(told, "end this recording; pepys verify tells of both")

    def _store(self, sealing: _Sealing) -> int:
        """Bring it to the disk and the head on to it; how many chunks the session then has."""
        added = store_lines(self.store.blobs, self.session, sealing.first, sealing.end, sealing.lines)
        chunks = 0

        def change(current: Manifest) -> Manifest:
            nonlocal chunks
            if current.state == "deleted":  # by another device, whose tombstone came meanwhile
                raise NotFound(f"session {self.session} was deleted", "pepys list shows what there is")
            self._refuse_moved(current, sealing.first)
            chunks = len(current.chunks) + len(added)
            return replace(
                current, chunks=(*current.chunks, *added), next_event=sealing.end, journal_offset=sealing.offset,
                state=sealing.state,
            )  # fmt: skip

        self.store.heads.update(self.session, change)
        return chunks

    def _let_go(self, sealing: _Sealing, chunks: int) -> None:
        """After it was stored."""
        self._chunks = chunks
        self._drop(len(sealing.lines))
        self._refused_ns = None
        self._sealed_ns = self.store.clock.now_ns()

    def _drop(self, count: int) -> None:
        """Let the first of what is pending go: chunks hold it."""
        gone = self._pending[:count]
        del self._pending[: len(gone)]
        self._first += len(gone)
        self._pending_bytes -= _size(gone)

    def _merge_when_many(self) -> None:
        """Merge chunks in a thread: appending goes on. One that dies with its process is ended by the next."""
        if self._chunks >= CHUNKS_SMALL and (self._merging is None or not self._merging.is_alive()):
            self._merging = self._beside("merge", lambda: merge_if_possible(self.store, self.session, CHUNKS_SMALL))

    def _wait_for_merge(self) -> None:
        if self._merging is not None:
            self._merging.join()


def _size(lines: list[bytes]) -> int:
    """What events take in the journal."""
    return sum(map(len, lines)) + FRAME_OVERHEAD * len(lines)
