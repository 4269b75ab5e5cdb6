"""Where sources lie on the canvas: the words, the rules, and what does not fit."""

from __future__ import annotations

import pytest

from pepys.errors import Usage
from pepys.record.layouts import (
    Layout,
    Place,
    arrange,
    check_count,
    default_layout,
    fitting,
    parse_layout,
)

_HD = (1920, 1080)


@pytest.mark.parametrize(
    "text", ["", "mosaic", "grid:0", "grid:5", "grid:two", "grid:2:2", "pip:middle", "pip:top-left:huge", "pip:a:b:c"]
)
def test_words_that_mean_no_layout_are_refused(text: str) -> None:
    with pytest.raises(Usage, match="no layout"):
        parse_layout(text)


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("passthrough", Layout("passthrough")),
        ("grid", Layout("grid")),
        ("grid:3", Layout("grid", columns=3)),
        ("side-by-side", Layout("side-by-side")),
        ("pip", Layout("pip", corner="bottom-right", inset="small")),
        ("pip:top-left", Layout("pip", corner="top-left", inset="small")),
        ("pip:top-right:large", Layout("pip", corner="top-right", inset="large")),
    ],
)
def test_words_of_layouts(text: str, layout: Layout) -> None:
    assert parse_layout(text) == layout


@pytest.mark.parametrize(
    ("layout", "count", "told"),
    [
        ("passthrough", 2, "shows 1 source, not 2"),
        ("side-by-side", 5, "shows 2 to 4 sources, not 5"),
        ("pip", 3, "shows 2 sources, not 3"),
        ("grid", 17, "not 17"),
    ],
)
def test_a_layout_that_has_not_a_place_for_each_is_refused(layout: str, count: int, told: str) -> None:
    with pytest.raises(Usage, match=told):
        check_count(parse_layout(layout), count)
    with pytest.raises(Usage, match=told):
        arrange(parse_layout(layout), [_HD] * count, 1080)


def test_a_grid_has_two_columns_unless_told_otherwise() -> None:
    found = arrange(Layout("grid"), [(640, 480)] * 3, 2160)
    assert (found.width, found.height) == (1284, 964)
    assert [(p.x, p.y) for p in found.places] == [(0, 0), (644, 0), (0, 484)]
    assert arrange(Layout("grid", columns=1), [(640, 480)] * 3, 2160).width == 640
    assert arrange(Layout("grid", columns=4), [(640, 480)] * 3, 2160).width == 3 * 640 + 8
    assert arrange(Layout("grid"), [(640, 480)], 2160).width == 640


def test_a_smaller_source_stands_in_the_middle_of_its_cell() -> None:
    found = arrange(Layout("grid"), [(640, 480), (320, 200)], 2160)
    assert found.places[1] == Place(644 + 160, 140, 320, 200)


def test_what_is_too_large_for_the_quality_is_scaled_down_together() -> None:
    found = arrange(Layout("grid"), [_HD, _HD], 720)
    assert max(found.height, found.width) > 720 >= min(found.height, found.width)
    assert {(p.width, p.height) for p in found.places} == {(1276, 716)} or len(
        {(p.width, p.height) for p in found.places}
    ) == 1


def test_side_by_side_is_as_wide_as_all_together() -> None:
    found = arrange(Layout("side-by-side"), [(800, 600), (400, 600)], 1080)
    assert (found.width, found.height) == (1204, 600)
    assert found.places == (Place(0, 0, 800, 600), Place(804, 0, 400, 600))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("pip", (1920 - 20 - 160, 1080 - 20 - 120, 160, 120)),
        ("pip:top-left:medium", (20, 20, 320, 240)),
        ("pip:top-right:large", (1920 - 20 - 480, 20, 480, 360)),
        ("pip:bottom-left", (20, 1080 - 20 - 120, 160, 120)),
    ],
)
def test_an_inset_stands_in_its_corner(text: str, place: tuple[int, int, int, int]) -> None:
    found = arrange(parse_layout(text), [_HD, (640, 480)], 1080)
    below, inset = found.places
    assert (found.width, found.height) == _HD and below == Place(0, 0, *_HD)
    assert (inset.x, inset.y, inset.width, inset.height) == place
    assert inset.z > below.z and inset.radius > 0


def test_an_inset_keeps_its_proportions_towards_its_corner() -> None:
    inset = arrange(Layout("pip", corner="bottom-right", inset="small"), [_HD, _HD], 1080).places[1]
    assert (inset.width, inset.height) == (160, 90) and inset.x + 160 == 1900 and inset.y + 90 == 1060


def test_a_canvas_that_is_given_is_kept_to() -> None:
    found = arrange(Layout("passthrough"), [(400, 300)], 1080, canvas=(640, 360))
    assert (found.width, found.height) == (640, 360) and found.places == (Place(120, 30, 400, 300),)
    found = arrange(Layout("passthrough"), [(1280, 1440)], 1080, canvas=(640, 360))
    assert found.places == (Place(160, 0, 320, 360),)


def test_the_layout_that_nobody_asked_for() -> None:
    assert default_layout(["display"]) == Layout("passthrough")
    assert default_layout(["display", "webcam"]) == Layout("pip")
    assert default_layout(["window", "window"]) == default_layout(["display", "window", "webcam"]) == Layout("grid")


def test_what_is_left_is_shown_when_others_are_missing() -> None:
    assert fitting(Layout("pip"), 1) == Layout("passthrough")
    assert fitting(Layout("side-by-side"), 5) == Layout("grid")
    assert fitting(Layout("side-by-side"), 2) == Layout("side-by-side")
