"""The recorder's one writer: a thread that makes things durable in the order in which they were given.

Invariants: a fragment's bytes are on disk before the journal names it, and the journal is on disk before anybody is
told; one group commit serves everything that waits. What waits is bounded by `write_queue`; control work (what readers
rely on, and whoever waits) is written, or the recording has failed and all are told. After a failure nothing more is
written but the end, and a session of which a segment could not be named is not ended but left to recovery.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pepys import limits
from pepys.clock import Clock
from pepys.errors import PepysError, StorageProblem
from pepys.model import events as ev
from pepys.model.session import Session
from pepys.record.spare import Spare
from pepys.record.work import End, Events, Fragment, InitHeader, Leave, Picture, SealSegments, Work
from pepys.record.write_queue import Room, Then, WriteQueue, room_for
from pepys.store.blob_writer import BlobWriter

__all__ = [
    "End", "Events", "Fragment", "InitHeader", "Leave", "Picture", "SealSegments", "Then", "Work", "Writer",
]  # fmt: skip


class SessionStore(Protocol):
    """What is used of the store's session writer."""

    def open_segment(self, track: str, n: int) -> BlobWriter:
        """A growing blob."""
        ...

    def put(self, data: bytes) -> str:
        """A whole blob, durable when it returns."""
        ...

    def append(self, *events: ev.Event) -> None:
        """Events, not durable yet."""
        ...

    def sync(self) -> None:
        """Makes all events durable."""
        ...

    def end(self, at_ns: int) -> None:
        """Completes the session."""
        ...

    def close(self) -> None:
        """Lets go of the session without ending it."""
        ...


@dataclass(slots=True)
class _Growing:
    """An open segment."""

    n: int
    span: int
    writer: BlobWriter
    at_ns: int
    fragments: list[tuple[int, int, int, int]] = field(default_factory=list)


class Writer:
    """Takes work from the loop's thread, does it in its own, and posts what was asked for back to the loop."""

    def __init__(
        self,
        session: SessionStore,
        clock: Clock,
        post: Callable[[Callable[[], None]], None],
        on_failed: Callable[[PepysError], None],
        view: Session | None = None,
        spare: Spare | None = None,
    ) -> None:
        """Start the thread.

        Args:
            session: where everything goes.
            clock: for the write clocks of tracks.
            post: calls something in the loop's thread.
            on_failed: told once, in the loop's thread, when the disk refuses.
            view: the session so far, when it is gone on with: its segments are counted on.
            spare: room that is given back when the disk refuses, for the end.
        """
        self.written_ns: dict[str, int] = {}
        self.reached_ns: dict[str, int] = {}
        """The axis time up to which each track's media were written, and `shots`' last."""
        self.told_ns = 0
        """The axis time of the latest event that was written."""
        self.headed: dict[str, int] = {}
        """The last span in which each track has media."""
        self.bytes = view_bytes(view)
        self.failure: PepysError | None = None
        self.completed = False
        self._session, self._clock, self._post, self._on_failed = session, clock, post, on_failed
        self._queue = WriteQueue(clock)
        self._growing: dict[str, _Growing] = {}
        self._dirty: dict[str, list[ev.FragmentWritten]] = {}
        self._shots: dict[bytes, str] = {}
        self._earlier = frozenset(shot.blob for shot in view.shots) if view else frozenset()
        """The shots that an earlier recorder of the session stored: there already, whatever this one has seen."""
        self._next = {track.track: track.segments[-1].n + 1 for track in view.tracks if track.segments} if view else {}
        self._over = self._lost = self._unnamed = False
        self._spare = spare
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._queue)

    @property
    def refused(self) -> int:
        """How much was not taken."""
        return self._queue.refused

    def waits_ns(self, now_ns: int) -> int:
        """For how long the oldest item has not been written that was given; 0 where none waits."""
        return self._queue.waits_ns(now_ns)

    @property
    def pressed(self) -> bool:
        """Whether pictures that can be left out should be."""
        return self._queue.pressed

    def give(self, work: Work, then: Then | None = None) -> bool:
        """Queue work; false when it was refused, and counted: the disk does not keep up, or no blob can hold it.

        `then` is called in the loop's thread once it is durable, with None, or with why it is not. Control work that
        finds no room ends the recording: nothing is written from there on, and `then` is told so.
        """
        room = room_for(work)
        # What no blob can hold is refused here, rather than taken for a disk that fails.
        if isinstance(work, Fragment | Picture) and len(work.data or b"") > limits.BLOB_BYTES:
            self._queue.refused += 1
            return False
        if isinstance(work, InitHeader):
            self.headed[work.track] = work.span
        if self._queue.put(work, then, room):
            return True
        if room is Room.CONTROL:
            self._no_room(then)
        return False

    def _no_room(self, then: Then | None) -> None:
        """Control work was refused: the disk has taken nothing for minutes, or the end was given before."""
        remedy = "see whether the disk still answers, then resume the recording"
        error: PepysError = StorageProblem("the disk does not take what is recorded", remedy)
        if not self._queue.closed and self.failure is None:
            self._post(lambda: self._on_failed(error))
        if not self._queue.closed:
            self.lose(error)
        if then is not None:
            _tell_later(self._post, [then], self.failure or error)

    def events(self, *events: ev.Event, then: Then | None = None) -> bool:
        """Queue events."""
        return self.give(Events(events), then)

    def lose(self, error: PepysError) -> None:
        """The home is gone: nothing is written from here on, not even the end, which would make another one there."""
        self.failure = self.failure or error
        self._lost = True

    def join(self, timeout_s: float) -> None:
        """Wait for the thread after an `End` was given."""
        self._thread.join(timeout_s)

    # --- the thread

    def _run(self) -> None:
        if self._spare is not None:
            self._spare.take()
        while not self._over:
            self._serve(self._queue.take())
            self._queue.done()

    def _serve(self, batch: list[tuple[Work, Then | None]]) -> None:
        for work, _ in batch:
            self._try(work)
        if not self._over:
            self._try(None)
        told = [then for _, then in batch if then is not None]
        if told:
            _tell_later(self._post, told, self.failure)

    def _try(self, work: Work | None) -> None:
        """Do one item (None: the group commit), or, after a failure, as much of the end as the disk allows."""
        if self._lost:
            if isinstance(work, End | Leave):
                self._let_go()
            return
        failed = self.failure is not None
        if failed and not isinstance(work, Events | SealSegments | End | Leave):
            return
        try:
            if work is None:
                self._flush()
                self._session.sync()
            else:
                self._do(work)
        except Exception as problem:  # noqa: BLE001 - whatever it was, the thread goes on: all that wait are told
            if not failed:
                self._fail(problem)
            if isinstance(work, End | Leave):
                self._let_go()

    def _do(self, work: Work) -> None:
        if isinstance(work, Fragment):
            self._fragment(work)
            return
        self._flush()
        if isinstance(work, Events):
            self._session.append(*work.events)
            self._see(work.events)
            if any(isinstance(event, ev.FocusChanged) for event in work.events):
                self.written_ns["activity"] = self._clock.now_ns()
        elif isinstance(work, InitHeader):
            blob = self._session.put(work.data)
            self._session.append(ev.InitWritten(work.track, work.span, blob, work.mime))
        elif isinstance(work, Picture):
            self._picture(work)
        elif isinstance(work, SealSegments):
            for track in list(self._growing):
                self._seal(track)
        elif isinstance(work, Leave):
            self._session.sync()
            self._let_go()
        else:
            self._end(work)

    def _see(self, events: tuple[ev.Event, ...]) -> None:
        """Up to when events prove that it was recorded; those after a failure prove nothing."""
        if self.failure is None:
            self.told_ns = max([self.told_ns, *(getattr(event, "at_ns", 0) for event in events)])

    def _fragment(self, work: Fragment) -> None:
        growing = self._growing.get(work.track)
        if growing is not None and (
            work.cut or work.span != growing.span or growing.writer.offset + len(work.data) > limits.BLOB_BYTES
        ):
            self._flush()
            self._seal(work.track)
            growing = None
        if growing is None:
            n = self._next.get(work.track, 0)
            self._next[work.track] = n + 1
            growing = _Growing(n, work.span, self._session.open_segment(work.track, n), work.at_ns)
            self._growing[work.track] = growing
            self._session.append(ev.SegmentOpened(work.track, n, work.span, growing.writer.name))
        offset = growing.writer.append(work.data)
        growing.fragments.append((offset, len(work.data), work.media_ns, work.duration_ns))
        self.reached_ns[work.track] = work.at_ns + work.duration_ns
        written = ev.FragmentWritten(
            work.track, growing.n, offset, len(work.data), work.media_ns, work.duration_ns, work.at_ns
        )
        self._dirty.setdefault(work.track, []).append(written)
        self.bytes += len(work.data)

    def _flush(self) -> None:
        """Bring fragments to the disk, then name them in the journal."""
        for track, written in self._dirty.items():
            self._growing[track].writer.sync()
            self._session.append(*written)
            self.written_ns[track] = self._clock.now_ns()
        self._dirty.clear()

    def _seal(self, track: str) -> None:
        growing = self._growing.pop(track)
        try:
            self._name(track, growing)
        except Exception:
            # Its journalled fragments are in a file without a name: only recovery finds that.
            self._unnamed = True
            with contextlib.suppress(OSError):
                growing.writer.close()
            raise

    def _name(self, track: str, growing: _Growing) -> None:
        size, parts = growing.writer.offset, tuple(growing.fragments)
        if not parts:
            growing.writer.discard()
            return
        blob = growing.writer.seal()
        duration_ns = parts[-1][2] + parts[-1][3] - parts[0][2]
        self._session.append(
            ev.SegmentSealed(track, growing.n, growing.span, blob, size, parts[0][2], duration_ns, growing.at_ns, parts)
        )

    def _picture(self, work: Picture) -> None:
        blob = self._shots.get(work.digest)
        if work.data is not None:
            blob = self._session.put(work.data)
            if len(self._shots) >= limits.SHOT_HASHES:
                del self._shots[next(iter(self._shots))]
            self._shots[work.digest] = blob
        if blob is not None:
            repeat = work.data is None or blob in self._earlier
            size = 0 if work.data is None or repeat else len(work.data)
            self.bytes += size
            why = (work.trigger, work.app, work.title, work.near)
            self._session.append(ev.ShotTaken(work.at_ns, blob, work.width, work.height, repeat, size, *why))
            self.written_ns["shots"] = self._clock.now_ns()
            self.reached_ns["shots"] = work.at_ns

    def _end(self, work: End) -> None:
        for track in list(self._growing):
            self._seal(track)
        if self._unnamed:
            self._let_go()
            return
        self._session.end(work.at_ns)
        self._over = self.completed = True

    def _let_go(self) -> None:
        """Leave the session to the recovery of the next start."""
        self._over = True
        # The lock goes with the process; there is nothing left that could be saved where this fails.
        with contextlib.suppress(Exception):
            self._session.close()

    def _fail(self, problem: Exception) -> None:
        error = problem
        if isinstance(error, OSError):
            error = StorageProblem(f"the recording cannot be written: {error.strerror}", "free space, then resume it")
        elif not isinstance(error, PepysError):
            text = f"the recording cannot be written: {type(error).__name__}: {error}"
            error = StorageProblem(text, "resume it; report this if it comes again")
        if self._spare is not None:
            self._spare.free()
        self.failure = failure = error
        # What was not named in the journal yet is in its segment all the same, and is named when that is sealed.
        self._dirty.clear()
        self._post(lambda: self._on_failed(failure))


def _tell_later(post: Callable[[Callable[[], None]], None], told: list[Then], error: PepysError | None) -> None:
    def tell() -> None:
        for then in told:
            then(error)

    post(tell)


def view_bytes(view: Session | None) -> int:
    """Plaintext bytes of the segments that a session has already."""
    return sum(track.bytes for track in view.tracks) if view else 0
