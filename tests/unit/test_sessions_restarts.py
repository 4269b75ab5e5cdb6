"""A recorder that dies, hangs or asks for it is started again: how often, how soon, and what users may do meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from pepys import limits
from pepys.clock import FakeClock, SystemClock
from pepys.errors import Busy
from pepys.sessions.host import Host
from pepys.sessions.queries import open_library, show_session
from pepys.sessions.restarts import Restarts
from pepys.sessions.start import StartRequest
from pepys.store.reader import load
from pepys.web.health import health_shape
from tests.hosted import fakes, hosted, listed, pid_of

S = 1_000_000_000


@pytest.fixture(autouse=True)
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


@pytest.fixture
def long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart waits until the test is over."""
    monkeypatch.setattr(limits, "RECORDER_RESTART_WAITS_S", (60.0,) * 5)


async def until(host: Host, state: str, restarts: int) -> dict[str, Any]:
    """The status once the host is in a state after so many restarts."""
    async with asyncio.timeout(20):
        with host.subscribe() as updates:
            while (host.status()["state"], host.status()["restarts"]) != (state, restarts):
                await anext(updates)
    return host.status()


@asynccontextmanager
async def restarting(host: Host, home: Path) -> AsyncIterator[str]:
    """A session whose recorder was killed and is not there again yet."""
    session = (await host.start(StartRequest()))["session"]
    os.kill(pid_of(home), signal.SIGKILL)
    await until(host, "restarting", 1)
    yield session


def test_five_tries_in_ten_minutes_each_after_a_longer_wait() -> None:
    clock = FakeClock()
    restarts = Restarts(clock)
    assert [restarts.next(f"reason {n}") for n in range(5)] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert restarts.next("once more") is None
    assert "5 times within 10 minutes" in restarts.notice and "once more" in restarts.notice
    assert restarts.count == 5
    assert restarts.last is not None and restarts.last["reason"] == "reason 4"
    clock.advance(600 * S + 1)
    assert restarts.next("later") == 0.0
    assert restarts.next("it asked for it", anew=True) == 0.0
    restarts.forget()
    assert restarts.last is None and not restarts.count and not restarts.notice


def test_a_killed_recorder_is_started_again_and_the_session_goes_on(home: Path) -> None:
    async def work(host: Host) -> None:
        session = (await host.start(StartRequest(name="cut")))["session"]
        first = pid_of(home)
        assert host.status()["recorder"] == {"pid": first}
        with host.subscribe() as updates:
            os.kill(first, signal.SIGKILL)
            pushes: list[dict[str, Any]] = []
            while not pushes or pushes[-1] != {"push": "session", "session": session, "state": "recording"}:
                pushes.append(await anext(updates))
        warned = [push["text"] for push in pushes if push["push"] == "warning"]
        assert warned == ["the recorder is started again: it was ended by SIGKILL"]
        assert not [push for push in pushes if push["push"] == "session" and push["state"] == "interrupted"]
        statuses = [push["status"] for push in pushes if push["push"] == "status"]
        states = [state for state, _ in groupby(status["state"] for status in statuses)]
        assert states[-3:] == ["restarting", "resuming", "recording"] and set(states[:-3]) <= {"recording"}
        problems = {problem for status in statuses for problem in health_shape(status)["problems"]}
        assert not [problem for problem in problems if "interrupted" in problem], problems
        told = host.status()
        assert (told["state"], told["session"], told["restarts"], told["notices"]) == ("recording", session, 1, [])
        assert told["last_restart"]["reason"] == "it was ended by SIGKILL"
        assert told["last_restart"]["at"].endswith("Z")
        assert pid_of(home) != first
        assert await host.stop() == {"session": session, "state": "completed"}

    hosted(home, work)
    with open_library(home) as library:
        shown = show_session(library, "last")
    assert len(shown["spans"]) == 2
    assert [gap["reason"] for gap in shown["gaps"]] == ["crash"]
    assert shown["duration_ms"] + sum(gap["end_ms"] - gap["start_ms"] for gap in shown["gaps"]) == shown["wall_ms"]


def test_an_adopted_recorder_is_started_again_too(home: Path) -> None:
    async def begin(host: Host) -> str:
        return str((await host.start(StartRequest()))["session"])

    session = hosted(home, begin, end=False)

    async def work(host: Host) -> None:
        os.kill(pid_of(home), signal.SIGKILL)
        assert (await until(host, "recording", 1))["session"] == session

    hosted(home, work)


def test_a_recorder_that_dies_again_and_again_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORDER_RESTARTS", 2)
    monkeypatch.setattr(limits, "RECORDER_RESTART_WAITS_S", (0.0, 0.01))
    monkeypatch.setenv("FAKE_RECORDER", "crash")

    async def work(host: Host) -> None:
        with host.subscribe() as updates:
            session = (await host.start(StartRequest()))["session"]
            async with asyncio.timeout(20):
                while await anext(updates) != {"push": "session", "session": session, "state": "interrupted"}:
                    pass
        told = host.status()
        assert (told["state"], told["restarts"]) == ("interrupted", 2)
        assert "2 times" in told["notices"][0]["text"]
        monkeypatch.delenv("FAKE_RECORDER")
        assert (await host.resume())["notices"] == []

    hosted(home, work)


def test_a_recorder_that_asks_for_it_is_started_again_without_waiting(
    home: Path, monkeypatch: pytest.MonkeyPatch, long_waits: None
) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "anew")

    async def work(host: Host) -> None:
        await host.start(StartRequest())
        monkeypatch.delenv("FAKE_RECORDER")
        told = await until(host, "recording", 1)
        assert told["last_restart"]["reason"] == "started anew: it used 900 MiB"

    hosted(home, work)
    with open_library(home) as library:
        gaps = load(library.store, show_session(library, "last")["id"]).gaps
    assert [(gap.reason, gap.detail) for gap in gaps] == [("crash", "started anew: it used 900 MiB")]


@pytest.mark.parametrize("adopted", [False, True])
def test_a_recorder_that_hangs_is_killed_and_started_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, adopted: bool
) -> None:
    monkeypatch.setattr(limits, "RECORDER_SILENT_NS", 300_000_000)
    monkeypatch.setattr(limits, "RECORDER_SILENT_LOOK_S", 0.02)
    monkeypatch.setattr(limits, "RECORDER_SILENT_LOOKS", 60)

    async def work(host: Host) -> None:
        if host.status()["state"] == "idle":
            await host.start(StartRequest())
        pid = pid_of(home)
        os.kill(pid, signal.SIGSTOP)
        waiting = asyncio.create_task(asyncio.to_thread(os.waitpid, pid, 0)) if adopted else None
        told = await until(host, "recording", 1)
        assert "no sign of life" in told["last_restart"]["reason"]
        assert pid_of(home) != pid
        if waiting is not None:
            await waiting

    if adopted:
        hosted(home, lambda host: host.start(StartRequest()), end=False)
    hosted(home, work)


def test_a_machine_that_slept_is_no_recorder_that_hangs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORDER_SILENT_LOOK_S", 0.02)

    class Slept(SystemClock):
        by_ns = 0

        def now_ns(self) -> int:
            return super().now_ns() + self.by_ns

    clock = Slept()

    async def go() -> None:
        host = Host(home, clock=clock)
        await host.open()
        try:
            await host.start(StartRequest())
            for _ in range(12):  # each time another hour: far more looks are silent than are allowed in a row
                with host.subscribe() as updates:
                    clock.by_ns += 3600 * S
                    while (await anext(updates))["push"] != "levels":  # it beats
                        pass
            assert host.status()["restarts"] == 0
        finally:
            await host.close()

    monkeypatch.setattr(limits, "RECORDER_SILENT_LOOKS", 15)
    asyncio.run(go())


def test_stop_while_it_is_restarted_completes_the_session(home: Path, long_waits: None) -> None:
    async def work(host: Host) -> None:
        async with restarting(host, home) as session:
            assert await host.stop() == {"session": session, "state": "completed"}
        assert host.status()["state"] == "idle"

    hosted(home, work)
    assert [row["state"] for row in listed(home)] == ["completed"]


def test_stop_while_its_next_recorder_begins_completes_the_session(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(host: Host) -> None:
        session = (await host.start(StartRequest()))["session"]
        monkeypatch.setenv("FAKE_RECORDER", "hang:subscribe")
        os.kill(pid_of(home), signal.SIGKILL)
        await until(host, "resuming", 1)
        assert await host.stop() == {"session": session, "state": "completed"}

    hosted(home, work)
    assert [row["state"] for row in listed(home)] == ["completed"]


def test_pause_while_it_is_restarted_keeps_it_from_recording_until_resume(home: Path, long_waits: None) -> None:
    async def work(host: Host) -> None:
        async with restarting(host, home) as session:
            with pytest.raises(Busy, match="started again"):
                await host.note("now")
            with pytest.raises(Busy):
                await host.start(StartRequest())
            assert (await host.pause())["state"] == "interrupted"
            assert host.status()["notices"] == []
            told = await host.resume()
            assert (told["state"], told["session"]) == ("recording", session)

    hosted(home, work)
    assert [row["state"] for row in listed(home)] == ["completed"]


def test_resume_while_it_is_restarted_does_not_wait(home: Path, long_waits: None) -> None:
    async def work(host: Host) -> None:
        async with restarting(host, home):
            assert (await host.resume())["state"] == "recording"

    hosted(home, work)


def test_a_paused_recorder_that_dies_is_not_started_again(home: Path) -> None:
    async def work(host: Host) -> None:
        session = (await host.start(StartRequest()))["session"]
        await host.pause()
        with host.subscribe() as updates:
            os.kill(pid_of(home), signal.SIGKILL)
            while await anext(updates) != {"push": "session", "session": session, "state": "interrupted"}:
                pass
        assert (host.status()["state"], host.status()["restarts"]) == ("interrupted", 0)
        await host.resume()

    hosted(home, work)
