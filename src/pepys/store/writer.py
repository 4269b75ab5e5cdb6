"""The writing side of a session: what the recorder holds while it records.

Invariants: journal and head (state `recording`) are durable before the first event can be appended; media is durable
before an event names it (the caller's part, by the order of calls); events are durable when `sync` or `commit` returns;
a journal is deleted only after the head that holds all of its events is durable. Every step may be the last one:
`recover` ends what a kill left.

What waits to be sealed is bounded by number, bytes and time. After a sync that failed nobody knows what reached the
disk: the journal is cut back to what was durable before, and what was appended since is written again before anything
else. Events of a `commit` that failed are not.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace

from pepys.errors import Damaged, NotFound, StorageProblem, Usage
from pepys.limits import CHUNK_BYTES, CHUNK_EVENTS, CHUNK_INTERVAL_NS, CHUNKS_SMALL, PENDING_BYTES, SEAL_RETRY_NS
from pepys.model.events import Event, SegmentOpened, SegmentSealed, SessionEnded, SessionStarted
from pepys.model.manifest import Manifest
from pepys.model.session import Session
from pepys.store.blob_writer import BlobWriter
from pepys.store.chunks import store_chunks
from pepys.store.commit import GroupCommit
from pepys.store.journal import Journal
from pepys.store.merging import merge_chunks
from pepys.store.reader import load_whole
from pepys.store.recover import recover
from pepys.store.store import Store


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
        self._durable = 0
        self._unsure = False
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
            self._write(events)
            self._keep(events)

    def commit(self, *events: Event) -> None:
        """Write events and make them durable, together with those that other threads give meanwhile.

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
            if self._is_due():
                self.seal()

    def seal(self) -> None:
        """Move the events so far into a chunk and the head on to it."""
        with self._lock:
            self._seal("recording")
            self._merge(CHUNKS_SMALL)

    def end(self, at_ns: int) -> None:
        """End the session in order: everything sealed, the head `completed`, the journal gone, the lock free."""
        with self._lock:
            self.append(SessionEnded(at_ns))
            self._sync()
            self._seal("completed")
            self._merge(2)
            self._journal.remove()

    def close(self) -> None:
        """Let the lock go without an end: the session is then one to recover."""
        with self._lock:
            self._journal.close()

    def _commit(self, events: tuple[Event, ...]) -> None:
        """One turn of the group commit: all of these events are durable, or none counts."""
        with self._lock:
            self._write(events)
            # Where this fails, who brought them is told so: they are not among what is written again.
            self._sync()
            self._keep(events)
            self._durable = len(self._pending)
            if self._is_due():
                # They are durable whether or not the disk takes a chunk now.
                with contextlib.suppress(StorageProblem):
                    self.seal()

    def _write(self, events: tuple[Event, ...]) -> None:
        """Bring events into the journal, behind what has to be written again."""
        self._mend()
        if self._pending_bytes >= PENDING_BYTES:
            self.seal()
        before = self._journal.offset
        self._journal.append(*events)
        self._pending_bytes += self._journal.offset - before

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
        if self._journal.unsure:
            self._unsure = True
            self._journal.cut_back()
        if not self._unsure:
            return
        self._journal.append(*self._pending[self._durable :])
        self._unsure = False

    def _sync(self) -> None:
        """Make the events durable, and drop the notes on what they name."""
        self._mend()
        self._journal.sync()
        self._durable = len(self._pending)
        for name in self._named:
            self.store.blobs.forget_intent(name)
        self._named.clear()

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
        sealed = self.store.heads.manifest(self.session)[1].next_event
        self._drop(max(0, sealed - (journal.next_event - len(self._pending))))
        first = journal.next_event - len(self._pending)
        added = store_chunks(self.store.blobs, self.session, first, journal.next_event, self._pending)
        if state == "recording":
            # A reader of this head begins there, and need not open what the chunks hold.
            offset = journal.begin()
            self._sync()
        end = journal.next_event

        def change(current: Manifest) -> Manifest:
            chunks = (*current.chunks, *added)
            return replace(current, chunks=chunks, next_event=end, journal_offset=offset, state=state)

        self.store.heads.update(self.session, change)
        self._drop(len(self._pending))
        self._refused_ns = None
        self._sealed_ns = self.store.clock.now_ns()

    def _drop(self, count: int) -> None:
        """Let the first of what is pending go: chunks hold it."""
        del self._pending[:count]
        self._durable = max(0, self._durable - count)
        if not self._pending:
            self._pending_bytes = 0

    def _merge(self, least: int) -> None:
        """Pack small chunks where there are so many. What fails here can wait: nothing is lost without it."""
        with contextlib.suppress(StorageProblem, Damaged, NotFound):
            merge_chunks(self.store, self.session, least)
