"""Excluded windows through the whole recorder: neither pixels nor words of theirs are in anything that is written."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.demo.servers import WindowManager, XServer
from pepys.enrich.stage import Unit
from pepys.enrich.stages.summary import SummaryStage
from pepys.media.image import decode_picture
from pepys.model.session import Session
from pepys.review.overview import overview
from pepys.review.rows import Extras
from pepys.review.texts import Texts
from pepys.store.reader import events
from tests.desk import GREEN, Desk
from tests.recording import Recording, recording
from tests.waiting import wait_until

_GREY = 0x606060
_TITLE = "hush xyzzy accounts"


def _magenta(pixels: NDArray[np.uint8]) -> int:
    """Pixels near magenta in red, green, blue: coding bends colours a little."""
    return int(((pixels[:, :, 0] > 150) & (pixels[:, :, 2] > 150) & (pixels[:, :, 1] < 100)).sum())


def _frames(film: bytes) -> list[NDArray[np.uint8]]:
    with av.open(io.BytesIO(film), "r") as opened:
        return [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]


def _written(run: Recording, folder: Path) -> str:
    """All words that the recording left: its events, and every file that is no ciphertext."""
    told = [json.dumps(asdict(event), default=str) for event in events(run.store, run.spec.session)]
    files = [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    return "\n".join((*told, *files, json.dumps(run.pushes, default=str)))


def _seconds_of_a_secret(run: Recording, display: str) -> None:
    """A page; an excluded window with its dialog and menu, in front and moved; then the page is excluded itself."""
    with Desk(display) as desk:
        page = desk.window((700, 200, 500, 400), GREEN, title="a plain page", wm_class="Browser")
        wait_until(lambda: "a plain page" in _titles(run), 5, "the page in the activity")
        secret = desk.window((100, 100, 500, 300), title=_TITLE, wm_class="Vault")
        wait_until(lambda: "excluded" in _apps(run), 5, "the excluded window in the activity")
        dialog = desk.window((150, 500, 200, 100), title="Unlock xyzzy?", wm_class="Vault", WM_TRANSIENT_FOR=secret)
        desk.window((620, 620, 100, 100), override=True, WM_TRANSIENT_FOR=secret)
        for step in range(12):
            desk.place(secret, x=100 + 40 * step, y=100 + 20 * step)
            if step == 5:
                run.until_recorded(int(run.client.call("status")["recorded_ms"]) + 100)
        desk.destroy(dialog)
        desk.destroy(secret)
        desk.retitle(page, f"{_TITLE} again")
        run.until_recorded(int(run.client.call("status")["recorded_ms"]) + 600)


def _titles(run: Recording) -> list[str]:
    return [focus.title for focus in run.session().focus]


def _apps(run: Recording) -> list[str]:
    return [focus.app for focus in run.session().focus]


def test_nothing_of_an_excluded_window_is_written(
    home: Path, xserver: XServer, window_manager: WindowManager, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = {"display": xserver.display, "sources": (f"display:{xserver.display}",), "activity": True}
    with Desk(xserver.display) as desk:
        desk.paint_root(_GREY)
        desk.until_managed()
        with recording(home, exclude=("*xyzzy*", "vau*"), shots_interval_ns=500_000_000, **asked) as run:
            run.until_recorded(300)
            _seconds_of_a_secret(run, xserver.display)
            status = json.dumps(run.client.call("status"), default=str)
            view = run.stop()
            written = _written(run, home)
    video = view.track("video")
    assert video is not None
    frames = _frames(run.media(video))
    shots = [decode_picture(run.store.blobs.read(shot.blob)) for shot in view.distinct_shots]
    assert len(frames) >= 8 and len(shots) >= 3
    assert [_magenta(frame) for frame in frames] == [0] * len(frames)
    assert [_magenta(shot) for shot in shots] == [0] * len(shots)
    assert any((frame[150, 150] < 24).all() for frame in frames), "the place of the window is black"
    assert any((frame[450, 1100] > 24).any() for frame in frames), "the page beside it is shown"
    assert (frames[-1][450, 1100] < 24).all(), "and black when its title says so"
    for place in (written, status, *capfd.readouterr()):
        assert "xyzzy accounts" not in place and "Unlock" not in place and "Vault" not in place
    assert "a plain page" in written
    hidden = [focus for focus in view.focus if focus.app == "excluded" or focus.excluded]
    assert {(focus.app, focus.title, focus.excluded) for focus in hidden} == {("excluded", "", True)}
    _nobody_reads_of_it(view)


class _Wordless:
    """What the summary is made from where neither speech nor screen text was found."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def blob(self, blob: str) -> bytes:
        raise AssertionError(f"a summary reads no blob {blob}")

    def items(self, stage: str) -> list[dict[str, Any]]:
        return []


def _nobody_reads_of_it(view: Session) -> None:
    """What is made of the activity tells that something was excluded, and takes it for no application."""
    lane = overview(view, Texts(), Extras())["apps"]
    assert {(part["app"], part["title"]) for part in lane if part["excluded"]} == {("excluded", "")}
    (made,) = SummaryStage().run(Unit("u", ()), _Wordless(view))
    assert "Browser" in json.dumps(made) and "excluded" not in json.dumps(made)
