"""The compositor over made-up sources: every pixel in its place, and nobody waited for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.clock import FakeClock
from pepys.limits import NS_PER_MS, NS_PER_S, STALE_TAKES
from pepys.media.colour import Picture
from pepys.media.encoders import EncoderFailed, Encoders, VideoEncoder
from pepys.media.video import Area
from pepys.record.compositor import Compositor, View
from pepys.record.layouts import parse_layout
from pepys.record.ports import Bgra, Changed, Geometry, Patch, Resized, SourceEnded, VideoCapabilities, VideoEvent
from pepys.record.video import VideoTrack

BLACK = 16


class Plain:
    """A source of one grey that tests change; `takes` counts how often it was asked."""

    capabilities = VideoCapabilities("rectangles", "absent")

    def __init__(self, grey: int, width: int = 64, height: int = 48) -> None:
        self.name, self.grey = f"grey {grey}", grey
        self.geometry = Geometry(width, height)
        self.events: list[VideoEvent] = []
        self.wanted: list[tuple[int, int, int, int]] = []
        self.takes = 0
        self.dumb = False

    def fileno(self) -> int:
        return -1

    def poll(self) -> list[VideoEvent]:
        events, self.events = self.events, []
        return events

    def wake_ns(self) -> int | None:
        return None

    def take(self, align: int) -> list[Patch]:
        self.takes += 1
        wanted, self.wanted = self.wanted, []
        return [] if self.dumb else [Patch(x, y, self._pixels(width, height)) for x, y, width, height in wanted]

    def refresh(self) -> None:
        self.wanted = [(0, 0, self.geometry.width & ~1, self.geometry.height & ~1)]

    def grab(self) -> Bgra:
        return self._pixels(self.geometry.width, self.geometry.height)

    def close(self) -> None:
        pass

    def change(self, at_ns: int, grey: int, area: tuple[int, int, int, int] | None = None) -> None:
        self.grey = grey
        self.wanted.append(area or (0, 0, self.geometry.width & ~1, self.geometry.height & ~1))
        self.events.append(Changed(at_ns))

    def _pixels(self, width: int, height: int) -> Bgra:
        return np.full((height, width, 4), self.grey, np.uint8)


def luma(grey: int) -> int:
    """The luma of a grey pixel."""
    return round(16 + grey * 219 / 255)


def opened(layout: str, *sources: Plain, lines: int = 1080) -> tuple[Compositor, list[View]]:
    views = [View(source) for source in sources]
    made = Compositor(views, parse_layout(layout), lines)
    made.open()
    assert made.take(0)
    return made, views


def shown(made: Compositor) -> NDArray[np.int16]:
    return made.picture.luma.astype(np.int16)


def near(pixels: NDArray[np.int16], grey: int) -> bool:
    return bool((abs(pixels - luma(grey)) <= 1).all())


def test_one_source_is_converted_straight_into_the_picture() -> None:
    source = Plain(100)
    made, (view,) = opened("passthrough", source)
    assert shown(made).shape == (48, 64) and near(shown(made), 100)
    source.change(0, 200, (32, 16, 32, 16))
    view.pending = True
    made.take(0)
    assert near(shown(made)[16:32, 32:], 200) and near(shown(made)[:16], 100)
    assert made._tiles[0] is not None and made._tiles[0]._own is made.picture


def test_a_grid_has_each_source_in_its_cell_and_black_between() -> None:
    made, views = opened("grid", Plain(60), Plain(120), Plain(180, 32, 24))
    picture = shown(made)
    assert picture.shape == (100, 132)
    assert near(picture[:48, :64], 60) and near(picture[:48, 68:], 120)
    assert near(picture[64:88, 16:48], 180)
    rest = picture.copy()
    rest[:48, :64] = rest[:48, 68:] = rest[64:88, 16:48] = BLACK
    assert (rest == BLACK).all()
    assert {view.captured for view in views} == {1}


def test_only_what_changed_is_asked_and_drawn() -> None:
    still, moving = Plain(60), Plain(120)
    made, (_, view) = opened("side-by-side", still, moving)
    made.dirty = False
    moving.change(0, 200, (0, 0, 32, 32))
    view.pending = True
    assert made.take(0) and made.dirty
    assert (still.takes, moving.takes) == (1, 2)
    assert near(shown(made)[:32, 68:100], 200) and near(shown(made)[32:, 68:], 120) and near(shown(made)[:, :64], 60)


def test_a_source_that_is_scaled_fills_its_place() -> None:
    made, _ = opened("grid", Plain(60, 1280, 800), Plain(200, 640, 400), lines=720)
    picture = shown(made)
    assert picture.shape[0] <= 720
    width = (picture.shape[1] - 4) // 2
    assert near(picture[4:-4, 4 : width - 4], 60)
    middle = picture.shape[0] // 2
    assert near(picture[middle - 20 : middle + 20, width + width // 2 - 20 : width + width // 2 + 20], 200)


@pytest.mark.parametrize("corner", ["top-left", "top-right", "bottom-left", "bottom-right"])
def test_an_inset_lies_above_with_round_corners(corner: str) -> None:
    below, above = Plain(60, 640, 480), Plain(220, 160, 120)
    made, views = opened(f"pip:{corner}", below, above)
    top = 20 if corner.startswith("top") else 340
    left = 20 if corner.endswith("left") else 460
    expected = shown(made).copy()
    inset = expected[top : top + 120, left : left + 160]
    assert near(inset[12:-12], 220) and near(inset[:, 12:-12], 220), "all but the corners"
    for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert near(inset[y : y + 1 or None, x : x + 1 or None], 60), "what lies below shows through"
    assert ((inset > luma(60) + 10) & (inset < luma(220) - 10)).any(), "the arc is smooth"
    around = expected.copy()
    around[top : top + 120, left : left + 160] = luma(60)
    assert near(around, 60)
    # What changes below does not cover it, and its corners show the new picture below.
    below.change(0, 90)
    views[0].pending = True
    made.take(0)
    inset = shown(made)[top : top + 120, left : left + 160]
    assert near(inset[12:-12], 220) and near(inset[:1, :1], 90) and near(shown(made)[200:300, 200:300], 90)
    # Drawing it again and again changes nothing: corners do not add up.
    once = shown(made).copy()
    for _ in range(3):
        above.change(0, 220)
        views[1].pending = True
        made.take(0)
    assert (shown(made) == once).all()
    assert abs(int(made.picture.chroma.max()) - 128) <= 1 and abs(int(made.picture.chroma.min()) - 128) <= 1


def test_the_place_of_a_source_that_ended_is_black_until_it_is_back() -> None:
    staying, going = Plain(60), Plain(120)
    made, (view, other) = opened("grid", staying, going)
    other.drop()
    made.take(0)
    assert near(shown(made)[:, :64], 60) and (shown(made)[:, 64:] == BLACK).all()
    assert made._tiles[1] is None, "nothing is kept of it"
    other.show(Plain(180, 32, 24))
    made.take(0)
    assert near(shown(made)[12:36, 84:116], 180) and near(shown(made)[:, :64], 60)
    view.drop()
    made.take(0)
    assert (shown(made)[:, :64] == BLACK).all()


def test_a_source_that_ended_below_an_inset_leaves_black_corners() -> None:
    made, (below, inset) = opened("pip", Plain(60, 640, 480), Plain(220, 160, 120))
    below.drop()
    for grey in (255, 220):
        inset.source.change(0, grey)  # type: ignore[union-attr] # it is Plain
        inset.pending = True
        made.take(0)
    corner = shown(made)[340:352, 460:472].max(axis=0)
    once = opened("pip", Plain(0, 640, 480), Plain(220, 160, 120))[0]
    assert (abs(corner - shown(once)[340:352, 460:472].max(axis=0)) <= 1).all(), "corners do not add up"
    assert shown(made)[340, 460] == BLACK and near(shown(made)[360:440, 480:600], 220)
    assert (shown(made)[:300] == BLACK).all()


def test_an_inset_that_ended_shows_what_lies_below() -> None:
    made, (_, inset) = opened("pip", Plain(60, 640, 480), Plain(220, 160, 120))
    inset.drop()
    made.take(0)
    assert near(shown(made), 60)


class Bench:
    """A track of several sources with an open span."""

    def __init__(self, layout: str, *sources: Plain) -> None:
        self.clock, self.sources = FakeClock(), sources
        self.views = [View(source) for source in sources]
        self.made = Compositor(self.views, parse_layout(layout), 1080)
        self.track = VideoTrack(self.made, self.clock, 30, 24)
        self.track.open_span()
        self.start = self.clock.now_ns()
        self.track.grid_frame(self.start, key=True)

    def run(self, milliseconds: int) -> list[int]:
        """Poll every 2 ms; times of the frames since the start, in milliseconds."""
        times = []
        for _ in range(milliseconds // 2):
            self.clock.advance(2 * NS_PER_MS)
            frames = self.track.poll(self.start + 1000 * NS_PER_S)
            times += [(frame.pts_ns - self.start) // NS_PER_MS for frame in frames]
        return times


def test_a_frame_has_the_time_of_its_newest_change_and_waits_for_nobody() -> None:
    fast, slow = Plain(60), Plain(120)
    bench = Bench("grid", fast, slow)
    bench.run(200)
    fast.change(bench.start + 200 * NS_PER_MS, 70)
    slow.change(bench.start + 201 * NS_PER_MS, 130)
    assert bench.run(50) == [201]
    for step in range(5):
        bench.clock.advance(40 * NS_PER_MS)
        fast.change(bench.clock.now_ns(), 80 + step)
        assert len(bench.run(30)) == 1, "the other one is not waited for"
    assert slow.takes == 2
    assert near(shown(bench.made)[:, :64], 84) and near(shown(bench.made)[:, 68:], 130)


def test_two_sources_together_make_no_more_frames_than_asked_for() -> None:
    bench = Bench("grid", Plain(60), Plain(120))
    count = 0
    for step in range(1000):
        for source in bench.sources:
            source.change(bench.clock.now_ns(), step % 256)
        count += len(bench.run(4))
    assert 110 <= count <= 124, "30 a second for 4 s"


def test_an_end_among_several_is_a_black_place_in_a_new_frame() -> None:
    bench = Bench("grid", Plain(60), Plain(120))
    bench.run(200)
    ended = SourceEnded(bench.clock.now_ns(), "source_closed", "gone")
    bench.sources[1].events = [ended]
    assert bench.run(50) == [200]
    assert bench.track.take_ends() == [(bench.views[1], ended)]
    assert (shown(bench.made)[:, 68:] == BLACK).all()
    bench.track.show(bench.views[1], Plain(180))
    assert len(bench.run(100)) == 1 and near(shown(bench.made)[:, 68:], 180)


def test_a_resize_that_leaves_the_canvas_needs_no_renewal() -> None:
    small = Plain(120, 32, 24)
    bench = Bench("grid", Plain(60), small)
    small.geometry = Geometry(40, 40, 1)
    small.events = [Resized(bench.clock.now_ns(), small.geometry)]
    bench.run(1000)
    assert not bench.track.renewal and near(shown(bench.made)[4:44, 80:120], 120)
    small.geometry = Geometry(100, 40, 2)
    small.events = [Resized(bench.clock.now_ns(), small.geometry)]
    bench.run(400)
    assert not bench.track.renewal and near(shown(bench.made)[14:36, 70:130], 120), "fitted into the old canvas"
    bench.run(200)
    assert bench.track.renewal


def test_a_source_that_tells_and_gives_nothing_is_stale_until_it_gives() -> None:
    hung, other = Plain(60), Plain(120)
    bench = Bench("grid", hung, other)
    hung.dumb = True
    for _ in range(STALE_TAKES + 10):
        hung.change(bench.clock.now_ns(), 70)
        bench.run(100)
    assert bench.views[0].stale and not bench.views[1].stale
    hung.dumb = False
    hung.change(bench.clock.now_ns(), 90)
    bench.run(100)
    assert not bench.views[0].stale and near(shown(bench.made)[:, :64], 90)


def test_now_and_then_an_empty_change_is_no_reason_to_worry() -> None:
    source = Plain(60)
    bench = Bench("passthrough", source)
    for _ in range(2 * STALE_TAKES):
        source.events.append(Changed(bench.clock.now_ns()))
        bench.run(1200)
    for _ in range(3):
        source.events.append(Changed(bench.clock.now_ns()))
        bench.run(900)
    assert not bench.views[0].stale


def test_an_unchanged_picture_is_repeated() -> None:
    bench = Bench("passthrough", Plain(60))
    bench.run(100)
    assert not bench.made.dirty
    frame = bench.track.grid_frame(bench.start + NS_PER_S)
    assert frame is not None and not frame.key and len(frame.data) < 200


class Driver:
    """An encoder as a driver gives it: it fails once it has given `most` pictures."""

    name = "driver"

    def __init__(self, real: VideoEncoder, most: int) -> None:
        self._real, self._left, self.config = real, most, real.config

    def encode(self, picture: Picture, pts_ns: int, key: bool, changed: Sequence[Area] | None = None) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise EncoderFailed("the driver is gone")
        return self._real.encode(picture, pts_ns, key, changed)

    def repeat(self, pts_ns: int) -> bytes:
        raise EncoderFailed("the driver is gone")

    def close(self) -> None:
        self._real.close()


class Drivers(Encoders):
    """Gives a driver's encoder until it was given up."""

    def __init__(self) -> None:
        super().__init__("x264")
        self.given_up: list[str] = []

    def open(self, width: int, height: int, fps: int, qp: int) -> VideoEncoder:
        real = super().open(width, height, fps, qp)
        return real if self.given_up else Driver(real, 1)

    def give_up(self, reason: str) -> None:
        self.given_up.append(reason)


def test_a_driver_that_fails_costs_a_frame_and_a_new_span() -> None:
    clock, source, drivers = FakeClock(), Plain(60), Drivers()
    made = Compositor([View(source)], parse_layout("passthrough"), 1080)
    track = VideoTrack(made, clock, 30, 24, drivers)
    track.open_span()
    start = clock.now_ns()
    assert track.grid_frame(start, key=True) is not None
    clock.advance(NS_PER_S)
    source.change(clock.now_ns(), 90)
    track.poll(start + 9 * NS_PER_S)
    clock.advance(10 * NS_PER_MS)
    assert track.poll(start + 9 * NS_PER_S) == [] and track.renewal
    assert track.grid_frame(start + 2 * NS_PER_S) is None and drivers.given_up == ["the driver is gone"]
    track.open_span()
    assert not track.renewal
    frame = track.grid_frame(start + 3 * NS_PER_S, key=True)
    assert frame is not None and frame.key


def test_a_size_that_came_and_went_between_two_looks_leaves_no_old_picture() -> None:
    """The size is the one it was, but what was there before is not."""
    source, clock = Plain(60), FakeClock()
    view = View(source)
    track = VideoTrack(Compositor([view], parse_layout("passthrough"), 1080), clock, 30, 20)
    track.open_span()
    track.grid_frame(clock.now_ns() + 1, key=True)
    clock.advance(NS_PER_S)
    source.grey = 200
    source.refresh()
    source.events += [Resized(clock.now_ns(), Geometry(32, 32, 1)), Resized(clock.now_ns(), Geometry(64, 48, 2))]
    track.poll(clock.now_ns() + NS_PER_S)
    clock.advance(NS_PER_S)
    track.poll(clock.now_ns() + NS_PER_S)
    assert near(track._compositor.picture.luma.astype(np.int16), 200)
    track.close_span()


def test_what_is_let_go_of_holds_no_source() -> None:
    source = Plain(60)
    made, views = opened("passthrough", source)
    made.close()
    for view in views:
        view.drop()
    assert made._arranged == []
