"""The writing side of a session: what the recorder holds while it records.

Invariants: journal and head (state `recording`) are durable before the first event can be appended; media is durable
before an event names it (the caller's part, by the order of calls); events are durable when `sync` or `commit` returns;
a journal is deleted only after the head that holds all of its events is durable. Every step may be the last one:
`recover` ends what a kill left.

What waits to be sealed is bounded by number, bytes and time. What waits is what the journal has from event `_first` on;
after any step between the two that failed or was interrupted, nobody knows what reached the disk: the journal is cut
back to what was durable before, and what was appended since is written again before anything else. Events of an
`append` or a `commit` that failed are not, unless they were durable by then. What can wait (a note on a sealed segment,
the merging of chunks, which a thread of its own does) never fails what is durable.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from pepys.errors import NotFound, PepysError, StorageProblem, Usage
from pepys.limits import CHUNK_BYTES, CHUNK_EVENTS, CHUNK_INTERVAL_NS, CHUNKS_SMALL, PENDING_BYTES, SEAL_RETRY_NS
from pepys.model.events import Event, SegmentOpened, SegmentSealed, SessionEnded, SessionStarted
from pepys.model.manifest import Manifest
from pepys.model.session import Session
from pepys.store.blob_writer import BlobWriter
from pepys.store.chunks import store_chunks
from pepys.store.commit import GroupCommit
from pepys.store.journal import Journal
from pepys.store.merging import merge_if_possible
from pepys.store.reader import load_whole
from pepys.store.recover import recover
from pepys.store.store import Store

_LOG = logging.getLogger(__name__)


class SessionWriter:
    """Writes one session; safe to share between threads.

    Attributes:
        store: where it writes.
        session: the session's id.
        view: the session as it was when a resumed one was taken up; None for a new one.
    """

    def __init__(self, store: Store, journal: Journal, view: Session | None = None) -> None:
        """For `create` and `resume`."""
        self.store = store
        self.session = journal.session
        self.view = view
        self._journal = journal
        self._pending: list[Event] = []
        self._pending_bytes = 0
        self._first = journal.next_event
        self._unsure = False
        self._chunks = 0
        self._merging: threading.Thread | None = None
        self._open: dict[tuple[str, int], str] = {}
        self._named: list[str] = []
        self._sealed_ns = store.clock.now_ns()
        self._refused_ns: int | None = None
        self._lock = threading.RLock()
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
        """Make every appended event durable; seals a chunk when one is due.

        Raises:
            StorageProblem: the disk refused; what was appended is written again before anything else.
        """
        with self._lock:
            self._sync()
            self._seal_when_due()

    def seal(self) -> None:
        """Move the events so far into a chunk and the head on to it; may begin to merge chunks, in a thread."""
        with self._lock:
            self._seal("recording")
            if self._chunks >= CHUNKS_SMALL and (self._merging is None or not self._merging.is_alive()):
                self._begin_merge()

    def end(self, at_ns: int) -> None:
        """End the session in order: everything sealed, the head `completed`, the journal gone, the lock free."""
        with self._lock:
            self.append(SessionEnded(at_ns))
            self._sync()
            self._seal("completed")
            self._wait_for_merge()
            merge_if_possible(self.store, self.session)
            self._journal.remove()

    def close(self) -> None:
        """Let the lock go without an end: the session is then one to recover."""
        with self._lock:
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
        self._mend()
        if self._pending_bytes >= PENDING_BYTES:
            self.seal()
        pending, size, named, offset = len(self._pending), self._pending_bytes, len(self._named), self._journal.offset
        try:
            self._journal.append(*events)
            self._keep(events)
            self._pending_bytes += self._journal.offset - offset
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
        """Hold events for the next chunk."""
        self._pending.extend(events)
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
        self._journal.append(*self._pending[max(0, self._journal.durable_event - self._first) :])
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
        """Seal a chunk; the events are durable whether or not that succeeds now."""
        if self._is_due():
            try:
                self.seal()
            except (PepysError, OSError, ValueError) as error:
                _LOG.warning("no chunk of session %s was sealed, it is tried again: %s", self.session, error)

    def _is_due(self) -> bool:
        """Whether a chunk should be sealed, by number, bytes or time; one that the disk refused waits a while."""
        now_ns = self.store.clock.now_ns()
        if not self._pending or (self._refused_ns is not None and now_ns - self._refused_ns < SEAL_RETRY_NS):
            return False
        full = len(self._pending) >= CHUNK_EVENTS or self._pending_bytes >= CHUNK_BYTES
        return full or now_ns - self._sealed_ns >= CHUNK_INTERVAL_NS

    def _seal(self, state: str) -> None:
        """Chunks of what is pending, one manifest, one head."""
        self._mend()
        journal, offset = self._journal, 0
        self._refused_ns = self.store.clock.now_ns()
        # Where the head moved on and only telling so failed, what it names is not sealed a second time.
        sealed = self.store.heads.manifest(self.session)[1]
        self._drop(max(0, sealed.next_event - self._first))
        end = journal.next_event
        added = store_chunks(self.store.blobs, self.session, self._first, end, self._pending)
        if state == "recording":
            # A reader of this head begins there, and need not open what the chunks hold.
            try:
                offset = journal.begin()
                self._sync()
            except BaseException:
                self._unsure = True
                raise

        def change(current: Manifest) -> Manifest:
            chunks = (*current.chunks, *added)
            return replace(current, chunks=chunks, next_event=end, journal_offset=offset, state=state)

        self.store.heads.update(self.session, change)
        self._chunks = len(sealed.chunks) + len(added)
        self._drop(len(self._pending))
        self._refused_ns = None
        self._sealed_ns = self.store.clock.now_ns()

    def _drop(self, count: int) -> None:
        """Let the first of what is pending go: chunks hold it."""
        count = min(count, len(self._pending))
        del self._pending[:count]
        self._first += count
        if not self._pending:
            self._pending_bytes = 0

    def _begin_merge(self) -> None:
        """Merge chunks in a thread: appending goes on. One that dies with its process is ended by the next."""
        self._merging = threading.Thread(target=self._merge, name="merge", daemon=True)
        try:
            self._merging.start()
        except RuntimeError:
            # The system starts no more threads: a later seal tries again.
            self._merging = None

    def _merge(self) -> None:
        merge_if_possible(self.store, self.session, CHUNKS_SMALL)

    def _wait_for_merge(self) -> None:
        if self._merging is not None:
            self._merging.join()
