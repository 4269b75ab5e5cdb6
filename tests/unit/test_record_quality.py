"""Sizes: whatever the screen's, the target is one that can be encoded, and its picture is right where text stands."""

from __future__ import annotations

import io
import subprocess
import sys

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pepys.limits import FRAGMENT_NS, PICTURE_SIDE_MAX
from pepys.media.colour import Converter, LibyuvConverter, Picture
from pepys.media.fmp4 import FragmentWriter, VideoSample, init_segment
from pepys.media.libyuv import argb_to_nv12
from pepys.media.swscale import Scaler, SwscaleConverter
from pepys.media.video import DEFAULT_QP, H264Encoder
from pepys.record.quality import QUALITIES, target_size

Pixels = NDArray[np.uint8]


def ways() -> list[Converter]:
    function = argb_to_nv12()
    assert function is not None, "libyuv0 is in the list of system packages"
    return [LibyuvConverter(function), SwscaleConverter()]


def test_the_table_is_what_the_names_promise() -> None:
    assert [(name, quality.lines, quality.fps) for name, quality in QUALITIES.items()] == [
        ("low", 720, 15), ("medium", 1080, 30), ("high", 1440, 30), ("ultra", 2160, 60),
    ]  # fmt: skip
    assert [quality.qp for quality in QUALITIES.values()] == sorted({q.qp for q in QUALITIES.values()}, reverse=True)
    assert QUALITIES["medium"].qp == DEFAULT_QP


def test_reading_the_table_loads_nothing_heavy() -> None:
    script = "import sys, pepys.record.quality; print({'av', 'numpy', 'pydantic'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert told.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("screen", "lines", "expected"),
    [
        ((1, 1), 1080, (2, 2)),
        ((3, 3), 1080, (2, 2)),
        ((0, 0), 720, (2, 2)),
        ((5000, 3), 1080, (5000, 2)),
        ((30_000, 3), 1080, (PICTURE_SIDE_MAX, 2)),
        ((3, 5000), 720, (2, 5000)),
        ((1081, 1921), 1080, (1080, 1920)),
        ((2561, 1441), 1440, (2560, 1440)),
        ((1441, 2561), 1440, (1440, 2560)),
        ((2160, 3840), 1080, (1080, 1920)),
        ((3840, 2160), 1440, (2560, 1440)),
        ((5120, 2880), 2160, (3840, 2160)),
        ((7680, 2160), 1080, (3840, 1080)),
        ((15_360, 2160), 2160, (PICTURE_SIDE_MAX, 1152)),
    ],
)
def test_odd_flat_upright_and_huge_screens(screen: tuple[int, int], lines: int, expected: tuple[int, int]) -> None:
    assert target_size(*screen, lines) == expected


@given(
    st.integers(1, 40_000), st.integers(1, 40_000), st.sampled_from([quality.lines for quality in QUALITIES.values()])
)
def test_a_target_can_be_encoded_and_keeps_its_proportions(width: int, height: int, lines: int) -> None:
    out_width, out_height = target_size(width, height, lines)
    assert out_width % 2 == out_height % 2 == 0 and 2 <= min(out_width, out_height) <= lines
    assert max(out_width, out_height) <= PICTURE_SIDE_MAX
    assert out_width <= max(2, width) and out_height <= max(2, height)
    # Rounding down takes less than three pixels of either side; an odd last row or column is cut off before.
    width, height = max(2, width & ~1), max(2, height & ~1)
    scale = min(1.0, lines / min(width, height), PICTURE_SIDE_MAX / max(width, height))
    assert abs(out_width - width * scale) < 3 and abs(out_height - height * scale) < 3


@pytest.mark.parametrize("size", [(2, 2), (4, 2), (2, 500), (5000, 2), (18, 34), (1366, 768), (1080, 1920)])
def test_every_target_is_encoded_and_plays(size: tuple[int, int]) -> None:
    width, height = size
    for way in ways():
        pixels = np.zeros((height, width, 4), np.uint8)
        pixels[:, : width // 2] = 255
        picture = Picture(width, height)
        way.convert(picture, 0, 0, pixels)
        encoder = H264Encoder(width, height, 30)
        samples = [VideoSample(0, encoder.encode(picture, 0, True), True)]
        way.convert(picture, 0, 0, np.ascontiguousarray(255 - pixels))
        samples.append(VideoSample(100_000_000, encoder.encode(picture, 100_000_000, False), False))
        film = init_segment(encoder.config, None) + FragmentWriter(encoder.config, None, 0).write(
            samples, FRAGMENT_NS, ()
        )
        encoder.close()
        with av.open(io.BytesIO(film)) as container:
            first, second = (
                frame.to_ndarray(format="nv12")[:height].astype(int) for frame in container.decode(video=0)
            )
        assert first.shape == second.shape == (height, width)
        assert abs(first[:, 0].mean() - 235) < 12 and abs(first[:, -1].mean() - 16) < 12
        assert abs(second[:, 0].mean() - 16) < 12 and abs(second[:, -1].mean() - 235) < 12


@pytest.mark.parametrize("height", [6, 34, 1050, 1080])
def test_rows_and_colours_reach_the_encoder_where_they_are(height: int) -> None:
    pixels = np.zeros((height, 64, 4), np.uint8)
    pixels[::8, :, 0] = pixels[1::8, :, 0] = 255
    pixels[4::8, :, 2] = pixels[5::8, :, 2] = 200
    for way in ways():
        picture = Picture(64, height)
        way.convert(picture, 0, 0, pixels)
        encoder = H264Encoder(64, height, 30, qp=10)
        sample = VideoSample(0, encoder.encode(picture, 0, True), True)
        film = init_segment(encoder.config, None) + FragmentWriter(encoder.config, None, 0).write(
            [sample], FRAGMENT_NS, ()
        )
        encoder.close()
        with av.open(io.BytesIO(film)) as container:
            shown = next(container.decode(video=0)).to_ndarray(format="yuv420p").astype(int)
        assert np.abs(shown - np.vstack((picture.luma, _planar(picture)))).max() <= 12


def _planar(picture: Picture) -> Pixels:
    """The chroma as two planes, one after the other, in rows as long as those of the luma."""
    return np.concatenate([picture.chroma[:, number::2].reshape(-1) for number in (0, 1)]).reshape(-1, picture.width)


@pytest.mark.parametrize(
    ("screen", "lines"),
    [((3840, 2160), 1080), ((1366, 1024), 720), ((2880, 5120), 1440), ((16_000, 40), 1080), ((1082, 1922), 1080)],
)
def test_a_large_screen_is_scaled_with_everything_in_its_place(screen: tuple[int, int], lines: int) -> None:
    width, height = screen
    scaler, picture = Scaler(width, height), Picture(*target_size(width, height, lines))
    steps = np.linspace(0, 255, width).astype(np.uint8)[np.newaxis, :, np.newaxis]
    scaler.update(0, 0, np.repeat(np.repeat(steps, height, 0), 4, 2))
    scaler.update(0, 0, np.zeros((height // 2 & ~1, width, 4), np.uint8))
    scaler.render(picture)
    scaler.close()
    half = picture.height // 2
    wanted = 16 + np.linspace(0, 219, picture.width)
    assert np.abs(picture.luma[half + 2 :].astype(int) - wanted).max() <= 4
    assert picture.luma[: half - 1].max() <= 17
    assert np.abs(picture.chroma.astype(int) - 128).max() <= 2
