"""The recorder's watch over devices, on real sound servers: what comes, goes and becomes the default is told."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import SystemClock
from pepys.demo.servers import Server, SoundServer
from pepys.record.adapters import pactl as pactl_adapter
from pepys.record.adapters.pactl import DeviceWatch, command
from pepys.record.devices import Devices
from pepys.record.loop import Loop
from tests.recording import MIC, SYSTEM
from tests.waiting import wait_until


def pactl(*words: str) -> str:
    return subprocess.run(["pactl", *words], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Watched:
    """A watch in a loop of its own, and what it told."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.loop = Loop(self.clock)
        self.told: list[Devices] = []
        self.longest_ns = 0
        self.watch = DeviceWatch(self.loop, self.clock, self.told.append)

    def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        end_ns = self.clock.now_ns() + int(seconds * limits.NS_PER_S)
        while not condition():
            assert self.clock.now_ns() < end_ns, f"the watch told {self.told}"
            self.loop.turn(50 * limits.NS_PER_MS)

    def still(self, seconds: float) -> None:
        """Nothing new is told for a while."""
        before, end_ns = self.told[-1:], self.clock.now_ns() + int(seconds * limits.NS_PER_S)
        while self.clock.now_ns() < end_ns:
            self.loop.turn(50 * limits.NS_PER_MS)
        assert [replace(each, at_ns=0) for each in self.told[-1:]] == [replace(each, at_ns=0) for each in before]

    @property
    def last(self) -> Devices:
        return self.told[-1]


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.watch.stop()
    watched.loop.close()


def settled(watched: Watched) -> None:
    """The watch is in force, and has told what there is."""
    watched.watch.start()
    watched.until(lambda: watched.watch.answers and len(watched.told) >= 2)
    assert (set(watched.last.names), watched.last.default_source, watched.last.default_monitor) == (
        {MIC, SYSTEM},
        MIC,
        SYSTEM,
    )


def test_what_comes_goes_and_becomes_the_default_is_told(
    any_sound_server: Server, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(watched)
    module = pactl("load-module", "module-null-sink", "sink_name=headset")
    watched.until(lambda: "headset.monitor" in watched.last.names)
    pactl("set-default-sink", "headset")
    watched.until(lambda: watched.last.default_monitor == "headset.monitor")
    pactl("set-default-source", "headset.monitor")
    watched.until(lambda: watched.last.default_source == "headset.monitor")
    # PulseAudio has moved the streams of what is gone to the default by then: no time to wait for further changes.
    monkeypatch.setattr(limits, "DEVICE_SETTLE_NS", 60 * limits.NS_PER_S)
    before = watched.clock.now_ns()
    pactl("unload-module", module)
    watched.until(lambda: "headset.monitor" not in watched.last.names)
    assert before <= watched.last.at_ns <= watched.clock.now_ns()
    assert watched.last.default_source != "headset.monitor" != watched.last.default_monitor


def test_streams_and_volumes_are_no_news(
    any_sound_server: Server, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DEVICE_LOOK_NS", 200 * limits.NS_PER_MS)
    started: list[tuple[str, ...]] = []

    def counted(*words: str) -> list[str]:
        started.append(words)
        return command(*words)

    monkeypatch.setattr(pactl_adapter, "command", counted)
    settled(watched)
    watched.still(0.35)
    started.clear()
    parec = subprocess.Popen(["parec", "--raw", f"--device={MIC}"], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: pactl("list", "short", "source-outputs"), 5, "the stream")
        pactl("set-source-volume", MIC, "70%")
        pactl("set-sink-mute", "pepys_null", "1")
        watched.still(0.2)
    finally:
        parec.kill()
        parec.wait()
    watched.still(0.2)
    assert not started, "nothing was asked"


def test_many_changes_in_a_row_are_asked_for_a_few_times(any_sound_server: Server, watched: Watched) -> None:
    settled(watched)
    before = len(watched.told)
    for number in range(8):
        pactl("load-module", "module-null-sink", f"sink_name=many{number}")
    watched.until(lambda: "many7.monitor" in watched.last.names)
    watched.still(0.3)
    assert len(watched.told) - before <= 6


def test_a_name_with_a_space_and_signs_of_another_alphabet(pipewire_server: Server, watched: Watched) -> None:
    settled(watched)
    pactl("load-module", "module-null-sink", "sink_name='Mikró fon Ł1'")
    watched.until(lambda: "Mikró fon Ł1.monitor" in watched.last.names)
    pactl("set-default-source", "Mikró fon Ł1.monitor")
    watched.until(lambda: watched.last.default_source == "Mikró fon Ł1.monitor")


def test_a_server_that_dies_is_no_news_and_its_return_is(watched: Watched, sound_server: SoundServer) -> None:
    settled(watched)
    told = len(watched.told)
    sound_server.kill()
    watched.until(lambda: not watched.watch.answers)
    watched.watch.ask()
    watched.still(0.3)
    sound_server.start()
    watched.until(lambda: watched.watch.answers and len(watched.told) > told, 8)
    assert set(watched.last.names) == {MIC, SYSTEM} and watched.last.server > 0


def test_a_server_that_hangs_holds_nothing_up_and_is_asked_again(
    watched: Watched, sound_server: SoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(watched)
    monkeypatch.setattr(limits, "DEVICE_LIST_NS", 300 * limits.NS_PER_MS)
    monkeypatch.setattr(limits, "DEVICE_WATCH_MIN_NS", 100 * limits.NS_PER_MS)
    os.kill(sound_server.pid, signal.SIGSTOP)
    try:
        before = watched.clock.now_ns()
        watched.watch.ask()
        assert watched.clock.now_ns() - before < 100 * limits.NS_PER_MS
        watched.still(0.7)
        assert not watched.watch.answers
    finally:
        os.kill(sound_server.pid, signal.SIGCONT)
    told = len(watched.told)
    watched.until(lambda: watched.watch.answers and len(watched.told) > told)


def test_what_goes_and_comes_at_once_has_another_number(any_sound_server: Server, watched: Watched) -> None:
    module = pactl("load-module", "module-null-sink", "sink_name=headset")
    watched.watch.start()
    watched.until(lambda: watched.watch.answers and watched.told and "headset.monitor" in watched.last.names)
    before = dict(zip(watched.last.names, watched.last.numbers, strict=True))
    script = f"pactl unload-module {module}; pactl load-module module-null-sink sink_name=headset"
    subprocess.run(["sh", "-c", script], check=True, stdout=subprocess.DEVNULL)
    watched.until(
        lambda: (
            dict(zip(watched.last.names, watched.last.numbers, strict=True)).get("headset.monitor", 0)
            > before["headset.monitor"]
        )
    )
    assert watched.last.server == 0


def test_its_children_end_with_it(watched: Watched, sound_server: SoundServer) -> None:
    settled(watched)
    watched.watch.ask()
    watched.watch.stop()
    watched.watch.stop()
    children = Path("/proc/self/task").glob("*/children")
    names = [Path(f"/proc/{pid}/comm").read_text().strip() for each in children for pid in each.read_text().split()]
    assert "pactl" not in names and "setpriv" not in names
    told = len(watched.told)
    watched.watch.ask()
    assert len(watched.told) == told


def test_without_pactl_it_waits(watched: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    watched.watch.start()
    watched.still(0.1)
    assert not watched.watch.answers
