"""Which shots are stored, and which only name an earlier one: measured on labelled sessions, and case by case."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pepys import limits
from pepys.demo.servers import XServer
from pepys.media.image import decode_picture
from pepys.record.near import Gallery
from pepys.record.shots import ShotTaker, Why
from pepys.record.writing import Picture
from tests.change_scenes import Pixels, Scene, style
from tests.near_measured import measured
from tests.text_scenes import Screen, shown, terminal_with
from tests.waiting import wait_until


def test_of_text_that_changes_all_is_kept_and_little_besides() -> None:
    found = measured(rounds=5)
    print(found.table())
    assert found.cases >= 200
    assert found.recall >= 0.99, found.table()
    assert found.precision >= 0.9, found.table()


# --- what becomes of it


class Given:
    """A taker of shots and what it gave, one picture after the other."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.refuse = False
        self.taker = ShotTaker(self._give)
        self._at = 0

    def _give(self, picture: Picture) -> bool:
        if not self.refuse:
            self.pictures.append(picture)
        return not self.refuse

    def take(self, pixels: Pixels, why: Why | None = None) -> Picture:
        self._at += 1
        self.taker.take(self._at, pixels.copy(), why or Why("interval", "editor", "letter"))
        wait_until(lambda: len(self.pictures) == self._at and not self.taker.busy, 5, "the shot")
        return self.pictures[-1]


@pytest.fixture
def given() -> Iterator[Given]:
    one = Given()
    yield one
    one.taker.finish()


def scene(number: int = 0) -> Scene:
    return Scene(style(number), np.random.default_rng(number))


def blinks(one: Scene) -> None:
    one.fill(400, one.top(len(one.lines)), 2, one.style.line, one.style.ink)


def test_a_cursor_makes_a_reference_and_a_line_makes_a_picture(given: Given) -> None:
    one = scene()
    first = given.take(one.shot, Why("start", "editor", "letter"))
    assert first.data is not None and (first.trigger, first.app, first.title) == ("start", "editor", "letter")
    blinks(one)
    second = given.take(one.shot)
    assert (second.data, second.near, second.digest) == (None, True, first.digest)
    assert (second.trigger, second.width, second.height) == ("interval", 1280, 720)
    again = given.take(one.shot)
    assert (again.data, again.near, again.digest) == (None, True, first.digest)
    one.show(4, "another line altogether")
    third = given.take(one.shot)
    assert third.data is not None and not third.near
    np.testing.assert_array_equal(decode_picture(third.data), one.pixels)
    counted = given.taker.counters
    assert (counted.captured, counted.encoded, counted.near, counted.dropped) == (4, 2, 2, 0)


def test_an_equal_picture_is_an_exact_repeat_however_long_ago(given: Given) -> None:
    one = scene()
    first = given.take(one.shot)
    kept = one.shot
    one.show(2, "somewhere else")
    given.take(one.shot)
    back = given.take(kept)
    assert (back.data, back.near, back.digest) == (None, False, first.digest)


def test_a_shot_that_the_user_asks_for_is_stored_as_it_is(given: Given) -> None:
    one = scene()
    given.take(one.shot)
    blinks(one)
    near = given.take(one.shot)
    asked = given.take(one.shot, Why("manual"))
    assert near.near and asked.data is not None and not asked.near
    assert given.take(one.shot, Why("manual")).data is None, "an equal one is a reference all the same"


def test_nothing_drifts_away_from_what_was_stored(given: Given) -> None:
    """Cursors of many places, one after the other, all name the first picture, not one another."""
    one = scene()
    first, still = given.take(one.shot), one.shot
    for row in range(5):
        one.pixels = still.copy()
        one.fill(700, one.top(row * 3), 2, one.style.line, one.style.accent)
        assert given.take(one.shot).digest in {first.digest, *(p.digest for p in given.pictures if p.data)}
    assert all(not p.near or p.digest in {q.digest for q in given.pictures if q.data} for p in given.pictures)


def test_a_screen_of_another_size_is_another_picture(given: Given) -> None:
    one = scene()
    given.take(one.shot)
    smaller = given.take(one.shot[:700, :1270])
    assert smaller.data is not None and (smaller.width, smaller.height) == (1270, 700)
    odd = given.take(one.shot[:699, :1269])
    assert odd.data is not None
    blinks(one)
    assert given.take(one.shot[:699, :1269]).near


def test_the_last_row_and_column_of_an_odd_screen_count(given: Given) -> None:
    one = scene().shot[:701, :1271].copy()
    given.take(one)
    one[-1:, :600, :3] = np.where(np.arange(600) % 7 < 3, 10, 240)[None, :, None]
    assert given.take(one).data is not None


def test_what_an_excluded_window_blackens_is_never_a_reference(given: Given) -> None:
    one = scene()
    one.film(900, 400, 320, 200)
    given.take(one.shot)
    for x, wide, high in ((920, 30, 30), (960, 100, 60), (900, 320, 200)):
        one.fill(x, 400, wide, high, (0, 0, 0))
        assert given.take(one.shot).data is not None


def test_a_small_film_that_never_rests_is_stored_when_an_excluded_window_hides_it(given: Given) -> None:
    one = scene()
    taken = []
    for _ in range(6):
        one.film(900, 400, 100, 56)
        taken.append(given.take(one.shot))
    assert taken[-1].near, "its place never rests"
    one.fill(900, 400, 100, 56, (0, 0, 0))
    assert given.take(one.shot).data is not None


def test_a_shot_that_was_refused_is_not_known(given: Given) -> None:
    one = scene()
    given.refuse = True
    given.taker.take(1, one.shot)
    wait_until(lambda: given.taker.counters.dropped == 1, 5, "the refusal")
    given.refuse = False
    assert given.take(one.shot).data is not None


def test_curiosity_is_the_share_of_text_that_changed(given: Given) -> None:
    one = scene()
    assert given.taker.changed == 0.5
    given.take(one.shot)
    assert given.taker.changed == 0.5
    one.show(4, "another line altogether, and rather a long one at that")
    given.take(one.shot)
    line = given.taker.changed
    assert 0 < line < 0.2
    blinks(one)
    given.take(one.shot)
    assert given.taker.changed == 0
    for row in range(len(one.lines)):
        one.show(row, one.sentence())
    given.take(one.shot)
    assert given.taker.changed > 3 * line
    given.taker.repeat(99)
    assert given.taker.changed == 0


def test_what_is_kept_to_compare_with_is_bounded() -> None:
    """Pictures that nothing packs: noise of 1920x1080, each another."""
    rng = np.random.default_rng(1)
    tracemalloc.start()
    gallery = Gallery()
    for number in range(4):
        pixels = rng.integers(0, 256, (1080, 1920, 4), np.uint8)
        gallery.compare(pixels)
        gallery.keep(b"%d" % number)
        del pixels
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"kept {kept / 1e6:.1f} MB; most while a shot of 8.3 MB is compared {peak / 1e6:.1f} MB")
    assert kept < 12_000_000 and gallery.size_bytes <= limits.SHOT_NEAR_BYTES + 4_000_000
    for number in range(limits.SHOT_NEAR + 9):
        small = rng.integers(0, 256, (64, 64, 4), np.uint8)
        gallery.compare(small)
        gallery.keep(b"s%d" % number)
    assert gallery.count <= limits.SHOT_NEAR


# --- on a real screen


def test_a_terminals_cursor_and_its_digits(xserver: XServer, short_folder: Path, given: Given) -> None:
    """The cursor that xterm draws is no text, in each of its shapes; a digit that it prints is."""
    pipe = short_folder / "pipe"
    with shown(terminal_with(pipe, short_folder)), pipe.open("w") as tells:
        screen = Screen(xserver.display)
        last: list[Pixels] = [screen.pixels()]

        def after(told: str) -> Pixels:
            tells.write(told)
            tells.flush()
            wait_until(lambda: not np.array_equal(screen.pixels(), last[-1]), 10, f"{told!r} to be shown")
            last.append(screen.pixels().copy())
            return last[-1]

        drawn = "order 12345 of 2047: paid by Friday\r\ntotal "
        after(drawn)
        wait_until(lambda: np.array_equal(after_none(last, screen), screen.pixels()), 10, "the text to be drawn")
        first = given.take(after("\033[?25l"))
        for shape in ("2", "4", "6"):  # a block, an underline, a bar
            near = given.take(after(f"\033[{shape} q\033[?25h"))
            assert (near.near, near.digest) == (True, first.digest), shape
            after("\033[?25l")
        digit = given.take(after("\033[1;9H6"))
        assert digit.data is not None, "12345 is 12645 now"
        screen.close()


def after_none(last: list[Pixels], screen: Screen) -> Pixels:
    """What was on the screen the time before; what is on it now is remembered."""
    before, last[-1] = last[-1], screen.pixels().copy()
    return before
