"""Devices and servers that are not as they should be, real ones where the server can make them."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from pepys.clock import SystemClock
from pepys.demo.servers import NULL_SINK, Server
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_S
from pepys.record.adapters.parec import ParecSource
from pepys.record.adapters.raw_child import RawChild
from pepys.record.adapters.sound_opening import open_device, open_sound
from pepys.record.adapters.soundcard_child import Samples, fit
from pepys.record.adapters.soundcard_source import SoundcardSource, list_soundcard
from pepys.record.ports import SoundBlock
from tests.recording import MIC, SYSTEM
from tests.sound_sources import child, ending, fed_pipe, frequency, module, playing, samples, told, wav
from tests.waiting import wait_until


@contextmanager
def pipe_source(path: Path, *words: str) -> Iterator[None]:
    with module("module-pipe-source", "source_name=pipe", f"file={path}", *words):
        yield


def test_any_rate_and_channels_of_a_device_become_what_was_asked_for(sound_server: Server, short_folder: Path) -> None:
    clock = SystemClock()
    path = short_folder / "fifo"
    many = ["sox", "-n", "-r", "192000", "-c", "8", "-b", "16", "-e", "signed", "-t", "raw", str(path)]
    with ExitStack() as stack:
        stack.enter_context(module("module-sine-source", "source_name=phone", "rate=8000", "frequency=440"))
        stack.enter_context(pipe_source(path, "format=s16le", "rate=192000", "channels=8"))
        opened = {
            (device, channels): stack.enter_context(closing(ParecSource(device, channels, clock)))
            for device in ("phone", "pipe")
            for channels in (1, 2)
        }
        # What comes before they are connected, nobody hears.
        wait_until(lambda: len(_recorded()) == len(opened), what="every source")
        feeder = stack.enter_context(subprocess.Popen([*many, "synth", "0.7", "sine", "440"]))
        for (device, channels), source in opened.items():
            pcm = samples(source, 0.4)
            assert pcm.dtype == np.int16 and pcm.shape[1] == channels
            assert np.abs(pcm).max() > 1000, device
            assert abs(frequency(pcm[-12_000:]) - 440) < 5, device
        feeder.kill()


def _recorded() -> list[str]:
    """The streams that record something now."""
    argv = ["pactl", "list", "short", "source-outputs"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()


def test_a_device_at_twice_its_rate_gives_it_all_and_one_that_stops_blocks_nobody(
    sound_server: Server, short_folder: Path
) -> None:
    clock = SystemClock()
    path = short_folder / "fifo"
    form = ("format=s16le", "rate=48000", "channels=1")
    with pipe_source(path, *form), fed_pipe(path, 2.0, stop_after=0.8), closing(child("parec", "pipe")) as source:
        told(source)
        begun_ns, count = clock.now_ns(), 0
        while clock.now_ns() - begun_ns < 0.4e9:
            count += sum(len(event.samples) for event in told(source) if isinstance(event, SoundBlock))
        passed = (clock.now_ns() - begun_ns) / NS_PER_S
        assert 1.5 < count / 48_000 / passed < 2.5
        while select.select([source.fileno()], [], [], 0.3)[0]:
            assert isinstance(told(source)[0], SoundBlock)
        begun_ns = clock.now_ns()
        assert source.poll() == ()
        assert clock.now_ns() - begun_ns < 0.1e9
        pid = source.pid
    assert not Path(f"/proc/{pid}").exists()


def test_numbers_that_are_no_sound_are_silence_and_told_once(sound_server: Server, short_folder: Path) -> None:
    path = short_folder / "fifo"
    values = np.tile(np.array([np.nan, 0.5, np.inf, -0.5, -np.inf, 0.25], "<f4"), 8000)
    with pipe_source(path, "format=float32le", "rate=48000", "channels=1"), ExitStack() as stack:
        source = stack.enter_context(closing(child("soundcard", "pipe")))
        converted = stack.enter_context(closing(child("parec", "pipe")))
        wait_until(lambda: len(_recorded()) == 2, what="both streams")
        argv = [sys.executable, "-c", "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())", str(path)]
        subprocess.run(argv, input=values.tobytes(), check=True, timeout=20)
        pcm = samples(source, 0.1)[:, 0]
        # PulseAudio itself converts for parec, as full scale, and says nothing.
        assert {16384, -16384, 8192} < set(np.unique(samples(converted, 0.1)))
        wait_until(lambda: "no sound (NaN)" in source.remark, what="the child's words")
    assert set(np.unique(pcm)) <= {0, 16384, -16384, 8192} and pcm.any()


def test_bad_numbers_are_counted_and_what_is_too_loud_is_cut() -> None:
    said: list[str] = []
    made = Samples(1, said.append)
    block = np.array([[np.nan, 1.0], [2.0, 2.0], [-3.0, -1.0], [np.inf, -np.inf]], np.float32)
    assert np.frombuffer(made.bytes_of(block), "<i2").tolist() == [16384, 32767, -32768, 0]
    made.bytes_of(block)
    assert made.bad == 6 and len(said) == 1
    assert made.bytes_of(np.zeros((0, 2), np.float32)) == b""


def test_channels_are_fitted() -> None:
    block = np.array([[1, 2, 3, 6]], np.float32)
    assert fit(block, 1).tolist() == [[3]] and fit(block, 2).tolist() == [[1, 2]]
    assert fit(block[:, :1], 2).tolist() == [[1, 1]] and fit(block, 4) is block


def test_names_with_spaces_and_other_letters_are_taken_to_the_letter(pipewire_server: Server) -> None:
    name = "Büro Mikro №5 'a' $(b)"
    clock = SystemClock()
    with module("module-null-sink", f'sink_name="{name}"'):
        listed = {device.id for device in list_soundcard(5)}
        assert f"{name}.monitor" in listed
        for kind in (ParecSource, SoundcardSource):
            with closing(kind(f"{name}.monitor", 1, clock)) as source:
                assert isinstance(told(source)[0], SoundBlock)
                assert source.name == f"{name}.monitor"
        with closing(SoundcardSource("Büro Mikro", 1, clock)) as source:
            assert "no sound device 'Büro Mikro'" in ending(source).message


def test_devices_are_listed_with_their_defaults(any_sound_server: Server) -> None:
    devices = {device.id: device for device in list_soundcard(5)}
    assert set(devices) == {MIC, SYSTEM}
    assert devices[MIC].default_microphone and not devices[MIC].default_system
    assert devices[SYSTEM].default_system and not devices[SYSTEM].default_microphone
    assert devices[SYSTEM].loopback and devices[SYSTEM].channels == 2 and "onitor" in devices[SYSTEM].name
    any_sound_server.kill()
    with pytest.raises(DeviceMissing, match="cannot be reached") as caught:
        list_soundcard(5)
    assert caught.value.remedy


@pytest.mark.parametrize("answers", [True, False], ids=["refuses", "says nothing"])
def test_a_server_that_refuses_or_says_nothing(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{short_folder / 'server'}")
    monkeypatch.setenv("HOME", str(short_folder))
    with socket.socket(socket.AF_UNIX) as listening, ExitStack() as stack:
        listening.bind(str(short_folder / "server"))
        listening.listen()
        sources = [stack.enter_context(closing(child(kind))) for kind in ("parec", "soundcard")]
        for _ in sources:
            stack.enter_context(connected := listening.accept()[0])
            if answers:
                connected.close()
        for source in sources:
            if answers:
                assert ending(source).message
            else:
                assert source.poll() == ()
        if not answers:
            with pytest.raises(DeviceMissing, match="does not answer"):
                list_soundcard(0.5)


def test_a_device_without_a_name_is_the_default_one(pipewire_server: Server, tmp_path: Path) -> None:
    clock = SystemClock()
    with ExitStack() as stack:
        stack.enter_context(playing(NULL_SINK, wav(tmp_path / "a.wav", 9)))
        params = {"device": "", "follow_default": False}
        system = stack.enter_context(closing(open_sound("system", {**params, "channels": 2}, clock)))
        other = stack.enter_context(closing(SoundcardSource("@DEFAULT_MONITOR@", 2, clock)))
        mic = stack.enter_context(closing(open_sound("microphone", {**params, "channels": 1}, clock)))
        assert isinstance(system, ParecSource) and isinstance(mic, ParecSource)
        wait_until(lambda: samples(system, 0.2).any(), what="the system's sound")
        wait_until(lambda: samples(other, 0.2).any(), what="the system's sound")
        assert not samples(mic, 0.2).any()


def test_where_there_is_no_parec_soundcard_records_and_where_neither_is_it_is_said(
    sound_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with closing(open_device(MIC, 1, SystemClock())) as source:
        assert isinstance(source, SoundcardSource)
    monkeypatch.setattr("pepys.record.adapters.sound_opening.has_soundcard", lambda: False)
    with pytest.raises(DeviceMissing, match="parec is not installed") as caught:
        open_device(MIC, 1, SystemClock())
    assert "pulseaudio-utils" in caught.value.remedy
    with pytest.raises(DeviceMissing, match="parec is not installed"):
        ParecSource(MIC, 1, SystemClock())
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(DeviceMissing, match="soundcard is not installed") as caught:
        open_device(MIC, 1, SystemClock())
    assert "pip install" in caught.value.remedy


def test_the_child_says_how_it_is_used() -> None:
    argv = [sys.executable, "-m", "pepys.record.adapters.soundcard_child", "device", "many"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and "usage" in done.stderr


def test_the_child_ends_when_nobody_listens(sound_server: Server) -> None:
    argv = [sys.executable, "-m", "pepys.record.adapters.soundcard_child"]
    with subprocess.Popen([*argv, "nobody", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as absent:
        assert absent.communicate()[1] and absent.returncode == 1
    listed = subprocess.run([*argv, "--list"], capture_output=True, check=True)
    assert {json.loads(line)["id"] for line in listed.stdout.splitlines()} == {MIC, SYSTEM}
    reading, writing = os.pipe()
    os.close(reading)
    with module("module-null-source", "source_name=quick"), os.fdopen(writing, "wb") as pipe:
        assert subprocess.run([*argv, "quick", "1"], stdout=pipe, check=False, timeout=20).returncode == 0


def test_a_child_that_was_stopped_is_ended_all_the_same(sound_server: Server) -> None:
    with module("module-null-source", "source_name=quick"):
        source: RawChild = child("parec", "quick")
        told(source)
        os.kill(source.pid, 19)
        source.close()
    assert not Path(f"/proc/{source.pid}").exists()
