"""What every sound source keeps to, on both sound servers: children of two programs, and sounds that are made."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pepys.clock import SystemClock
from pepys.demo.servers import Server, SoundServer
from pepys.demo.sound_servers import PipeWireServer
from pepys.record.adapters import parec
from pepys.record.adapters.parec import ParecSource
from pepys.record.adapters.raw_child import RawChild
from pepys.record.ports import SoundBlock, SoundSource, SourceEnded
from tests.recording import SYSTEM
from tests.sound_sources import CHILDREN, SOURCES, child, ending, module, playing, quick_device, samples, told, wav
from tests.sound_sources import until_its_end as everything_until_its_end
from tests.waiting import wait_until


@dataclass
class Opened:
    """One source, and when it was opened."""

    source: SoundSource
    channels: int
    opened_ns: int
    silent: bool


@pytest.fixture(scope="module", params=[SoundServer, PipeWireServer], ids=["pulseaudio", "pipewire"])
def everything(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Opened]]:
    """Every kind of source, mono and stereo, open at once: a monitor's first block takes PulseAudio two seconds."""
    clock = SystemClock()
    with ExitStack() as stack:
        server: Server = stack.enter_context(request.param())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in server.env.items():
            patch.setenv(name, value)
        opened = {}
        for kind, open_it in SOURCES.items():
            for channels in (1, 2):
                began_ns = clock.now_ns()
                source = open_it(SYSTEM, channels, clock, tmp_path_factory.mktemp("sound"))
                stack.callback(source.close)
                opened[f"{kind}, {channels}"] = Opened(source, channels, began_ns, not source.poll())
        yield opened


def test_blocks_come_in_order_with_their_time(everything: dict[str, Opened]) -> None:
    clock = SystemClock()
    for name, opened in everything.items():
        source, last_ns, blocks = opened.source, opened.opened_ns, 0
        # At once nothing has come yet, and poll does not wait for it. A made sound may have had its first sample.
        assert opened.silent or not name.startswith(CHILDREN), name
        assert source.name and source.capabilities.holds_ns > 1e9
        assert (source.capabilities.rate, source.capabilities.channels) == (48_000, opened.channels), name
        while blocks < 5:
            (block,) = told(source)
            assert isinstance(block, SoundBlock), name
            assert block.samples.dtype == np.int16 and block.samples.shape[1] == opened.channels, name
            assert len(block.samples), name
            assert last_ns < block.at_ns <= clock.now_ns(), name
            last_ns, blocks = block.at_ns, blocks + 1


def test_a_reader_that_stood_still_gets_what_has_passed_and_no_more(everything: dict[str, Opened]) -> None:
    clock = SystemClock()

    def emptied(opened: Opened) -> tuple[int, int]:
        """When, and how many samples there were."""
        count = 0
        while select.select([opened.source.fileno()], [], [], 0)[0] and (events := opened.source.poll()):
            count += sum(len(event.samples) for event in events if isinstance(event, SoundBlock))
        return clock.now_ns(), count

    begun = {name: emptied(opened)[0] for name, opened in everything.items()}
    first_ns = clock.now_ns()
    wait_until(lambda: clock.now_ns() - first_ns > 0.5e9, what="time to pass")
    for name, opened in everything.items():
        now_ns, count = emptied(opened)
        assert abs(count / 48_000 - (now_ns - begun[name]) / 1e9) < 0.2, name


def test_a_source_that_is_closed_tells_nothing_more(everything: dict[str, Opened]) -> None:
    for name, opened in everything.items():
        for _ in range(2):
            opened.source.close()
            assert (list(opened.source.poll()), opened.source.fileno()) == ([], -1), name


@contextmanager
def children(device: str) -> Iterator[dict[str, RawChild]]:
    """Every kind of child, mono."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(closing(child(kind, device))) for kind in CHILDREN}


def test_the_end_of_a_child_is_told_once_with_its_reason(any_sound_server: Server) -> None:
    with children(quick_device(any_sound_server)) as sources:
        for kind, source in sources.items():
            told(source)
            os.kill(source.pid, signal.SIGKILL)
            ended = ending(source)
            assert ended.reason == "device_lost", kind
            assert ended.message == "the program that records it was ended by SIGKILL", kind
            assert list(source.poll()) == [], kind
    assert not any(Path(f"/proc/{source.pid}").exists() for source in sources.values())


def test_a_server_that_dies_ends_its_sources_and_one_that_is_back_serves_the_next(any_sound_server: Server) -> None:
    clock = SystemClock()
    with children(quick_device(any_sound_server)) as sources:
        for source in sources.values():
            told(source)
        any_sound_server.kill()
        killed_ns = clock.now_ns()
        for kind, source in sources.items():
            ended = ending(source)
            assert ended.reason == "device_lost", kind
            said = "the sound server is gone" if kind == "parec" else "the sound server or the device is gone"
            assert said in ended.message, kind
            assert ended.at_ns - killed_ns < 1.7e9, kind
    with children(SYSTEM) as refused:
        for source in refused.values():
            said = ending(source).message
            assert said in {"no sound server answers", "the sound server is gone or cannot be reached"}
    any_sound_server.start()
    with children(quick_device(any_sound_server)) as again:
        for source in again.values():
            assert isinstance(told(source)[0], SoundBlock)


def test_a_device_that_is_not_there_ends_with_what_was_said(any_sound_server: Server) -> None:
    # PipeWire would rather give the default device.
    with children("nobody") as sources:
        for source in sources.values():
            (ended,) = told(source)
            assert isinstance(ended, SourceEnded)
            assert "has no such device" in ended.message or "no sound device 'nobody'" in ended.message


def test_no_other_device_takes_the_place_of_one_that_goes_away(any_sound_server: Server, tmp_path: Path) -> None:
    """PulseAudio moves what is recorded along with the default and away from what is gone: a loud one must stay out."""
    with ExitStack() as stack:
        stack.enter_context(module("module-null-sink", "sink_name=loud"))
        stack.enter_context(playing("loud", wav(tmp_path / "a.wav", 30)))
        with module("module-null-sink", "sink_name=away"):
            _default("away.monitor")
            source = stack.enter_context(closing(child("parec", "away.monitor")))
            assert isinstance(told(source)[0], SoundBlock)
            _default("loud.monitor")
            heard = [samples(source, 0.5)]
        *events, ended = everything_until_its_end(source)
        heard += [event.samples for event in events if isinstance(event, SoundBlock)]
    assert ended == SourceEnded(ended.at_ns, "device_lost", "the sound server has closed the device")
    assert len(heard[0]) and not np.concatenate(heard).any()


def _default(name: str) -> None:
    subprocess.run(["pactl", "set-default-source", name], check=True, capture_output=True)


def test_where_the_library_is_missing_parec_records_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = (
        "from pepys.record.adapters import parec_child as c; c._LIBRARY = 'libnone.so'; c.main(['/bin/echo', 'aa'])"
    )
    monkeypatch.setattr(parec, "_KEPT", (sys.executable, "-c", absent))
    with closing(child("parec")) as source:
        assert isinstance(source, ParecSource)
        block = told(source)[0]
        assert isinstance(block, SoundBlock) and block.samples.tobytes() == b"aa"
        assert source.may_be_moved
        assert "libnone.so" in source.remark
