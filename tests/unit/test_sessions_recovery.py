"""Killed recorders and killed hosts: who takes over, and what is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys import limits
from pepys.errors import Busy, DeviceMissing, Usage
from pepys.record.spec import PROTOCOL
from pepys.sessions.control import ask_host, orphans, status_of
from pepys.sessions.host import Host
from pepys.sessions.queries import open_library, show_session
from pepys.sessions.start import StartRequest
from pepys.web.health import health_shape
from tests.hosted import fakes, hosted, listed, pid_of
from tests.waiting import wait_until
from tests.web_daemon import serving


@pytest.fixture(autouse=True)
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


@pytest.fixture
def no_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORDER_RESTARTS", 0)


@pytest.mark.usefixtures("no_restarts")
def test_a_killed_recorder_is_recovered_at_once_and_can_go_on(home: Path) -> None:
    async def work(host: Host) -> None:
        with host.subscribe() as updates:
            session = (await host.start(StartRequest(name="cut", tags=("t",))))["session"]
            os.kill(pid_of(home), signal.SIGKILL)
            async for push in updates:
                if push == {"push": "session", "session": session, "state": "interrupted"}:
                    break
        assert host.status()["state"] == "interrupted"
        assert listed(home)[0]["state"] == "interrupted"
        assert (await host.resume(session[:12]))["state"] == "recording"
        assert (await host.stop()) == {"session": session, "state": "completed"}

    hosted(home, work)
    with open_library(home) as library:
        shown = show_session(library, "last")
    assert len(shown["spans"]) == 2
    assert [gap["reason"] for gap in shown["gaps"]] == ["crash"]
    assert shown["duration_ms"] + sum(gap["end_ms"] - gap["start_ms"] for gap in shown["gaps"]) == shown["wall_ms"]


@pytest.mark.usefixtures("no_restarts")
def test_an_interrupted_session_is_completed_by_stop(home: Path) -> None:
    async def work(host: Host) -> None:
        session = (await host.start(StartRequest()))["session"]
        os.kill(pid_of(home), signal.SIGKILL)
        with pytest.raises(Busy):
            await host.start(StartRequest())
        await asyncio.to_thread(wait_until, lambda: host.status()["state"] == "interrupted")
        assert await host.stop(session) == {"session": session, "state": "completed"}
        with pytest.raises(Usage, match="completed, not interrupted"):
            await host.resume(session)
        other = (await host.start(StartRequest()))["session"]
        with pytest.raises(Busy):
            await host.stop(session)
        assert (await host.stop(other))["session"] == other

    hosted(home, work)


def test_the_next_host_adopts_a_recorder_that_goes_on(home: Path) -> None:
    async def begin(host: Host) -> str:
        return str((await host.start(StartRequest(name="kept")))["session"])

    session = hosted(home, begin, end=False)
    assert ask_host(home, "status")["session"] == session
    assert status_of(home)["state"] == "recording"

    async def adopt(host: Host) -> None:
        status = host.status()
        assert (status["state"], status["session"], status["name"]) == ("recording", session, "kept")
        await host.pause()

    hosted(home, adopt, end=False)

    async def end(host: Host) -> None:
        assert host.status()["state"] == "paused"
        assert (await host.stop()) == {"session": session, "state": "completed"}

    hosted(home, end)
    assert listed(home)[0]["state"] == "completed"


def test_a_recorder_without_a_host_answers_for_itself(home: Path) -> None:
    async def begin(host: Host) -> str:
        return str((await host.start(StartRequest(name="alone")))["session"])

    session = hosted(home, begin, end=False)
    assert ask_host(home, "pause")["state"] == "paused"
    assert ask_host(home, "stop")["session"] == session
    wait_until(lambda: not orphans(home))
    assert listed(home)[0]["state"] == "completed"


def test_the_next_host_recovers_what_died_and_removes_its_file(home: Path) -> None:
    async def begin(host: Host) -> str:
        return str((await host.start(StartRequest()))["session"])

    session = hosted(home, begin, end=False)
    pid = pid_of(home)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (home / "run" / f"{session}.json").exists()
    hosted(home, lambda host: asyncio.sleep(0))
    assert not (home / "run" / f"{session}.json").exists()
    assert listed(home)[0]["state"] == "interrupted"


def test_a_run_file_of_another_process_is_not_adopted(home: Path) -> None:
    async def begin(host: Host) -> str:
        return str((await host.start(StartRequest()))["session"])

    session = hosted(home, begin, end=False)
    path = home / "run" / f"{session}.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "pid_start": told["pid_start"] + 1}))
    assert orphans(home) == []
    path.write_text(json.dumps({**told, "boot_id": "another"}))
    assert orphans(home) == []
    path.write_text(json.dumps(told))
    os.kill(told["pid"], signal.SIGTERM)
    os.waitpid(told["pid"], 0)


def test_a_recorder_of_another_version_is_asked_to_end_and_told_of(home: Path) -> None:
    async def begin(host: Host) -> str:
        return str((await host.start(StartRequest()))["session"])

    session = hosted(home, begin, end=False)
    path = home / "run" / f"{session}.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "protocol": 99}))
    os.kill(told["pid"], signal.SIGSTOP)  # so that it is there to be told of

    async def work(host: Host) -> None:
        status = host.status()
        assert status["state"] == "idle"
        assert [notice["kind"] for notice in status["notices"]] == ["protocol"]
        assert f"process {told['pid']}" in status["notices"][0]["text"]
        with pytest.raises(Busy, match="another version"):
            await host.start(StartRequest())
        with host.subscribe() as updates:
            os.kill(told["pid"], signal.SIGCONT)
            await asyncio.to_thread(os.waitpid, told["pid"], 0)
            while await anext(updates) != {"push": "session", "session": session, "state": "completed"}:
                pass
        (notice,) = host.status()["notices"]
        assert notice["kind"] == "departed"
        assert f"process {told['pid']}) was asked to end and has ended" in notice["text"]
        assert health_shape(host.status())["status"] == "ok", "it is over"
        assert not path.exists()
        assert (await host.start(StartRequest(name="after")))["notices"] == []

    hosted(home, work)
    assert sorted(row["state"] for row in listed(home)) == ["completed", "completed"]


def test_serve_prints_that_it_sent_a_recorder_of_another_version_away(home: Path) -> None:
    async def begin(host: Host) -> str:
        return str((await host.start(StartRequest()))["session"])

    path = home / "run" / f"{hosted(home, begin, end=False)}.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "protocol": 99}))
    os.kill(told["pid"], signal.SIGSTOP)
    with serving("--home", str(home)) as served:
        assert served.end(signal.SIGTERM)[1].count(f"another version (protocol 99, not {PROTOCOL}) (process") == 1
    os.kill(told["pid"], signal.SIGCONT)
    os.waitpid(told["pid"], 0)


@pytest.mark.parametrize(("words", "left"), [("slow", []), ("hang:subscribe", [])])
def test_a_start_that_is_given_up_ends_its_recorder(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, left: list[str]
) -> None:
    monkeypatch.setenv("FAKE_RECORDER", words)
    monkeypatch.setenv("FAKE_RECORDER_MARK", str(tmp_path / "waits"))

    async def work(host: Host) -> None:
        starting = asyncio.create_task(host.start(StartRequest()))
        begun = (tmp_path / "waits").exists if words == "slow" else lambda: bool(orphans(home))
        await asyncio.to_thread(wait_until, begun)
        if words != "slow":
            await asyncio.to_thread(wait_until, lambda: host.status()["tracks"] == [] and orphans(home))
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert host.status()["state"] == "idle"

    hosted(home, work)
    assert orphans(home) == []
    assert [row["state"] for row in listed(home)] == left


def test_a_client_that_goes_away_does_not_undo_what_it_asked_for(home: Path) -> None:
    async def work(host: Host) -> None:
        def client() -> None:
            with pytest.raises(DeviceMissing, match="not answered"):
                ask_host(home, "start", timeout_s=0.01, name="asked for")

        await asyncio.to_thread(client)
        await asyncio.to_thread(wait_until, lambda: host.status()["state"] == "recording")

    hosted(home, work)
    assert [(row["name"], row["state"]) for row in listed(home)] == [("asked for", "completed")]
