"""Text stays readable: what a recording shows a second after the last change, against what was on the screen."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np

from pepys.demo.servers import XServer
from tests.recording import recording
from tests.text_scenes import PLACES, Pixels, Screen, browser, editor, shown, terminal, text_psnr
from tests.waiting import wait_until

READABLE_DB = 38
LEAST_TEXT = {"browser": 0.4, "terminal": 0.7, "editor": 0.3}


def _luma_at(film: bytes, until_ms: int) -> Pixels:
    """The luma, as it is coded, of the picture that is shown at that time."""
    with av.open(io.BytesIO(film)) as container:
        frames = [frame for frame in container.decode(video=0) if float(frame.time or 0) * 1000 <= until_ms]
    plane = frames[-1].planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:, : frames[-1].width]


def test_text_of_terminal_editor_and_browser_stays_readable(home: Path, xserver: XServer, short_folder: Path) -> None:
    screen = Screen(xserver.display)
    # The recording begins with an empty screen: all the text comes as differences, where fidelity is hardest to hold.
    with recording(home, display=xserver.display, cursor=False, quality="medium") as run:
        with shown(browser(short_folder)), shown(terminal(short_folder)), shown(editor(short_folder)):
            true = screen.drawn(LEAST_TEXT)
            still_ms = run.client.call("status")["recorded_ms"] + 1000
            wait_until(lambda: run.client.call("status")["recorded_ms"] >= still_ms, 10, "a second to be recorded")
            assert np.array_equal(true, screen.luma()), "the screen has to stand still"
        view = run.stop()
    screen.close()
    video = view.track("video")
    assert video is not None and (video.width, video.height) == (1920, 1080)
    film = run.media(video)
    luma = _luma_at(film, still_ms)
    fidelity = {name: round(text_psnr(luma[place], true[place]), 1) for name, place in PLACES.items()}
    assert min(fidelity.values()) >= READABLE_DB, fidelity
    assert len(film) < 1_500_000, "everything is drawn once, and costs about one key frame"
