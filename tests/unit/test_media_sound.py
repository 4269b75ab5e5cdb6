"""Sound codecs: positions stay aligned, durations add up, what is not heard is nearly free and does not click."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.media import opus
from pepys.media.fmp4 import SoundSample
from pepys.media.sound import AacEncoder, OpusEncoder, SoundDecoder, SoundEncoder, as_samples
from pepys.media.sound_effort import LATE_SAMPLES, WIDE_SAMPLES, Pauses, Width
from pepys.media.sound_gate import FAINT_PEAK

HOSTILE = Path(__file__).parents[1] / "hostile_sound.py"
RATE = 48_000
ROOM = 33
"""The loudness (RMS) of a quiet room's noise: -60 dBFS."""
Pcm = NDArray[np.int16]
Active = Callable[[int], bool]


def tone(seconds: float, *, silent: tuple[float, float] = (0, 0)) -> Pcm:
    """A sweep, whose shape tells exactly where a sample belongs, with a stretch of silence."""
    at = np.arange(int(seconds * RATE)) / RATE
    samples = (np.sin(2 * np.pi * (200 * at + 150 * at**2)) * 9000).astype(np.int16)
    samples[int(silent[0] * RATE) : int(silent[1] * RATE)] = 0
    return samples


def noise(seconds: float, loudness: float) -> Pcm:
    """White noise of that RMS."""
    return np.rint(np.random.default_rng(4).standard_normal(int(seconds * RATE)) * loudness).astype(np.int16)


def encoders(channels: int) -> SoundEncoder:
    return AacEncoder() if channels == 2 else OpusEncoder()


def always(_: int) -> bool:
    return True


def never(_: int) -> bool:
    return False


def code(encoder: SoundEncoder, pcm: Pcm, block: int = 960, active: Active = always) -> list[SoundSample]:
    """All packets; `active` is asked for each block by the position of its first sample."""
    samples: list[SoundSample] = []
    both = pcm if pcm.ndim == 2 else np.stack([pcm] * encoder.config.channels, axis=1)
    for start in range(0, len(both), block):
        samples += encoder.encode(both[start : start + block], active(start))
    return samples + encoder.flush()


def decoded(encoder: SoundEncoder, samples: list[SoundSample], channel: int = 0) -> NDArray[np.float32]:
    decoder = SoundDecoder(encoder.config)
    return np.concatenate([decoder.decode(sample.data)[: sample.duration] for sample in samples])[:, channel]


def rate(samples: list[SoundSample]) -> float:
    """Bits a second."""
    return sum(len(sample.data) for sample in samples) * 8 * RATE / sum(sample.duration for sample in samples)


def rms(samples: NDArray[np.float32]) -> float:
    """As an int16 would have it."""
    return float(np.sqrt(np.mean((samples.astype(np.float64) * 32768) ** 2)))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("length", [1, 48, 120, 1024, 2048, 2880, 2940, 3000, 5760, 19_200, 96_830])
@pytest.mark.parametrize("active", [always, never])
def test_durations_add_up_to_what_was_fed(channels: int, length: int, active: Active) -> None:
    samples = code(encoders(channels), tone(3)[:length], active=active)
    assert sum(sample.duration for sample in samples) == length
    assert all(sample.duration > 0 for sample in samples)


def test_nothing_fed_gives_nothing() -> None:
    assert [code(encoders(channels), tone(0)) for channels in (1, 2)] == [[], []]


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
    packets = [sample.data for sample in encoder.encode(np.zeros((10 * RATE, channels), np.int16))]
    assert len(set(packets[-50:])) == 1
    assert encoder._encoded < 3 * RATE


@pytest.mark.parametrize("channels", [1, 2])
def test_packets_do_not_depend_on_how_the_samples_come(channels: int) -> None:
    pcm = np.concatenate((noise(0.5, ROOM), tone(0.4), noise(0.5, ROOM)))
    # Whether a block is heard changes at multiples of all these lengths.
    told = [code(encoders(channels), pcm, block, lambda at: 24_000 <= at < 43_200) for block in (48, 480, 4_800)]
    assert told[0] == told[1] == told[2]


def test_the_sound_of_a_room_is_kept_by_a_device_at_a_lower_rate() -> None:
    for channels in (1, 2):
        encoder = OpusEncoder(channels=channels)
        pcm = noise(4, ROOM)
        samples = code(encoder, pcm, active=never)
        assert rate(samples) < 6_500
        # The low rate has a narrow band: 4 of 24 kHz, a sixth of the energy.
        assert ROOM / 4 < rms(decoded(encoder, samples)[RATE:]) < ROOM
        assert rate(code(OpusEncoder(channels=channels), pcm)) > 20_000


def test_what_is_not_faint_keeps_more_though_nothing_should_be_heard() -> None:
    encoder = OpusEncoder()
    assert 10_000 < rate(code(encoder, noise(2, 20 * ROOM), active=never)) < 13_000
    stream = AacEncoder()
    samples = code(stream, noise(2, 20 * ROOM), active=never)
    assert 12_000 < rate(samples) < 20_000
    assert rms(decoded(stream, samples)[RATE // 2 :]) > 5 * ROOM


def test_the_playback_stream_has_digital_silence_where_nothing_is_heard_and_cuts_no_beginning() -> None:
    begin, end, length = 2 * RATE + 500, 3 * RATE, 5 * RATE
    pcm = noise(5, ROOM)
    pcm[begin:end] += tone(1)[: end - begin]
    stream = AacEncoder()
    # A block that is heard begins with the very first sample of the tone.
    samples = code(stream, pcm, 500, lambda at: begin - 500 < at < end)
    heard = decoded(stream, samples)
    assert len(heard) == length
    fed = pcm.astype(np.float32) / 32768
    assert np.abs(heard[begin : end - 500] - fed[begin : end - 500]).max() < 0.05
    for quiet in (slice(RATE // 2, begin - 3 * 1024), slice(end + 4 * 1024, length)):
        assert np.abs(heard[quiet]).max() < 1e-4
    assert stream._encoded < 2 * RATE


def test_the_gate_does_not_flutter_at_its_border() -> None:
    stream = AacEncoder()
    pcm = noise(3, FAINT_PEAK / 3.5)
    assert not all(np.abs(pcm[at : at + 1024]).max() > FAINT_PEAK for at in range(0, len(pcm), 1024))
    heard = decoded(stream, code(stream, pcm, active=never))[RATE // 2 :]
    frames = heard[: len(heard) // 1024 * 1024].reshape(-1, 1024)
    assert np.sqrt((frames**2).mean(axis=1)).min() * 32768 > FAINT_PEAK / 20


@pytest.mark.parametrize("loudness", [120, 400, 3000])
@pytest.mark.parametrize("make", [OpusEncoder, lambda: OpusEncoder(channels=2), AacEncoder])
def test_what_is_heard_or_not_changes_without_a_click(make: Callable[[], SoundEncoder], loudness: int) -> None:
    """A click is a bend of the wave: of a sine, the second difference is bounded by its loudness and its pitch."""
    pitch = 440
    at = np.arange(4 * RATE) / RATE
    pcm = np.rint(np.sin(2 * np.pi * pitch * at) * loudness).astype(np.int16)

    def bend(active: Active) -> float:
        encoder = make()
        return float(np.abs(np.diff(decoded(encoder, code(encoder, pcm, 4_800, active))[4_800:], 2)).max() * 32768)

    bound = loudness * (2 * np.pi * pitch / RATE) ** 2
    assert bend(lambda at: at // 24_000 % 2 == 0) <= max(bend(always), bend(never), 1.2 * bound) + 2


@pytest.mark.parametrize("make", [OpusEncoder, lambda: OpusEncoder(channels=2), AacEncoder])
def test_pauses_between_words_cost_half_and_do_not_click(make: Callable[[], SoundEncoder]) -> None:
    at = np.arange(4 * RATE) / RATE
    loudness = np.where((at * 2).astype(int) % 2 == 0, 6_000, 80)
    # Loud and faint meet where the wave is zero.
    pcm = np.rint(np.sin(2 * np.pi * 440 * at) * loudness).astype(np.int16)
    encoder = make()
    samples = code(encoder, pcm)
    assert rate(samples) < 0.9 * rate(code(make(), noise(4, 2_000)))
    faint = np.concatenate([part[4_000:-4_000] for part in np.split(decoded(encoder, samples), 8)[1::2]]) * 32768
    assert 40 < np.sqrt(np.mean(faint**2)) < 70


def test_a_pause_is_far_below_what_was_heard_of_late_however_faint_that_was() -> None:
    for loud in (30_000, 300):
        pauses = Pauses()
        word, breath = np.full((960, 1), loud, np.int16), np.full((960, 1), -loud // 60, np.int16)
        assert not pauses.of(breath)
        assert not pauses.of(word)
        # A pause that lasts becomes what is heard.
        told = [pauses.of(breath) for _ in range(3 * LATE_SAMPLES // 960)]
        assert all(told[: LATE_SAMPLES // 960 - 1])
        assert not told[-1]
    assert Pauses().of(np.zeros((960, 1), np.int16))


def test_the_smallest_sample_is_as_loud_as_it_is() -> None:
    pauses = Pauses()
    assert not pauses.of(np.full((10, 2), -32768, np.int16))
    assert not pauses.of(np.full((10, 2), 700, np.int16))


def test_channels_count_as_different_for_a_second_after_they_were() -> None:
    same = np.stack([tone(1)[:4_800]] * 2, axis=1)
    apart = same.copy()
    apart[:, 1] //= 2
    width = Width(2)
    assert not width.of(same)
    assert width.of(apart)
    told = [width.of(same) for _ in range(WIDE_SAMPLES // 4_800 + 1)]
    assert told == [True] * (WIDE_SAMPLES // 4_800 - 1) + [False] * 2
    assert not Width(1).of(apart[:, :1])


@pytest.mark.parametrize("make", [lambda: OpusEncoder(channels=2), AacEncoder])
def test_two_channels_that_are_the_same_cost_little_more_than_one(make: Callable[[], SoundEncoder]) -> None:
    left, right = noise(1, 900), np.roll(noise(1, 900), 7_000)
    assert rate(code(make(), left)) < 0.85 * rate(code(make(), np.stack((left, right), axis=1)))


def test_channels_stay_apart_when_they_begin_to_differ() -> None:
    pcm = np.stack([tone(4)] * 2, axis=1)
    pcm[2 * RATE :, 1] = 0
    encoder = OpusEncoder(channels=2)
    samples = code(encoder, pcm)
    left, right = (decoded(encoder, samples, channel)[2 * RATE + 2 * opus.FRAME :] for channel in (0, 1))
    assert rms(left) > 5_000
    assert rms(right) < 300


@pytest.mark.parametrize("channels", [1, 2])
def test_the_library_and_the_way_without_it_put_sound_at_the_same_place(channels: int) -> None:
    library = opus.proven()
    assert library is not None, "PyAV brings libopus"
    pcm = np.stack([tone(1)[: 12 * opus.FRAME]] * channels, axis=1)
    for coder in (opus.LibopusCoder(library, channels, 64_000), opus.PyavCoder(channels, 64_000)):
        decoder = SoundDecoder(OpusEncoder(channels=channels).config)
        packets = [coder.encode(pcm[at : at + opus.FRAME]) for at in range(0, len(pcm), opus.FRAME)]
        heard = np.concatenate([decoder.decode(packet) for packet in packets])[:, 0] * 32768
        assert len(heard) == len(pcm)
        assert np.abs(heard[5_000:] - pcm[5_000 - opus.LEAD : -opus.LEAD, 0]).max() < 1_500


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine on which what is called libopus is none."""
    (tmp_path / "libopus.so").write_bytes(b"not a library")
    monkeypatch.setattr(opus, "_places", lambda: [str(tmp_path / "libopus.so"), "libc.so.6", "libopus-that-is-not.so"])
    opus.proven.cache_clear()
    yield
    opus.proven.cache_clear()


@pytest.mark.usefixtures("no_library")
def test_without_the_library_sound_is_encoded_all_the_same() -> None:
    assert opus.proven() is None
    pcm = tone(1)
    encoder = OpusEncoder()
    samples = code(encoder, pcm, active=lambda at: at < 20_000)
    assert sum(sample.duration for sample in samples) == len(pcm)
    assert np.abs(decoded(encoder, samples)[4_800:] * 32768 - pcm[4_800:]).max() < 2_500


def test_a_frame_of_another_shape_does_not_reach_the_library() -> None:
    library = opus.proven()
    assert library is not None
    coder = opus.LibopusCoder(library, 2, 32_000)
    for wrong in (
        np.zeros((opus.FRAME, 1), np.int16),
        np.zeros((opus.FRAME, 2), np.float32),
        np.zeros((2, opus.FRAME), np.int16).T,
    ):
        with pytest.raises(ValueError, match="not a frame"):
            coder.encode(wrong)  # type: ignore[arg-type]  # an array of floats is the point
    with pytest.raises(opus.LibraryError):
        coder.steer(-5, False)


def test_full_scale_noise_and_squares_do_not_end_an_encoder() -> None:
    loud = np.random.default_rng(1).integers(-32768, 32767, (RATE, 2), np.int16, endpoint=True)
    square = np.where(np.arange(RATE) // 50 % 2, 32767, -32768).astype(np.int16)
    for encoder in (AacEncoder(bit_rate=32_000), AacEncoder(), OpusEncoder(channels=2)):
        samples = code(encoder, np.concatenate((loud, np.stack((square, -square - 1), axis=1))))
        assert sum(sample.duration for sample in samples) == 2 * RATE


def test_sounds_that_end_ffmpegs_search_for_mid_and_side_do_not_end_the_encoder() -> None:
    child = subprocess.run([sys.executable, str(HOSTILE), "6", "8", "39"], capture_output=True, text=True, check=False)
    assert (child.returncode, child.stdout) == (0, "whole\n"), child.stderr[-500:]


def test_floats_are_the_same_sound_as_int16() -> None:
    pcm = tone(0.1)
    np.testing.assert_array_equal(as_samples(pcm.astype(np.float32) / 32768, 1).reshape(-1), pcm)
    assert as_samples(np.array([2.0, -2.0], np.float32), 1).tolist() == [[32767], [-32768]]
    with pytest.raises(ValueError, match="channels"):
        as_samples(np.zeros((4, 2), np.int16), 1)


def test_opus_has_one_rate() -> None:
    with pytest.raises(ValueError, match="48000"):
        OpusEncoder(44_100)
