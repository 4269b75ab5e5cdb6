"""Pictures written by hand, and pictures of which the encoder is told what changed: all decode to the truth."""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest

from pepys.media.colour import Picture
from pepys.media.h264_hint import Area
from pepys.media.h264_skip import SkipWriter, skip_writer
from pepys.media.video import H264Encoder, hints_work, nal_units, parameter_sets

SIZE = (160, 96)
MS = 1_000_000
START = b"\0\0\0\1"


def byte_stream(data: bytes) -> bytes:
    stream, at = b"", 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        stream += START + data[at + 4 : at + 4 + length]
        at += 4 + length
    return stream


def decoded(encoder: H264Encoder, units: list[bytes]) -> list[np.ndarray]:
    """What ffmpeg makes of a stream; it must have nothing to say about it."""
    stream = byte_stream(parameter_sets(encoder.config.avcc)) + b"".join(map(byte_stream, units))
    argv = ["ffmpeg", "-v", "warning", "-f", "h264", "-i", "-", "-fps_mode", "passthrough"]
    done = subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", "nv12", "-"], input=stream, capture_output=True)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return list(np.frombuffer(done.stdout, np.uint8).reshape(-1, SIZE[1] * 3 // 2, SIZE[0]))


def scribbles(seed: int, count: int) -> Iterator[tuple[Picture, list[Area]]]:
    """A picture that changes in places, each time with the places; none: nothing changed."""
    chance, numbers, picture = random.Random(seed), np.random.default_rng(seed), Picture(*SIZE)
    picture.luma[:] = numbers.integers(16, 235, (12, 20), np.uint8).repeat(8, 0).repeat(8, 1)
    yield picture, [(0, 0, *SIZE)]
    for _ in range(count - 1):
        areas: list[Area] = []
        for _ in range(chance.choice((0, 0, 1, 3))):
            x, y = chance.randrange(0, 120, 2), chance.randrange(0, 70, 2)
            width, height = chance.randrange(2, 40, 2), chance.randrange(2, 26, 2)
            picture.luma[y : y + height, x : x + width] = numbers.integers(16, 235, (height, width), np.uint8)
            picture.chroma[y // 2 : (y + height) // 2, x : x + width] = chance.randrange(16, 240)
            areas.append((x, y, width, height))
        yield picture, areas


@pytest.mark.parametrize("seed", range(3))
def test_repeated_pictures_are_those_before_them_bit_by_bit(seed: int) -> None:
    mixed, plain = H264Encoder(*SIZE, 30), H264Encoder(*SIZE, 30)
    chance = random.Random(seed)
    units, encoded, shown = [], [], []
    for number, (picture, areas) in enumerate(scribbles(seed, 150)):
        key = number == 0 or chance.random() < 0.03
        if areas or key:
            data = mixed.encode(picture, number * 40 * MS, key)
            encoded.append(plain.encode(picture, number * 40 * MS, key))
        else:
            data = mixed.repeat(number * 40 * MS)
        units.append(data)
        shown.append(len(encoded) - 1)
    alone, together = decoded(plain, encoded), decoded(mixed, units)
    assert len(together) == len(units) > len(encoded) + 40
    assert all(np.array_equal(alone[which], picture) for which, picture in zip(shown, together, strict=True))


def test_numbers_wrap_and_an_idr_begins_anew() -> None:
    encoder, picture = H264Encoder(*SIZE, 30), Picture(*SIZE)
    units = []
    for round_ in range(3):
        picture.luma[:] = 60 + 40 * round_
        units.append(encoder.encode(picture, round_ * 100_000 * MS, True))
        units += [encoder.repeat(0) for _ in range(40)]
        picture.luma[:20] = 200
        units.append(encoder.encode(picture, round_ * 100_000 * MS + 50_000 * MS, False))
    assert max(map(len, units[1:41])) < 24
    levels = [int(frame[50:90].mean()) for frame in decoded(encoder, units)]
    assert [abs(level - 60 - 40 * (n // 42)) <= 1 for n, level in enumerate(levels)] == [True] * 126


def test_a_first_picture_cannot_be_repeated() -> None:
    with pytest.raises(ValueError, match="no picture to repeat"):
        H264Encoder(*SIZE, 30).repeat(0)


@pytest.mark.parametrize("seed", range(20))
def test_renumbering_keeps_every_other_bit(seed: int) -> None:
    """Also where bytes that look like a start code come or go with the number, or stand right after it."""
    chance = random.Random(seed)
    bits = chance.choice((4, 5, 9, 16))
    number, added = chance.randrange(1 << bits), chance.randrange(1, 9)
    body = bytes(chance.choices((0, 0, 0, 1, 3, 200), k=chance.choice((2, 6, 60)))) + b"\x80"
    writer = SkipWriter(60, bits, 0, True)
    writer.renumber(b"\x65\x88")
    for _ in range(added):
        writer.repeat()

    def unit(value: int) -> bytes:
        head = "1" + "00110" + "1" + f"{value % (1 << bits):0{bits}b}"
        text = head + "".join(f"{byte:08b}" for byte in body)
        text += "0" * (-len(text) % 8)
        payload, escaped, zeros = int(text, 2).to_bytes(len(text) // 8), b"", 0
        for byte in payload:
            if zeros >= 2 and byte <= 3:
                escaped, zeros = escaped + b"\3", 0
            escaped, zeros = escaped + bytes((byte,)), zeros + 1 if byte == 0 else 0
        return b"\x41" + escaped

    assert writer.renumber(unit(number)) == unit(number + added)


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "high", "x264-params": "8x8dct=1"},
        {"x264-params": "cabac=1"},
        {"x264-params": "ref=3"},
        {"x264-params": "weightp=1"},
        {"x264-params": "bframes=2"},
    ],
    ids=str,
)
def test_other_streams_are_left_to_the_encoder(options: dict[str, str]) -> None:
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = *SIZE, "nv12"
    context.time_base = Fraction(1, 90_000)
    context.flags |= av.codec.context.Flags.global_header
    context.options = {"preset": "ultrafast", **options}
    context.open()
    sequence, picture = [unit for unit in nal_units(bytes(context.extradata or b"")) if unit[0] & 31 in (7, 8)]
    assert skip_writer(sequence, picture) is None
    assert skip_writer(sequence[:3], picture[:1]) is None


def test_an_encoder_without_a_writer_encodes_the_picture_again() -> None:
    encoder, picture = H264Encoder(*SIZE, 30), Picture(*SIZE)
    encoder._skips = None
    picture.luma[:] = 120
    units = [encoder.encode(picture, 0, True), encoder.repeat(800 * MS), encoder.repeat(1600 * MS)]
    assert [int(frame[:96].mean()) for frame in decoded(encoder, units)] == [120] * 3


@pytest.mark.parametrize("seed", range(3))
def test_what_is_told_is_encoded_as_well_as_without_being_told(seed: int) -> None:
    assert hints_work(), "PyAV or its libraries are not as media/h264_hint.py knows them"
    told, plain = H264Encoder(*SIZE, 30), H264Encoder(*SIZE, 30, hints=False)
    units, others, pictures = [], [], []
    for number, (picture, areas) in enumerate(scribbles(seed, 60)):
        at_ns = number * 40 * MS
        units.append(told.encode(picture, at_ns, number == 0, areas) if areas else told.repeat(at_ns))
        others.append(plain.encode(picture, at_ns, number == 0))
        pictures.append(picture.array.astype(int))
    for one, other, truth in zip(decoded(told, units), decoded(plain, others), pictures, strict=True):
        mine, its = (np.abs(frame - truth).mean() for frame in (one, other))
        assert mine <= its + 0.3
        assert np.abs(one - truth).max() <= np.abs(other - truth).max() + 12


def test_too_many_areas_are_told_as_one_and_others_are_clipped() -> None:
    encoder, picture = H264Encoder(*SIZE, 30), Picture(*SIZE)
    many: list[Area] = [(x, y, 2, 2) for x in range(0, 160, 10) for y in range(0, 96, 10)]
    units = [encoder.encode(picture, 0, True)]
    picture.luma[:] = 90
    units.append(encoder.encode(picture, 40 * MS, False, many))
    picture.luma[:] = 190
    units.append(encoder.encode(picture, 80 * MS, False, [(-50, -50, 1000, 1000), (500, 500, 9, 9)]))
    shown = decoded(encoder, units)
    assert all(abs(int(one[:90].mean()) - level) <= 1 for one, level in zip(shown, (16, 90, 190), strict=True))
    other = Picture(*SIZE)
    other.luma[:] = 140
    units.append(encoder.encode(other, 120 * MS, False, []))  # of another picture nothing can be told
    assert abs(int(decoded(encoder, units)[-1][:96].mean()) - 140) <= 1
