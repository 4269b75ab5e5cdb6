"""Reading a session: its events, from chunks and journal; its edits; and the fold of both.

What does not open costs itself alone: the session is told without it, and its `unread` says so (`pieces`). Takes no
lock and writes nothing. A writer may move the head meanwhile: what a reader then misses it reads again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

from pepys.errors import ODD, Damaged, NewerFormat, NotFound, odd
from pepys.model.event_lines import Choice, beginning
from pepys.model.events import (
    Event,
    FragmentWritten,
    LevelsNoted,
    SegmentOpened,
    SegmentSealed,
    SessionStarted,
)
from pepys.model.manifest import ArtifactRef, Head, Manifest
from pepys.model.projection import project
from pepys.model.session import Session
from pepys.store.chunks import Wanted, decode_chunk, decode_json
from pepys.store.journal import journal_locked
from pepys.store.journal_reader import JournalReader
from pepys.store.pieces import Pieces, read_edits
from pepys.store.store import Store

_TRIES = 5
_Result = TypeVar("_Result")
no_levels: Final = Choice(beginning(LevelsNoted), inside=False)
"""All but the levels of sound: the fold has no use for them, and they are most of an hour's events."""
only_levels: Final = Choice(beginning(LevelsNoted), inside=True)
"""Levels of sound alone."""


def session_ids(store: Store) -> list[str]:
    """Every session of the store, deleted ones included, oldest first; also one that died before it had a head."""
    return sorted({*store.heads.sessions(), *store.journal_sizes()})


def live_sessions(store: Store) -> list[str]:
    """The sessions that a living process records."""
    return [
        session for session in store.journal_sizes() if journal_locked(store.journal_path(session), disk=store.disk)
    ]


def manifest(store: Store, session: str) -> Manifest:
    """The current manifest; made up of the journal where a crash came before the first head.

    Raises:
        NotFound: no such session.
        Damaged: it does not open.
    """
    return read_root(store, session)[1]


def read_root(store: Store, session: str) -> tuple[Head, Manifest]:
    """Head and manifest; a head of sequence 0 was never written.

    Raises:
        NotFound: no such session, or one that died before its first event was whole.
        Damaged: they do not open; or there is no head, and a journal that tells of events but not how it began.
    """
    try:
        return store.heads.manifest(session)
    except NotFound:
        if not store.has_journal(session):
            raise
    reader = JournalReader(store.journal_path(session), store.keys, disk=store.disk)
    for _, event in reader.read():
        if isinstance(event, SessionStarted) and reader.next_event == 1:
            return Head(session, 0, ""), Manifest(session, "recording", event.name, event.started_wall_ns)
    if reader.next_event or reader.damaged:
        told = f"the head of session {session} is gone, and its journal does not tell how it began: the journal is kept"
        raise Damaged(told, "restore the folder heads from a backup")
    raise NotFound(f"session {session} recorded nothing", "pepys list shows what there is")


def events(store: Store, session: str, wanted: Wanted | None = None) -> Iterator[Event]:
    """All events of a session in order, those of the journal included; or those that are `wanted`.

    Raises:
        NotFound: no such session, or a chunk is missing.
        Damaged: a chunk does not open.
    """
    current = manifest(store, session)
    yield from chunk_events(store, current, wanted)
    yield from journal_events(store, current, wanted)


def levels(store: Store, session: str, track: str | None = None) -> Iterator[LevelsNoted]:
    """The levels of a session's sound in order, of one track or of all; nothing else is decoded.

    Raises:
        NotFound: no such session.
        Damaged: its head or manifest does not open. What else does not is passed over.
    """

    def read(head: Head, current: Manifest) -> list[Event]:
        return _pieces(store, head, current, only_levels).events

    for event in settled(store, session, read):
        if isinstance(event, LevelsNoted) and track in (None, event.track):
            yield event


def chunk_events(store: Store, current: Manifest, wanted: Wanted | None = None) -> Iterator[Event]:
    """The events in a manifest's chunks."""
    for chunk in current.chunks:
        data = store.blobs.read(chunk.blob)
        try:
            yield from decode_chunk(data, wanted)
        except ValueError as error:
            raise Damaged(f"a chunk of session {current.session}: {error}", "restore it from a backup") from error


def journal_events(store: Store, current: Manifest, wanted: Wanted | None = None) -> Iterator[Event]:
    """The events that no chunk of the manifest holds; none where there is no journal."""
    try:
        path, offset = store.journal_path(current.session), current.journal_offset
        reader = JournalReader(path, store.keys, offset, wanted, disk=store.disk)
        for _, event in reader.read():
            if reader.next_event > current.next_event:
                yield event
    except NotFound:
        return


def load(store: Store, session: str) -> Session:
    """A session as it is now. One whose recorder died without a word is `interrupted`, recovered or not.

    Chunks, journal records and edit logs that do not open are passed over and told in `unread`.

    Raises:
        NotFound: no such session.
        Damaged: its head or manifest does not open.
    """

    def read(head: Head, current: Manifest) -> Session:
        return _fold(store, head, current, _pieces(store, head, current, no_levels))

    try:
        return settled(store, session, read)
    except NewerFormat:
        raise
    except ODD as error:
        raise Damaged(f"session {session}: {odd(error)}", "pepys verify tells what is damaged") from error


def load_whole(store: Store, session: str) -> Session:
    """`load` for who would build on what is missing: on what the session does not say.

    Raises:
        NotFound: no such session.
        Damaged: some of its events do not open, which a backup may bring back.
    """
    view = load(store, session)
    for part in view.unread:
        if not part.is_lost and part.what != "edits":
            told = f"{part} of session {session} do not open"
            raise Damaged(told, "pepys verify tells what is damaged; restore it from a backup")
    return view


def load_artifact(store: Store, ref: ArtifactRef) -> dict[str, Any]:
    """What a stage made: `{"stage", "unit", "items"}`.

    Raises:
        NotFound, Damaged: its blob is missing or does not open.
    """
    try:
        return decode_json(store.blobs.read(ref.blob))
    except ValueError as error:
        raise Damaged(f"the artifact {ref.stage} of {ref.unit}: {error}", "run pepys enrich again") from error


class LiveView:
    """A session that is being recorded, read again and again: each time only what its journal grew by.

    What does not open is passed over and told as by `load`.
    """

    def __init__(self, store: Store, session: str) -> None:
        self._store = store
        self._id = session
        self._pieces: Pieces | None = None
        self._reader: JournalReader | None = None

    def refresh(self) -> Session:
        """The session now; NotFound and Damaged as `load`."""
        try:
            if self._reader is None or not self._reader.is_current():
                self._start()
            else:
                self._go_on(self._reader)
            head, current = read_root(self._store, self._id)
            if current.state == "recording" and self._pieces is not None:
                return _fold(self._store, head, current, self._pieces)
        except NotFound:
            # The journal ended: everything is in chunks.
            self._reader = None
        return load(self._store, self._id)

    def _start(self) -> None:
        store = self._store
        if not store.has_journal(self._id):
            raise NotFound(f"session {self._id} has no journal", "it is not being recorded")

        self._pieces, self._reader = live_pieces(store, self._id, no_levels)

    def _go_on(self, reader: JournalReader) -> None:
        """Take what has come, and let go of what a segment that was sealed replaces."""
        assert self._pieces is not None
        before = len(self._pieces.events)
        self._pieces.read_on(reader)
        fresh = self._pieces.events[before:]
        sealed = {(event.track, event.segment) for event in fresh if isinstance(event, SegmentSealed)}
        if sealed:
            self._pieces.events = [
                event
                for event in self._pieces.events
                if not (isinstance(event, FragmentWritten | SegmentOpened) and (event.track, event.segment) in sealed)
            ]


def live_pieces(store: Store, session: str, wanted: Wanted) -> tuple[Pieces, JournalReader | None]:
    """What opens of a session's events, and a reader from which its journal goes on; None where there is none.

    Raises:
        NotFound: no such session.
        Damaged: its head or manifest does not open.
    """

    def read(head: Head, current: Manifest) -> tuple[Pieces, JournalReader | None]:
        pieces = Pieces(store, current, wanted, lambda: _has_moved(store, head))
        pieces.read_chunks()
        return pieces, pieces.read_journal()

    return settled(store, session, read)


def _pieces(store: Store, head: Head, current: Manifest, wanted: Wanted) -> Pieces:
    """What opens of the events of chunks and journal."""
    pieces = Pieces(store, current, wanted, lambda: _has_moved(store, head))
    pieces.read_chunks()
    pieces.read_journal()
    return pieces


def _fold(store: Store, head: Head, current: Manifest, pieces: Pieces) -> Session:
    edits, untold = read_edits(store, current, lambda: _has_moved(store, head))
    view = project(current, pieces.events, edits, head.manifest)
    return _state(store, replace(view, unread=(*pieces.unread, *untold, *view.unread)))


def _has_moved(store: Store, head: Head) -> bool:
    return read_root(store, head.session)[0].sequence != head.sequence


def _state(store: Store, session: Session) -> Session:
    if session.state == "recording" and not journal_locked(store.journal_path(session.id), disk=store.disk):
        return replace(session, state="interrupted")
    return session


def settled(store: Store, session: str, read: Callable[[Head, Manifest], _Result]) -> _Result:
    """Run `read` until no writer has moved the head under it, or until it needs no second try.

    Raises:
        NotFound: no such session.
        Damaged: a blob is missing although no head moved, or what `read` raises.
    """
    for _ in range(_TRIES):
        head, current = read_root(store, session)
        try:
            result = read(head, current)
        except NotFound as error:
            if read_root(store, session)[0].sequence == head.sequence:
                raise Damaged(f"session {session}: {error.message}", "pepys verify tells what is missing") from error
            continue
        # A journal that ended under the reader moved its last events into a chunk of the next manifest.
        if current.state != "recording" or read_root(store, session)[0].sequence == head.sequence:
            return result
        if store.has_journal(session):
            return result
    raise Damaged(f"session {session} changes faster than it can be read", "try again")
