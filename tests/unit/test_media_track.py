"""The video track over a made-up source and a clock that tests move."""

from __future__ import annotations

import numpy as np
import pytest

from pepys.clock import FakeClock
from pepys.limits import NS_PER_MS, RESIZE_SETTLE_NS
from pepys.record.encoding import AtOnce
from pepys.record.ports import (
    Bgra,
    Changed,
    Geometry,
    Patch,
    Resized,
    SourceEnded,
    VideoCapabilities,
    VideoEvent,
)
from pepys.record.quality import target_size
from pepys.record.video import EncodedFrame, track_of

GRID = 800 * NS_PER_MS


class FakeSource:
    """A grey screen whose changes tests make; satisfies the `VideoSource` port."""

    name = "fake"
    capabilities = VideoCapabilities("rectangles", "absent")

    def __init__(self, width: int = 128, height: int = 96) -> None:
        self.geometry = Geometry(width, height)
        self.events: list[VideoEvent] = []
        self.during_take: list[VideoEvent] = []
        self.patches: list[Patch] = []
        self.takes = 0
        self.wake: int | None = None
        self.closed = False

    def fileno(self) -> int:
        return -1

    def poll(self) -> list[VideoEvent]:
        events, self.events = self.events, []
        return events

    def wake_ns(self) -> int | None:
        return self.wake

    def take(self, align: int) -> list[Patch]:
        self.takes += 1
        self.events += self.during_take
        patches, self.patches, self.during_take = self.patches, [], []
        return patches

    def refresh(self) -> None:
        pixels = np.full((self.geometry.height & ~1, self.geometry.width & ~1, 4), 90, np.uint8)
        self.patches = [Patch(0, 0, pixels)]

    def grab(self) -> Bgra:
        return np.zeros((self.geometry.height, self.geometry.width, 4), np.uint8)

    def close(self) -> None:
        self.closed = True

    def change(self, at_ns: int, pointer_only: bool = False) -> None:
        self.events.append(Changed(at_ns, pointer_only))
        self.patches.append(Patch(32, 32, np.full((16, 32, 4), len(self.patches) * 40 % 256, np.uint8)))


class Bench:
    """A track with an open span whose first picture stands at `start`."""

    def __init__(self, **options: int) -> None:
        self.clock, self.source = FakeClock(), FakeSource(**options)
        self.track = track_of(self.source, self.clock)
        self.config = self.track.open_span()
        self.start = self.clock.now_ns()
        self.first = self.grid_frame(self.start, key=True)
        self.grid = self.start + GRID

    def grid_frame(self, at_ns: int, key: bool = False) -> EncodedFrame:
        frame = self.track.grid_frame(at_ns, key)
        assert frame is not None
        return frame


def test_a_span_begins_with_a_key_frame_of_the_whole_picture() -> None:
    bench = Bench()
    assert (bench.first.pts_ns, bench.first.key) == (bench.start, True)
    assert (bench.track.counters.captured, bench.track.counters.encoded) == (1, 1)


def test_a_change_is_encoded_with_the_time_at_which_it_was_learnt() -> None:
    bench = Bench()
    bench.clock.advance(100 * NS_PER_MS)
    changed_ns = bench.clock.now_ns()
    bench.source.change(changed_ns)
    assert bench.track.poll(bench.grid) == []
    due_ns = bench.track.next_due_ns()
    assert due_ns is not None
    bench.clock.advance(due_ns - bench.clock.now_ns())
    (frame,) = bench.track.poll(bench.grid)
    assert (frame.pts_ns, frame.key) == (changed_ns, False)
    assert bench.track.next_due_ns() is None


def test_while_a_picture_is_encoded_none_is_taken_and_its_frame_comes_first() -> None:
    class Slow(AtOnce):
        """Is done only when it is waited for."""

        def take(self, *, wait: bool) -> bytes | None:
            return super().take(wait=wait) if wait else None

    bench = Bench()
    bench.track._encoding = Slow()
    bench.clock.advance(100 * NS_PER_MS)
    first_ns = bench.clock.now_ns()
    bench.source.change(first_ns)
    assert bench.track.poll(bench.grid) == []
    bench.clock.advance(10 * NS_PER_MS)
    assert bench.track.poll(bench.grid) == [] and bench.source.takes == 2
    bench.clock.advance(50 * NS_PER_MS)
    bench.source.change(bench.clock.now_ns())
    bench.clock.advance(50 * NS_PER_MS)
    assert bench.track.poll(bench.grid) == [] and bench.source.takes == 2, "the picture is being encoded"
    assert bench.track.next_due_ns() is None, "nobody asks again and again meanwhile"
    with pytest.raises(ValueError, match="grid frame"):
        bench.track.grid_frame(bench.grid)
    assert [frame.pts_ns for frame in bench.track.rest()] == [first_ns]
    assert bench.track.poll(bench.grid) == [] and bench.source.takes == 3
    assert len(bench.track.rest()) == 1 and bench.grid_frame(bench.grid).pts_ns == bench.grid


def test_nothing_changed_costs_no_capture() -> None:
    bench = Bench()
    for number in range(1, 11):
        bench.clock.advance(GRID)
        assert bench.track.poll(bench.start + number * GRID) == []
        bench.track.grid_frame(bench.start + number * GRID)
    assert bench.source.takes == 1
    assert bench.track.counters.encoded == 11


def test_a_frame_never_stands_at_or_after_the_next_grid_point() -> None:
    bench = Bench()
    bench.clock.advance(GRID + 5 * NS_PER_MS)
    bench.source.change(bench.grid + NS_PER_MS)
    bench.clock.advance(10 * NS_PER_MS)
    assert bench.track.poll(bench.grid) == []
    assert bench.grid_frame(bench.grid).pts_ns == bench.grid
    assert bench.source.takes == 1, "a change after the grid point is not shown before it"
    (frame,) = bench.track.poll(bench.grid + GRID)
    assert frame.pts_ns == bench.grid + NS_PER_MS


def test_a_grid_frame_carries_a_change_that_waits() -> None:
    bench = Bench()
    bench.clock.advance(GRID - NS_PER_MS)
    bench.source.change(bench.clock.now_ns())
    assert bench.track.poll(bench.grid) == []
    bench.clock.advance(NS_PER_MS)
    bench.track.grid_frame(bench.grid)
    assert bench.source.takes == 2
    assert bench.track.poll(bench.grid + GRID) == []


def test_an_event_that_a_reply_brought_along_is_not_lost() -> None:
    bench = Bench()
    bench.clock.advance(100 * NS_PER_MS)
    bench.source.change(bench.clock.now_ns())
    bench.source.during_take = [Changed(bench.clock.now_ns() + NS_PER_MS)]
    bench.track.poll(bench.grid)
    bench.clock.advance(4 * NS_PER_MS)
    assert len(bench.track.poll(bench.grid)) == 1
    assert bench.track.next_due_ns() is not None


def test_an_empty_capture_gives_no_frame() -> None:
    bench = Bench()
    bench.source.events.append(Changed(bench.clock.now_ns()))
    bench.track.poll(bench.grid)
    bench.clock.advance(50 * NS_PER_MS)
    assert bench.track.poll(bench.grid) == []
    assert bench.track.counters.encoded == 1


def test_times_rise_even_if_two_changes_fall_together() -> None:
    bench = Bench()
    stuck_ns = bench.start
    times = []
    for _ in range(3):
        bench.clock.advance(100 * NS_PER_MS)
        bench.source.change(stuck_ns)
        bench.track.poll(bench.grid)
        bench.clock.advance(5 * NS_PER_MS)
        times += [frame.pts_ns for frame in bench.track.poll(bench.grid)]
    assert times == [stuck_ns + NS_PER_MS * number for number in range(1, len(times) + 1)]
    with pytest.raises(ValueError, match="after"):
        bench.track.grid_frame(bench.start)


def test_nothing_is_taken_during_a_pause() -> None:
    bench = Bench()
    bench.track.close_span()
    bench.source.change(bench.clock.now_ns())
    bench.clock.advance(GRID)
    assert bench.track.poll(bench.grid) == []
    assert bench.track.next_due_ns() is None
    assert bench.source.takes == 1
    with pytest.raises(ValueError, match="span"):
        bench.track.grid_frame(bench.grid)
    bench.track.open_span()
    assert bench.grid_frame(bench.clock.now_ns(), key=True).key


def test_a_resize_is_fitted_into_the_old_picture_until_sizes_rest() -> None:
    bench = Bench()
    bench.source.geometry = Geometry(64, 48, 1)
    bench.source.events = [Resized(bench.clock.now_ns(), bench.source.geometry)]
    bench.clock.advance(50 * NS_PER_MS)
    bench.track.poll(bench.grid)
    assert not bench.track.renewal
    picture = bench.track._compositor.picture
    assert (picture.width, picture.height) == (128, 96)
    assert picture.luma[48, 64] > 60 and picture.luma[0, 0] == 16, "in the middle, on black"
    bench.grid_frame(bench.grid)
    due_ns = bench.track.next_due_ns()
    assert due_ns is not None
    bench.clock.advance(due_ns - bench.clock.now_ns())
    bench.track.poll(bench.grid + GRID)
    assert bench.track.renewal
    config = bench.track.open_span()
    assert (config.width, config.height) == (64, 48)
    assert not bench.track.renewal


def test_fifty_sizes_a_second_are_one_new_picture() -> None:
    bench = Bench()
    renewals = 0
    for step in range(1, 51):
        bench.source.geometry = Geometry(128 + 2 * step, 96, step)
        bench.source.events = [Resized(bench.clock.now_ns(), bench.source.geometry)]
        bench.clock.advance(20 * NS_PER_MS)
        bench.track.poll(bench.grid + 10 * GRID)
        renewals += bench.track.renewal
    assert renewals == 0
    bench.clock.advance(RESIZE_SETTLE_NS)
    bench.track.poll(bench.grid + 10 * GRID)
    assert bench.track.renewal
    assert bench.track.open_span().width == 228


def test_a_size_that_comes_back_needs_no_new_picture() -> None:
    bench = Bench()
    for epoch, width in ((1, 64), (2, 128)):
        bench.source.geometry = Geometry(width, 96, epoch)
        bench.source.events = [Resized(bench.clock.now_ns(), bench.source.geometry)]
        bench.clock.advance(100 * NS_PER_MS)
        bench.track.poll(bench.grid + 10 * GRID)
    bench.clock.advance(2 * RESIZE_SETTLE_NS)
    bench.track.poll(bench.grid + 10 * GRID)
    assert not bench.track.renewal


def test_the_end_of_a_source_is_told_and_the_picture_stays() -> None:
    bench = Bench()
    end = SourceEnded(bench.clock.now_ns(), "device_lost", "gone")
    bench.source.events = [end]
    bench.source.wake = 7
    bench.track.poll(bench.grid)
    ((view, told),) = bench.track.take_ends()
    assert told == end and view.source is None and bench.track.take_ends() == []
    assert bench.track.next_due_ns() is None
    assert np.ptp(bench.track._compositor.picture.luma) == 0 and bench.track._compositor.picture.luma[0, 0] > 60
    assert bench.grid_frame(bench.grid).pts_ns == bench.grid
    bench.track.show(view, FakeSource(128, 96))
    assert bench.track.next_due_ns() is not None


def test_being_late_is_counted_as_dropped() -> None:
    bench = Bench()
    bench.clock.advance(100 * NS_PER_MS)
    bench.source.change(bench.clock.now_ns())
    bench.track.poll(bench.grid)
    bench.clock.advance(150 * NS_PER_MS)
    bench.track.poll(bench.grid)
    assert bench.track.counters.dropped == 4


def test_the_pointer_is_looked_at_between_changes() -> None:
    bench = Bench()
    bench.source.wake = bench.start + 5
    assert bench.track.next_due_ns() == bench.start + 5
    bench.source.change(bench.start)
    bench.track.poll(bench.grid)
    assert bench.track.next_due_ns() == bench.start + 5


@pytest.mark.parametrize(
    ("screen", "lines", "expected"),
    [
        ((1920, 1080), 1080, (1920, 1080)),
        ((3840, 2160), 1080, (1920, 1080)),
        ((1280, 800), 1080, (1280, 800)),
        ((1080, 1920), 1080, (1080, 1920)),
        ((1367, 769), 720, (1280, 720)),
        ((1921, 1081), 2**16, (1920, 1080)),
    ],
)
def test_a_screen_is_scaled_down_and_never_up(screen: tuple[int, int], lines: int, expected: tuple[int, int]) -> None:
    assert target_size(*screen, lines) == expected


def test_a_larger_screen_is_encoded_at_the_quality_asked_for() -> None:
    source, clock = FakeSource(1921, 1081), FakeClock()
    track = track_of(source, clock, quality="low")
    config = track.open_span()
    assert (config.width, config.height) == (1278, 720) or (config.width, config.height) == (1280, 720)
    track.grid_frame(clock.now_ns(), key=True)
    assert np.ptp(track._compositor.picture.luma) == 0
    source.change(clock.now_ns())
    clock.advance(50 * NS_PER_MS)
    assert len(track.poll(clock.now_ns() + GRID)) == 1
    assert np.ptp(track._compositor.picture.luma) > 0
