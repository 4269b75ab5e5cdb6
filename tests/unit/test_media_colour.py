"""Colour conversion: both ways agree, and a rectangle never touches its neighbours."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.media.colour import Converter, LibyuvConverter, Picture, converter_name, even_size
from pepys.media.libyuv import argb_to_nv12
from pepys.media.swscale import Scaler, SwscaleConverter

WIDTH, HEIGHT = 640, 256
RECTANGLES = [
    (0, 0, 18, 18),
    (10, 6, 98, 30),
    (2, 40, 2, 2),
    (64, 64, 64, 64),
    (622, 100, 18, 20),
    (320, 200, 320, 56),
    (100, 120, 34, 2),
    (0, 254, 640, 2),
]

Pixels = NDArray[np.uint8]


@pytest.fixture(params=["libyuv", "swscale"])
def way(request: pytest.FixtureRequest) -> Converter:
    if request.param == "swscale":
        return SwscaleConverter()
    function = argb_to_nv12()
    assert function is not None, "libyuv0 is in the list of system packages"
    return LibyuvConverter(function)


def noise(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    return np.random.default_rng(7).integers(0, 256, (height, width, 4), dtype=np.uint8)


def whole(way: Converter, pixels: Pixels) -> Pixels:
    picture = Picture(pixels.shape[1], pixels.shape[0])
    way.convert(picture, 0, 0, pixels)
    return picture.array


@pytest.mark.parametrize(("x", "y", "width", "height"), RECTANGLES)
def test_a_rectangle_gets_the_bytes_of_the_whole_and_nothing_beside_it_changes(
    way: Converter, x: int, y: int, width: int, height: int
) -> None:
    pixels = noise()
    picture = Picture(WIDTH, HEIGHT)
    expected = picture.array.copy()
    reference = whole(way, pixels)
    for rows, columns in ((slice(y, y + height), slice(x, x + width)),):
        expected[rows, columns] = reference[rows, columns]
        chroma = slice(HEIGHT + y // 2, HEIGHT + (y + height) // 2)
        expected[chroma, columns] = reference[chroma, columns]
    way.convert(picture, x, y, pixels[y : y + height, x : x + width])
    np.testing.assert_array_equal(picture.array, expected)


def test_both_converters_agree_within_two_levels() -> None:
    function = argb_to_nv12()
    assert function is not None
    pixels = noise()
    fast, slow = whole(LibyuvConverter(function), pixels), whole(SwscaleConverter(), pixels)
    assert np.abs(fast.astype(int) - slow).max() <= 2


def test_white_and_black_are_limited_range(way: Converter) -> None:
    assert whole(way, np.full((32, 32, 4), 255, np.uint8))[:32].max() in (234, 235, 236)
    assert whole(way, np.zeros((32, 32, 4), np.uint8))[:32].min() == 16


@pytest.mark.parametrize(("x", "y", "width", "height"), [(1, 0, 2, 2), (0, 0, 3, 2), (638, 0, 4, 2), (0, 256, 2, 2)])
def test_odd_or_overhanging_rectangles_are_refused(way: Converter, x: int, y: int, width: int, height: int) -> None:
    with pytest.raises(ValueError, match=r"even|overhangs"):
        way.convert(Picture(WIDTH, HEIGHT), x, y, np.zeros((height, width, 4), np.uint8))


def test_an_odd_screen_loses_its_last_column_and_row() -> None:
    assert even_size(1367, 769) == (1366, 768)
    with pytest.raises(ValueError, match="cannot be encoded"):
        even_size(1, 100)
    with pytest.raises(ValueError, match="not even"):
        Picture(3, 2)


def test_many_sizes_keep_few_scaling_contexts() -> None:
    way = SwscaleConverter()
    picture = Picture(WIDTH, HEIGHT)
    for size in range(4, 104, 2):
        way.convert(picture, 0, 0, np.zeros((size, size, 4), np.uint8))
    assert len(way._contexts._kept) <= 16
    way.close()
    assert not way._contexts._kept


def test_scaling_down_keeps_what_lies_where_it_lay() -> None:
    scaler, picture = Scaler(1280, 720), Picture(850, 478)
    scaler.update(0, 0, np.full((720, 1280, 4), 255, np.uint8))
    scaler.update(640, 360, np.zeros((360, 640, 4), np.uint8))
    scaler.render(picture)
    assert picture.luma[:235, :420].min() >= 230
    assert picture.luma[243:, 430:].max() <= 20
    scaler.close()


def test_the_converter_is_named_without_loading_pyav() -> None:
    script = "import sys; from pepys.media.libyuv import converter_name; print(converter_name(), 'av' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert told.stdout.split() == [converter_name(), "False"]
