"""The countdown: each second told once, stopped at once, nothing counted beyond its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pepys.clock import SystemClock
from pepys.errors import Busy, Usage, from_json
from pepys.sessions.control import orphans
from pepys.sessions.countdown import Countdown, CountdownStopped
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest, request_from_json, validate
from tests.hosted import fakes, hosted, listed
from tests.waiting import wait_until


@pytest.mark.quiet
@pytest.mark.asyncio
async def test_every_second_is_told_and_it_ends_on_time() -> None:
    told: list[dict[str, Any]] = []
    counting = Countdown(told.append)
    clock, seen = SystemClock(), []
    began_ns = clock.now_ns()
    running = asyncio.create_task(counting.run(1))
    await asyncio.sleep(0)
    seen.append(counting.left_s)
    await running
    assert 0.99e9 < clock.now_ns() - began_ns < 1.5e9
    assert told == [{"push": "countdown", "left_s": 1}, {"push": "countdown", "left_s": 0}]
    assert (seen, counting.left_s, counting.wanted, counting.stop()) == ([1], None, False, False)


@pytest.mark.asyncio
async def test_a_stop_ends_it_at_once_and_says_that_nothing_began() -> None:
    told: list[dict[str, Any]] = []
    counting = Countdown(told.append)
    running = asyncio.create_task(counting.before(counting.run(60)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert counting.left_s == 60 and counting.wanted and counting.stop()
    with pytest.raises(CountdownStopped) as stopped:
        await running
    assert (counting.left_s, told[-1]["left_s"]) == (None, 0)
    over_a_socket = from_json(stopped.value.to_json())
    assert (over_a_socket.code, over_a_socket.exit_code) == ("interrupted", 130)


@pytest.mark.asyncio
async def test_one_that_is_cancelled_counts_no_more_and_none_is_no_time_at_all() -> None:
    told: list[dict[str, Any]] = []
    counting = Countdown(told.append)
    await counting.run(0)
    assert told == []
    running = asyncio.create_task(counting.run(5))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (counting.left_s, told[-1]["left_s"]) == (None, 0)


@pytest.mark.parametrize("counts", [False, True])
def test_a_stop_before_or_in_the_count_leaves_nothing_and_nothing_else_is_taken_meanwhile(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, counts: bool
) -> None:
    tried = tmp_path / "tried"
    monkeypatch.setenv("FAKE_RECORDER", "" if counts else "slow")
    monkeypatch.setenv("FAKE_RECORDER_MARK", str(tried))

    async def work(host: Host) -> None:
        starting = asyncio.create_task(host.start(StartRequest(name="later", countdown_s=50)))
        await asyncio.to_thread(wait_until, lambda: host.status()["countdown_s"] if counts else tried.exists())
        told = host.status()
        assert (told["state"], told["session"], told["name"]) == ("checking", None, "later")
        for refused in (host.pause, host.resume, lambda: host.set(layout="grid")):
            with pytest.raises(Busy, match="'later' has not begun"):
                await asyncio.wait_for(refused(), 5)
        with pytest.raises(Busy, match="'later' is about to begin"):
            await host.start(StartRequest())
        assert await asyncio.wait_for(host.stop(), 10) == {"session": None, "state": "cancelled"}
        with pytest.raises(CountdownStopped):
            await starting
        assert host.status()["state"] == "idle"

    with fakes(monkeypatch, home):
        hosted(home, work)
        assert (listed(home), orphans(home)) == ([], [])


@pytest.mark.parametrize("seconds", [-1, 61, 2.5, "3", True])
def test_what_is_no_countdown_is_refused(home: object, seconds: Any) -> None:
    with pytest.raises(Usage, match="countdown"):
        validate(request_from_json({"countdown_s": seconds}), SystemClock())
    assert validate(StartRequest(countdown_s=60), SystemClock())[0].countdown_s == 60
