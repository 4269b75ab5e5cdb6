"""The X server ends while it is recorded and is started again: a gap with its reason, then everything is back."""

from __future__ import annotations

from pathlib import Path

import pytest
import xcffib
from xcffib import xproto

from pepys.bench.faults_scene import LastingXServer
from pepys.demo.servers import SoundServer
from pepys.limits import NS_PER_S
from pepys.store.verify import verify
from tests.recording import MIC, recording


def _note_lock(display: str) -> None:
    """What xscreensaver writes when it locks."""
    client = xcffib.connect(display)
    root = client.get_setup().roots[0].root
    names = ("_SCREENSAVER_STATUS", "LOCK")
    status, lock = (client.core.InternAtom(False, len(name), name).reply().atom for name in names)
    client.core.ChangeProperty(xproto.PropMode.Replace, root, status, xproto.Atom.INTEGER, 32, 1, [lock])
    client.core.GetInputFocus().reply()
    client.disconnect()


def test_a_display_that_is_started_again(
    home: Path, sound_server: SoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LastingXServer(320, 240) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        with recording(home, display=server.display, mic=MIC, activity=True) as run:
            run.until_recorded(800)
            server.kill()
            assert run.until_push(2, push="gap", track="video")["reason"] == "source_closed"
            server.start()
            back = run.until_push(6, push="track", track="video", state="healthy")
            assert back["track"] == "video"
            run.until_recorded(int(run.client.call("status")["recorded_ms"]) + 800)
            # The lock of the display that came back is heeded as well.
            _note_lock(server.display)
            run.until_push(3, push="state", state="paused")
            view = run.stop()
    video = view.track("video")
    assert video is not None
    (gap,) = video.gaps
    assert gap.reason == "source_closed" and 0 < gap.end_ns - gap.start_ns < 6 * NS_PER_S
    assert gap.end_ns < view.end_ns and verify(run.store).damages == ()
    assert [gap.reason for gap in view.gaps] == ["locked"]
