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
from tests.recording import MIC, Recording, recording
from tests.waiting import wait_until


def _note_lock(display: str) -> None:
    """What xscreensaver writes when it locks."""
    client = xcffib.connect(display)
    root = client.get_setup().roots[0].root
    names = ("_SCREENSAVER_STATUS", "LOCK")
    status, lock = (client.core.InternAtom(False, len(name), name).reply().atom for name in names)
    client.core.ChangeProperty(xproto.PropMode.Replace, root, status, xproto.Atom.INTEGER, 32, 1, [lock])
    client.core.GetInputFocus().reply()
    client.disconnect()


def _tries(run: Recording, track: str) -> int:
    (told,) = (told for told in run.client.call("status")["tracks"] if told["track"] == track)
    return int(told["tries"])


def test_a_display_that_is_started_again(
    home: Path, sound_server: SoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several tries in vain, then it is back: noticed as it listens, of pictures and of the activity on it alike.

    Catches tries that wait for their turn though the display is there, and a lock that is heard no more.
    """
    with LastingXServer(320, 240) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        with recording(home, display=server.display, mic=MIC, activity=True) as run:
            run.until_recorded(800)
            server.kill()
            assert run.until_push(2, push="gap", track="video")["reason"] == "source_closed"
            away = ("video", "activity")
            wait_until(lambda: all(_tries(run, track) >= 2 for track in away), 6, "two tries in vain")
            tried_ns = run.store.clock.now_ns()
            server.start()
            seen = len(run.pushes)
            healthy = {"push": "track", "state": "healthy"}.items()
            while not {push.get("track") for push in run.pushes[seen:] if healthy <= push.items()}.issuperset(away):
                run.until_push(2, push="track", state="healthy")
            # The next try by the clock of the tries is four seconds after the second.
            assert run.store.clock.now_ns() - tried_ns < 2.5 * NS_PER_S
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
