"""From a real X server to fragments that decode: pictures, times, the pointer."""

from __future__ import annotations

import io
import select
from collections.abc import Callable

import av
import pytest

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.limits import FRAGMENT_NS, NS_PER_S
from pepys.media.colour import Converter, converter
from pepys.media.fmp4 import FragmentWriter, VideoSample, init_segment
from pepys.media.swscale import SwscaleConverter
from pepys.record import compositor
from pepys.record.ports import VideoSource
from pepys.record.video import EncodedFrame, VideoTrack, track_of
from tests.painter import Painter
from tests.x11_sources import opened

STEPS = 12


def record(
    track: VideoTrack, source: VideoSource, clock: SystemClock, fragments: int, each: Callable[[int], None]
) -> bytes:
    """The recorder's loop in small: `each(n)` is called a few times a second and paints."""
    config = track.open_span()
    start_ns = clock.now_ns()
    writer = FragmentWriter(config, None, 0)
    data = init_segment(config, None)
    frames = [track.grid_frame(start_ns, key=True)]
    grid_ns, painted = start_ns + FRAGMENT_NS, 0
    while len(frames) and grid_ns <= start_ns + fragments * FRAGMENT_NS:
        if clock.now_ns() >= start_ns + painted * FRAGMENT_NS * fragments // STEPS:
            each(painted)
            painted += 1
        due_ns = min(grid_ns, track.next_due_ns() or grid_ns, clock.now_ns() + NS_PER_S // 20)
        select.select([source.fileno()], [], [], max(0, due_ns - clock.now_ns()) / NS_PER_S)
        if clock.now_ns() >= grid_ns:
            until = track.grid_frame(grid_ns)
            data += writer.write([_sample(frame, start_ns) for frame in frames], grid_ns - start_ns, ())
            frames, grid_ns = [until], grid_ns + FRAGMENT_NS
        frames += track.poll(grid_ns)
    return data


def _sample(frame: EncodedFrame, start_ns: int) -> VideoSample:
    return VideoSample(frame.pts_ns - start_ns, frame.data, frame.key)


@pytest.mark.parametrize("way", [SwscaleConverter, converter])
def test_what_is_painted_is_played_with_its_times(
    xserver: XServer, way: Callable[[], Converter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compositor, "converter", way)
    clock = SystemClock()
    painted: list[int] = []
    with Painter(xserver.display) as painter:
        source = opened(xserver.display, pointer=True)
        track = track_of(source, clock)
        begun = clock.now_ns()

        def paint(number: int) -> None:
            # Columns of odd widths at odd places: what converters and rectangles find hardest.
            painter.fill(11 + number * 97, 301, 51, 203, 0xFFFFFF)
            painted.append(clock.now_ns() - begun)

        data = record(track, source, clock, 4, paint)
        track.close_span()
        source.close()
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
    last = frames[-1].to_ndarray(format="gray")
    seen = [bool(last[400, 11 + number * 97 + 25] > 180) for number in range(len(painted))]
    assert all(seen)
    assert last[400, 11 + 97 * 3 + 70] < 100
    assert last[290].max() < 100
    assert track.counters.dropped == 0
    first_white = next(frame for frame in frames if frame.to_ndarray(format="gray")[400, 11 + 97 * 5 + 25] > 180)
    offset = painted[0] / NS_PER_S
    assert abs(float(first_white.time or 0) - (painted[5] / NS_PER_S - offset)) < 0.25


def test_a_still_screen_gives_a_heartbeat_of_next_to_nothing(xserver: XServer) -> None:
    clock = SystemClock()
    source = opened(xserver.display, pointer=True)
    track = track_of(source, clock)
    data = record(track, source, clock, 3, lambda _: None)
    track.close_span()
    source.close()
    assert track.counters.encoded == 4
    assert len(data) < 12_000
    with av.open(io.BytesIO(data)) as container:
        times = [round(float(frame.time or 0), 3) for frame in container.decode(video=0)]
    assert times == [0.0, 0.8, 1.6]


def test_a_server_that_dies_leaves_the_heartbeat(xserver: XServer) -> None:
    clock = SystemClock()
    source = opened(xserver.display, pointer=True)
    track = track_of(source, clock)
    track.open_span()
    start_ns = clock.now_ns()
    track.grid_frame(start_ns, key=True)
    xserver.kill()
    select.select([source.fileno()], [], [], 5)
    track.poll(start_ns + FRAGMENT_NS)
    ((_, end),) = track.take_ends()
    assert end.reason == "source_closed"
    assert track.grid_frame(start_ns + FRAGMENT_NS).pts_ns == start_ns + FRAGMENT_NS
    track.close_span()
    source.close()


@pytest.mark.parametrize("way", [SwscaleConverter, converter])
def test_an_odd_screen_is_kept_but_for_its_last_column_and_row(
    way: Callable[[], Converter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compositor, "converter", way)
    clock = SystemClock()
    with XServer(1367, 769) as server:
        monkeypatch.setenv("XAUTHORITY", server.env["XAUTHORITY"])
        with Painter(server.display) as painter:
            source = opened(server.display)
            track = track_of(source, clock)
            config = track.open_span()
            assert (config.width, config.height) == (1366, 768)
            painter.fill(1301, 701, 66, 68, 0xFFFFFF)
            start_ns = clock.now_ns()
            select.select([source.fileno()], [], [], 5)
            track.poll(start_ns)
            frame = track.grid_frame(clock.now_ns(), key=True)
            writer = FragmentWriter(config, None, 0)
            data = writer.write([VideoSample(0, frame.data, True)], FRAGMENT_NS, ())
            with av.open(io.BytesIO(init_segment(config, None) + data)) as container:
                shown = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
            assert source.grab().shape == (769, 1367, 4)
            track.close_span()
            source.close()
    assert shown.shape == (768, 1366)
    assert shown[702:, 1302:].min() > 200
    assert shown[:700].max() < 100
    assert shown[:, :1300].max() < 100
