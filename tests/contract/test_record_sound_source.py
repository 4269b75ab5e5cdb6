"""What every sound source keeps to, shown by the one that there is: `parec` as a child."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import numpy as np
import pytest

from pepys.clock import SystemClock
from pepys.demo.servers import SoundServer
from pepys.errors import DeviceMissing
from pepys.record.adapters.parec import ParecSource
from pepys.record.ports import SoundBlock, SoundEvent, SoundSource, SourceEnded
from tests.recording import SYSTEM


def _next(source: SoundSource, seconds: float = 5) -> list[SoundEvent]:
    """What comes first within the time."""
    clock = SystemClock()
    until = clock.now_ns() + int(seconds * 1e9)
    while (left := until - clock.now_ns()) > 0:
        if select.select([source.fileno()], [], [], left / 1e9)[0] and (events := list(source.poll())):
            return events
    raise AssertionError("the source told nothing")


@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_come_in_order_with_their_time(sound_server: SoundServer, channels: int) -> None:
    clock = SystemClock()
    before = clock.now_ns()
    source: SoundSource = ParecSource(SYSTEM, channels, clock)
    try:
        assert not source.poll(), "nothing has come yet, and poll does not wait for it"
        assert (source.name, source.capabilities.rate, source.capabilities.channels) == (SYSTEM, 48_000, channels)
        last = before
        for _ in range(5):
            (block,) = _next(source)
            assert isinstance(block, SoundBlock)
            assert block.samples.dtype == np.int16 and block.samples.shape[1] == channels
            assert last < block.at_ns <= clock.now_ns()
            last = block.at_ns
    finally:
        source.close()
        source.close()


def test_the_end_is_told_once_with_its_reason(sound_server: SoundServer) -> None:
    source = ParecSource(SYSTEM, 1, SystemClock())
    try:
        _next(source)
        os.kill(source.pid, signal.SIGKILL)
        while not isinstance((events := _next(source))[-1], SourceEnded):
            pass
        assert isinstance(events[-1], SourceEnded)
        assert events[-1].reason == "device_lost" and events[-1].message
        assert list(source.poll()) == []
    finally:
        source.close()
    assert not Path(f"/proc/{source.pid}").exists()


def test_a_device_that_is_not_there_ends_with_what_the_server_said(sound_server: SoundServer) -> None:
    source = ParecSource("nobody", 1, SystemClock())
    try:
        (ended,) = _next(source)
        assert isinstance(ended, SourceEnded) and "No such entity" in ended.message
    finally:
        source.close()


def test_without_the_program_the_error_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceMissing, match="parec is not installed") as told:
        ParecSource("any", 1, SystemClock())
    assert "pulseaudio-utils" in told.value.remedy
