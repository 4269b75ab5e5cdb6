"""The daemon at its main job: a real recording that plays in the browser while it grows, then is read by itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, Page, Request, expect

from pepys.demo.activity import Activity
from pepys.demo.servers import MIC_SINK, SoundServer, WindowManager
from pepys.media.fmp4 import parse_fragments
from pepys.sessions.control import orphans
from pepys.store.reader import load
from pepys.store.store import open_store
from tests.made_session import Made, make_session
from tests.waiting import wait_until
from tests.web_daemon import PEPYS, serving
from tests.web_page import Watched, browser, until, video
from tests.web_session import is_gapless

__all__ = ["browser"]  # a fixture, found by its name

MARKER = "heliotrope archive 4402"
BEHIND_S = 6.0
LATE_NS = 12_000_000_000
LAG_S = 4.0
SPOKEN = "The harbor budget was moved to Thursday."


def test_a_recording_plays_while_it_grows_and_is_enriched_at_its_end(
    home: Path, window_manager: WindowManager, sound_server: SoundServer, browser: BrowserContext, tmp_path: Path
) -> None:
    env = {**window_manager.env, **sound_server.env}
    with (
        serving() as daemon,
        httpx.Client(base_url=f"{daemon.url}/api/v1", timeout=60) as client,
        Activity(env, tmp_path, lines=[MARKER], spoken=SPOKEN, sink=MIC_SINK),
    ):
        client.headers["Authorization"] = f"Bearer {open_store(home).keys.api_token()}"
        started = client.post("/recording", json={"name": "live", "tags": ["e2e"]})
        assert started.status_code == 201, started.text
        session = started.json()["session"]
        assert client.post("/recording", json={}).status_code == 409
        watched = Watched(browser)
        watched.page.goto(daemon.address)
        watched.page.goto(f"{daemon.url}/live")
        table = _wait_for_media(client, session, 4_000_000_000)
        assert table["live"] and table["state"] == "recording"
        _plays_near_the_edge(watched, client, session)
        _check_media(client, session, table)
        paused = client.post("/recording/pause").json()
        assert paused["state"] == "paused"
        still = client.get(f"/sessions/{session}/playback").json()
        assert still["state"] == "paused" and still["live"]
        waited = client.get(
            f"/sessions/{session}/playback", params={"after": still["version"], "wait_ms": 1_500}
        ).json()
        assert waited["version"] == still["version"], "nothing of a pause is written"
        note = client.post(f"/sessions/{session}/notes", json={"text": "while paused"})
        assert note.status_code == 201, note.text
        assert client.post("/recording/resume").json()["state"] == "recording"
        pause_ns = still["spans"][-1]["media_end_ns"]
        table = _wait_for_media(client, session, pause_ns + 2_000_000_000)
        assert [span["span"] for span in table["spans"]] == [0, 1]
        until(watched.page, f"video.currentTime > {pause_ns / 1e9 + 0.5}")
        assert client.post("/recording/stop").json()["ended"] == session
        ended = client.get(f"/sessions/{session}/playback").json()
        assert (ended["live"], ended["state"], ended["tail"]) == (False, "completed", None)
        _check_media(client, session, ended)
        overview = _wait_for_enrichment(client, session)
        assert [gap["reason"] for gap in overview["gaps"]] == ["pause"]
        assert [note["text"] for note in overview["notes"]] == ["while paused"]
        watched.page.goto(f"{daemon.url}/s/{session}")
        until(watched.page, "video.readyState >= 2 && video.videoWidth > 0")
        assert watched.trouble == []
        hits = client.get("/search", params={"q": "heliotrope"}).json()["hits"]
        assert hits and all(hit["session_id"] == session for hit in hits)


def test_live_opened_late_follows_the_edge_and_ends_on_the_session(
    home: Path, window_manager: WindowManager, sound_server: SoundServer, browser: BrowserContext, tmp_path: Path
) -> None:
    """In the middle of a segment, which has its only key frame at its start."""
    env = {**window_manager.env, **sound_server.env}
    with (
        serving() as daemon,
        httpx.Client(base_url=f"{daemon.url}/api/v1", timeout=60) as client,
        Activity(env, tmp_path, lines=[MARKER], sink=MIC_SINK),
    ):
        client.headers["Authorization"] = f"Bearer {open_store(home).keys.api_token()}"
        session = client.post("/recording", json={"name": "late"}).json()["session"]
        _wait_for_media(client, session, LATE_NS)
        watched = Watched(browser)
        page, asks = watched.page, UnderWay(watched.page)
        page.goto(daemon.address)
        page.goto(f"{daemon.url}/live")
        until(page, "video.videoWidth > 0 && video.buffered.length > 0 && video.readyState >= 3")
        _follows(watched, client, session)
        expect(page.locator(".badge")).to_have_text(re.compile(r"Live\s+[0-3]\.\d s ago"))
        expect(page.get_by_role("list", name="Tracks")).to_contain_text(re.compile(r"\d+ frames?, \d+ dropped"))
        assert page.get_by_text("cannot be played").count() == 0
        _lets_go_while_hidden(watched, asks)
        _follows(watched, client, session)
        page.get_by_role("button", name="End session").click()
        expect(page).to_have_url(f"{daemon.url}/s/{session}")
        until(page, "video.readyState >= 2 && video.videoWidth > 0")
        assert watched.trouble == []


def test_a_recorder_that_dies_is_told_on_the_live_page_and_goes_on_from_there(
    home: Path, window_manager: WindowManager, browser: BrowserContext
) -> None:
    with serving() as daemon, httpx.Client(base_url=f"{daemon.url}/api/v1", timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {open_store(home).keys.api_token()}"
        session = client.post("/recording", json={"name": "cut off"}).json()["session"]
        _wait_for_media(client, session, 3_000_000_000)
        page = Watched(browser).page
        page.goto(daemon.address)
        page.goto(f"{daemon.url}/live")
        expect(page.get_by_role("button", name="End session")).to_be_visible()
        os.kill(orphans(home)[0].pid, signal.SIGKILL)
        expect(page.get_by_text("Recorder restarted once")).to_be_visible()
        wait_until(lambda: client.get("/status").json()["state"] == "recording", 20, "recording by itself")
        # While it is paused nobody starts it again but the user.
        client.post("/recording/pause").raise_for_status()
        os.kill(orphans(home)[0].pid, signal.SIGKILL)
        expect(page.get_by_role("heading", name=re.compile(r"The recording stopped at \d\d:\d\d"))).to_be_visible()
        assert page.get_by_text("Nothing is recorded now").count() == 0
        page.get_by_role("button", name="Go on recording").click()
        expect(page.get_by_role("button", name="Pause p")).to_be_visible()
        wait_until(lambda: client.get("/status").json()["state"] == "recording", 20, "recording again")
        assert client.get("/status").json()["session"] == session
        client.post("/recording/pause").raise_for_status()
        os.kill(orphans(home)[0].pid, signal.SIGKILL)
        page.get_by_role("button", name="Go on recording").wait_for()
        page.get_by_role("button", name="End session").click()
        expect(page).to_have_url(f"{daemon.url}/s/{session}")
        overview = client.get(f"/sessions/{session}/overview").json()
        assert overview["session"]["state"] == "completed"
        assert {gap["reason"] for gap in overview["gaps"]} == {"crash", "pause"}


def test_playing_goes_over_damage_and_says_how_much_is_missing(home: Path, browser: BrowserContext) -> None:
    store = open_store(home)
    session = make_session(store, Made(spans=(16.0,), segment_s=4.0))
    video_track = next(track for track in load(store, session).tracks if track.track == "video")
    _damage(home, video_track.segments[1].blob)
    sentence = "Four seconds cannot be played. Sound, shots and text of that time are whole."
    with serving() as daemon:
        page = Watched(browser).page
        page.goto(daemon.address)
        page.goto(f"{daemon.url}/s/{session}")
        until(page, "video.readyState >= 2")
        page.get_by_role("button", name="Play", exact=True).click()
        until(page, "video.currentTime > 2")
        assert page.get_by_text("cannot be played").count() == 0, "said where it is not"
        expect(page.get_by_text(sentence)).to_be_visible()
        assert float(video(page, "video.currentTime")) < 10
        until(page, "video.currentTime > 9 && !video.paused")
        expect(page.get_by_text(sentence)).to_be_hidden()
        page.keyboard.press("4")
        expect(page.get_by_text(sentence)).to_be_visible()
        until(page, "!video.seeking && video.readyState >= 2 && video.currentTime >= 8")


def test_a_session_without_video_plays_its_sound(
    home: Path, window_manager: WindowManager, sound_server: SoundServer, browser: BrowserContext, tmp_path: Path
) -> None:
    env = {**window_manager.env, **sound_server.env}
    with (
        serving() as daemon,
        httpx.Client(base_url=f"{daemon.url}/api/v1", timeout=60) as client,
        Activity(env, tmp_path, lines=[], spoken=SPOKEN, sink=MIC_SINK),
    ):
        client.headers["Authorization"] = f"Bearer {open_store(home).keys.api_token()}"
        subprocess.run([*PEPYS, "start", "--no-video"], check=True, timeout=60, capture_output=True)
        session = client.get("/status").json()["session"]
        assert _wait_for_media(client, session, 4_000_000_000)["spans"][0]["mime"].startswith("audio/")
        watched = Watched(browser)
        page = watched.page
        page.goto(daemon.address)
        page.goto(f"{daemon.url}/live")
        words = page.get_by_text("This session has no video. Sound, shots and notes play.")
        expect(words).to_be_visible()
        _follows(watched, client, session)
        page.get_by_role("button", name="End session").click()
        expect(page).to_have_url(f"{daemon.url}/s/{session}")
        expect(words).to_be_visible()
        until(page, "video.readyState >= 2")
        page.get_by_role("button", name="Play", exact=True).click()
        until(page, "video.currentTime > 1.5 && video.webkitAudioDecodedByteCount > 0")
        page.keyboard.press("5")
        until(page, "!video.seeking && video.currentTime > video.duration / 2 - 0.5")
        assert watched.trouble == []


def _damage(home: Path, blob: str) -> None:
    """Turn one byte in the middle of the blob's file."""
    path = next(path for path in home.rglob("*") if path.is_file() and blob.removeprefix("b3-") in path.name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def _follows(watched: Watched, client: httpx.Client, session: str) -> None:
    """The picture advances, close behind what is written."""
    before_s = float(video(watched.page, "video.currentTime"))
    until(watched.page, f"video.currentTime > {before_s + 2}")

    def near() -> bool:
        edge_s = client.get(f"/sessions/{session}/playback").json()["spans"][-1]["media_end_ns"] / 1e9
        return bool(edge_s - float(video(watched.page, "video.currentTime")) < LAG_S)

    wait_until(near, 10, "the edge")
    assert video(watched.page, "video.buffered.length") == 1


class UnderWay:
    """The requests of a page that have not ended; made before the page is opened."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._requests: set[Request] = set()
        page.on("request", lambda request: self._requests.add(request))
        page.on("requestfailed", lambda request: self._requests.discard(request))
        page.on("requestfinished", lambda request: self._requests.discard(request))

    def has(self, part: str) -> bool:
        self._page.evaluate("1")  # lets what happened in the browser be told
        return any(part in request.url for request in self._requests)


def _lets_go_while_hidden(watched: Watched, asks: UnderWay) -> None:
    """A hidden page holds no connection: the event stream and the long poll end, and begin again when it is seen."""
    turn = """hidden => {
        Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    wait_until(lambda: asks.has("/events") and asks.has("/playback"), 10, "the event stream and the long poll")
    watched.page.evaluate(turn, True)
    wait_until(lambda: not (asks.has("/events") or asks.has("/playback")), 5, "nothing held")
    watched.page.evaluate(turn, False)
    wait_until(lambda: asks.has("/events") and asks.has("/playback"), 10, "the event stream and the long poll")


def _plays_near_the_edge(watched: Watched, client: httpx.Client, session: str) -> None:
    until(watched.page, "video.videoWidth > 0 && video.currentTime > 3")
    edge_s = client.get(f"/sessions/{session}/playback").json()["spans"][-1]["media_end_ns"] / 1e9
    assert edge_s - float(video(watched.page, "video.currentTime")) < BEHIND_S
    assert video(watched.page, "video.webkitAudioDecodedByteCount") > 0


def _wait_for_media(client: httpx.Client, session: str, media_ns: int) -> dict[str, Any]:
    """Long poll, as a page does, until so much can be played."""
    table = client.get(f"/sessions/{session}/playback").json()
    for _ in range(60):
        if table["spans"] and table["spans"][-1]["media_end_ns"] >= media_ns:
            return dict(table)
        following = client.get(
            f"/sessions/{session}/playback", params={"after": table["version"], "wait_ms": 10_000}
        ).json()
        assert following["version"] != table["version"], "nothing was written for 10 s"
        table = following
    raise AssertionError(f"not recorded: {table}")


def _check_media(client: httpx.Client, session: str, table: dict[str, Any]) -> None:
    """Every segment and fragment that the table names is there, whole, and they follow one another."""
    pieces = [(part["media_start_ns"], part["duration_ns"]) for part in table["segments"]]
    for part in table["segments"]:
        data = client.get(f"/sessions/{session}/media/segments/{part['n']}").content
        assert len(data) == part["bytes"] and parse_fragments(data)
    for part in (table["tail"] or {"fragments": []})["fragments"]:
        data = client.get(f"/sessions/{session}/media/segments/{table['tail']['n']}/fragments/{part['i']}").content
        assert len(data) == part["bytes"] and parse_fragments(data)
        pieces.append((part["media_start_ns"], part["duration_ns"]))
    assert pieces and is_gapless(pieces)
    for span in table["spans"]:
        assert client.get(f"/sessions/{session}/media/inits/{span['init']}").content[4:8] == b"ftyp"


def _wait_for_enrichment(client: httpx.Client, session: str) -> dict[str, Any]:
    def done() -> dict[str, Any] | None:
        overview: dict[str, Any] = client.get(f"/sessions/{session}/overview").json()
        state = overview["session"]["enrichment"]["state"]
        assert state != "failed", overview["session"]["enrichment"]
        return overview if state == "completed" else None

    found = wait_until(done, 60, "the daemon to enrich by itself")
    assert isinstance(found, dict)
    return found
