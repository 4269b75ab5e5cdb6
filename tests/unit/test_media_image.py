"""Shots are WebP without loss and thumbnails PNG; both are read by what they hold, whatever they are called."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pepys.enrich.adapters.tesseract import Tesseract
from pepys.errors import Damaged
from pepys.media import image
from pepys.media.image import decode_picture, encode_png, encode_shot, shot_codec
from pepys.review.shots import shot_type
from tests.made_session import screen

Pixels = NDArray[np.uint8]


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(height).integers(0, 256, (height, width, 4), np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (57, 101), (1051, 1681)])
def test_a_shot_is_a_webp_that_gives_the_same_pixels_back(size: tuple[int, int]) -> None:
    assert shot_codec() == "webp"
    pixels = noise(*size)
    data = encode_shot(pixels.copy())
    assert data[:4] == b"RIFF" and shot_type(data) == "image/webp"
    np.testing.assert_array_equal(decode_picture(data)[:, :, :3], pixels[:, :, :3])
    assert decode_picture(data)[:, :, 3].min() == 255
    seen = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(seen, pixels[:, :, 2::-1])


@pytest.mark.parametrize("size", [(1, 16_384), (16_384, 1)])
def test_a_screen_too_large_for_webp_is_kept_as_png(size: tuple[int, int]) -> None:
    pixels = noise(*size)
    data = encode_shot(pixels)
    assert shot_type(data) == "image/png"
    np.testing.assert_array_equal(decode_picture(data)[:, :, :3], pixels[:, :, :3])


def test_without_libwebp_shots_are_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "_WEBP", "absent")
    shot_codec.cache_clear()
    try:
        assert shot_codec() == "png" and encode_shot(noise(8, 8)).startswith(b"\x89PNG")
    finally:
        shot_codec.cache_clear()


def test_a_page_of_text_takes_a_third_of_a_png_and_is_read_alike() -> None:
    text = " ".join(f"the quick brown fox number {number} jumps over the lazy dog" for number in range(120))
    pixels = screen(text, (1280, 720)) & 0xF0  # few enough colours for a palette, as a terminal has
    shot, png = encode_shot(pixels.copy()), encode_png(pixels)
    assert len(shot) < len(png) / 3
    reader = Tesseract()
    np.testing.assert_array_equal(reader.decode(shot), reader.decode(png))


def test_png_gives_the_same_pixels_back() -> None:
    pixels = noise(57, 101)
    png = encode_png(pixels)
    assert png.startswith(b"\x89PNG") and shot_type(png) == "image/png"
    np.testing.assert_array_equal(decode_picture(png)[:, :, :3], pixels[:, :, :3])
    assert decode_picture(png)[:, :, 3].min() == 255


_WHOLE = (encode_png(noise(4, 4)), encode_shot(noise(16, 16)))


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"RIFF", _WHOLE[0][:40], *(_WHOLE[1][:cut] for cut in (12, 20, 25, 200, -1))]
)
def test_what_is_no_picture_is_said_to_be_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        decode_picture(data)
