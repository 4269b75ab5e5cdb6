"""A recorder that is out of reach, ends for good or meets other devices: what the host makes of each."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pepys import limits
from pepys.clock import SystemClock
from pepys.errors import Busy, DeviceMissing
from pepys.model.ids import new_session_id
from pepys.record import probe
from pepys.record.probe import SoundFound
from pepys.record.runfile import RunFile
from pepys.record.spec import PROTOCOL
from pepys.sessions.backing import Backing
from pepys.sessions.departing import Departing
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest
from pepys.store.store import open_store
from tests.hosted import fakes, hosted, listed, pid_of


@pytest.fixture(autouse=True)
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


async def until(host: Host, state: str, restarts: int = 0) -> dict[str, Any]:
    """The status once the host is in a state after so many restarts."""
    async with asyncio.timeout(20):
        with host.subscribe() as updates:
            while (host.status()["state"], host.status()["restarts"]) != (state, restarts):
                await anext(updates)
    return host.status()


# --- the line is lost, the recorder is not


def test_a_recorder_that_cut_its_host_off_is_reached_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "cut:note cut:pause cut:stop")

    async def work(host: Host) -> None:
        session = (await host.start(StartRequest()))["session"]
        pid = pid_of(home)
        with host.subscribe() as updates:
            with pytest.raises(DeviceMissing):
                await host.note("lost")
            while (await anext(updates))["push"] != "levels":  # it is heard again
                pass
        with pytest.raises(DeviceMissing, match="the answer to pause was lost"):
            await host.pause()
        assert host.status()["state"] == "recording"
        assert (await host.pause())["state"] == "paused"
        assert (await host.resume())["state"] == "recording"
        told = host.status()
        assert (pid_of(home), told["restarts"], told["notices"]) == (pid, 0, [])
        assert await host.stop() == {"session": session, "state": "completed"}

    hosted(home, work)
    assert [row["state"] for row in listed(home)] == ["completed"]


def test_an_adopted_recorder_that_cut_its_host_off_is_reached_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "cut:note")
    hosted(home, lambda host: host.start(StartRequest()), end=False)
    pid = pid_of(home)

    async def work(host: Host) -> None:
        with pytest.raises(DeviceMissing):
            await host.note("lost")
        with host.subscribe() as updates:
            while (await anext(updates))["push"] != "levels":
                pass
        assert (host.status()["restarts"], pid_of(home)) == (0, pid)

    hosted(home, work)


# --- recorders that end for good, or do not


def test_a_recorder_that_ended_itself_for_its_disk_is_not_started_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "broken:set")

    async def work(host: Host) -> None:
        session = (await host.start(StartRequest()))["session"]
        monkeypatch.delenv("FAKE_RECORDER")
        with host.subscribe() as updates:
            with pytest.raises(DeviceMissing):
                await host.set(balance=20)
            while (told := await anext(updates))["push"] != "session":
                pass
        assert told == {"push": "session", "session": session, "state": "interrupted"}
        assert (host.status()["state"], host.status()["restarts"]) == ("interrupted", 0)

    hosted(home, work)


def test_a_recorder_that_hangs_as_it_ends_is_killed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORDER_SILENT_NS", 300_000_000)
    monkeypatch.setattr(limits, "RECORDER_SILENT_LOOK_S", 0.01)
    monkeypatch.setattr(limits, "RECORDER_SILENT_LOOKS", 20)
    monkeypatch.setattr(limits, "STOP_S", 10.0)
    monkeypatch.setenv("FAKE_RECORDER", "stuck:stop")

    async def work(host: Host) -> None:
        session = (await host.start(StartRequest()))["session"]
        assert await host.stop() == {"session": session, "state": "completed"}

    hosted(home, work)


def test_why_an_earlier_recorder_was_started_anew_is_not_why_the_next_one_died(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "anew")

    async def begin(host: Host) -> None:
        await host.start(StartRequest())
        await until(host, "recording", 1)

    hosted(home, begin, end=False)
    monkeypatch.delenv("FAKE_RECORDER")

    async def adopt(host: Host) -> None:
        os.kill(pid_of(home), signal.SIGKILL)
        told = await until(host, "recording", 1)
        assert told["last_restart"]["reason"] == "it ended before its session did"

    hosted(home, adopt)


def test_a_command_to_a_recorder_that_is_being_started_again_is_refused_as_too_early(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_RECORDER_MARK", str(tmp_path / "waits"))

    async def work(host: Host) -> None:
        session = (await host.start(StartRequest()))["session"]
        monkeypatch.setenv("FAKE_RECORDER", "slow")
        os.kill(pid_of(home), signal.SIGKILL)
        await until(host, "resuming", 1)
        for command in (host.note("early"), host.mark(), host.shot()):
            with pytest.raises(Busy, match="start"):
                await command
        assert await host.stop() == {"session": session, "state": "completed"}

    hosted(home, work)


# --- other devices than before


def test_a_microphone_that_was_unplugged_keeps_no_session_from_going_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECORDER_RESTARTS", 2)  # the last one goes without anyway
    monkeypatch.setattr(limits, "RECORDER_RESTART_WAITS_S", (0.0, 60.0))

    async def work(host: Host) -> None:
        await host.start(StartRequest(mic="mic", audio="mic"))
        gone = SoundFound(None, "there is no microphone", None, "there is no default sink", ())
        monkeypatch.setattr(probe, "default_sound", lambda: gone)
        orders: list[Any] = []
        begin = host._steering._backing.begin

        async def noted(spec: Any) -> Any:
            orders.append(spec)
            return await begin(spec)

        monkeypatch.setattr(host._steering._backing, "begin", noted)
        os.kill(pid_of(home), signal.SIGKILL)
        await until(host, "recording", 1)
        (order,) = orders
        assert order.sound_required == () and '"mic"' in str(order.sound_graph).replace("'", '"')
        await host.pause()
        os.kill(pid_of(home), signal.SIGKILL)
        await until(host, "interrupted", 1)
        with pytest.raises(DeviceMissing, match="no source mic"):  # who asks is told
            await host.resume()

    hosted(home, work)


def test_the_last_try_goes_on_with_what_is_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORDER_RESTARTS", 2)
    monkeypatch.setattr(limits, "RECORDER_RESTART_WAITS_S", (0.0, 0.0))

    async def work(host: Host) -> None:
        await host.start(StartRequest(display=":9"))
        monkeypatch.setattr(probe, "display_problem", lambda display: "nobody answers")
        os.kill(pid_of(home), signal.SIGKILL)
        told = await until(host, "recording", 2)
        assert "nobody answers" in told["last_restart"]["reason"]

    hosted(home, work)


# --- a home that takes nothing


@pytest.mark.asyncio
async def test_a_departed_recorder_is_forgotten_on_a_disk_that_takes_nothing(home: Path) -> None:
    """Neither its run file can be removed, nor its session be recovered: it is told as gone all the same."""
    clock = SystemClock()
    store = open_store(home, create=True, clock=clock)
    session = new_session_id(clock.wall_ns())
    path = home / "run" / f"{session}.json"
    (path / "in the way").mkdir(parents=True)
    store.journal_path(session).mkdir(parents=True)
    gone: asyncio.Queue[str] = asyncio.Queue(1)
    departing = Departing(Backing(store, clock), gone.put)
    departing.ask(path, RunFile(session, 2**22 + 1, 1, "another boot", PROTOCOL, "socket"))
    assert len(departing.notices) == 1
    assert await asyncio.wait_for(gone.get(), 10) == session
    assert [notice["kind"] for notice in departing.notices] == ["departed"]
    await departing.close()
