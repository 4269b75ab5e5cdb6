"""Shots of a real display, by a real recorder: why each was taken, and what was in front."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import pytest
from xcffib import xproto

from pepys.demo.servers import XServer
from pepys.errors import Busy
from pepys.limits import NS_PER_MS, NS_PER_S, SHOTS_ADAPTIVE_MAX_NS
from pepys.model.session import Shot
from tests.desk import BLUE, GREEN, Desk
from tests.recording import Recording, recording
from tests.waiting import wait_until


def _activate(desk: Desk, window: int) -> None:
    """Say that a window is in front, as a window manager does."""
    desk.put(desk.root, "_NET_ACTIVE_WINDOW", "WINDOW", struct.pack("<I", window), 32)
    desk.sync()


def _paint(desk: Desk, window: int, colour: int) -> None:
    desk.core.ChangeWindowAttributes(window, xproto.CW.BackPixel, [colour])
    desk.core.ClearArea(False, window, 0, 0, 0, 0)
    desk.sync()


def _shots(run: Recording, trigger: str) -> list[Shot]:
    return [shot for shot in run.session().shots if shot.trigger == trigger]


def _seconds(desk: Desk, runs: tuple[Recording, ...]) -> None:
    """A window, what is drawn in it, and what the user asks for; each with its shot in every recording."""
    page = desk.window((100, 100, 800, 600), GREEN, title="a page", wm_class="Browser")
    _activate(desk, page)
    wait_until(lambda: all(_shots(run, "focus") for run in runs), 8, "a shot of the new window")
    _paint(desk, page, BLUE)
    wait_until(lambda: all(_shots(run, "change") for run in runs), 8, "a shot of what is drawn in it")
    desk.retitle(page, "another page")
    for run in runs:
        answer = run.client.call("shot")
        (manual,) = _shots(run, "manual")  # durable before the answer
        assert answer == {
            "at_ms": manual.at_ns // NS_PER_MS, "repeat": True, "app": "Browser", "title": "another page",
        }  # fmt: skip
        run.client.call("pause")
        with pytest.raises(Busy):
            run.client.call("shot")
    _paint(desk, page, GREEN)
    desk.retitle(page, "in the pause")
    for run in runs:
        run.client.call("resume")


def test_windows_and_changes_are_shot_with_what_is_in_front(home: Path, xserver: XServer) -> None:
    homes = [home.parent / name / "home" for name in ("unseen", "even")]
    for each in homes:
        each.parent.mkdir()
    shown = {"display": xserver.display}
    asked = {**shown, "activity": True, "shots_adaptive": True, "shots_interval_ns": SHOTS_ADAPTIVE_MAX_NS}
    with (
        Desk(xserver.display) as desk,
        recording(home, **asked) as seen,
        recording(homes[0], video=False, **asked) as unseen,
        recording(homes[1], shots_interval_ns=NS_PER_S // 2, **shown) as even,
    ):
        wait_until(lambda: _shots(seen, "start") and _shots(unseen, "start"), 5, "the first shots")
        _seconds(desk, (seen, unseen))
        for run in (seen, unseen):
            wait_until(lambda run=run: len(_shots(run, "start")) == 2, 5, "the first shot of the second span")
            shots = run.stop().shots
            # On a busy machine a window may be drawn in two bursts, and its title be seen before the user asks.
            last = {shot.trigger: shot for shot in shots[:-1] if shot.trigger != "title"}
            assert list(last) == ["start", "focus", "change", "manual"], f"video={run.spec.video}"
            words = [("Browser", "a page")] * 2 + [("Browser", "another page")]
            assert [(shot.app, shot.title) for shot in list(last.values())[1:]] == words
            assert (shots[-1].trigger, shots[-1].title) == ("start", "in the pause")
            assert [last[trigger].repeat for trigger in ("change", "manual")] == [False, True]
            assert shots[0].blob != last["change"].blob == last["manual"].blob != shots[-1].blob
            triggered = [shot for shot in shots if shot.trigger in {"focus", "change"}]
            assert all(b.at_ns - a.at_ns >= 2 * NS_PER_S for a, b in itertools.pairwise([shots[0], *triggered]))
        shots = even.stop().shots
        assert {shot.trigger for shot in shots} == {"start", "interval"}, "fixed intervals heed nothing else"
        distances = [(b.at_ns - a.at_ns) / NS_PER_S for a, b in itertools.pairwise(shots)]
        assert abs(sum(distances) / len(distances) - 0.5) < 0.05
