"""Reading a session: its events, from chunks and journal; its edits; and the fold of both.

Takes no lock and writes nothing. A writer may move the head meanwhile: what a reader then misses it reads again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

from pepys.errors import Damaged, NotFound
from pepys.model.events import (
    Event,
    FragmentWritten,
    LevelsNoted,
    SegmentOpened,
    SegmentSealed,
    SessionStarted,
    beginning,
)
from pepys.model.manifest import ArtifactRef, Edit, Head, Manifest, decode_edits
from pepys.model.projection import project
from pepys.model.session import Session
from pepys.store.chunks import decode_chunk, decode_json
from pepys.store.journal import JournalReader, journal_locked
from pepys.store.store import Store

_TRIES = 5
_Result = TypeVar("_Result")
Wanted = Callable[[bytes], bool]
"""Says of an event, by its bytes, whether it is to be decoded and given."""

_LEVELS: Final = beginning(LevelsNoted)


def no_levels(event: bytes) -> bool:
    """All but the levels of sound: the fold has no use for them, and they are most of an hour's events."""
    return not event.startswith(_LEVELS)


def only_levels(event: bytes) -> bool:
    """Levels of sound alone."""
    return event.startswith(_LEVELS)


def session_ids(store: Store) -> list[str]:
    """Every session of the store, deleted ones included, oldest first; also one that died before it had a head."""
    return sorted({*store.heads.sessions(), *store.journal_sizes()})


def live_sessions(store: Store) -> list[str]:
    """The sessions that a living process records."""
    return [session for session in store.journal_sizes() if journal_locked(store.journal_path(session))]


def manifest(store: Store, session: str) -> Manifest:
    """The current manifest; made up of the journal where a crash came before the first head.

    Raises:
        NotFound: no such session.
        Damaged: it does not open.
    """
    return read_root(store, session)[1]


def read_root(store: Store, session: str) -> tuple[Head, Manifest]:
    """Head and manifest; a head of sequence 0 was never written."""
    try:
        return store.heads.manifest(session)
    except NotFound:
        if not store.journal_path(session).exists():
            raise
    for _, event in JournalReader(store.journal_path(session), store.keys).read():
        if isinstance(event, SessionStarted):
            return Head(session, 0, ""), Manifest(session, "recording", event.name, event.started_wall_ns)
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
        Damaged: a part of it does not open.
    """

    def read(_: Head, current: Manifest) -> list[Event]:
        return [*chunk_events(store, current, only_levels), *journal_events(store, current, only_levels)]

    for event in _settled(store, session, read):
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
        reader = JournalReader(store.journal_path(current.session), store.keys, current.journal_offset, wanted)
        for _, event in reader.read():
            if reader.next_event > current.next_event:
                yield event
    except NotFound:
        return


def edits(store: Store, current: Manifest) -> tuple[Edit, ...]:
    """The edits of all devices, each log in order."""
    found: list[Edit] = []
    for device in sorted(current.edits):
        data = store.blobs.read(current.edits[device])
        try:
            found.extend(decode_edits(data))
        except ValueError as error:
            raise Damaged(f"an edit log of session {current.session}: {error}", "restore it from a backup") from error
    return tuple(found)


def load(store: Store, session: str) -> Session:
    """A session as it is now. One whose recorder died without a word is `interrupted`, recovered or not.

    Raises:
        NotFound: no such session.
        Damaged: a part of it does not open.
    """

    def read(head: Head, current: Manifest) -> Session:
        folded = [*chunk_events(store, current, no_levels), *journal_events(store, current, no_levels)]
        return _state(store, project(current, folded, edits(store, current), head.manifest))

    return _settled(store, session, read)


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
    """A session that is being recorded, read again and again: each time only what its journal grew by."""

    def __init__(self, store: Store, session: str) -> None:
        self._store = store
        self._id = session
        self._events: list[Event] = []
        self._reader: JournalReader | None = None

    def refresh(self) -> Session:
        """The session now; NotFound and Damaged as `load`."""
        try:
            if self._reader is None or not self._reader.is_current():
                self._start()
            assert self._reader is not None
            self._take(event for _, event in self._reader.read())
            head, current = read_root(self._store, self._id)
        except NotFound:
            # The journal ended: everything is in chunks.
            self._reader = None
            return load(self._store, self._id)
        if current.state != "recording":
            return load(self._store, self._id)
        session = project(current, self._events, edits(self._store, current), head.manifest)
        return _state(self._store, session)

    def _start(self) -> None:
        current = manifest(self._store, self._id)
        journal = self._store.journal_path(self._id)
        reader = JournalReader(journal, self._store.keys, current.journal_offset, no_levels)
        self._events = list(chunk_events(self._store, current, no_levels))
        self._take(event for _, event in reader.read() if reader.next_event > current.next_event)
        self._reader = reader

    def _take(self, fresh: Iterator[Event]) -> None:
        before = len(self._events)
        self._events.extend(fresh)
        sealed = {(e.track, e.segment) for e in self._events[before:] if isinstance(e, SegmentSealed)}
        if sealed:
            self._events = [
                e
                for e in self._events
                if not (isinstance(e, FragmentWritten | SegmentOpened) and (e.track, e.segment) in sealed)
            ]


def _state(store: Store, session: Session) -> Session:
    if session.state == "recording" and not journal_locked(store.journal_path(session.id)):
        return replace(session, state="interrupted")
    return session


def _settled(store: Store, session: str, read: Callable[[Head, Manifest], _Result]) -> _Result:
    """Run `read` until no writer has moved the head under it, or until it needs no second try."""
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
        if store.journal_path(session).exists():
            return result
    raise Damaged(f"session {session} changes faster than it can be read", "try again")
