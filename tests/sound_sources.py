"""Sound sources for tests: each kind opened by one word, what they tell, and devices that are odd."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pepys.clock import Clock, SystemClock
from pepys.demo.servers import Server, SoundServer
from pepys.limits import SOUND_RATE
from pepys.record.adapters.made_sound import FileSound, MadeSound, Tone
from pepys.record.adapters.parec import ParecSource
from pepys.record.adapters.raw_child import RawChild
from pepys.record.adapters.soundcard_source import SoundcardSource
from pepys.record.ports import SoundBlock, SoundEvent, SoundSource, SourceEnded
from tests.recording import SYSTEM

Open = Callable[[str, int, Clock, Path], SoundSource]

SOURCES: dict[str, Open] = {
    "parec": lambda device, channels, clock, _: ParecSource(device, channels, clock),
    "soundcard": lambda device, channels, clock, _: SoundcardSource(device, channels, clock),
    "soundcard_threaded": lambda device, channels, clock, _: SoundcardSource(device, channels, clock, threaded=True),
    "tone": lambda _, channels, clock, __: Tone(440, -20, channels, clock),
    "silence": lambda _, channels, clock, __: MadeSound("silence", channels, clock),
    "file": lambda _, channels, clock, folder: FileSound(wav(folder / "a.wav", seconds=9), channels, clock),
}
CHILDREN = ("parec", "soundcard", "soundcard_threaded")


def child(kind: str, device: str = SYSTEM) -> RawChild:
    """A source that is a child, mono."""
    source = SOURCES[kind](device, 1, SystemClock(), Path())
    assert isinstance(source, RawChild)
    return source


def quick_device(server: Server) -> str:
    """A device that gives its first block at once: PulseAudio's monitors take two seconds for it.

    It is gone with the server.
    """
    if not isinstance(server, SoundServer):
        return SYSTEM
    subprocess.run(["pactl", "load-module", "module-null-source", "source_name=quick"], check=True, capture_output=True)
    return "quick"


def wav(path: Path, seconds: float = 1.0, rate: int = 44_100, channels: int = 2, frequency: float = 440.0) -> Path:
    """A sine of half the full scale, made by sox."""
    argv = ["sox", "-n", "-r", str(rate), "-c", str(channels), str(path)]
    subprocess.run([*argv, "synth", str(seconds), "sine", str(frequency), "vol", "0.5"], check=True)
    return path


def told(source: SoundSource, seconds: float = 6) -> list[SoundEvent]:
    """What comes first within the time."""
    clock = SystemClock()
    until = clock.now_ns() + int(seconds * 1e9)
    while (left := until - clock.now_ns()) > 0:
        if select.select([source.fileno()], [], [], left / 1e9)[0] and (events := list(source.poll())):
            return events
    raise AssertionError("the source told nothing")


def ending(source: SoundSource, seconds: float = 6) -> SourceEnded:
    """The end of a source, whatever it gives before."""
    last = until_its_end(source, seconds)[-1]
    assert isinstance(last, SourceEnded)
    return last


def until_its_end(source: SoundSource, seconds: float = 6) -> list[SoundEvent]:
    """Everything that a source tells, its end last, which must come within the time."""
    clock = SystemClock()
    until = clock.now_ns() + int(seconds * 1e9)
    events: list[SoundEvent] = []
    while not events or not isinstance(events[-1], SourceEnded):
        assert clock.now_ns() < until, "the source goes on"
        events += told(source, seconds)
    return events


def samples(source: SoundSource, seconds: float) -> NDArray[np.int16]:
    """The first samples of a source, at least as many as last that long."""
    blocks: list[NDArray[np.int16]] = []
    while sum(map(len, blocks)) < seconds * SOUND_RATE:
        for event in told(source):
            assert isinstance(event, SoundBlock), event
            blocks.append(event.samples)
    return np.concatenate(blocks)


def frequency(pcm: NDArray[np.int16]) -> float:
    """The strongest frequency of the first channel, in Hz."""
    spectrum = np.abs(np.fft.rfft(pcm[:, 0] * np.hanning(len(pcm))))
    return float(np.argmax(spectrum)) * SOUND_RATE / len(pcm)


def script(source: str, channels: int = 1, *, threaded: bool = False) -> RawChild:
    """A child that runs a few lines of Python; `out` writes bytes to its stdout."""
    lines = f"import os, sys, time\nout = lambda data: os.write(1, data)\n{source}"
    return RawChild("made", [sys.executable, "-c", lines], channels, SystemClock(), threaded=threaded)


@contextmanager
def module(*words: str) -> Iterator[None]:
    """A module of the sound server, unloaded at the end."""
    argv = ["pactl", "load-module", *words]
    number = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield
    finally:
        subprocess.run(["pactl", "unload-module", number], check=False, capture_output=True)


@contextmanager
def playing(sink: str, path: Path) -> Iterator[None]:
    """A file that is played to a sink for as long as the block lasts."""
    with subprocess.Popen(["paplay", f"--device={sink}", str(path)], stderr=subprocess.DEVNULL) as player:
        try:
            yield
        finally:
            player.kill()


@contextmanager
def fed_pipe(path: Path, rate_of: float, *, stop_after: float | None = None) -> Iterator[None]:
    """A program that writes a ramp of mono s16 at 48 kHz into a pipe, `rate_of` times as fast as it should."""
    lines = (
        "import os, sys, time, struct\n"
        "fd = os.open(sys.argv[1], os.O_WRONLY)\nspeed, last = float(sys.argv[2]), float(sys.argv[3])\n"
        "begun, given = time.monotonic(), 0\n"
        "while True:\n"
        "    passed = time.monotonic() - begun\n"
        "    if passed > last: time.sleep(3600)\n"
        "    due = int(passed * 48000 * speed) - given\n"
        "    os.write(fd, struct.pack(f'<{due}h', *(1 + (given + i) % 30000 for i in range(due))))\n"
        "    given += due\n    time.sleep(0.02)\n"
    )
    last = "1e9" if stop_after is None else str(stop_after)
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, "-c", lines, str(path), str(rate_of), last], env=env) as feeder:
        try:
            yield
        finally:
            feeder.kill()
