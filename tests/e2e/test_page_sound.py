"""Sound on the page in Debian's Chromium: the waveform of a session, and levels, mute and balance of one under way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from pepys.web.app import STATIC
from tests.made_session import SPEECH, Made, make_session, say
from tests.waiting import wait_until
from tests.web_app import Served
from tests.web_page import Watched, browser
from tests.web_session import Tape

pytestmark = pytest.mark.unhurried

__all__ = ["browser"]  # a fixture, found by its name
SPANS_S = (12.0, 4.0)
# Which of some columns of the timeline's canvas have a pixel of a colour between two heights.
PAINTED = """([token, first, last]) => {
    const canvas = document.querySelector(".lanes canvas");
    const label = document.querySelector(`.labels .${token}`);
    const style = getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim();
    const wanted = [1, 3, 5].map((at) => parseInt(style.slice(at, at + 2), 16));
    const middle = parseFloat(label.style.top) + 7;
    const width = canvas.clientWidth;
    const left = Math.round(width * first), columns = Math.round(width * (last - first));
    const copy = Object.assign(document.createElement("canvas"), { width, height: canvas.clientHeight });
    const paint = copy.getContext("2d", { willReadFrequently: true });
    paint.drawImage(canvas, 0, 0, copy.width, copy.height);
    const { data } = paint.getImageData(left, middle - 12, columns, 24);
    let found = 0;
    for (let x = 0; x < columns; x += 1) {
        for (let y = 0; y < 24; y += 1) {
            const at = (y * columns + x) * 4;
            if (wanted.every((value, channel) => Math.abs(data[at + channel] - value) < 12)) { found += 1; break; }
        }
    }
    return found / columns;
}"""


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with Served(home, STATIC) as running:
        yield running


def _enter(browser: BrowserContext, server: Served, path: str) -> Watched:
    watched = Watched(browser)
    watched.page.goto(f"{server.url}/sign-in?code={server.call(server.desk.new_code)}")
    watched.page.goto(f"{server.url}{path}")
    return watched


def _painted(page: Page, token: str, first: float, last: float) -> float:
    return float(page.evaluate(PAINTED, [token, first, last]))


def test_a_session_shows_where_somebody_spoke(
    home: Path, server: Served, browser: BrowserContext, tmp_path: Path
) -> None:
    speech = say(SPEECH, tmp_path)
    session = make_session(server.store, Made(spans=SPANS_S, speech=speech, levels=True))
    spoken_s, whole_s = len(speech) / 48_000, sum(SPANS_S) + 2
    assert spoken_s < SPANS_S[0] - 2
    watched = _enter(browser, server, f"/s/{session}")
    page = watched.page
    expect(page.get_by_text("Mic", exact=True).first).to_be_visible()
    wait_until(lambda: _painted(page, "mic", 0.02, spoken_s / whole_s) > 0.3, 15, "the speech in colour")
    silent = (spoken_s + 1) / whole_s, SPANS_S[0] / whole_s
    assert _painted(page, "mic", *silent) == _painted(page, "mic", SPANS_S[0] / whole_s, 1) == 0
    assert _painted(page, "system", 0, 1) == 0
    entries = page.get_by_role("list", name="Speech on the timeline").get_by_role("listitem")
    assert entries.count() >= 1
    assert re.search(r"Mic$", entries.first.text_content() or "")
    assert watched.trouble == []


def test_sound_under_way_has_levels_and_is_muted_and_mixed(server: Served, browser: BrowserContext) -> None:
    tape = Tape(server.store, "under way")
    tape.begin_span()
    tape.write(2)
    server.host.told = _status(tape.session)
    watched = _enter(browser, server, "/live")
    page = watched.page
    meter = page.get_by_role("meter", name="Mic level")
    expect(meter).to_have_attribute("aria-valuetext", "-23 dB, voice")
    expect(page.get_by_role("meter", name="System level")).to_have_attribute("aria-valuetext", "silent")
    quiet = meter.bounding_box()
    second = {"peaks": [-3] * 20, "loudness": [-9] * 20, "voice": [1] * 20}
    push = {"push": "levels", "levels": {"audio.mic": second}}
    server.call(lambda: server.host.feed.tell(push))
    loud = page.locator(".meter.mic .loud")
    wait_until(lambda: "5%" in (loud.evaluate("(node) => node.style.clipPath") or ""), 5, "the level that was pushed")
    assert meter.bounding_box() == quiet, "a level moves nothing"
    page.get_by_role("button", name="Mute Mic").click()
    expect(page.get_by_role("button", name="Mute Mic")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("listitem").filter(has_text="Muted")).to_be_visible()
    page.get_by_role("button", name="Mute Mic").click()
    expect(meter).to_be_visible()
    page.get_by_label("Balance of mic and system").fill("20")
    expect(page.get_by_text("system at 40 %")).to_be_visible()
    wait_until(lambda: len(server.host.calls) == 3, 5, "the words come before the request is through")
    assert server.host.calls == [
        ("set", {"mute": ["mic"]}), ("set", {"unmute": ["mic"]}), ("set", {"balance": 20}),
    ]  # fmt: skip
    lost = [{**track, "state": "degraded", "detail": "recording, but nothing is heard"} if track["track"] == "audio.mic"
            else track for track in server.host.told["tracks"]]  # fmt: skip
    server.host.told = {**server.host.told, "tracks": lost}
    server.call(lambda: server.host.feed.tell({"push": "status", "status": server.host.told}))
    expect(page.get_by_text("Recording, but nothing is heard")).to_be_visible()
    assert watched.trouble == []
    tape.writer.close()


def _status(session: str) -> dict[str, Any]:
    def track(name: str, **more: Any) -> dict[str, Any]:
        ages = {"attempt_ms_ago": 10, "capture_ms_ago": 100, "write_ms_ago": 500}
        return {"track": name, "source": "", "state": "healthy", "detail": "", **ages, **more}

    def level(peak_db: float, voice: bool) -> dict[str, Any]:
        return {"peak_db": peak_db, "loudness_lufs": peak_db - 7, "voice": voice}

    gains = {name: {"muted": False, "gain_db": 0.0} for name in ("mic", "system")}
    return {
        "state": "recording", "session": session, "name": "under way", "since": "2026-11-23T09:00:00.000Z",
        "recorded_ms": 1600, "wall_ms": 1600, "sound": {"gains": gains, "balance": 50},
        "tracks": [
            track("video"), track("audio.mic", level=level(-23.4, True)),
            track("audio.system", level=level(-102.0, False)), track("shots", captured=2),
        ],
        "disk": {"free_bytes": 10**11, "seconds_left": 86_400},
    }  # fmt: skip
