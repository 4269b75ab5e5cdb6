"""A recorder that stands still, one that was killed, sources that are left out: what the host tells of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pepys import limits
from pepys.cli.health import warnings
from pepys.errors import DeviceMissing
from pepys.sessions.control import NoHost, ask_host, start_session, status_of
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest
from tests.hosted import fakes, hosted, pid_of


@pytest.fixture(autouse=True)
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


async def status_with(host: Host, updates: Any, state: str) -> dict[str, Any]:
    """The first status that is told in which the video is in a state."""
    async with asyncio.timeout(20):
        async for push in updates:
            if push["push"] == "status" and push["status"]["tracks"]:
                found: dict[str, Any] = {track["track"]: track for track in push["status"]["tracks"]}
                if found["video"]["state"] == state:
                    return found
    raise AssertionError("the host ended")


def test_a_recorder_that_stands_still_is_told_and_commands_end_in_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAUSE_S", 0.3)
    monkeypatch.setattr(limits, "SHOT_S", 0.3)

    async def work(host: Host) -> None:
        told = await host.start(StartRequest())
        pid = pid_of(home)
        with host.subscribe() as updates:
            await status_with(host, updates, "healthy")
            os.kill(pid, signal.SIGSTOP)
            try:
                tracks = await status_with(host, updates, "degraded")
                assert tracks["shots"]["detail"].startswith("no sign of life from the recorder for ")
                assert tracks["shots"]["stands"] == "attempt"
                assert 1_500 <= tracks["shots"]["stands_ms"] <= tracks["shots"]["attempt_ms_ago"] <= 10_000
                assert tracks["audio.system"]["state"] == "off"
                assert not tracks["audio.system"].get("stands")
                assert any("no sign of life from the recorder" in line for line in warnings(host.status()))
                assert host.status()["tracks"][0]["state"] == "degraded"
                with pytest.raises(DeviceMissing, match=f"process {pid}.* has not answered to pause") as refused:
                    await asyncio.to_thread(ask_host, home, "pause")
                with pytest.raises(DeviceMissing, match=f"process {pid}.* has not answered to shot for 0.3 s"):
                    await asyncio.to_thread(ask_host, home, "shot", timeout_s=5.0)
                assert f"kill -9 {pid}" in refused.value.remedy
                assert told["session"] in refused.value.remedy
                assert host.status()["state"] == "recording"
            finally:
                os.kill(pid, signal.SIGCONT)
            # The request is still in the recorder's socket, and what it does then is told as it is.
            while host.status()["state"] != "paused":
                await updates.__anext__()
            await host.resume()
            tracks = await status_with(host, updates, "healthy")
            assert tracks["video"]["detail"] == ""

    hosted(home, work)


def test_a_recorder_without_a_host_that_stands_still_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAUSE_S", 0.2)

    async def work(host: Host) -> None:
        await host.start(StartRequest())

    hosted(home, work, end=False)
    pid = pid_of(home)
    told = status_of(home)
    assert told["state"] == "recording"
    assert [notice["kind"] for notice in told["notices"]] == ["no_host"]
    assert f"process {pid}" in told["notices"][0]["text"]
    with pytest.raises(NoHost, match=rf"no daemon runs .* a recorder does \(process {pid}\)"):
        start_session(home, print)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(DeviceMissing, match=rf"the recorder \(process {pid}\) has not answered") as refused:
        ask_host(home, "pause")
    assert f"kill -9 {pid}" in refused.value.remedy


def test_sources_that_are_not_there_are_left_out(home: Path) -> None:
    async def start(host: Host) -> None:
        assert (await host.start(StartRequest()))["left_out"] == ["audio.system"]

    async def adopt(host: Host) -> None:
        assert host.status()["left_out"] == ["audio.system"]

    hosted(home, start, end=False)
    hosted(home, adopt)


def test_after_a_recorder_was_killed_the_status_tells_what_is_stored(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECORDER_RESTARTS", 0)

    async def work(host: Host) -> None:
        await host.start(StartRequest())
        with host.subscribe() as updates:
            os.kill(pid_of(home), signal.SIGKILL)
            while host.status()["state"] != "interrupted":
                await updates.__anext__()
            told = host.status()
        assert told["recorded_ms"] >= 800
        assert told["bytes"] > 0
        assert told["since"] is not None

    hosted(home, work)
