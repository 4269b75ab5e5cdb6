"""Sound codecs: positions stay aligned, durations add up, silence is free."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.media.fmp4 import SoundSample
from pepys.media.sound import AacEncoder, OpusEncoder, SoundDecoder, SoundEncoder, as_float

RATE = 48_000
Pcm = NDArray[np.int16]


def tone(seconds: float, *, silent: tuple[float, float] = (0, 0)) -> Pcm:
    """A sweep, whose shape tells exactly where a sample belongs, with a stretch of silence."""
    at = np.arange(int(seconds * RATE)) / RATE
    samples = (np.sin(2 * np.pi * (200 * at + 150 * at**2)) * 9000).astype(np.int16)
    samples[int(silent[0] * RATE) : int(silent[1] * RATE)] = 0
    return samples


def encoders(channels: int) -> SoundEncoder:
    return AacEncoder() if channels == 2 else OpusEncoder()


def code(encoder: SoundEncoder, pcm: Pcm, block: int = 960) -> list[SoundSample]:
    samples: list[SoundSample] = []
    for start in range(0, len(pcm), block):
        part = pcm[start : start + block]
        samples += encoder.encode(np.stack([part] * encoder.config.channels, axis=1))
    return samples + encoder.flush()


def decoded(encoder: SoundEncoder, samples: list[SoundSample]) -> NDArray[np.float32]:
    decoder = SoundDecoder(encoder.config)
    return np.concatenate([decoder.decode(sample.data)[: sample.duration] for sample in samples])[:, 0]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("length", [0.001, 0.4, 2.0173])
def test_durations_add_up_to_what_was_fed(channels: int, length: float) -> None:
    pcm = tone(length)
    samples = code(encoders(channels), pcm)
    assert sum(sample.duration for sample in samples) == len(pcm)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_decodes_to_where_it_was_fed_also_after_a_long_silence(channels: int) -> None:
    pcm = tone(5, silent=(1.2, 3.7))
    encoder = encoders(channels)
    heard = decoded(encoder, code(encoder, pcm))
    fed = pcm.astype(np.float32) / 32768
    assert len(heard) == len(fed)
    for start in (0.2, 4.0):
        part = slice(int(start * RATE), int((start + 0.8) * RATE))
        shifts = range(-400, 401)
        likeness = [float(np.dot(heard[part], np.roll(fed, shift)[part])) for shift in shifts]
        assert abs(shifts[int(np.argmax(likeness))]) <= 2
        assert np.abs(heard[part] - fed[part]).max() < 0.05
    assert np.abs(heard[int(1.4 * RATE) : int(3.6 * RATE)]).max() < 0.002


@pytest.mark.parametrize("channels", [1, 2])
def test_exact_silence_is_not_encoded_again_and_again(channels: int) -> None:
    encoder = encoders(channels)
    code_now = encoder.encode(np.zeros((10 * RATE, channels), np.int16))
    packets = [sample.data for sample in code_now]
    assert len(set(packets[-50:])) == 1
    assert encoder._encoded < 3 * RATE


def test_floats_are_the_same_sound_as_int16() -> None:
    pcm = tone(0.1)
    np.testing.assert_array_equal(as_float(pcm, 1).reshape(-1) * 32768, pcm)
    with pytest.raises(ValueError, match="channels"):
        as_float(np.zeros((4, 2), np.int16), 1)


def test_opus_has_one_rate() -> None:
    with pytest.raises(ValueError, match="48000"):
        OpusEncoder(44_100)
