"""A recorder in this process: what fails between two spans ends nothing, or ends the session in order."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pepys.clock import SystemClock
from pepys.errors import DeviceMissing, PepysError, StorageProblem
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.record.loop import Loop
from pepys.record.ports import SourceEnded
from pepys.record.recorder import Recorder
from pepys.record.wire import Message
from pepys.record.writing import End
from pepys.store.blob_writer import BlobWriter
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from tests.recording import order
from tests.waiting import wait_until

_PATTERN = "pattern:smptebars=size=64x48:rate=10"


class Leaping(SystemClock):
    """The system's clock, but for leaps: of a machine that slept, of a process that did not run."""

    slept_ns = stood_ns = 0

    def now_ns(self) -> int:
        """With what was leapt over."""
        return super().now_ns() + self.slept_ns + self.stood_ns

    def awake_ns(self) -> int:
        """Without what was slept."""
        return super().awake_ns() + self.stood_ns


class House:
    """A recorder and the loop that tests turn."""

    def __init__(self, home: Path, store: Store, **asked: Any) -> None:
        self.store, self.loop, self.told = store, Loop(store.clock), list[Message]()
        self.spec = order(home, store, **{"sources": (_PATTERN,), "encoder": "x264", **asked}).spec
        self.recorder = Recorder(self.spec, store, self.loop, self.told.append, self.told.append)

    def until_state(self, state: str) -> None:
        """Serve until the recorder is in that state."""
        wait_until(lambda: self.loop.turn(20 * NS_PER_MS) or self.recorder.state == state, 8, state)

    def outcome(self, layout: str) -> PepysError | None:
        """Compose anew; how that ended."""
        found: list[PepysError | None] = []
        self.recorder.compose(layout, [_PATTERN, _PATTERN.replace("64", "96")], found.append)
        wait_until(lambda: self.loop.turn(20 * NS_PER_MS) or found, 8, "an outcome")
        return found[0]


@contextmanager
def recorded(home: Path, clock: SystemClock | None = None, **asked: Any) -> Iterator[House]:
    """A recorder that records, ended in any case."""
    store = open_store(home, config_dir=home.parent / "config", clock=clock or SystemClock())
    house = House(home, store, **asked)
    house.recorder.start()
    try:
        house.until_state("recording")
        yield house
    finally:
        if house.recorder.state not in {"completed", "interrupted"}:
            house.recorder.stop(lambda _error: None)
            house.until_state("completed")
        house.loop.close()


def _refuse(*_args: object) -> None:
    raise DeviceMissing("no encoder is left", "free one")


def test_a_composition_that_cannot_be_coded_leaves_the_old_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(home) as house:
        with monkeypatch.context() as patch:
            patch.setattr(house.recorder.capture._stage._encoders, "open", _refuse)
            error = house.outcome("grid")
        assert isinstance(error, DeviceMissing) and "no encoder" in error.message
        assert house.recorder.state == "recording" and house.recorder.spans.count == 1
        assert house.recorder.capture.sources == [_PATTERN]
        assert house.outcome("grid") is None and house.recorder.spans.count == 2, "the next one can"


def test_a_span_that_cannot_be_begun_ends_the_session_in_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(home) as house:
        monkeypatch.setattr(house.recorder.capture._stage._encoders, "open", _refuse)
        house.recorder._on_source("renewal", "")
        house.until_state("completed")
        assert house.recorder.exit_code == DeviceMissing.exit_code
        assert any(message.get("push") == "error" for message in house.told)
    view = load(house.store, house.spec.session)
    assert view.state == "completed" and len(view.spans) == 1


def _until_recorded(house: House, duration_ns: int) -> None:
    spans, clock = house.recorder.spans, house.store.clock
    wait_until(lambda: house.loop.turn(20 * NS_PER_MS) or spans.recorded_by(clock.now_ns()) > duration_ns, 8, "a while")


@pytest.mark.parametrize("then", ["pause", "renewal", "stop"])
def test_a_sleep_just_before_a_span_ends_is_no_recording(home: Path, then: str) -> None:
    clock = Leaping()
    with recorded(home, clock) as house:
        recorder = house.recorder
        _until_recorded(house, NS_PER_S)
        clock.slept_ns += 2 * NS_PER_S
        if then == "pause":
            recorder.pause(lambda _error: None)
            house.until_state("paused")
        elif then == "renewal":
            recorder._on_source("renewal", "")
            house.loop.turn(20 * NS_PER_MS)
    view = load(house.store, house.spec.session)
    gap = view.gaps[0]
    assert (gap.reason, gap.detail) == ("suspended", "the machine slept for 2.0 s")
    assert gap.start_ns == view.spans[0].end_ns and gap.end_ns is not None
    assert 2 * NS_PER_S <= gap.end_ns - gap.start_ns < 4 * NS_PER_S
    assert [each.reason for each in view.gaps[1:]] == ["pause"] * (then == "pause")
    assert len(view.spans) == 1 + (then == "renewal") and view.spans[-1].start_ns >= (then == "renewal") * gap.end_ns
    assert view.duration_ns + sum(each.end_ns - each.start_ns for each in view.gaps) == view.end_ns


def test_a_process_that_stood_still_just_before_a_pause_has_missed_pictures(home: Path) -> None:
    clock = Leaping()
    with recorded(home, clock) as house:
        _until_recorded(house, NS_PER_S)
        clock.stood_ns += 4 * NS_PER_S
        house.recorder.pause(lambda _error: None)
        house.until_state("paused")
    view = load(house.store, house.spec.session)
    video = view.track("video")
    assert video is not None and [gap.reason for gap in view.gaps if gap.track is None] == ["pause"]
    (missed,) = video.gaps
    assert missed.reason == "suspended" and missed.end_ns == view.spans[0].end_ns
    assert missed.end_ns - missed.start_ns >= 4 * NS_PER_S


def test_what_is_away_when_a_span_begins_has_one_gap_and_its_reason(home: Path) -> None:
    with recorded(home, sources=(_PATTERN, _PATTERN.replace("64", "96")), layout="grid") as house:
        recorder = house.recorder
        screen = recorder.capture._stage.screen
        assert screen is not None
        shown = screen._shown[0]
        shown.feed._retries = False
        screen._on_end(shown, SourceEnded(house.store.clock.now_ns(), "device_lost", "pulled out"))
        recorder._on_source("renewal", "")
        _until_recorded(house, NS_PER_S)
    view = load(house.store, house.spec.session)
    track = view.track("video.1")
    assert track is not None and {gap.reason for gap in track.gaps} == {"device_lost"}


def test_nothing_is_journalled_behind_the_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(home) as house:
        recorder, given = house.recorder, list[object]()
        writer, give = recorder._work(), recorder._work().give
        monkeypatch.setattr(writer, "give", lambda work, then=None: given.append(work) or give(work, then))
        monkeypatch.setattr(recorder.rounds._wall, "look", lambda: NS_PER_S)
        writer.failure = StorageProblem("it is full", "make room")
        recorder.rounds._on_second()
        assert recorder.state == "ending" and isinstance(given[-1], End)
        wait_until(lambda: house.loop.turn(20 * NS_PER_MS) or recorder.state in {"completed", "interrupted"}, 8, "end")


def test_the_first_look_at_sources_gives_them_a_moment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(home) as house:
        recorder = house.recorder
        with monkeypatch.context() as patch:
            patch.setattr(recorder.capture, "lives", lambda: False)
            recorder.rounds.begin(house.store.clock.now_ns())
            recorder.rounds._on_second()
        assert recorder.state == "recording" and recorder.holding.held == ""


def test_a_disk_that_refuses_leaves_no_second_untold(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(home) as house:
        recorder = house.recorder
        reached = recorder._work().reached_ns
        wait_until(lambda: house.loop.turn(20 * NS_PER_MS) or reached.get("video"), 8, "a fragment")
        append = BlobWriter.append

        def refuse(writer: BlobWriter, data: bytes) -> int:
            """What grows is refused; the little that ends the session has the room that was kept."""
            if "-video-" in writer.name:
                raise OSError(errno.ENOSPC, "No space left on device")
            return append(writer, data)

        monkeypatch.setattr(BlobWriter, "append", refuse)
        wait_until(lambda: house.loop.turn(20 * NS_PER_MS) or recorder.state in {"completed", "interrupted"}, 8, "end")
        assert recorder.exit_code == StorageProblem.exit_code
        view = load(house.store, house.spec.session)
    (span,), (gap,), video = view.spans, view.gaps, view.track("video")
    assert video is not None
    last = video.segments[-1]
    assert view.state == "completed" and (gap.reason, gap.start_ns) == ("disk_full", span.end_ns)
    assert span.end_ns == last.at_ns + last.duration_ns, "what the disk refused is a gap, not a recording"
    assert gap.end_ns == view.end_ns > gap.start_ns
