"""The control socket and the listeners of a host."""

from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.config import runtime_dir
from pepys.errors import NotFound, Usage
from pepys.record.wire import connect
from pepys.sessions.control import ask_host, host_file, host_running, orphans, watch_host
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest
from tests.hosted import fakes, hosted


@pytest.fixture(autouse=True)
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


def test_the_sockets_are_the_users_alone_and_a_stale_one_is_replaced(home: Path) -> None:
    path = runtime_dir(home) / "host.sock"

    async def work(host: Host) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(host_file(home).stat().st_mode) == 0o600
        told = await asyncio.to_thread(ask_host, home, "status")
        assert told["state"] == "idle"

    hosted(home, work)
    assert not path.exists()
    import socket

    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    hosted(home, work)


def test_commands_over_the_socket_carry_errors_and_watching_ends_with_the_host(home: Path) -> None:
    async def work(host: Host) -> None:
        def client() -> list[str]:
            with pytest.raises(NotFound):
                ask_host(home, "note", text="to nobody")
            with pytest.raises(Usage, match="no command bogus"):
                ask_host(home, "bogus")
            with pytest.raises(Usage, match="start takes no colour"):
                ask_host(home, "start", colour="red")
            states = []
            for told in watch_host(home):
                states.append(told["state"])
                if len(states) == 1:
                    ask_host(home, "start", name="watched")
                elif told["state"] == "recording" and "recording" not in states[:-1]:
                    ask_host(home, "stop")
                elif told["state"] == "idle" and "recording" in states:
                    ask_host(home, "shutdown")
                    return states
            return states

        states = await asyncio.to_thread(client)
        assert states[0] == "idle"
        assert "starting" in states
        assert "recording" in states
        await asyncio.wait_for(host.closing.wait(), 5)

    hosted(home, work)


def test_a_client_that_talks_nonsense_is_left_alone(home: Path) -> None:
    async def work(host: Host) -> None:
        def client() -> None:
            import socket

            with socket.socket(socket.AF_UNIX) as rude:
                rude.connect(str(runtime_dir(home) / "host.sock"))
                rude.sendall(b"this is no JSON\n")
                assert rude.recv(1) == b""
            with connect(runtime_dir(home) / "host.sock") as polite:
                assert polite.call("status")["state"] == "idle"

        await asyncio.to_thread(client)

    hosted(home, work)


def test_a_listener_that_does_not_read_loses_the_oldest_and_counts_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepys.limits.SUBSCRIBER_QUEUE", 3)

    async def work(host: Host) -> None:
        with host.subscribe() as updates:
            await host.start(StartRequest())
            await host.stop()
            assert updates.lost > 0
            last = [await anext(updates) for _ in range(3)]
            assert last[-1]["push"] == "session"

    hosted(home, work)


def test_a_copy_of_a_home_does_not_speak_to_the_first_ones_host(home: Path) -> None:
    copy = home.with_name("copy")

    async def work(host: Host) -> tuple[bool, bool]:
        await host.start(StartRequest())
        await asyncio.to_thread(shutil.copytree, home, copy)
        return await asyncio.to_thread(host_running, home), await asyncio.to_thread(host_running, copy)

    assert hosted(home, work) == (True, False)
    assert orphans(copy) == []
