"""What of a session opens, and what does not: a damaged chunk, journal record or edit log costs itself alone.

Events come in their order, those of what does not open are passed over, and each stretch of them is told as an `Unread`
with its numbers and, by its neighbours, its time. Which of that a caller can live with is his to say: who frees blobs
or goes on with a session reads strictly (`reader.chunk_events`, `reader.load_whole`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from pepys.errors import Damaged, NotFound
from pepys.model.edits import in_order
from pepys.model.events import Event, NoteAdded
from pepys.model.manifest import ChunkRef, Edit, Manifest, decode_edits
from pepys.model.session import Unread
from pepys.store.chunks import ReadChunk, Wanted, read_chunk
from pepys.store.journal_reader import JournalReader
from pepys.store.store import Store

Moved = Callable[[], bool]
"""Whether the head has moved on since the manifest was read: what is missing then was replaced, and is no damage."""


class Pieces:
    """The events of one manifest, as far as they open.

    Attributes:
        events: those that were read, in order.
        unread: what was passed over.
    """

    def __init__(self, store: Store, current: Manifest, wanted: Wanted | None, moved: Moved) -> None:
        self.events: list[Event] = []
        self.unread: list[Unread] = []
        self._store = store
        self._current = current
        self._wanted = wanted
        self._moved = moved

    def read_chunks(self) -> None:
        """Take the events of the chunks.

        Raises:
            NotFound: one is not there, as the head has moved on.
        """
        for chunk in self._current.chunks:
            data = None
            try:
                data = self._store.blobs.read(chunk.blob)
            except NotFound:
                if self._moved():
                    raise
            except Damaged:
                pass
            self.take_chunk(chunk, data)

    def take_chunk(self, chunk: ChunkRef, data: bytes | None) -> tuple[str, str] | None:
        """Take the events of a chunk that open; of a blob that does not open (None), there are none.

        Returns:
            The stretch that holds those which do not, in words, and why; None where all open.
        """
        try:
            found = ReadChunk() if data is None else read_chunk(data, self._wanted)
        except ValueError as error:
            found, data, problem = ReadChunk(), None, str(error)
        else:
            problem = "a line of it is no event"
        if data is None:
            self.passed_over("events", chunk.first, chunk.end)
            return f"events {chunk.first} to {chunk.end}", problem
        if found.refused is None:
            self.take(found.events)
            return None
        # Where a sealed segment replaced some of a chunk's events, nobody can tell the numbers of the others closer.
        first, end = chunk.first + found.refused[0], chunk.end - (found.lines - found.refused[1])
        before, after = found.around
        self.take(found.events[:before])
        self.passed_over("events", min(first, chunk.end - 1), max(end, first + 1))
        self.events += found.events[before:after]
        told = str(self.unread[-1])
        self.take(found.events[after:])
        return told, problem

    def read_journal(self) -> JournalReader | None:
        """Take the events that no chunk holds; the reader, to read on from there, or None where there is none."""
        store, current = self._store, self._current
        path, offset = store.journal_path(current.session), current.journal_offset
        try:
            reader = JournalReader(path, store.keys, offset, self._wanted, disk=store.disk)
            self.read_on(reader)
        except NotFound:
            if current.state == "recording":  # it is there until the head moves on from that
                self.passed_over("journal", current.next_event, current.next_event)
            return None
        except Damaged:
            self.passed_over("journal", current.next_event, current.next_event)
            return None
        return reader

    def read_on(self, reader: JournalReader) -> None:
        """Take what a journal has more by now."""
        first, known = self._current.next_event, len(reader.lost)
        for _, event in reader.read():
            for lost in reader.lost[known:]:
                self.passed_over("journal", max(first, lost[0]), lost[1])
            known = len(reader.lost)
            if reader.next_event > first:
                self.take((event,))
        for lost in reader.lost[known:]:
            self.passed_over("journal", max(first, lost[0]), lost[1])

    def take(self, events: Iterable[Event]) -> None:
        """Add events; the first of them that has a time ends the stretches before it."""
        before = len(self.events)
        self.events.extend(events)
        waiting = [n for n, part in enumerate(self.unread) if part.end_ns is None]
        if waiting:
            begin = next((at for at in map(begin_ns, self.events[before:]) if at is not None), None)
            for n in waiting if begin is not None else ():
                self.unread[n] = replace(self.unread[n], end_ns=begin)

    def passed_over(self, what: str, first: int, end: int) -> None:
        """Note that the events `first` to `end` do not open, after those taken so far."""
        if first < end or (what == "journal" and first == end == self._current.next_event):
            self.unread.append(Unread(what, first, end, last_ns(self.events)))


def read_edits(store: Store, current: Manifest, moved: Moved) -> tuple[tuple[Edit, ...], tuple[Unread, ...]]:
    """The edits of all devices whose logs open, in the order in which they are applied; and those that do not.

    Raises:
        NotFound: one is not there, as the head has moved on.
    """
    logs: dict[str, tuple[Edit, ...]] = {}
    unread = []
    for device, blob in current.edits.items():
        try:
            logs[device] = decode_edits(store.blobs.read(blob))
        except NotFound:
            if moved():
                raise
            unread.append(Unread("edits", device=device))
        except (Damaged, ValueError):
            unread.append(Unread("edits", device=device))
    return in_order(logs), tuple(unread)


def begin_ns(event: Event) -> int | None:
    """Axis time where an event begins; None where it has none. A note's may be any."""
    if isinstance(event, NoteAdded):
        return None
    at_ns = getattr(event, "at_ns", getattr(event, "start_ns", None))
    return at_ns if isinstance(at_ns, int) else None


def last_ns(events: Iterable[Event]) -> int:
    """The latest axis time that events tell of; 0 where none does."""
    return max(_ends(events), default=0)


def _ends(events: Iterable[Event]) -> Iterator[int]:
    for event in events:
        begin = begin_ns(event)
        if begin is not None:
            duration, end = getattr(event, "duration_ns", 0), getattr(event, "end_ns", None)
            yield max(begin + duration, end or 0)
