"""Several sources in one recorder: where each is seen, what switching costs, and what their coming and going leaves."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.clock import SystemClock
from pepys.demo.servers import SoundServer, XServer
from pepys.errors import DeviceMissing, Usage
from pepys.record.launch import launch
from pepys.store.reader import session_ids
from pepys.store.store import open_store
from tests.monitors import delete_monitor, set_monitor
from tests.painter import Painter
from tests.recording import MIC, Recording, check_whole, order, pictures, recording, samples
from tests.waiting import wait_until
from tests.x11_client import Client

_SECOND = 1_000_000_000
_DARK, _MIDDLE, _LIGHT = 0x303030, 0x808080, 0xD0D0D0
_ONE, _TWO = "region:320x240+0+0", "region:320x240+400+0"


def _track(run: Recording, name: str) -> dict[str, Any]:
    found = run.client.call("status")["tracks"]
    return next((t for t in found if t["track"] == name), {"state": "missing"})


def _more(run: Recording, milliseconds: int = 300) -> None:
    """Let that much more be recorded."""
    until = int(run.client.call("status")["recorded_ms"]) + milliseconds
    wait_until(lambda: run.client.call("status")["recorded_ms"] >= until, 5)


def _last(run: Recording, span: int) -> NDArray[np.uint8]:
    """The last picture of a span."""
    video = run.session().track("video")
    assert video is not None
    parts = tuple(segment for segment in video.segments if segment.span == span)
    return pictures(run.media(video, parts))[-1][1]


def _is(pixels: NDArray[np.uint8], colour: int) -> bool:
    """Whether all pixels have the grey of a colour; decoded pictures may keep the limited range."""
    grey = colour & 255
    limited = 16 + grey * 219 / 255
    mean = float(pixels.mean())
    return float(np.ptp(pixels)) < 12 and min(abs(mean - grey), abs(mean - limited)) < 6


@pytest.fixture
def painter(xserver: XServer) -> Painter:
    """A display with two painted regions on black."""
    made = Painter(xserver.display)
    made.fill(0, 0, 1920, 1080, 0)
    made.fill(0, 0, 320, 240, _DARK)
    made.fill(400, 0, 320, 240, _LIGHT)
    return made


def test_layouts_are_switched_while_recording_without_loss_of_time(
    home: Path, xserver: XServer, painter: Painter, sound_server: SoundServer
) -> None:
    asked = {"display": xserver.display, "sources": (_ONE, _TWO), "layout": "grid", "mic": MIC, "cursor": False}
    with recording(home, **asked) as run:
        _more(run)
        status = run.client.call("status")
        assert (status["layout"], status["sources"]) == ("grid", [_ONE, _TWO])
        assert {t["track"] for t in status["tracks"]} == {"video", "video.1", "video.2", "audio.mic"}
        for change in (
            {"layout": "grid:1"},
            {"layout": "pip:top-left"},
            {"sources": [_TWO, _ONE, "region:100x100+800+800"]},
            {"layout": "side-by-side", "sources": [_TWO, _ONE]},
            {"sources": [_ONE], "layout": "passthrough"},
        ):
            status = run.client.call("set", **change)
            assert status["state"] == "recording"
            assert change.get("layout", "grid") in status["layout"]
            _more(run)
        with pytest.raises(Usage, match="shows 2"):
            run.client.call("set", layout="pip")
        with pytest.raises(Usage, match="no layout"):
            run.client.call("set", layout="mosaic")
        with pytest.raises(DeviceMissing):
            run.client.call("set", layout="grid", sources=[_ONE, "webcam:/dev/none"])
        with pytest.raises(Usage, match="nothing to set"):
            run.client.call("set")
        after = run.client.call("status")
        assert (after["spans"], after["sources"]) == (6, [_ONE]) and after["state"] == "recording"
        run.client.call("pause")
        assert run.client.call("set", layout="grid", sources=[_TWO, _ONE])["state"] == "paused"
        assert run.client.call("resume")["layout"] == "grid"
        _more(run)
        painter.close()
        view = run.stop()
    assert [gap.reason for gap in view.gaps] == ["pause"] and len(view.spans) == 7
    # What a resumed session begins with is what was shown last, not what it was started with.
    assert view.config == {"sources": [_TWO, _ONE], "layout": "grid", "webcam": False}
    assert all(one.end_ns == two.start_ns for one, two in pairwise(view.spans[:6])), "no time is lost"
    mic = view.track("audio.mic")
    assert mic is not None and abs(len(samples(run.media(mic, mic.segments[:1]))) / 48_000) > 0.3
    recorded_ns = sum(span.duration_ns for span in view.spans)
    assert sum(s.duration_ns for s in mic.segments) == pytest.approx(recorded_ns, abs=50e6)
    grid, column, inset, three, row, alone, resumed = (_last(run, span) for span in range(7))
    assert grid.shape == (240, 644) and _is(grid[:, :320], _DARK) and _is(grid[:, 324:], _LIGHT)
    assert column.shape == (484, 320) and _is(column[:240], _DARK) and _is(column[244:], _LIGHT)
    assert inset.shape == (240, 320) and _is(inset[26:-104, 40:150], _LIGHT) and _is(inset[160:], _DARK)
    assert three.shape == (484, 644) and _is(three[:240, :320], _LIGHT) and _is(three[:240, 324:], _DARK)
    assert row.shape == (240, 644) and _is(row[:, :320], _LIGHT) and _is(row[:, 324:], _DARK)
    assert alone.shape == (240, 320) and _is(alone, _DARK)
    assert resumed.shape == (240, 644) and _is(resumed[:, :320], _LIGHT) and _is(resumed[:, 324:], _DARK)
    video = view.track("video")
    assert video is not None and all(t.gaps == () for t in view.tracks)


def test_a_closed_window_is_a_gap_until_it_is_there_again(home: Path, xserver: XServer, painter: Painter) -> None:
    window = Client(xserver.display, "the only letter", (800, 600, 200, 100))
    sources = (_ONE, "window:the only *")
    with recording(home, display=xserver.display, sources=sources, layout="side-by-side", cursor=False) as run:
        _more(run)
        window.close()
        gone = run.until_push(3, push="gap", track="video.2", end_ms=None)
        assert gone["reason"] == "source_closed"
        assert _track(run, "video")["state"] == "degraded" and "window:" in _track(run, "video")["detail"]
        _more(run)
        black = int(run.client.call("status")["recorded_ms"]) / 1000
        again = Client(xserver.display, "the only letter", (300, 600, 200, 100))
        wait_until(lambda: _track(run, "video.2")["state"] == "healthy", 5)
        _more(run, 900)
        assert _track(run, "video")["state"] == "healthy"
        again.close()
        painter.close()
        view = run.stop()
    assert view.gaps == () and len(view.spans) == 1
    track, video = view.track("video.2"), view.track("video")
    assert track is not None and video is not None and video.gaps == ()
    assert track.gaps[0].start_ns // 1_000_000 == gone["start_ms"]
    assert 0.3 * _SECOND < track.gaps[0].end_ns - track.gaps[0].start_ns < 5 * _SECOND
    shown = pictures(run.media(video))
    before = shown[0][1]
    during = next(picture for at, picture in reversed(shown) if at <= black)
    after = next(picture for at, picture in reversed(shown) if at <= track.gaps[0].end_ns / _SECOND + 0.8)
    assert float(before[80:160, 344:500].mean()) > 50 < float(after[80:160, 344:500].mean())
    assert float(during[80:160, 344:500].max()) < 20 and _is(during[:, :320], _DARK)


def test_a_monitor_alone_is_awaited_when_it_is_unplugged(home: Path, xserver: XServer, painter: Painter) -> None:
    set_monitor(painter, "RIGHT", 640, 0, 320, 240)
    with recording(home, display=xserver.display, sources=("monitor:RIGHT",), cursor=False) as run:
        _more(run)
        delete_monitor(painter, "RIGHT")
        run.until_push(3, push="gap", track="video", reason="source_closed", end_ms=None)
        set_monitor(painter, "RIGHT", 640, 0, 320, 240)
        wait_until(lambda: _track(run, "video")["state"] == "healthy", 5)
        _more(run)
        painter.close()
        view = run.stop()
    video = view.track("video")
    assert video is not None and [gap.reason for gap in video.gaps] == ["source_closed"] and view.gaps == ()


def test_a_window_alone_is_dragged_larger_and_then_closed(home: Path, xserver: XServer) -> None:
    window = Client(xserver.display, "elastic", (0, 0, 320, 240))
    with recording(home, display=xserver.display, sources=("window:elastic",), cursor=False, lost_ns=_SECOND) as run:
        _more(run)
        for step in range(1, 51):
            window.configure(width=320 + 4 * step, height=240 + 2 * step)
        wait_until(lambda: run.client.call("status")["spans"] == 2, 5)
        _more(run)
        window.close()
        run.until_push(3, push="gap", track="video", end_ms=None)
        _more(run)
        assert run.client.call("status")["state"] == "recording", "a window that is closed may be opened again"
        xserver.kill()
        assert run.until_push(5, push="error")["error"]["code"] == "device_missing", "but not without its display"
        assert run.launched.process.wait(20) == DeviceMissing.exit_code
        view = run.session()
    assert len(view.spans) == 2 and view.spans[0].end_ns == view.spans[1].start_ns
    assert [(gap.reason, gap.start_ns) for gap in view.gaps] == [("device_lost", view.spans[1].end_ns)]
    assert _last(run, 0).shape == (240, 320) and _last(run, 1).shape == (340, 520)
    video = view.track("video")
    assert video is not None and video.gaps[0].end_ns == view.spans[1].end_ns
    assert float(_last(run, 1).mean()) > 50, "the last picture is held"


def test_a_display_that_hangs_costs_no_sound_and_recovers(
    home: Path, xserver: XServer, sound_server: SoundServer
) -> None:
    asked = {"display": xserver.display, "mic": MIC, "activity": True, "shots_interval_ns": 500_000_000}
    with recording(home, **asked) as run:
        _more(run)
        painter = Painter(xserver.display)
        os.kill(xserver.pid, signal.SIGSTOP)
        try:
            run.until_push(6, push="gap", track="video", end_ms=None)
            for _ in range(3):
                asked_ns = run.store.clock.now_ns()
                assert run.client.call("status")["state"] == "recording"
                assert run.store.clock.now_ns() - asked_ns < 2 * _SECOND
        finally:
            os.kill(xserver.pid, signal.SIGCONT)
        painter.fill(0, 0, 640, 480, 0xFFFFFF)
        for name in ("video", "shots", "activity"):
            wait_until(lambda name=name: _track(run, name)["state"] == "healthy", 12, f"{name} to come back")
        _more(run, 900)
        painter.close()
        view = run.stop()
    video, mic = view.track("video"), view.track("audio.mic")
    assert video is not None and mic is not None and view.gaps == ()
    assert [gap.reason for gap in video.gaps] == ["device_lost"] and video.gaps[0].end_ns < view.end_ns
    assert mic.gaps == () and mic.dropped == 0
    check_whole(run, mic, view.duration_ns)
    assert _is(_last(run, 0)[:200, :200], 0xFFFFFF)


def test_a_required_source_that_is_missing_stops_the_start(home: Path, xserver: XServer, painter: Painter) -> None:
    store = open_store(home, config_dir=home.parent / "config", clock=SystemClock())
    asked = {"display": xserver.display, "sources": (_ONE, "window:nobody knows it"), "layout": "grid"}
    launched = launch(order(home, store, **asked, sources_required=True), home / "logs" / "recorder.log")
    with pytest.raises(DeviceMissing, match="nobody knows it"):
        launched.wait_ready()
    assert launched.process.wait(20) == 4 and session_ids(store) == []


def test_a_default_source_that_is_missing_is_left_out(home: Path, xserver: XServer, painter: Painter) -> None:
    sources = (_ONE, "window:nobody knows it")
    with recording(home, display=xserver.display, sources=sources, layout="side-by-side", cursor=False) as run:
        _more(run)
        status = run.client.call("status")
        assert (status["layout"], status["sources"]) == ("passthrough", [_ONE])
        assert _track(run, "video")["state"] == "healthy"
        left_out = _track(run, "video.2")
        assert left_out["state"] == "off" and "nobody knows it" in left_out["detail"]
        painter.close()
        run.stop()
    assert _is(_last(run, 0), _DARK)
