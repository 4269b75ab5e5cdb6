"""The page tells how a recording is, in Debian's Chromium: a clock that stands still, a lock, a count, a shot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from pepys.limits import NS_PER_S
from pepys.model import events as ev
from pepys.store.store import Store
from pepys.web.app import STATIC
from tests.waiting import wait_until
from tests.web_app import Served
from tests.web_page import Watched, browser
from tests.web_session import FRAGMENT_NS, Tape

__all__ = ["browser"]  # a fixture, found by its name
TOLD_MS = 2_000


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with Served(home, STATIC) as running:
        yield running


def _track(name: str, **more: Any) -> dict[str, Any]:
    clocks = {"attempt_ms_ago": 10, "capture_ms_ago": 100, "write_ms_ago": 500, "stands": "", "stands_ms": 0}
    return {"track": name, "source": "", "state": "healthy", "detail": "", **clocks, "captured": 4, "tries": 0, **more}


def _tell(server: Served, **more: Any) -> None:
    """Let the host tell a status, as it does on each change."""
    server.host.told = {**server.host.told, **more}
    server.call(lambda: server.host.feed.tell({"push": "status", "status": server.host.told}))


def _locked_session(store: Store) -> str:
    """An ended session with a lock, a time without input, a step of the clock and three shots of two pictures."""
    tape = Tape(store, "locked for a while")
    tape.begin_span()
    tape.writer.append(ev.FocusChanged(0, "Terminal", "notes.txt"))
    first = tape.writer.put(b"\x89PNG first")
    second = tape.writer.put(b"\x89PNG second")
    tape.writer.append(
        ev.ShotTaken(0, first, 1280, 720, trigger="start"),
        ev.ShotTaken(NS_PER_S, first, 1280, 720, repeat=True, trigger="adaptive", near=True),
        ev.ShotTaken(2 * NS_PER_S, second, 1280, 720, trigger="focus"),
    )
    tape.write(10)
    tape.writer.append(
        ev.IdleNoted(FRAGMENT_NS, 4 * FRAGMENT_NS),
        ev.AnchorNoted(5 * FRAGMENT_NS, tape.started_wall_ns, step_ns=3600 * NS_PER_S),
        ev.SpanEnded(0, tape.at_ns, tape.media_ns),
        ev.GapNoted(tape.at_ns, tape.at_ns + 60 * NS_PER_S, "locked", detail="org.gnome.ScreenSaver"),
    )
    tape.at_ns += 60 * NS_PER_S
    tape.begin_span()
    tape.write(10)
    return tape.end()


def test_the_page_tells_how_a_recording_is(server: Served, browser: BrowserContext) -> None:
    ended = _locked_session(server.store)
    tape = Tape(server.store, "under way")
    tape.begin_span()
    tape.write(2)
    watched = Watched(browser)
    page = watched.page
    page.goto(f"{server.url}/sign-in?code={server.call(server.desk.new_code)}")
    page.goto(f"{server.url}/live")
    _is_counted_down(server, page)
    well = [_track("video"), _track("shots", captured=2)]
    disk = {"free_bytes": 10**11, "seconds_left": 86_400, "warning": ""}
    _tell(server, state="recording", session=tape.session, name="under way", since="2026-11-23T09:00:00.000Z",
          recorded_ms=1600, wall_ms=1600, tracks=well, disk=disk)  # fmt: skip
    _shows_what_stands(server, page, well)
    _takes_a_shot(server, page)
    _is_held(server, page)
    _goes_on_after_a_crash(server, page, well)
    page.goto(f"{server.url}/s/{ended}")
    _shows_a_locked_session(page)
    assert watched.trouble == []
    tape.writer.close()


def _is_counted_down(server: Served, page: Page) -> None:
    """The seconds are pushed, and can be stopped."""
    page.get_by_role("button", name="Record", exact=True).click()
    for left_s in (10, 9):
        server.call(partial(server.host.feed.tell, {"push": "countdown", "left_s": left_s}))
        expect(page.get_by_role("timer")).to_have_text(f"{left_s} s")
    page.get_by_role("button", name="Cancel Esc").click()
    wait_until(lambda: server.host.calls[-1:] == [("stop", None)], 5, "the stop")
    expect(page.get_by_text("in 3 s")).to_be_visible()
    page.keyboard.press("Escape")


def _shows_what_stands(server: Served, page: Page, well: list[dict[str, Any]]) -> None:
    row = page.get_by_role("list", name="Tracks").get_by_role("listitem").filter(has_text="Video")
    expect(row).to_be_visible()
    expect(row.get_by_text("captured")).to_be_hidden()
    detail = "capture stands still for 2 s"
    hangs = _track("video", state="degraded", detail=detail, stands="capture", stands_ms=2100, capture_ms_ago=2100)
    _tell(server, tracks=[hangs, well[1]])
    expect(row).to_contain_text("Capture stands still for", timeout=TOLD_MS)
    expect(row.get_by_text("captured")).to_be_visible()
    # It goes on counting by itself while nothing new is told.
    expect(row).to_contain_text("Capture stands still for 3 s")
    _tell(server, tracks=[{**hangs, "state": "restarting", "tries": 2}, well[1]],
          disk={"free_bytes": 10**9, "seconds_left": 480, "warning": "low"})  # fmt: skip
    expect(row).to_contain_text("Restarting, try 2 of 5: capture stands still for 2 s")
    told = page.get_by_role("list", name="Warnings")
    expect(told).to_contain_text("The disk is nearly full: 8 min left")
    _tell(server, tracks=well, disk={"free_bytes": 10**11, "seconds_left": 86_400, "warning": ""})
    expect(told).to_be_hidden()
    expect(row).not_to_contain_text("stands still")


def _takes_a_shot(server: Served, page: Page) -> None:
    page.get_by_role("button", name="Take a shot").click()
    expect(page.get_by_text(re.compile(r"^Shot at \d\d:\d\d:\d\d$"))).to_be_visible()
    assert server.host.calls[-1] == ("shot", None)


def _is_held(server: Served, page: Page) -> None:
    """A lock is told; it ends by itself, and the user may keep the pause. On the timeline it grows."""
    _tell(server, state="paused", held="locked", wall_ms=60_000)
    gaps = page.get_by_role("list", name="Gaps on the timeline")
    for lasted in (58, 59):
        expect(gaps).to_contain_text(f"Locked, {lasted} s", timeout=TOLD_MS)
    expect(page.get_by_text("The screen is locked: nothing is recorded until it is unlocked.").first).to_be_visible()
    expect(page.get_by_role("button", name="Take a shot")).to_be_disabled()
    # The answer comes before what is told next, which it would cover.
    with page.expect_response("**/recording/pause"):
        page.get_by_role("button", name="Keep paused").click()
    assert server.host.calls[-1] == ("pause", None)
    _tell(server, held="", wall_ms=1600)
    expect(page.get_by_role("button", name="Go on")).to_be_visible()


def _goes_on_after_a_crash(server: Served, page: Page, well: list[dict[str, Any]]) -> None:
    reason = "it was ended by SIGKILL"
    again = {"restarts": 1, "last_restart": {"at": "2026-11-23T09:00:05.000Z", "reason": reason}, "held": ""}
    notices = [{"kind": "restart", "text": f"the recorder is started again: {reason}"}]
    _tell(server, state="interrupted", tracks=[], notices=notices, **again)
    expect(page.get_by_role("list", name="Warnings")).to_contain_text(f"The recorder is started again: {reason}.")
    expect(page.get_by_text("Waits for the recorder")).to_have_count(len(well))
    _tell(server, state="recording", tracks=well, notices=[])
    expect(page.get_by_text(f"Recorder restarted once, the last: {reason}")).to_be_visible()
    _tell(server, state="idle", session=None, tracks=[], restarts=0)


def _shows_a_locked_session(page: Page) -> None:
    def listed(name: str) -> str:
        return page.get_by_role("list", name=f"{name} on the timeline").text_content() or ""

    page.get_by_role("tab", name="Shots").click()
    shots = page.get_by_role("button", name=re.compile("^Shot at"))
    expect(shots).to_have_count(2)
    whys = [str(shots.nth(n).get_attribute("aria-label")).rpartition(", ")[2] for n in range(2)]
    assert whys == ["at a start", "another window"]
    expect(page.get_by_text("1 more shot shows the same, or nearly.")).to_be_visible()
    assert "Locked, 1 min, as org.gnome.ScreenSaver told." in listed("Gaps")
    assert "No input for 2 s" in listed("Idle times")
    assert "The clock was set forward by 1 h" in listed("Steps of the clock")
