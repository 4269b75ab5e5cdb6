"""What is played while the cost of recording is measured: a quiet room, and people who speak a part of the time."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from pepys.bench.sound_signal import Samples, noise
from pepys.bench.started import Started
from pepys.demo.child import program
from pepys.demo.servers import MIC_SINK, NULL_SINK
from pepys.limits import SOUND_RATE

ROOM_DB: Final = -60.0
CYCLE_S: Final = 60
SPEECH_PART: Final = 0.3
_SPEECH_DB: Final = -22.0
_TURNS: Final = 3
"""A cycle's speech comes in so many turns: nobody speaks for 18 seconds and is silent for 42."""

_LINES: Final = (
    "The recorder keeps every sample that the device gives, from the first to the last. What cannot be kept is"
    " declared, with the time and the reason. Two devices have two clocks, and neither of them is the clock of the"
    " picture. When a sound server dies the recording goes on, and the hole is as long as the server was away."
    " Somebody who listens to it later must know what was said, when it was said, and what is missing."
)


def speech(text: str = _LINES) -> Samples:
    """A voice that reads, at `SOUND_RATE`, as loud as a person before a microphone.

    Raises:
        DeviceMissing: espeak-ng or ffmpeg is missing.
    """
    spoken = subprocess.run(
        [program("espeak-ng", "espeak-ng"), "-v", "en", "-s", "150", "--stdout", text], capture_output=True, check=True
    ).stdout
    argv = [program("ffmpeg", "ffmpeg"), "-nostdin", "-v", "error", "-f", "wav", "-i", "-", "-ac", "1"]
    argv += ["-ar", str(SOUND_RATE), "-f", "s16le", "-"]
    raw = np.frombuffer(subprocess.run(argv, input=spoken, capture_output=True, check=True).stdout, "<i2")
    loud = np.abs(raw.astype(np.int32)) > 300
    wanted = 32768 * 10 ** (_SPEECH_DB / 20)
    level = float(np.sqrt(np.square(raw[loud].astype(np.float64)).mean())) if loud.any() else wanted
    found: Samples = np.clip(np.round(raw * (wanted / level)), -32768, 32767).astype(np.int16)
    return found


def cycle(voice: Samples, room_db: float | None, shift_s: float) -> Samples:
    """`CYCLE_S` seconds in which somebody speaks `SPEECH_PART` of the time.

    Args:
        voice: what is said, over and over.
        room_db: the loudness of the room's noise; None for digital silence between the turns.
        shift_s: by how much later the turns come.
    """
    size, turn = CYCLE_S * SOUND_RATE, int(CYCLE_S * SPEECH_PART / _TURNS * SOUND_RATE)
    made = np.zeros(size, np.int32) if room_db is None else noise(room_db, size).astype(np.int32)
    said = np.resize(voice, _TURNS * turn)
    for number in range(_TURNS):
        at = (np.arange(turn) + number * size // _TURNS + int(shift_s * SOUND_RATE)) % size
        made[at] += said[number * turn : (number + 1) * turn]
    found: Samples = np.clip(made, -32768, 32767).astype(np.int16)
    return found


@contextmanager
def looping(sounds: Mapping[str, Samples], env: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Play each sound to its sink, over and over, until the block ends."""
    pacat = program("pacat", "pulseaudio-utils")
    # One stream for all rounds: a stream that ends and begins again leaves a hole of its own.
    loop = 'while cat "$2"; do :; done | "$0" --playback --raw --rate=48000 --channels=1 --device="$1"'
    with contextlib.ExitStack() as players:
        for sink, pcm in sounds.items():
            file = folder / f"{sink}.raw"
            file.write_bytes(pcm.tobytes())
            words = ["sh", "-c", loop, pacat, sink, str(file)]
            players.enter_context(Started(words, folder / f"{sink}.log", env=env))
        yield


def conversation() -> dict[str, Samples]:
    """Two people in turn: the microphone's in a quiet room, the other from the loudspeaker with nothing between."""
    voice = speech()
    return {
        MIC_SINK: cycle(voice, ROOM_DB, 0.0),
        NULL_SINK: cycle(np.roll(voice, len(voice) // 2), None, CYCLE_S / _TURNS / 2),
    }


def quiet_room() -> dict[str, Samples]:
    """The noise of a quiet room at the microphone, and digital silence."""
    size = CYCLE_S * SOUND_RATE
    return {MIC_SINK: noise(ROOM_DB, size), NULL_SINK: np.zeros(size, np.int16)}
