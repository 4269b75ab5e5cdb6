"""How a session begins in the store: a new one, or an interrupted one that goes on.

After a crash the next span begins where the boot clock says, or after a reboot where the wall clock says, and never
before the end of what is there; the gap that the crash left is closed there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pepys.clock import Clock
from pepys.model import events as ev
from pepys.model.session import Session
from pepys.record.spec import RecordSpec
from pepys.store.reader import events as read_events
from pepys.store.reader import no_levels
from pepys.store.store import Store
from pepys.store.writer import SessionWriter


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where the next span stands, and what was there before it."""

    writer: SessionWriter
    started_wall_ns: int
    at_ns: int = 0
    media_ns: int = 0
    span: int = 0
    events: tuple[ev.Event, ...] = ()
    counters: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    view: Session | None = None


def begin_new(spec: RecordSpec, store: Store, base_ns: int) -> Beginning:
    """Make the session; it is on disk and locked when this returns.

    Raises:
        StorageProblem: it cannot be written.
    """
    clock = store.clock
    started_wall_ns = clock.wall_ns() - (clock.now_ns() - base_ns)
    header = ev.SessionStarted(spec.session, spec.name, started_wall_ns, store.keys.device_id, spec.tags, spec.config)
    return Beginning(SessionWriter.create(store, header), started_wall_ns)


def go_on(spec: RecordSpec, store: Store, base_ns: int) -> Beginning:
    """Take up an interrupted session.

    Raises:
        Busy: somebody records it.
        NotFound, Usage: it is not there, or is completed.
    """
    writer = SessionWriter.resume(store, spec.session)
    view = writer.view
    assert view is not None, "a resumed writer has a view"
    last = None
    for event in read_events(store, spec.session, no_levels):
        if isinstance(event, ev.SpanStarted):
            last = event
    at_ns = max(view.end_ns, _elapsed_ns(last, view.started_wall_ns, store.clock, base_ns))
    spans = view.spans
    media_ns = spans[-1].media_ns + spans[-1].duration_ns if spans else 0
    closed = tuple(
        ev.GapNoted(gap.start_ns, at_ns, gap.reason, None, gap.detail)
        for gap in view.gaps
        if gap.reason == "crash" and gap.end_ns >= view.end_ns
    )
    counters = {track.track: (track.captured, track.encoded, track.dropped) for track in view.tracks}
    span = spans[-1].span + 1 if spans else 0
    return Beginning(writer, view.started_wall_ns, at_ns, media_ns, span, closed, counters, view)


def _elapsed_ns(last: ev.SpanStarted | None, started_wall_ns: int, clock: Clock, base_ns: int) -> int:
    if last is not None and last.boot_id == clock.boot_id():
        return last.at_ns + base_ns - last.boot_ns
    return clock.wall_ns() - started_wall_ns
