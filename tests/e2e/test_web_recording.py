"""The recording under way over HTTP: steering, health, metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.web import shapes
from tests.web_app import Served, served


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with served(home) as running:
        yield running


def test_recording_is_steered(server: Served) -> None:
    with server.client() as client:
        assert client.post("/api/v1/recording", json={"name": "a", "tags": ["t"]}).status_code == 201
        refused = client.post("/api/v1/recording", json={"name": "b"})
        assert (refused.status_code, refused.json()["code"], refused.json()["remedy"]) == (409, "busy", "end it first")
        for word in ("pause", "resume", "stop"):
            shapes.Status.model_validate(client.post(f"/api/v1/recording/{word}").json())
    assert [name for name, _ in server.host.calls] == ["start", "pause", "resume", "stop"]


def test_a_start_may_count_down_and_a_shot_is_taken_now(server: Served) -> None:
    path = "/api/v1/recording"
    with server.client() as client:
        assert client.post(f"{path}/shot").status_code == 404
        for seconds in (-1, 61, 1.5, "3"):
            assert client.post(path, json={"countdown_s": seconds}).status_code == 422
        assert client.post(path, json={"countdown_s": 3}).status_code == 201
        taken = client.post(f"{path}/shot")
        assert (taken.status_code, shapes.ShotMade.model_validate(taken.json()).at_ms) == (201, 1234)
    assert [name for name, _ in server.host.calls] == ["start", "shot"]
    assert server.host.calls[0][1].countdown_s == 3


def test_health_and_metrics_tell_what_stands_still(server: Served) -> None:
    track = {
        "track": "video", "source": ":1", "state": "healthy", "detail": "", "attempt_ms_ago": 1, "capture_ms_ago": 1,
        "write_ms_ago": 4000, "stands": "write", "stands_ms": 3000, "captured": 5, "encoded": 5, "dropped": 0,
    }  # fmt: skip
    server.host.told = {**server.host.told, "state": "recording", "tracks": [track]}
    with server.client() as client:
        told = client.get("/api/v1/health").json()
    shapes.Health.model_validate(told)
    assert (told["status"], told["problems"]) == ("degraded", ["video: write stands still for 3 s"])
    with server.client() as client:
        answer = client.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert 'pepys_clock_stands_seconds{clock="write",track="video"} 3.0' in answer.text.splitlines()
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/metrics", headers={"Sec-Fetch-Site": "same-site"}).status_code == 403


def test_sound_is_muted_and_mixed_while_it_records(server: Served) -> None:
    path = "/api/v1/recording/set"
    with server.client() as client:
        told = client.post(path, json={"mute": ["mic"], "balance": 0}).json()
        assert shapes.Status.model_validate(told).sound == {
            "gains": {"mic": {"muted": True, "gain_db": 0.0}}, "balance": 0,
        }  # fmt: skip
        assert client.get("/api/v1/status").json()["sound"]["gains"]["mic"]["muted"] is True
        assert client.post(path, json={"mute": ["nobody"]}).json()["code"] == "usage"
        for refused in ({}, {"mute": []}, {"mute": ["mic"], "unmute": ["mic"]}):
            assert client.post(path, json=refused).json()["code"] == "usage", refused
        for wrong in ({"balance": 101}, {"balance": "50"}, {"mute": [""]}, {"mute": "mic"}, {"sources": ["file:/x"]}):
            assert client.post(path, json=wrong).status_code == 422, wrong
    assert server.host.calls == [("set", {"mute": ["mic"], "balance": 0})]
