"""The sessions that pages look at now, kept folded in memory.

Owns a bounded number of incremental views: a finished session is folded once, a live one is folded further by what its
journal grew. The texts of enrichment are kept beside it until the session names other artifacts. Thread-safe: one lock
a session, so that requests of one page share the work and pages of different sessions do not wait for each other.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from pepys import limits
from pepys.errors import Damaged, NotFound
from pepys.model.ids import is_session_id
from pepys.model.manifest import ArtifactRef
from pepys.model.session import Session
from pepys.review.peaks import LevelLanes, peaks
from pepys.review.texts import AnyTexts, StoredTexts, Texts
from pepys.store.earlier import earlier
from pepys.store.journal import journal_locked
from pepys.store.reader import LiveView
from pepys.store.store import Store


class _Place:
    """One session on the shelf; `stamp` tells the version of what is folded."""

    def __init__(self, store: Store, session: str) -> None:
        self.lock = threading.Lock()
        self.view = LiveView(store, session)
        self.stamp: object = None
        self.session: Session | None = None
        self.named: tuple[ArtifactRef, ...] = ()
        self.texts: AnyTexts = Texts()
        self.lanes: LevelLanes | None = None
        self.lanes_stamp: object = None


class Shelf:
    """Sessions by id, folded and current."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def session(self, session_id: str) -> Session:
        """The session as it is on disk now.

        Raises:
            NotFound: there is none, or it was deleted.
        """
        place = self._place(session_id)
        with place.lock:
            stamp = _stamp(self.store, session_id)
            if place.session is None or place.stamp != stamp:
                # What is written while this reads belongs to the next stamp: it is read again, never missed.
                place.session, place.stamp = self._refreshed(place, session_id), stamp
            session = place.session
        if session.state == "deleted":
            raise _not_found()
        return session

    def _refreshed(self, place: _Place, session_id: str) -> Session:
        """The session now; of one whose newest manifest does not open what the one before tells."""
        try:
            return place.view.refresh()
        except Damaged:
            found = earlier(self.store, session_id)
            if found is None:
                raise
            return found

    def texts(self, session: Session) -> AnyTexts:
        """What enrichment made of a session; its words are parsed when they are asked for.

        Raises:
            NotFound, Damaged: an artifact is missing or does not open.
        """
        place = self._place(session.id)
        with place.lock:
            if place.named != session.artifacts:
                place.texts = StoredTexts(self._artifacts(session))
                place.named = session.artifacts
            return place.texts

    def peaks(
        self, session: Session, track: str | None, from_ms: int, to_ms: int | None, points: int
    ) -> dict[str, Any]:
        """The waveforms of a session, as `pepys.review.peaks.peaks` says; its levels are kept folded for a few."""
        place = self._place(session.id)
        with place.lock:
            stamp = _stamp(self.store, session.id)
            lanes = place.lanes
            if lanes is None or place.lanes_stamp != stamp:
                lanes = lanes or LevelLanes(self.store, session.id)
                lanes.refresh()
                place.lanes, place.lanes_stamp = lanes, stamp
                self._drop_lanes(place)
            return peaks(lanes, session, track, from_ms, to_ms, points)

    def forget(self, session_id: str) -> None:
        """Drop what is known of a session that was deleted."""
        with self._lock:
            self._places.pop(session_id, None)

    def _drop_lanes(self, newest: _Place) -> None:
        """Let go of the levels of those that were looked at longest ago; who draws from them now goes on."""
        with self._lock:
            others = [place for place in self._places.values() if place is not newest and place.lanes is not None]
            for place in others[: max(0, len(others) + 1 - limits.REVIEW_LEVELS_SESSIONS)]:
                place.lanes = None

    def _artifacts(self, session: Session) -> Iterator[tuple[str, bytes]]:
        for ref in session.artifacts:
            if not ref.blob:
                continue  # a unit that failed made nothing
            yield ref.stage, self.store.blobs.read(ref.blob)

    def _place(self, session_id: str) -> _Place:
        if not is_session_id(session_id):
            raise _not_found()
        with self._lock:
            place = self._places.get(session_id)
            if place is None:
                place = self._places[session_id] = _Place(self.store, session_id)
            self._places.move_to_end(session_id)
            while len(self._places) > limits.REVIEW_CACHE_SESSIONS:
                self._places.popitem(last=False)
        return place


def _stamp(store: Store, session: str) -> object:
    """What tells two versions of a session apart, without opening a file: its heads, its journal's size and lock."""
    journal = store.journal_path(session)
    try:
        size = journal.stat().st_size
    except FileNotFoundError:
        return store.heads.stamp(session)
    return store.heads.stamp(session), size, journal_locked(journal)


def _not_found() -> NotFound:
    return NotFound("there is no session of that id", "see `pepys list`")
