"""The daemon at its main job: a real recording that plays in the browser while it grows, then is read by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import BrowserContext

from pepys.demo.activity import Activity
from pepys.demo.servers import MIC_SINK, SoundServer, WindowManager
from pepys.media.fmp4 import parse_fragments
from pepys.store.store import open_store
from tests.waiting import wait_until
from tests.web_daemon import serving
from tests.web_page import Watched, browser, until, video
from tests.web_session import is_gapless

__all__ = ["browser"]  # a fixture, found by its name

MARKER = "heliotrope archive 4402"
BEHIND_S = 6.0
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
