"""After a crash: make of what a dead recorder left an interrupted session, and of that a completed one.

Invariants: nothing that was acknowledged is lost; of media, only what no event names is dropped (less than one
fragment a track); every step can be the last one and the whole can be done again. Nobody who records is disturbed:
the journal's lock says whether its recorder lives.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace

from pepys.errors import ODD, Busy, Damaged, NotFound, Partial, PepysError, Usage, odd
from pepys.model import events as ev
from pepys.model.ids import is_session_id
from pepys.model.manifest import Manifest
from pepys.model.projection import project
from pepys.model.session import Segment
from pepys.store.chunks import store_chunks
from pepys.store.edits import finish_edits
from pepys.store.journal import Journal
from pepys.store.merging import finish_merges, merge_if_possible
from pepys.store.pieces import Pieces
from pepys.store.reader import journal_events, load_whole, no_levels, read_root, session_ids
from pepys.store.removal_room import keep_room
from pepys.store.remove import finish_removal, unfinished_removals
from pepys.store.store import Store
from pepys.store.strays import discard_strays
from pepys.store.trigger import reach

_LOG = logging.getLogger(__name__)


def recover_all(store: Store) -> list[str]:
    """Recover every session that a dead recorder left and end every removal that was cut short.

    Returns:
        The sessions that were recovered.
    """
    for tidy in (discard_strays, _discard_notes, finish_merges, finish_edits, _finish_removals, keep_room):
        # What cannot be tidied up now keeps nobody's session from being recovered.
        try:
            tidy(store)
        except (PepysError, OSError, *ODD) as error:
            _LOG.warning("something in the store is not tidied up: %s", error)
    journals = store.journal_sizes()
    recovered = []
    for session in session_ids(store):
        # One that lives, or is damaged (`verify` tells), keeps no other from being recovered.
        try:
            candidate = session in journals or read_root(store, session)[1].state == "recording"
            if candidate and recover(store, session):
                recovered.append(session)
        except (Busy, NotFound, Damaged):
            continue
        except ODD as error:
            _LOG.warning("session %s is not recovered: %s", session, odd(error))
    return recovered


def _finish_removals(store: Store) -> None:
    for session in unfinished_removals(store):
        # One that cannot be ended now keeps no other from it.
        with contextlib.suppress(Partial, Damaged, NotFound, Busy, *ODD):
            finish_removal(store, session)


def _discard_notes(store: Store) -> None:
    """Delete the notes on sealed open files that sessions without a journal left: their chunks name every blob."""
    for name in store.blobs.noted():
        session = name.partition("-")[0]
        if is_session_id(session) and not store.has_journal(session):
            with contextlib.suppress(Damaged, NotFound):
                if read_root(store, session)[1].state != "recording":
                    store.blobs.forget_intent(name)


def recover(store: Store, session: str) -> bool:
    """Recover one session.

    Returns:
        Whether there was anything to do.

    Raises:
        Busy: its recorder lives.
        NotFound: no such session.
        Damaged: what it left does not open.
    """
    if not store.has_journal(session):
        return _without_journal(store, session)
    journal = Journal.open_for_append(store.journal_path(session), store.keys, disk=store.disk)
    try:
        try:
            head, current = read_root(store, session)
        except NotFound:
            # It died before its first event was whole: nothing was recorded and nobody was told that anything was.
            store.heads.forget_empty(session)
            journal.remove()
            return False
        if current.state == "deleted" or (current.state != "recording" and not _holds_more(store, current)):
            # The head moved on and the kill came before the journal was deleted.
            # Nor perhaps before the head's copy had moved on too.
            store.heads.mend(session)
            if current.state == "deleted" or _opens(store, current):
                store.blobs.discard_open(f"{session}-")
            journal.remove()
            return False
        left = _Left(store, journal, current)
        left.tell_lost()
        left.name_segments()
        ended = left.close()
        _seal(store, journal, current, left.tail, "completed" if ended else "interrupted", first=not head.sequence)
        reach("recover.sealed")
        if left.whole:
            store.blobs.discard_open(f"{session}-")
        journal.remove()
    finally:
        journal.close()
    return True


def finish(store: Store, session: str) -> None:
    """Make an interrupted session a completed one.

    Raises:
        Busy: it is being recorded.
        NotFound: no such session, or it was deleted.
        Damaged: some of its events do not open: nobody can tell when it ended.
    """
    recover(store, session)
    state = read_root(store, session)[1].state
    if state == "deleted":
        raise NotFound(f"session {session} was deleted", "pepys list shows what there is")
    if state == "completed":
        return
    view = load_whole(store, session)
    with store.heads.lock(session):
        if store.has_journal(session):
            raise Busy(f"session {session} is being recorded again", "stop that recording first")
        last = max((span.end_ns for span in view.spans), default=0)
        tail: list[ev.Event] = [
            ev.GapNoted(gap.start_ns, max(gap.start_ns, view.end_ns), gap.reason, None, gap.detail)
            for gap in view.gaps
            if gap.reason == "crash" and gap.start_ns >= last
        ]
        tail.append(ev.SessionEnded(view.end_ns))
        first = store.heads.manifest(session)[1].next_event
        added = store_chunks(store.blobs, session, first, first + len(tail), tail)

        def change(current: Manifest) -> Manifest:
            if current.state != "interrupted":
                raise Usage(f"session {session} is {current.state}", "pepys show tells its state")
            end = first + len(tail)
            return replace(current, chunks=(*current.chunks, *added), next_event=end, state="completed")

        store.heads.update_locked(session, change)


class _Left:
    """What a dead recorder left, and the events that end it."""

    def __init__(self, store: Store, journal: Journal | None, current: Manifest) -> None:
        """Read it; without a journal, that one is gone."""
        self._store = store
        self._journal = journal
        pieces = Pieces(store, current, None, lambda: False)
        pieces.read_chunks()
        # Without a chunk nobody can tell which open files belong to segments: they stay then.
        self.whole = not pieces.unread
        sealed = len(pieces.events)
        pieces.read_journal()
        self.tail = pieces.events[sealed:]
        self._unread = tuple(part for part in pieces.unread if part.what == "journal")
        self._events = pieces.events
        self._view = project(current, self._events)

    def tell_lost(self) -> None:
        """Say which events of the journal nobody will ever read; a recovery that was cut short may have said it."""
        told = {(event.first, event.end) for event in self.tail if isinstance(event, ev.EventsLost)}
        wall_ns = self._store.clock.wall_ns()
        for part in self._unread:
            if (part.first, part.end) not in told:
                end_ns = self._view.end_ns if part.end_ns is None else part.end_ns
                self._append(ev.EventsLost(part.first, part.end, part.start_ns, end_ns, wall_ns))

    def name_segments(self) -> None:
        """Seal every open segment after its last journalled fragment."""
        for track in self._view.tracks:
            for segment in track.segments:
                if not segment.blob:
                    self._append(*self._sealed(track.track, segment))
                    reach("recover.segment")

    def close(self) -> bool:
        """End the span and the gaps that were open; returns whether the session had ended in order."""
        if any(isinstance(event, ev.SessionEnded) for event in self._events):
            return True
        last = max((event.at_ns for event in self._events if isinstance(event, ev.SpanEnded)), default=0)
        if not self.whole:
            # A span may have begun in what does not open: the crash came after all that is known.
            last = max(last, self._view.end_ns)
        for span in self._view.spans:
            if span.open:
                last = max(span.start_ns, self._evidence_ns(span.span, span.start_ns))
                self._append(ev.SpanEnded(span.span, last, span.media_ns + last - span.start_ns))
        for gap in self._open_gaps(last):
            self._append(gap)
        return False

    def _open_gaps(self, last: int) -> list[ev.GapNoted]:
        open_gaps: dict[tuple[int, str | None, str], ev.GapNoted] = {}
        for event in self._events:
            if isinstance(event, ev.GapNoted):
                key = (event.start_ns, event.track, event.reason)
                open_gaps.pop(key, None)
                if event.end_ns is None:
                    open_gaps[key] = event
        whole = [gap for gap in open_gaps.values() if gap.track is None]
        anew = next((gap for gap in whole if gap.reason == "crash"), None)
        # What rested was watched until the last word, and was no crash until then.
        rested = max([last, *(max(gap.start_ns, self._view.end_ns) for gap in whole if gap is not anew)])
        closed = [
            replace(gap, end_ns=max(rested if gap.track is None else last, gap.start_ns))
            for gap in open_gaps.values()
            if gap.reason != "crash"
        ]
        return [*closed, anew or ev.GapNoted(rested, None, "crash")]

    def _evidence_ns(self, span: int, start_ns: int) -> int:
        """Axis time after the last fragment or shot of a span, or of the last event where it has neither."""
        ends = [
            segment.at_ns + segment.duration_ns
            for track in self._view.tracks
            for segment in track.segments
            if segment.span == span and segment.fragments
        ]
        ends += [shot.at_ns for shot in self._view.shots if shot.at_ns >= start_ns]
        return max(ends) if ends else self._view.end_ns

    def _sealed(self, track: str, segment: Segment) -> list[ev.Event]:
        """The segment with its name; with a gap of its track where not all of it is there any more."""
        try:
            blob = self._store.blobs.recover_open(segment.name, segment.bytes)
            size = self._store.blobs.size(blob)
        except (NotFound, Damaged):
            blob, size = "", 0
        kept = tuple(fragment for fragment in segment.fragments if fragment[0] + fragment[1] <= size)
        length = sum(fragment[3] for fragment in kept)
        end = kept[-1][0] + kept[-1][1] if kept else 0
        sealed = ev.SegmentSealed(
            track, segment.n, segment.span, blob if kept else "", end, segment.media_ns, length, segment.at_ns, kept
        )
        if len(kept) == len(segment.fragments):
            return [sealed]
        gap_end = segment.at_ns + segment.duration_ns
        return [sealed, ev.GapNoted(segment.at_ns + length, gap_end, "crash", track, "its data were damaged")]

    def _append(self, *events: ev.Event) -> None:
        if self._journal is not None:
            self._journal.append(*events)
            self._journal.sync()
        self.tail.extend(events)


def _seal(store: Store, journal: Journal, current: Manifest, tail: list[ev.Event], state: str, *, first: bool) -> None:
    end = journal.next_event
    added = store_chunks(store.blobs, current.session, current.next_event, end, tail)

    def change(now: Manifest) -> Manifest:
        return replace(now, chunks=(*now.chunks, *added), next_event=end, journal_offset=0, state=state)

    store.heads.update(current.session, change, current if first else None)
    merge_if_possible(store, current.session)


def _opens(store: Store, current: Manifest) -> bool:
    """Whether every chunk opens: only then is it known what no segment needs."""
    pieces = Pieces(store, current, no_levels, lambda: False)
    pieces.read_chunks()
    return not pieces.unread


def _holds_more(store: Store, current: Manifest) -> bool:
    return any(True for _ in journal_events(store, current))


def _without_journal(store: Store, session: str) -> bool:
    """A session that is `recording` without a journal lost it: what its chunks hold is kept, the rest told as lost."""
    if store.heads.manifest(session)[1].state != "recording":
        return False
    with store.heads.lock(session):
        if store.has_journal(session):
            raise Busy(f"session {session} is being recorded", "stop it first")
        current = store.heads.manifest(session)[1]
        if current.state != "recording":
            return False
        left = _Left(store, None, current)
        left.tell_lost()
        left.name_segments()
        state = "completed" if left.close() else "interrupted"
        store.blobs.set_aside(f"{session}-")
        reach("recover.aside")
        first, end = current.next_event, current.next_event + len(left.tail)
        added = store_chunks(store.blobs, session, first, end, left.tail)

        def change(now: Manifest) -> Manifest:
            return replace(now, chunks=(*now.chunks, *added), next_event=end, journal_offset=0, state=state)

        store.heads.update_locked(session, change)
    return True
