"""What the disk refuses is a gap, neither more nor less: of pictures, of shots, of a track that wrote nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pepys.clock import SystemClock
from pepys.errors import PepysError, StorageProblem
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.recorder import Recorder
from pepys.record.session_start import Beginning
from pepys.record.spans import Spans
from pepys.record.wire import Message
from pepys.record.writing import End, Fragment, InitHeader, Then, Work, Writer
from pepys.store.reader import load
from pepys.store.store import open_store
from pepys.store.writer import SessionWriter
from tests.recording import order
from tests.waiting import wait_until

_PATTERN = "pattern:smptebars=size=64x48:rate=10"


class House:
    """A recorder of a pattern in this process, and the loop that tests turn."""

    def __init__(self, home: Path, **asked: object) -> None:
        self.store = open_store(home, config_dir=home.parent / "config", clock=SystemClock())
        self.loop, self.told = Loop(self.store.clock), list[Message]()
        self.spec = order(home, self.store, sources=(_PATTERN,), encoder="x264", **asked).spec
        self.recorder = Recorder(self.spec, self.store, self.loop, self.told.append, self.told.append)
        self.recorder.start()
        self.until_state("recording")

    def turned(self) -> bool:
        """Turn the loop; always true."""
        self.loop.turn(20 * NS_PER_MS)
        return True

    def until_state(self, state: str) -> None:
        """Serve until the recorder is in that state."""
        wait_until(lambda: self.turned() and self.recorder.state == state, 8, state)

    def until_reached(self, track: str, at_ns: int) -> None:
        """Serve until more of a track than until `at_ns` was written."""
        reached = self.recorder._work().reached_ns
        wait_until(lambda: self.turned() and reached.get(track, 0) > at_ns, 8, track)


def test_pictures_that_the_disk_refuses_are_one_gap(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(home)
    writer, refused = house.recorder._work(), list[Fragment]()
    give = writer.give

    def full(work: Work, then: Then | None = None) -> bool:
        if isinstance(work, Fragment) and len(refused) < 2:
            refused.append(work)
            return False
        return give(work, then)

    monkeypatch.setattr(writer, "give", full)
    house.until_reached("video", 0)
    house.recorder.stop(lambda _error: None)
    house.until_state("completed")
    video = load(house.store, house.spec.session).track("video")
    assert video is not None
    (gap,) = video.gaps
    assert gap.reason == "disk_full"
    assert (gap.start_ns, gap.end_ns) == (refused[0].at_ns, refused[1].at_ns + refused[1].duration_ns)


def test_a_session_of_shots_keeps_its_time_when_the_disk_refuses(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(home, video=False, shots_interval_ns=500 * NS_PER_MS)
    house.until_reached("shots", 400 * NS_PER_MS)
    sync, left = SessionWriter.sync, [1]

    def refuse(session: SessionWriter) -> None:
        if left:
            left.clear()
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(session)

    monkeypatch.setattr(SessionWriter, "sync", refuse)
    house.until_state("completed")
    view = load(house.store, house.spec.session)
    assert view.spans[0].end_ns == view.shots[-1].at_ns > 400 * NS_PER_MS
    assert [(gap.start_ns, gap.reason) for gap in view.gaps] == [(view.spans[0].end_ns, "disk_full")]


class Stopped:
    """What a span asks of a capture."""

    until_ns = 0

    def tracks(self) -> tuple[()]:
        """None of its own."""
        return ()

    def begin(self, place: SpanPlace) -> None:
        """Captures nothing."""

    def finish(self, *, rests: bool) -> int:
        """It ended there."""
        return self.until_ns


def _span(home: Path) -> tuple[Writer, Spans, Stopped, list[ev.Event]]:
    """A span that began at 10 s, and what is noted of it."""
    store = open_store(home, config_dir=home.parent / "config", clock=SystemClock())
    session = SessionWriter.create(store, ev.SessionStarted(new_session_id(store.clock.wall_ns()), "t", 1, "d"))
    failed, told, capture = list[PepysError](), list[ev.Event](), Stopped()
    writer = Writer(session, store.clock, lambda call: call(), failed.append)
    health = Health(lambda events, _then: told.extend(events), lambda _message: None)
    spans = Spans(store.clock, capture, health, lambda: writer)  # type: ignore[arg-type] # all that is asked of one
    spans.take_up(Beginning(session, 0), 0)
    spans.begin(10 * NS_PER_S)
    return writer, spans, capture, told


def _fail(writer: Writer, capture: Stopped) -> None:
    """All that was given is written; then the disk refuses, and the capture ends at 12 s."""
    durable: list[PepysError | None] = []
    writer.events(then=durable.append)
    wait_until(lambda: durable, 5)
    writer.failure, capture.until_ns = StorageProblem("full", "free space"), 12 * NS_PER_S


def test_a_track_that_wrote_nothing_of_a_failed_span_has_a_gap_from_its_start(home: Path) -> None:
    writer, spans, capture, told = _span(home)
    for track in ("video", "audio.mic"):
        writer.give(InitHeader(track, 0, b"init", ""))
    writer.give(Fragment("video", 0, b"data", 0, NS_PER_S, 10 * NS_PER_S, True, True))
    _fail(writer, capture)
    assert spans.end() == 11 * NS_PER_S
    assert told == [ev.GapNoted(10 * NS_PER_S, 11 * NS_PER_S, "disk_full", "audio.mic")]
    writer.give(End(11 * NS_PER_S))
    writer.join(5)


def test_activity_alone_proves_how_long_a_failed_span_was(home: Path) -> None:
    writer, spans, capture, told = _span(home)
    writer.events(ev.FocusChanged(11 * NS_PER_S, "Editor", "a title"))
    _fail(writer, capture)
    assert spans.end() == 11 * NS_PER_S and told == []
    writer.give(End(11 * NS_PER_S))
    writer.join(5)
