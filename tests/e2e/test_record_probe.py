"""Which displays and sound devices there are: found, or missing with a reason, and cheaply."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pepys.clock import SystemClock
from pepys.demo.servers import SoundServer, XServer
from pepys.record import probe
from tests.recording import MIC, SYSTEM


def _pactl(*words: str) -> None:
    subprocess.run(["pactl", *words], check=True, stdout=subprocess.DEVNULL)


def test_the_default_devices_are_found(home: Path, sound_server: SoundServer) -> None:
    found = probe.default_sound()
    assert (found.mic, found.system, found.mic_reason, found.system_reason) == (MIC, SYSTEM, "", "")
    assert {(source.name, source.monitor) for source in found.sources} == {(MIC, True), (SYSTEM, True)}
    assert all(source.description for source in found.sources)


def test_the_monitor_of_the_default_sink_is_no_microphone(home: Path, sound_server: SoundServer) -> None:
    _pactl("set-default-source", SYSTEM)
    found = probe.default_sound()
    assert found.mic is None and "no microphone" in found.mic_reason
    assert found.system == SYSTEM


def test_without_a_sound_server_there_is_a_reason(home: Path) -> None:
    found = probe.default_sound()
    assert found.mic is None and found.system is None
    assert "no sound server" in found.mic_reason == found.system_reason


def test_a_hung_sound_server_costs_no_more_than_the_deadline(home: Path, sound_server: SoundServer) -> None:

    os.kill(sound_server.pid, signal.SIGSTOP)
    try:
        before = SystemClock().now_ns()
        assert probe.default_sound(0.5).mic is None
        assert SystemClock().now_ns() - before < 2_000_000_000
    finally:
        os.kill(sound_server.pid, signal.SIGCONT)


def test_displays_are_found_and_judged(xserver: XServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe.displays()[0] == xserver.display and len(set(probe.displays())) == len(probe.displays())
    assert probe.find_display() == (xserver.display, "")
    monkeypatch.setenv("DISPLAY", ":4321")
    display, reason = probe.find_display()
    assert display is None and ":4321" in reason
    monkeypatch.delenv("DISPLAY")
    assert probe.find_display() == (None, "DISPLAY is not set")
    assert xserver.display in probe.displays(), "its socket tells"


def test_probing_imports_no_codec() -> None:
    code = "import sys, pepys.record.probe, pepys.record.wire, pepys.record.launch; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not [name for name in ("'av'", "'numpy'", "'pulsectl'", "'xcffib'", "'cryptography'") if name in loaded]
