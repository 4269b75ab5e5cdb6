"""The level meter against the standard and against ffmpeg, and what it takes for a voice."""

from __future__ import annotations

import re
import shutil
import subprocess
import wave
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.media.meter import Meter
from pepys.model.sound_levels import BLOCK_SAMPLES, BLOCKS_A_SECOND, LOWEST_DB, Levels, db_of

RATE = 48_000
Sound = NDArray[np.float64]
Bits = NDArray[np.bool_]
STEP = RATE * 190 // 1000
"""Samples that the recorder reads at once."""
LEAD, TAIL = 6, 10
"""Blocks: 300 ms before and 500 ms after speech."""


def tone(hertz: float, seconds: float, level_db: float = 0.0) -> Sound:
    return np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE) * 10 ** (level_db / 20)


@cache
def noises() -> tuple[Sound, Sound]:
    """43 s of white and of pink noise, of 0 dBFS; they can be played in a circle."""
    white = np.random.default_rng(11).standard_normal(1 << 21)
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(900, np.arange(len(spectrum)))), len(white))
    return white, pink / pink.std()


def white(seconds: float, level_db: float) -> Sound:
    return np.resize(noises()[0], round(RATE * seconds)) * 10 ** (level_db / 20)


def pink(seconds: float, level_db: float) -> Sound:
    return np.resize(noises()[1], round(RATE * seconds)) * 10 ** (level_db / 20)


def hum(seconds: float, level_db: float) -> Sound:
    parts = ((50, 1.0), (100, 0.7), (150, 0.5), (200, 0.3), (300, 0.2), (500, 0.1))
    sound = sum((share * tone(hertz, seconds) for hertz, share in parts), np.zeros(round(RATE * seconds)))
    loud: Sound = sound / sound.std() * 10 ** (level_db / 20)
    return loud


def typing(seconds: float, peak_db: float) -> Sound:
    """About seven keys a second, each a click of some milliseconds when it goes down and when it comes up."""
    draw = np.random.default_rng(3)
    sound = np.zeros(round(RATE * seconds))
    at = 0.5
    while at < seconds - 0.5:
        for later in (0.0, draw.uniform(0.06, 0.12)):
            times = np.arange(960) / RATE
            ring = np.sin(2 * np.pi * draw.uniform(1500, 4500) * times)
            ring += 0.5 * np.sin(2 * np.pi * draw.uniform(200, 500) * times)
            click = (0.6 * draw.standard_normal(960) + ring) * np.exp(-times / draw.uniform(0.003, 0.006))
            first = round((at + later) * RATE)
            sound[first : first + 960] += click / np.abs(click).max() * 10 ** (peak_db / 20)
        at += 0.05 + draw.exponential(0.1)
    return sound


def music(seconds: float, level_db: float) -> Sound:
    """Chords of plucked strings, and a drum."""
    return np.resize(twelve_seconds_of_music(), round(RATE * seconds)) * 10 ** (level_db / 20)


@cache
def twelve_seconds_of_music() -> Sound:
    draw, seconds = np.random.default_rng(1), 12
    sound = np.zeros(RATE * (seconds + 3))
    times = np.arange(RATE * 5 // 4) / RATE
    for first in range(0, RATE * seconds, RATE // 2):
        for hertz in 220 * 2 ** (draw.integers(0, 24, 3) / 12):
            for harmonic in range(1, 6):
                part = np.sin(2 * np.pi * hertz * harmonic * times) / harmonic * np.exp(-2 * times)
                sound[first : first + len(times)] += part
        sound[first : first + len(times)] += 3 * np.sin(2 * np.pi * 60 * times) * np.exp(-30 * times)
    loud: Sound = sound[: RATE * seconds] / sound.std()
    return loud


@cache
def said(text: str, voice: str) -> Sound:
    """A synthetic voice; what is loud of it has -20 dBFS."""
    program = shutil.which("espeak-ng")
    assert program, "espeak-ng is in the list of test packages"
    data = subprocess.run([program, "-v", voice, "--stdout", text], capture_output=True, check=True, timeout=30).stdout
    rate = int.from_bytes(data[24:28], "little")
    samples = np.frombuffer(data[44 : len(data) // 2 * 2], np.int16).astype(np.float64)
    spoken = np.interp(np.arange(0, len(samples), rate / RATE), np.arange(len(samples)), samples)
    loud: Sound = spoken * 10 ** ((-20 - loudest_db(spoken)) / 20)
    return loud


def powers(sound: Sound) -> NDArray[np.float64]:
    blocks = sound[: len(sound) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    power: NDArray[np.float64] = (blocks**2).mean(axis=1) + 1e-12
    return power


def loudest_db(sound: Sound) -> float:
    power = powers(sound)
    return float(10 * np.log10(power[power > power.max() / 1000].mean()))


@cache
def talk() -> Sound:
    """Sentences and single words of four voices, one of them whispering, with pauses; -20 dBFS while they speak."""
    parts = []
    for number, voice in enumerate(("en-us", "en-gb+f3", "en+whisper")):
        for text in ("She sells sea shells. Why?", "Six."):
            parts += [np.zeros(round(RATE * (0.7 + number))), said(text, voice)]
    return np.concatenate([*parts, np.zeros(2 * RATE)])


def as_pcm(sound: Sound) -> NDArray[np.int16]:
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)


def measure(pcm: NDArray[np.int16], channels: int = 1, step: int = STEP) -> tuple[list[Levels], list[bool]]:
    """The levels, and `active` after each step."""
    meter, levels, active = Meter(channels), [], []
    for first in range(0, len(pcm), step):
        meter.add(pcm[first : first + step])
        assert meter.active or not meter.voice
        active.append(meter.active)
        levels += meter.take()
    return levels + meter.end(), active


def voice_of(sound: Sound) -> Bits:
    levels, _ = measure(as_pcm(sound))
    return np.array([level.voice >> block & 1 for level in levels for block in range(len(level.peaks))], bool)


def with_margins(speech: Bits) -> Bits:
    wide = speech.copy()
    for shift in range(1, LEAD + 1):
        wide[:-shift] |= speech[shift:]
    for shift in range(1, TAIL + 1):
        wide[shift:] |= speech[:-shift]
    return wide


def recall(clean: Sound, noise: Sound) -> float:
    """The share of speech, with its margins, that is marked; speech is what is within 30 dB of the loud parts."""
    marked = voice_of(clean + noise)
    speech = with_margins(10 * np.log10(powers(clean)) > loudest_db(clean) - 30)
    return float(marked[: len(speech)][speech].mean())


def test_the_standard_s_sine_has_its_loudness_and_peak() -> None:
    levels, _ = measure(as_pcm(tone(997, 2) * 32767 / 32768))
    assert [len(level.peaks) for level in levels] == [BLOCKS_A_SECOND, BLOCKS_A_SECOND]
    assert all(db_of(value) == 0 for level in levels for value in level.peaks)
    assert all(abs(db_of(value) + 3.01) <= 0.25 for level in levels for value in level.loudness)
    meter = Meter(1)
    meter.add(as_pcm(tone(997, 1) * 32767 / 32768))
    assert meter.latest.loudness_lufs == pytest.approx(-3.01, abs=0.02)
    assert meter.latest.peak_db == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("hertz", "channels"), [(100, 1), (440, 2), (1687, 1), (4000, 2), (10_000, 1)])
def test_loudness_is_ffmpeg_s(hertz: int, channels: int, short_folder: Path) -> None:
    program = shutil.which("ffmpeg")
    assert program, "ffmpeg is in the list of test packages"
    pcm = np.repeat(as_pcm(tone(hertz, 3, -20))[:, None], channels, axis=1)
    path = short_folder / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())
    told = subprocess.run(
        [program, "-hide_banner", "-nostats", "-i", str(path), "-af", "ebur128", "-f", "null", "-"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    (theirs,) = re.findall(r"I:\s+(-[\d.]+) LUFS", told.stderr.rpartition("Summary")[2])
    levels, _ = measure(pcm, channels)
    ours = [db_of(value) for level in levels for value in level.loudness]
    assert max(abs(value - float(theirs)) for value in ours) <= 0.5


def test_levels_do_not_depend_on_the_steps_they_came_in() -> None:
    pcm = as_pcm(talk()[: RATE * 7 + 1234])
    whole, _ = measure(pcm, step=len(pcm))
    for step in (STEP, 960, 2400, 48_000):
        assert measure(pcm, step=step)[0] == whole
    assert [level.position for level in whole] == [second * RATE for second in range(8)]
    assert [len(level.peaks) for level in whole] == [20] * 7 + [1]


def test_a_beginning_is_settled_late_and_nothing_is_left_at_the_end() -> None:
    meter = Meter(2)
    meter.add(np.zeros((RATE * 3 // 2, 2), np.int16))
    assert meter.take() == []
    meter.add(np.zeros((RATE // 4, 2), np.int16))
    assert [level.position for level in meter.take()] == [0]
    assert [(level.position, len(level.peaks)) for level in meter.end()] == [(RATE, 15)]
    assert meter.end() == [] == Meter(1).end()


def test_opposite_channels_are_as_loud_as_equal_ones_and_the_largest_sample_counts() -> None:
    one = as_pcm(tone(1000, 1, -20))
    equal, opposite = (measure(np.stack((one, other), axis=1), 2)[0][0] for other in (one, -one))
    assert equal.loudness == opposite.loudness
    lone = np.zeros((RATE, 2), np.int16)
    lone[1200, 1] = -32768
    assert [db_of(value) for value in measure(lone, 2)[0][0].peaks[:2]] == [0, LOWEST_DB]


@pytest.mark.parametrize("level_db", [-12, -26, -40])
@pytest.mark.parametrize("room", ["none", "white", "pink", "hum", "typing", "music"])
def test_speech_is_marked_with_its_margins(level_db: int, room: str) -> None:
    clean = talk() * 10 ** ((level_db + 20) / 20)
    seconds = len(clean) / RATE
    noise = {
        "none": lambda: np.zeros(len(clean)), "white": lambda: white(seconds, -45), "pink": lambda: pink(seconds, -45),
        "hum": lambda: hum(seconds, -45), "typing": lambda: typing(seconds, level_db),
        "music": lambda: music(seconds, level_db - 3),
    }[room]()  # fmt: skip
    assert recall(clean, noise[: len(clean)]) >= 0.995


def test_a_word_after_long_silence_is_marked() -> None:
    word = np.concatenate((np.zeros(45 * RATE), said("Six.", "en-us") / 10, np.zeros(RATE)))
    for noise in (np.zeros(len(word)), pink(len(word) / RATE, -50)):
        assert recall(word, noise[: len(word)]) >= 0.995


def test_an_offset_and_a_silent_or_noisy_other_channel_hide_no_voice() -> None:
    clean = talk() / 10
    speech = with_margins(10 * np.log10(powers(clean)) > loudest_db(clean) - 30)
    for one, other in (
        (clean + 0.2, clean + 0.2),
        (clean, 0 * clean),
        (0 * clean - 0.1, clean),
        (clean, white(len(clean) / RATE, -55)),
    ):
        levels, _ = measure(np.stack((as_pcm(one), as_pcm(other)), axis=1), 2)
        marked = np.array([level.voice >> block & 1 for level in levels for block in range(len(level.peaks))], bool)
        assert marked[: len(speech)][speech].mean() >= 0.995


def test_a_vowel_that_is_held_is_voice_to_its_end_and_a_buzz_is_not_for_ever() -> None:
    def buzz(seconds: float) -> Sound:
        return sum((tone(140 * n, seconds, -30) / n for n in range(1, 12)), np.zeros(round(RATE * seconds)))

    held = np.concatenate((np.zeros(3 * RATE), buzz(2.5), np.zeros(2 * RATE)))
    assert recall(held, white(7.5, -60)) >= 0.995
    assert not voice_of(buzz(20) + white(20, -60))[120:].any()


def test_noise_is_no_voice_and_silence_is_nothing() -> None:
    for noise in (white(40, -45), white(20, -70), pink(40, -45), pink(20, -70), hum(20, -40) + white(20, -70)):
        assert voice_of(noise).mean() < 0.02
    levels, active = measure(np.zeros(RATE * 30, np.int16))
    assert not any(active)
    assert all(level.voice == 0 and not any(level.peaks) and not any(level.loudness) for level in levels)


def test_typing_and_a_fan_are_active_and_seldom_voice() -> None:
    for sound in (typing(40, -20) + pink(40, -60), hum(20, -40) + white(20, -70)):
        assert voice_of(sound).mean() < 0.1
        assert np.mean(measure(as_pcm(sound))[1]) > 0.95


def test_what_rises_over_the_room_is_active_and_the_second_after_it() -> None:
    room = white(20, -60)
    _, active = measure(as_pcm(room))
    assert not any(active)
    room[RATE * 10 : RATE * 10 + RATE // 10] *= 10 ** (4 / 20)
    _, active = measure(as_pcm(room), step=BLOCK_SAMPLES)
    assert [place for place, on in enumerate(active) if on] == list(range(200, 222))
