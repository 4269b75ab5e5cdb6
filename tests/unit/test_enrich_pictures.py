"""Polarity and change: what recognition gets to see of a shot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from pepys.enrich.pictures import TILE, Box, Gray, changed_boxes, dark_on_light, evened

LIGHT, DARK = 240, 40


def page(size: tuple[int, int] = (640, 480), ground: int = LIGHT) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("L", size, ground)
    return image, ImageDraw.Draw(image)


def turned(image: Image.Image) -> Gray:
    return dark_on_light(np.asarray(image))


def test_a_dark_window_on_a_light_desktop_is_turned_and_the_desktop_is_not() -> None:
    image, draw = page()
    draw.rectangle((100, 100, 500, 400), fill=DARK)
    result = turned(image)
    assert result[200, 300] == 255 - DARK
    assert result[40, 300] == LIGHT


@pytest.mark.parametrize("top", range(0, 32, 7))
@pytest.mark.parametrize("height", [20, 24, 30])
def test_a_low_bar_is_turned_wherever_it_lies(top: int, height: int) -> None:
    image, draw = page()
    draw.rectangle((0, top, 640, top + height), fill=DARK)
    draw.text((20, top + 3), "Title of a window", fill=235, font=ImageFont.load_default(13))
    middle = turned(image)[top + height // 2, 300:600]
    assert (middle == 255 - DARK).all()


@pytest.mark.parametrize("left", range(56, 65))
@pytest.mark.parametrize(("ground", "window", "ink"), [(74, 255, 0), (235, 20, 240)])
def test_a_window_is_told_from_what_it_stands_on_to_the_pixel(left: int, ground: int, window: int, ink: int) -> None:
    image, draw = page((700, 400), ground)
    inside = np.zeros((400, 700), np.bool_)
    inside[83:343, left : left + 520] = True
    draw.rectangle((left, 83, left + 519, 342), fill=window)
    for row in range(14):
        draw.text((left + 2 + row % 3, 85 + 18 * row), f"Notes {row} of the meeting", ink, ImageFont.load_default(15))
    before = np.asarray(image)
    dark = inside if window < ground else ~inside
    np.testing.assert_array_equal(dark_on_light(before), np.where(dark, 255 - before, before))


def test_the_dimmer_ground_is_made_as_bright_as_the_other() -> None:
    image, draw = page(ground=205)
    draw.rectangle((100, 100, 500, 400), fill=10)
    gray = np.asarray(image)
    assert set(np.unique(evened(dark_on_light(gray), gray))) <= {244, 245}
    light = np.asarray(page()[0])
    assert (evened(dark_on_light(light), light) == light).all()


@pytest.mark.parametrize("top", range(0, 8, 3))
def test_the_strokes_of_a_large_heading_stay_dark(top: int) -> None:
    image, draw = page((1000, 200))
    draw.text((20, 60 + top), "Great Heading", fill=10, font=ImageFont.load_default(72))
    before = np.asarray(image)
    changed = (turned(image) != before).mean()
    assert changed < 0.002


def test_nothing_changed_means_nothing_to_read() -> None:
    picture = np.asarray(page()[0])
    assert changed_boxes(picture, picture, []) == []


def test_another_size_or_another_screen_is_read_whole() -> None:
    light, dark = np.asarray(page()[0]), np.asarray(page(ground=DARK)[0])
    assert changed_boxes(light, dark, []) is None
    assert changed_boxes(light, light[:, :320], []) is None


def test_a_line_that_changed_at_its_end_is_read_from_its_beginning() -> None:
    before = np.asarray(page()[0])
    after = before.copy()
    after[200:212, 400:420] = 0
    line = Box(20, 198, 410, 214)
    boxes = changed_boxes(before, after, [line])
    assert boxes is not None and len(boxes) == 1
    assert boxes[0].left <= 20 and boxes[0].right >= 420


@settings(max_examples=60, deadline=None)
@given(
    spots=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 299)), min_size=1, max_size=12),
    lines=st.lists(st.tuples(st.integers(0, 280), st.integers(0, 180), st.integers(1, 200)), max_size=5),
)
def test_every_changed_pixel_lies_in_one_box_and_boxes_do_not_meet(
    spots: list[tuple[int, int]], lines: list[tuple[int, int, int]]
) -> None:
    before = np.zeros((200, 300), np.uint8)
    after = before.copy()
    for row, column in spots:
        after[row, column] = 1
    known = [Box(left, top, min(300, left + width), min(200, top + 12)) for left, top, width in lines]
    boxes = changed_boxes(before, after, known)
    if boxes is None:
        return
    for row, column in spots:
        assert sum(box.left <= column < box.right and box.top <= row < box.bottom for box in boxes) == 1
    for index, box in enumerate(boxes):
        assert not any(box.meets(other) for other in boxes[index + 1 :])
        assert 0 <= box.left < box.right <= 300 and 0 <= box.top < box.bottom <= 200
        for line in known:
            if box.meets(line):
                assert box.with_box(line) == box


def test_a_tile_is_small_enough_to_notice_a_line_of_text() -> None:
    assert TILE <= 32
