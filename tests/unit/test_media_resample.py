"""Sound of other formats, and sound that is stretched: nothing lost, no seam, little noise."""

from __future__ import annotations

import numpy as np
import pytest

from pepys.media.resample import RATE, AsyncResampler, Conformer, Pcm


def _tone(hz: float, samples: int, rate: int = RATE, channels: int = 1) -> Pcm:
    wave = np.sin(2 * np.pi * hz * np.arange(samples) / rate) * 30_000
    return np.repeat(wave.round().astype(np.int16).reshape(-1, 1), channels, axis=1)


def _signal_to_noise(pcm: Pcm, hz: float) -> float:
    """In dB, against the tone that fits best near `hz`."""
    wave = pcm[:, 0].astype(float)
    index = np.arange(len(wave))
    best, step = -np.inf, hz * 2e-5
    while step > hz * 1e-9:
        found = []
        for tried in (hz + number * step for number in range(-10, 11)):
            turns = 2 * np.pi * tried * index / RATE
            basis = np.stack((np.sin(turns), np.cos(turns)), axis=1)
            rest = wave - basis @ np.linalg.solve(basis.T @ basis, basis.T @ wave)
            found.append((10 * np.log10(np.sum(wave**2) / np.sum(rest**2)), tried))
        best, hz = max(found)
        step /= 10
    return float(best)


def _stretched(pcm: Pcm, stretch: float, block: int = 9120) -> Pcm:
    resampler = AsyncResampler(pcm.shape[1])
    resampler.steer(stretch)
    blocks = [resampler.push(pcm[start : start + block]) for start in range(0, len(pcm), block)]
    return np.concatenate([*blocks, resampler.end()])


@pytest.mark.parametrize(
    ("hz", "stretch", "least_db"),
    [(1000, 0.0001, 90), (10_000, 0.0001, 90), (1000, -0.005, 90), (10_000, 0.005, 90), (10_000, -0.005, 90)],
)
def test_stretching_adds_little_noise(hz: float, stretch: float, least_db: float) -> None:
    out = _stretched(_tone(hz, 3 * RATE), stretch)
    assert len(out) == pytest.approx(3 * RATE * (1 + stretch), abs=6)
    assert _signal_to_noise(out[RATE : RATE + 30_000], hz / (1 + stretch)) > least_db


def test_without_stretching_it_is_the_same_sound_from_the_first_sample_to_the_last() -> None:
    pcm = _tone(440, 50_000, channels=2)
    resampler = AsyncResampler(2, pcm[:1000])
    out = np.concatenate([resampler.push(pcm[1000:20_000]), resampler.push(pcm[20_000:]), resampler.end()])
    assert len(out) == 49_000
    assert np.abs(out.astype(int) - pcm[1000:]).max() <= 2


def test_it_can_be_steered_at_any_time_and_keeps_its_place() -> None:
    impulse = np.zeros((10 * RATE, 1), np.int16)
    impulse[9 * RATE] = 20_000
    resampler = AsyncResampler(1)
    out, expected = [], 0.0
    for number, start in enumerate(range(0, len(impulse), 4800)):
        stretch = (number % 11 - 5) / 1000 if number < 80 else 0.0
        resampler.steer(stretch)
        out.append(resampler.push(impulse[start : start + 4800]))
        expected += stretch * 4800
    whole = np.concatenate([*out, resampler.end()])
    assert len(whole) - len(impulse) == pytest.approx(expected, abs=15)
    assert int(np.argmax(whole)) - 9 * RATE == pytest.approx(len(whole) - len(impulse), abs=1)


@pytest.mark.parametrize(("rate", "channels", "to_channels"), [
    (8000, 1, 1), (8000, 1, 2), (192_000, 2, 1), (44_100, 2, 2), (48_000, 8, 2), (96_000, 8, 1), (48_000, 12, 2),
    (16_000, 6, 2), (48_000, 1, 2), (48_000, 2, 1), (48_000, 2, 2),
])  # fmt: skip
def test_any_format_becomes_the_tracks(rate: int, channels: int, to_channels: int) -> None:
    pcm = _tone(1000, rate, rate, channels)
    conformer = Conformer(rate, channels, to_channels)
    blocks = [conformer.push(pcm[start : start + 1000]) for start in range(0, len(pcm), 1000)]
    out = np.concatenate([*blocks, conformer.end()])
    assert out.shape == (RATE, to_channels) and out.dtype == np.int16
    middle = out[RATE // 4 : RATE // 2, 0].astype(int)
    assert np.abs(middle - _tone(1000, RATE)[RATE // 4 : RATE // 2, 0]).max() < 1500, "as loud, and at its place"
    assert len(conformer.push(np.zeros((0, channels), np.int16))) == 0
