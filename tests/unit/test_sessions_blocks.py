"""What a host tells of its own loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pepys.clock import SystemClock
from pepys.record.lags import Lags
from pepys.sessions import blocks
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest
from tests.hosted import fakes

MS = 1_000_000


def test_a_turn_that_keeps_the_loop_is_seen_and_one_that_waits_is_not() -> None:
    async def work() -> tuple[int, int]:
        lags = blocks.lags_of(asyncio.get_running_loop())
        assert isinstance(lags, Lags)
        await asyncio.sleep(0.2)
        waited = lags.longest_ns
        SystemClock().sleep_ns(150 * MS)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return waited, lags.longest_ns

    waited, blocked = blocks.run(work())
    assert waited < 150 * MS <= blocked


def test_a_loop_that_is_not_timed_has_no_turns() -> None:
    async def work() -> Lags | None:
        return blocks.lags_of(asyncio.get_running_loop())

    assert asyncio.run(work()) is None


def test_the_status_tells_the_longest_turn_of_the_host(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> float:
        host = Host(home)
        await host.open()
        try:
            await host.start(StartRequest())
            await host.pause()
            return float(host.status()["host"]["loop_longest_ms"])
        finally:
            await host.close()

    with fakes(monkeypatch, home):
        assert blocks.run(work()) > 0
