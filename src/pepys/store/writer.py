"""The writing side of a session: what the recorder holds while it records.

Invariants: journal and head (state `recording`) are durable before the first event can be appended; media is durable
before an event names it (the caller's part, by the order of calls); events are durable when `sync` returns; a journal
is deleted only after the head that holds all of its events is durable. Every step may be the last one: `recover` ends
what a kill left.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from pepys.errors import NotFound, Usage
from pepys.limits import CHUNK_EVENTS, CHUNK_INTERVAL_NS
from pepys.model.events import Event, SegmentOpened, SegmentSealed, SessionEnded, SessionStarted
from pepys.model.manifest import ChunkRef, Manifest
from pepys.model.session import Session
from pepys.store.blob_writer import BlobWriter
from pepys.store.chunks import encode_chunk
from pepys.store.journal import Journal
from pepys.store.reader import load
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
        self._open: dict[tuple[str, int], str] = {}
        self._named: list[str] = []
        self._sealed_ns = store.clock.now_ns()
        self._lock = threading.RLock()

    @classmethod
    def create(cls, store: Store, header: SessionStarted) -> SessionWriter:
        """Begin a session; it is on disk, locked and listed as `recording` when this returns.

        Raises:
            StorageProblem: it cannot be written.
        """
        with store.heads.lock(header.session):
            journal = Journal.create(store.journal_path(header.session), store.keys, header.session)
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
        """
        recover(store, session)
        with store.heads.lock(session):
            current = store.heads.manifest(session)[1]
            if current.state == "deleted":
                raise NotFound(f"session {session} was deleted", "pepys list shows what there is")
            if current.state == "completed":
                raise Usage(f"session {session} is completed", "record another one")
            view = load(store, session)
            path = store.journal_path(session)
            journal = Journal.create(path, store.keys, session, current.next_event)
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
            StorageProblem: the disk refused; none of them counts.
        """
        with self._lock:
            self._journal.append(*events)
            self._pending.extend(events)
            for event in events:
                if isinstance(event, SegmentOpened):
                    self._open[event.track, event.segment] = event.name
                elif isinstance(event, SegmentSealed):
                    name = self._open.pop((event.track, event.segment), None)
                    if name is not None:
                        self._named.append(name)

    def sync(self) -> None:
        """Make every appended event durable; seals a chunk when one is due."""
        with self._lock:
            self._sync()
            age_ns = self.store.clock.now_ns() - self._sealed_ns
            if len(self._pending) >= CHUNK_EVENTS or (self._pending and age_ns >= CHUNK_INTERVAL_NS):
                self.seal()

    def seal(self) -> None:
        """Move the events so far into a chunk and the head on to it."""
        with self._lock:
            self._seal("recording")

    def end(self, at_ns: int) -> None:
        """End the session in order: everything sealed, the head `completed`, the journal gone, the lock free."""
        with self._lock:
            self.append(SessionEnded(at_ns))
            self._sync()
            self._seal("completed")
            self._journal.remove()

    def close(self) -> None:
        """Let the lock go without an end: the session is then one to recover."""
        with self._lock:
            self._journal.close()

    def _sync(self) -> None:
        """Make the events durable, and drop the notes on what they name."""
        self._journal.sync()
        for name in self._named:
            self.store.blobs.forget_intent(name)
        self._named.clear()

    def _seal(self, state: str) -> None:
        """One chunk of what is pending, one manifest, one head."""
        journal, offset = self._journal, 0
        if self._pending:
            data = encode_chunk(self._pending)
            blob = self.store.blobs.put(data)
        if state == "recording":
            # A reader of this head begins there, and need not open what the chunks hold.
            offset = journal.begin()
            journal.sync()
        end = journal.next_event
        count = len(self._pending)

        def change(current: Manifest) -> Manifest:
            chunks = (*current.chunks, ChunkRef(blob, current.next_event, end)) if count else current.chunks
            return replace(current, chunks=chunks, next_event=end, journal_offset=offset, state=state)

        self.store.heads.update(self.session, change)
        self._pending.clear()
        self._sealed_ns = self.store.clock.now_ns()
