"""The recorder's one writer: a thread that makes things durable in the order in which they were given.

Invariants: a fragment's bytes are on disk before the journal names it, and the journal is on disk before anybody is
told; one group commit serves everything that waits. The queue is bounded: when it fills, fragments with pictures are
refused first, then sound, and every refusal is counted. After a failure nothing more is written but the end.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from pepys import limits
from pepys.clock import Clock
from pepys.errors import PepysError, StorageProblem
from pepys.model import events as ev
from pepys.model.session import Session
from pepys.record.spare import Spare
from pepys.store.blob_writer import BlobWriter

Then = Callable[[PepysError | None], None]

_VIDEO_FULL: Final = limits.WRITE_QUEUE_ITEMS - 2 * limits.WRITE_QUEUE_SOUND_RESERVE
_SOUND_FULL: Final = limits.WRITE_QUEUE_ITEMS - limits.WRITE_QUEUE_SOUND_RESERVE


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


@dataclass(frozen=True, slots=True)
class Fragment:
    """Encoded media; `cut` begins a new segment with it."""

    track: str
    span: int
    data: bytes = field(repr=False)
    media_ns: int
    duration_ns: int
    at_ns: int
    cut: bool
    pictures: bool


@dataclass(frozen=True, slots=True)
class InitHeader:
    """The header of a track's segments in a span."""

    track: str
    span: int
    data: bytes = field(repr=False)
    mime: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A shot; without `data` it repeats the one with the same digest, or, with `near`, equals it but for no text."""

    at_ns: int
    digest: bytes
    width: int
    height: int
    data: bytes | None = field(repr=False)
    trigger: str = ""
    app: str = ""
    title: str = ""
    near: bool = False


@dataclass(frozen=True, slots=True)
class Events:
    """Events as they are."""

    events: tuple[ev.Event, ...]


@dataclass(frozen=True, slots=True)
class SealSegments:
    """Every open segment is finished: the span is over."""


@dataclass(frozen=True, slots=True)
class End:
    """The session is completed at `at_ns`; where the disk refuses, it is left to the recovery of the next start."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Leave:
    """The session is left as it is, for another recorder to go on with."""


Work = Fragment | InitHeader | Picture | Events | SealSegments | End | Leave


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
        """The axis time up to which each track's media were written."""
        self.bytes = view_bytes(view)
        self.refused = 0
        self.failure: PepysError | None = None
        self.completed = False
        self._session, self._clock, self._post, self._on_failed = session, clock, post, on_failed
        self._queue: deque[tuple[Work, Then | None, int]] = deque()
        self._oldest_ns = 0
        self._some = threading.Condition()
        self._growing: dict[str, _Growing] = {}
        self._dirty: dict[str, list[ev.FragmentWritten]] = {}
        self._shots: dict[bytes, str] = {}
        self._next = {track.track: track.segments[-1].n + 1 for track in view.tracks if track.segments} if view else {}
        self._over = self._lost = False
        self._spare = spare
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._queue)

    def waits_ns(self, now_ns: int) -> int:
        """For how long the oldest item has not been written that was given; 0 where none waits."""
        oldest_ns = self._oldest_ns
        if not oldest_ns:
            with self._some:
                oldest_ns = self._queue[0][2] if self._queue else 0
        return max(0, now_ns - oldest_ns) if oldest_ns else 0

    @property
    def pressed(self) -> bool:
        """Whether pictures that can be left out should be."""
        return len(self._queue) > _VIDEO_FULL // 2

    def give(self, work: Work, then: Then | None = None) -> bool:
        """Queue work; false when it was refused, and counted: the disk does not keep up, or no blob can hold it.

        `then` is called in the loop's thread once it is durable, with None, or with why it is not.
        """
        full = limits.WRITE_QUEUE_ITEMS
        if isinstance(work, Fragment | Picture):
            full = _SOUND_FULL if isinstance(work, Fragment) and not work.pictures else _VIDEO_FULL
        # What no blob can hold is refused here, rather than taken for a disk that fails.
        huge = isinstance(work, Fragment | Picture) and len(work.data or b"") > limits.BLOB_BYTES
        with self._some:
            if huge or len(self._queue) >= full:
                self.refused += 1
                return False
            self._queue.append((work, then, self._clock.now_ns()))
            self._some.notify()
        return True

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
            with self._some:
                while not self._queue:
                    self._some.wait()
                batch = list(self._queue)
                self._queue.clear()
                self._oldest_ns = batch[0][2]
            self._serve(batch)
            self._oldest_ns = 0

    def _serve(self, batch: list[tuple[Work, Then | None, int]]) -> None:
        for work, _, _ in batch:
            self._try(work)
        if not self._over:
            self._try(None)
        error = self.failure
        told = [then for _, then, _ in batch if then is not None]
        if told:
            self._post(lambda: _tell(told, error))

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
        except (OSError, PepysError) as problem:
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
            self.bytes += len(work.data)
            if len(self._shots) >= limits.SHOT_HASHES:
                del self._shots[next(iter(self._shots))]
            self._shots[work.digest] = blob
        if blob is not None:
            repeat = work.data is None
            size = 0 if work.data is None else len(work.data)
            why = (work.trigger, work.app, work.title, work.near)
            self._session.append(ev.ShotTaken(work.at_ns, blob, work.width, work.height, repeat, size, *why))
            self.written_ns["shots"] = self._clock.now_ns()

    def _end(self, work: End) -> None:
        for track in list(self._growing):
            self._seal(track)
        self._session.end(work.at_ns)
        self._over = self.completed = True

    def _let_go(self) -> None:
        """Leave the session to the recovery of the next start."""
        self._over = True
        try:
            self._session.close()
        except (OSError, PepysError):
            # The lock goes with the process; there is nothing left that could be saved here.
            return

    def _fail(self, problem: OSError | PepysError) -> None:
        error = problem
        if isinstance(error, OSError):
            error = StorageProblem(f"the recording cannot be written: {error.strerror}", "free space, then resume it")
        if self._spare is not None:
            self._spare.free()
        self.failure = failure = error
        # What was not named in the journal yet is in its segment all the same, and is named when that is sealed.
        self._dirty.clear()
        self._post(lambda: self._on_failed(failure))


def _tell(told: list[Then], error: PepysError | None) -> None:
    for then in told:
        then(error)


def view_bytes(view: Session | None) -> int:
    """Plaintext bytes of the segments that a session has already."""
    return sum(track.bytes for track in view.tracks) if view else 0
