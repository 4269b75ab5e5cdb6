"""What is seen of windows that must not be, and whose family a window is of: pure, without a server."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.family import Family
from pepys.record.adapters.x11.identity import Facts, Identity
from pepys.record.adapters.x11.windows_shown import Layer, outside, shown

ROOT = 1


def secret(left: int, top: int, right: int, bottom: int) -> Layer:
    return Layer(Rect(left, top, right, bottom), True)


def page(left: int, top: int, right: int, bottom: int) -> Layer:
    place = Rect(left, top, right, bottom)
    return Layer(place, False, (place,))


def area(rects: tuple[Rect, ...]) -> int:
    return sum(rect.area for rect in rects)


def test_only_what_no_opaque_window_lies_on_is_hidden() -> None:
    assert shown([secret(0, 0, 10, 10)], 9) == (Rect(0, 0, 10, 10),)
    assert shown([page(0, 0, 10, 10), secret(0, 0, 10, 10)], 9) == (Rect(0, 0, 10, 10),)
    assert shown([secret(0, 0, 10, 10), page(0, 0, 10, 10)], 9) == ()
    assert shown([secret(0, 0, 10, 10), page(0, 0, 10, 4)], 9) == (Rect(0, 4, 10, 10),)
    assert area(shown([secret(0, 0, 10, 10), page(3, 3, 6, 6)], 9)) == 100 - 9
    assert shown([secret(0, 0, 10, 10), Layer(Rect(0, 0, 10, 10), False)], 9) == (Rect(0, 0, 10, 10),)
    assert shown([page(0, 0, 5, 5)], 9) == shown([], 9) == ()


def test_a_window_in_too_many_pieces_is_hidden_whole() -> None:
    covers = [Rect(x, y, x + 1, y + 1) for x in range(0, 40, 2) for y in range(0, 40, 2)]
    assert outside(Rect(0, 0, 40, 40), covers) == [Rect(0, 0, 40, 40)]


def test_too_many_windows_are_hidden_together() -> None:
    layers = [secret(20 * n, 0, 20 * n + 10, 10) for n in range(10)]
    assert len(shown(layers, 10)) == 10
    assert shown(layers, 9) == (Rect(0, 0, 190, 10),)


@pytest.mark.parametrize("seed", range(20))
def test_no_pixel_of_a_secret_is_left_out_and_none_that_is_covered_is_hidden(seed: int) -> None:
    chance = random.Random(seed)
    layers, seen = [], np.zeros((60, 60), bool)
    for _ in range(12):
        left, top = chance.randrange(50), chance.randrange(50)
        box = (left, top, left + chance.randint(1, 25), top + chance.randint(1, 25))
        hidden = chance.random() < 0.4
        layers.append(secret(*box) if hidden else page(*box))
        seen[box[1] : box[3], box[0] : box[2]] = hidden
    black = np.zeros((60, 60), bool)
    for rect in shown(layers, 500):
        black[rect.top : rect.bottom, rect.left : rect.right] = True
    assert black[seen].all()
    # Where a secret lies on a page that lies on a secret, both ways of hiding are right; else nothing more is black.
    over = np.zeros((60, 60), bool)
    for layer in reversed(layers):
        box = layer.place
        if not layer.excluded:
            over[box.top : box.bottom, box.left : box.right] |= ~seen[box.top : box.bottom, box.left : box.right]
    assert not (black & over).any()


def facts(name: str = "", *, hidden: bool = False, belongs: int = 0, leaders: tuple[int, ...] = ()) -> Facts:
    return Facts(Identity(title=name), hidden, transient_for=belongs, leaders=leaders)


def family(known: dict[int, Facts | None]) -> Family:
    """Windows of one client are those of one hundred."""
    return Family(known, lambda window: window // 100, ROOT)


@pytest.mark.parametrize(
    ("window", "override", "excluded"),
    [
        (100, False, True),  # matches
        (101, False, False),  # a named window of the same program
        (102, False, True),  # its dialog
        (103, False, True),  # the dialog's dialog
        (104, False, False),  # a dialog of the other window
        (105, False, True),  # says nothing of itself
        (106, True, True),  # a menu
        (107, True, False),  # a menu of the other window
        (108, False, True),  # belongs to a window that is gone
        (200, True, False),  # a menu of another program
        (201, False, True),  # of a group that the excluded window leads
        (202, False, False),  # of another group
        (203, False, True),  # unread
        (204, False, False),  # belongs to itself
        (999, False, True),  # unknown
    ],
)
def test_a_window_follows_its_family(window: int, override: bool, excluded: bool) -> None:
    known: dict[int, Facts | None] = {
        100: facts("a secret", hidden=True),
        101: facts("a page"),
        102: facts("Save?", belongs=100),
        103: facts("Really?", belongs=102),
        104: facts("Find", belongs=101),
        105: facts(),
        106: facts("menu"),
        107: facts("menu", belongs=101),
        108: facts("Done", belongs=777),
        200: facts(),
        201: facts("Unlock", belongs=ROOT, leaders=(100,)),
        202: facts("Volume", belongs=ROOT, leaders=(101,)),
        203: None,
        204: facts("a ring", belongs=204),
    }
    assert family(known).excludes(window, override=override) is excluded


def test_windows_that_belong_to_each_other_end_the_chain() -> None:
    ring: dict[int, Facts | None] = {200: facts("one", belongs=201), 201: facts("two", belongs=200)}
    assert not family(ring).excludes(200, override=False)


def test_titles_are_in_no_repr() -> None:
    assert "hush" not in repr(Facts(Identity("hush", "hush", ("hush",), "hush", ("hush",)), True))
