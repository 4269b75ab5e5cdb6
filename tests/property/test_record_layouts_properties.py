"""Layouts for any number of sources of any size."""

from __future__ import annotations

from itertools import combinations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pepys.record.layouts import (
    COLUMNS_MAX,
    CORNERS,
    INSETS,
    Layout,
    arrange,
    parse_layout,
)

_SIZE = st.tuples(st.integers(1, 6000), st.integers(1, 6000))
_LAYOUTS = {
    "passthrough": (st.just(Layout("passthrough")), 1, 1),
    "grid": (st.builds(Layout, st.just("grid"), st.integers(0, COLUMNS_MAX)), 1, 16),
    "side-by-side": (st.just(Layout("side-by-side")), 2, 4),
    "pip": (
        st.builds(Layout, st.just("pip"), st.just(0), st.sampled_from(CORNERS), st.sampled_from(sorted(INSETS))),
        2,
        2,
    ),
}


@st.composite
def _cases(draw: st.DrawFn) -> tuple[Layout, list[tuple[int, int]]]:
    layouts, least, most = _LAYOUTS[draw(st.sampled_from(sorted(_LAYOUTS)))]
    return draw(layouts), draw(st.lists(_SIZE, min_size=least, max_size=most))


@settings(max_examples=300, deadline=None)
@given(case=_cases(), lines=st.sampled_from([720, 1080, 2160]), canvas=st.none() | _SIZE)
@example((Layout("side-by-side"), [(2000, 900), (1, 1), (1, 1)]), 720, (12, 12))
@example((Layout("pip", 0, "top-left", "large"), [(1, 1), (4, 6)]), 720, (8, 2))
@example((Layout("grid", 2), [(1, 6000), (1, 6000), (1, 6000)]), 720, None)
def test_places_are_even_inside_apart_and_in_proportion(
    case: tuple[Layout, list[tuple[int, int]]], lines: int, canvas: tuple[int, int] | None
) -> None:
    layout, sizes = case
    even = None if canvas is None else (max(2, canvas[0] & ~1), max(2, canvas[1] & ~1))
    found = arrange(layout, sizes, lines, even)
    assert len(found.places) == len(sizes)
    assert found.width % 2 == found.height % 2 == 0
    for (width, height), place in zip(sizes, found.places, strict=True):
        assert not (place.x | place.y | place.width | place.height) & 1
        assert place.x >= 0 and place.x + place.width <= found.width
        assert place.y >= 0 and place.y + place.height <= found.height
        assert place.width <= max(2, width) and place.height <= max(2, height), "never up"
        scales = (place.width / max(2, width), place.height / max(2, height))
        assert any(
            abs(place.width - width * scale) <= 2.5 and abs(place.height - height * scale) <= 2.5 for scale in scales
        )
        assert 2 * place.radius <= min(place.width, place.height)
    if layout.kind != "pip":
        assert not any(one.meets(other) for one, other in combinations(found.places, 2))
    assert parse_layout(str(layout)) == layout
