"""The doctor tells which sound devices there are, in which format and how loud, on real sound servers."""

from __future__ import annotations

import math
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import SystemClock
from pepys.demo.servers import Server, SoundServer
from pepys.doctor.devices import Sound
from pepys.doctor.findings import Finding, State
from pepys.record.adapters.pulse import list_sources
from tests.recording import MIC, SYSTEM
from tests.waiting import wait_until


def pactl(*words: str) -> str:
    return subprocess.run(["pactl", *words], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in found}


@contextmanager
def playing(folder: Path, sink: str, peak: float) -> Iterator[None]:
    """A tone of that peak, heard at a sink while the block runs."""
    tone = folder / f"{sink}.raw"
    samples = (round(peak * 32767 * math.sin(math.tau * n / 48)) for n in range(48_000))
    tone.write_bytes(b"".join(struct.pack("<hh", value, value) for value in samples) * 10)
    argv = ["paplay", "--raw", "--format=s16le", "--rate=48000", "--channels=2", f"--device={sink}", str(tone)]
    before = len(pactl("list", "short", "sink-inputs").splitlines())
    player = subprocess.Popen(argv)
    try:
        wait_until(lambda: len(pactl("list", "short", "sink-inputs").splitlines()) > before, 5, "the tone")
        yield
    finally:
        player.kill()
        player.wait()


def test_devices_are_listed_with_format_and_level(
    home: Path, any_sound_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        limits, "DOCTOR_LISTEN_NS", 6 * limits.NS_PER_S
    )  # for a slow machine: it ends when all is heard
    sound = Sound()
    with playing(tmp_path, "pepys_null", 0.5), playing(tmp_path, "pepys_mic", 0.05):
        devices = {device["name"]: device for device in sound.devices}
    assert set(devices) == {MIC, SYSTEM}
    assert devices[SYSTEM]["level_db"] == pytest.approx(-6, abs=1)
    assert devices[MIC]["level_db"] == pytest.approx(-26, abs=1)
    for name, sink in ((MIC, "pepys_mic"), (SYSTEM, "pepys_null")):
        device = devices[name]
        assert (device["rate"], device["channels"], device["monitor_of"]) == (48_000, 2, sink)
        assert (device["kind"], device["default"]) == ("monitor", True) and device["description"]
    found = by_name(list(sound.check()))
    assert (found["microphone"].found, found["system sound"].found) == (MIC, SYSTEM)
    line = next(line for line in found["system sounds"].found.splitlines() if line.startswith(SYSTEM))
    assert "48000 Hz" in line and "2 channels" in line and line.endswith(" dBFS")
    assert "monitors" not in found, "the screens are named so"
    assert found["parec"].state is found["pactl"].state is State.OK


def test_odd_formats_and_descriptions(home: Path, sound_server: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DOCTOR_LISTEN_NS", 500 * limits.NS_PER_MS)
    properties = "source_properties=\"device.description='Das Mikró fon'\""
    pactl(
        "load-module", "module-remap-source", "source_name=low", f"master={MIC}", "rate=8000", "channels=1", properties
    )
    pactl("load-module", "module-null-source", "source_name=high", "rate=192000", "channels=8")
    sources = {source.name: source for source in list_sources(limits.PROBE_S).sources}
    assert (sources["low"].rate, sources["low"].channels, sources["low"].monitor) == (8000, 1, False)
    assert sources["low"].description == "Das Mikró fon"
    assert (sources["high"].rate, sources["high"].channels, sources["high"].state) == (192_000, 8, "idle")
    microphones = by_name(list(Sound().check()))["microphones"]
    assert any("high" in line and "192000 Hz  8 channels  silent" in line for line in microphones.found.splitlines())


def test_a_name_with_a_space_and_signs_of_another_alphabet(
    home: Path, pipewire_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOCTOR_LISTEN_NS", 300 * limits.NS_PER_MS)
    pactl("load-module", "module-null-sink", "sink_name='Mikró fon Ł1'")
    pactl("set-default-source", "Mikró fon Ł1.monitor")
    sound = Sound()
    assert by_name(list(sound.check()))["microphone"].found == "Mikró fon Ł1.monitor"
    assert "Mikró fon Ł1.monitor" in {device["name"] for device in sound.devices}


def test_a_microphone_that_gives_nothing_is_told(
    home: Path, sound_server: SoundServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOCTOR_LISTEN_NS", 300 * limits.NS_PER_MS)
    pactl("load-module", "module-pipe-source", "source_name=stuck", f"file={tmp_path / 'never'}")
    clock = SystemClock()
    before = clock.now_ns()
    microphones = by_name(list(Sound().check()))["microphones"]
    assert clock.now_ns() - before < limits.DOCTOR_LISTEN_NS + 1_500 * limits.NS_PER_MS
    assert microphones.state is State.LESS and microphones.remedy
    assert "stuck" in microphones.found and "gives no sound" in microphones.found


def test_a_server_that_hangs_is_one_clear_line(
    home: Path, sound_server: SoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROBE_S", 0.5)
    os.kill(sound_server.pid, signal.SIGSTOP)
    try:
        clock = SystemClock()
        before = clock.now_ns()
        sound = Sound()
        found = by_name(list(sound.check()))
        assert clock.now_ns() - before < int((limits.PROBE_S + 1) * limits.NS_PER_S)
    finally:
        os.kill(sound_server.pid, signal.SIGCONT)
    assert found["microphone"].state is found["system sound"].state is State.MISSING
    assert found["microphone"].found == "the sound server does not answer" and "restart" in found["microphone"].remedy
    assert sound.devices == []


def test_looking_at_sound_loads_neither_codecs_nor_numpy(home: Path, sound_server: SoundServer) -> None:
    code = (
        "import sys; from pepys.doctor.devices import Sound; s = Sound(); list(s.check()); print(sorted(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not [name for name in ("'av'", "'numpy'", "'pulsectl'") if name in loaded]
