"""The countdown: each second told once, stopped at once, nothing counted beyond its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pepys.clock import SystemClock
from pepys.errors import Usage, from_json
from pepys.sessions.countdown import Countdown, CountdownStopped
from pepys.sessions.start import StartRequest, request_from_json, validate


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
    assert (seen, counting.left_s, counting.stop()) == ([1], None, False)


@pytest.mark.asyncio
async def test_a_stop_ends_it_at_once_and_says_that_nothing_began() -> None:
    told: list[dict[str, Any]] = []
    counting = Countdown(told.append)
    running = asyncio.create_task(counting.run(60))
    await asyncio.sleep(0)
    assert counting.left_s == 60 and counting.stop()
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


@pytest.mark.parametrize("seconds", [-1, 61, 2.5, "3", True])
def test_what_is_no_countdown_is_refused(home: object, seconds: Any) -> None:
    with pytest.raises(Usage, match="countdown"):
        validate(request_from_json({"countdown_s": seconds}), SystemClock())
    assert validate(StartRequest(countdown_s=60), SystemClock())[0].countdown_s == 60
