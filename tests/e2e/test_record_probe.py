"""Which displays and sound devices there are: found, or missing with a reason, and cheaply."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import SystemClock
from pepys.demo.servers import Server, SoundServer, XServer
from pepys.record import probe
from pepys.record.adapters.pulse import Source, list_sources
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


def test_what_is_listed_without_a_server_s_own_programs_has_the_same_names(
    home: Path, any_sound_server: Server
) -> None:
    listing, portable = list_sources(limits.PROBE_S), probe.portable_listing(limits.CHILD_S)
    assert {source.name for source in portable.sources} == {source.name for source in listing.sources} == {MIC, SYSTEM}
    assert all(source.description and source.channels and source.monitor for source in portable.sources)
    assert portable.default_monitor == listing.default_monitor == SYSTEM


def test_why_a_device_cannot_be_recorded_is_said_with_what_there_is() -> None:
    there = probe.SoundFound("a b", "", None, "no sink", (Source("a b", "A", False), Source("c", "C", True)))
    assert there.lacks("c", "") is None and there.lacks(None, "") is None
    assert there.lacks("d", "") == ("the sound server has no source d", "these are there: 'a b', c")
    assert there.lacks(None, "no sink") == ("no sink", "these are there: 'a b', c")
    assert probe.SoundFound(None, "x", None, "x").lacks("d", "x") == (
        "the sound server has no source d",
        "connect one, or use --audio off",
    )
    refused = probe.SoundFound(None, "refused", None, "refused", (), "refused", "give the cookie")
    assert refused.lacks("d", "refused") == refused.lacks(None, "refused") == ("refused", "give the cookie")


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
