"""Which rectangles are read: everything changed is covered, nothing overhangs, the memory of one picture is enough."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pepys.record.adapters.regions import Rect, plan

numbers = st.integers(-50, 450)
rects = st.builds(
    lambda x, y, w, h: Rect(x, y, x + w, y + h), numbers, numbers, st.integers(1, 300), st.integers(1, 300)
)


@given(st.lists(rects, max_size=30), st.integers(40, 400), st.integers(40, 400), st.sampled_from([2, 32]))
def test_a_plan_covers_all_and_fits(changed: list[Rect], width: int, height: int, align: int) -> None:
    wanted = plan(changed, width, height, align, 16)
    even_width, even_height = width & ~1, height & ~1
    assert len(wanted) <= 16
    assert sum(rect.area for rect in wanted) <= even_width * even_height
    for rect in wanted:
        assert rect.left % align == 0
        assert rect.width % align == 0 or rect.right == even_width
        assert rect.top % 2 == rect.height % 2 == 0
        assert 0 <= rect.left < rect.right <= even_width
        assert 0 <= rect.top < rect.bottom <= even_height
    screen = Rect(0, 0, even_width, even_height)
    for rect in changed:
        shared = rect.clip(screen)
        if shared is not None:
            corners = [(x, y) for x in (shared.left, shared.right - 1) for y in (shared.top, shared.bottom - 1)]
            for x, y in corners:
                assert any(w.left <= x < w.right and w.top <= y < w.bottom for w in wanted)


def test_near_rectangles_are_read_as_one_and_far_ones_apart() -> None:
    near = [Rect(0, 0, 10, 10), Rect(20, 0, 30, 10)]
    assert plan(near, 1920, 1080, 2, 16) == [Rect(0, 0, 30, 10)]
    far = [Rect(0, 0, 10, 10), Rect(1900, 1000, 1910, 1010)]
    assert len(plan(far, 1920, 1080, 2, 16)) == 2


def test_too_many_rectangles_become_one() -> None:
    scattered = [Rect(x, y, x + 2, y + 2) for x in range(0, 1900, 400) for y in range(0, 1000, 300)]
    assert plan(scattered, 1920, 1080, 2, 4) == [Rect(0, 0, 1602, 902)]


def test_nothing_on_the_screen_is_nothing_to_read() -> None:
    assert plan([Rect(2000, 0, 2010, 10)], 1920, 1080, 2, 16) == []
    assert plan([Rect(100, 0, 101, 10)], 101, 50, 2, 16) == []
