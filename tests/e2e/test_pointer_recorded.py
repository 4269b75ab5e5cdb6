"""The pointer in recordings: where it is and nowhere else, only where it was asked for, and never in shots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.demo.servers import XServer
from pepys.media.image import decode_picture
from tests.painter import Painter
from tests.recording import Recording, pictures, recording
from tests.waiting import wait_until

FIRST, LAST = (700, 80), (150, 301)
_STEPS = 10
_REACH = 40
_SEEN = 30


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[XServer]:
    """A screen on which pictures are looked through fast."""
    with XServer(800, 400) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


def _unlike(grey: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where the picture differs from its ground, as rows of (y, x); flat ground may ripple by a few levels."""
    return np.argwhere(np.abs(grey.astype(int) - int(np.median(grey))) > _SEEN)


def _only_at(grey: NDArray[np.uint8], place: tuple[int, int]) -> bool:
    found = _unlike(grey)
    return len(found) > 20 and bool((np.abs(found - (place[1], place[0])) < _REACH).all())


def _recorded(run: Recording, milliseconds: int) -> None:
    until = run.client.call("status")["recorded_ms"] + milliseconds
    wait_until(lambda: run.client.call("status")["recorded_ms"] >= until, 8, "time to be recorded")


def test_the_pointer_is_where_it_is_leaves_no_trail_and_can_be_left_out(home: Path, small: XServer) -> None:
    shots = {"display": small.display, "shots_interval_ns": 500_000_000}
    with Painter(small.display) as painter, recording(home, **shots) as run:
        with recording(home, cursor=False, encoder="h264_vaapi", **shots) as without:
            painter.move_pointer(*FIRST)
            _recorded(run, 300)
            for step in range(1, _STEPS + 1):
                part = step / _STEPS
                painter.move_pointer(*(round(a + (b - a) * part) for a, b in zip(FIRST, LAST, strict=True)))
                _recorded(run, 70)
            _recorded(without, 500)
            assert not any(len(_unlike(grey)) for grey in _frames(without)), "the pointer was left out"
        frames = _frames(run)
    assert _only_at(frames[-1], LAST)
    # One pointer in every picture: all that differs lies together.
    assert all(np.ptp(_unlike(grey), axis=0).max() < _REACH for grey in frames if len(_unlike(grey)))
    assert any(_only_at(grey, FIRST) for grey in frames)
    assert len({tuple(_unlike(grey).min(0)) for grey in frames if len(_unlike(grey))}) >= _STEPS // 2, (
        "its way is shown"
    )


def _frames(run: Recording) -> list[NDArray[np.uint8]]:
    """Stop, look into the shots, and give the pictures of the video."""
    view = run.stop()
    assert len(view.distinct_shots) == 1, "a pointer that moves is no other shot"
    shot = decode_picture(run.store.blobs.read(view.shots[0].blob))
    assert np.ptp(shot[:, :, :3].reshape(-1, 3), axis=0).max() == 0, "the pointer is in a shot"
    video = view.track("video")
    assert video is not None and video.encoder.startswith(("x264", "h264_")), "what coded it is told"
    return [grey for _, grey in pictures(run.media(video))]
