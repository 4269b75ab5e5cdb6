"""Short sessions whose last shot shows no other text than an earlier one: a reference to that will do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.change_scenes import Pixels, Scene, ticks

Maker = Callable[[Scene], list[Pixels]]
STILL: dict[str, Maker] = {}


def _no_text(maker: Maker) -> Maker:
    STILL[maker.__name__.strip("_").replace("_", " ")] = maker
    return maker


def _blinked(scene: Scene, width: int, height: int, drop: int = 0, at_end: bool = True) -> list[Pixels]:
    row = scene.any_row()
    place = len(scene.lines[row]) + 1 if at_end else 0
    shown, before = scene.column(row, place), scene.shot
    scene.fill(shown, scene.top(row) + drop, width, height, scene.style.ink)
    pair = [before, scene.shot]
    return pair if scene.rng.integers(2) else pair[::-1]


@_no_text
def _a_bar_blinks(scene: Scene) -> list[Pixels]:
    return _blinked(scene, int(scene.rng.integers(1, 4)), scene.style.line - 2)


@_no_text
def _a_bar_between_letters_blinks(scene: Scene) -> list[Pixels]:
    row = scene.any_row()
    gap = scene.lines[row].index(" ", 3)
    before = scene.shot
    scene.fill(scene.column(row, gap) + 1, scene.top(row) + 1, 1, scene.style.line - 3, scene.style.ink)
    return [before, scene.shot]


@_no_text
def _a_block_blinks(scene: Scene) -> list[Pixels]:
    return _blinked(scene, scene.style.size * 6 // 10 + 1, scene.style.line - 1)


@_no_text
def _an_underline_blinks(scene: Scene) -> list[Pixels]:
    return _blinked(scene, scene.style.size * 6 // 10 + 1, 2, scene.style.line - 4)


@_no_text
def _a_block_on_a_letter(scene: Scene) -> list[Pixels]:
    before, row = scene.shot, scene.any_row()
    at = next(at for at, sign in enumerate(scene.lines[row]) if at > 4 and sign.isalpha())
    left, right = scene.column(row, at), scene.column(row, at + 1)
    part = scene.pixels[scene.top(row) : scene.top(row) + scene.style.line, left:right, :3]
    _turned(scene, part)
    return [before, scene.shot]


def _turned(scene: Scene, part: Pixels) -> None:
    both = np.array(scene.style.ground, np.int16) + np.array(scene.style.ink, np.int16)
    part[:] = np.clip(both - part, 0, 255)


@_no_text
def _a_bar_moved(scene: Scene) -> list[Pixels]:
    still, shots = scene.shot, []
    for row in scene.rng.choice(len(scene.lines), 2, replace=False):
        scene.pixels = still.copy()
        scene.fill(
            scene.column(int(row), len(scene.lines[row]) + 2),
            scene.top(int(row)),
            2,
            scene.style.line - 2,
            scene.style.ink,
        )
        shots.append(scene.shot)
    return shots


@_no_text
def _a_block_lost_the_focus(scene: Scene) -> list[Pixels]:
    row, wide, high = scene.any_row(), scene.style.size * 6 // 10 + 2, scene.style.line - 1
    x, y = scene.column(row, len(scene.lines[row]) + 1), scene.top(row)
    scene.fill(x, y, wide, high, scene.style.ink)
    before = scene.shot
    scene.fill(x + 1, y + 1, wide - 2, high - 2, scene.style.ground)
    return [before, scene.shot]


@_no_text
def _a_clock_of_minutes(scene: Scene) -> list[Pixels]:
    return ticks(scene, "HH:MM", 6)


@_no_text
def _a_clock_of_seconds(scene: Scene) -> list[Pixels]:
    return ticks(scene, "HH:MM:SS", 6)


@_no_text
def _a_clock_and_a_cursor(scene: Scene) -> list[Pixels]:
    shots = ticks(scene, "HH:MM:SS", 6)
    scene.fill(200, scene.top(len(scene.lines)), 2, scene.style.line - 2, scene.style.ink)
    return [*shots[:-1], scene.shot]


@_no_text
def _back_to_a_screen_at_another_time(scene: Scene) -> list[Pixels]:
    shots = ticks(scene, "HH:MM", 5)
    still = scene.shot
    scene.fill(0, 26, 1280, 694, scene.style.panel)
    scene.write(300, 200, "another window " * 3)
    scene.clock(80_000, "HH:MM")
    shots.append(scene.shot)
    scene.pixels = still
    scene.clock(80_600, "HH:MM")
    return [*shots, scene.shot]


@_no_text
def _a_spinner(scene: Scene) -> list[Pixels]:
    shots, size = [], int(scene.rng.choice([16, 24, 32, 48]))
    for _ in range(6):
        scene.spinner(400, 300, size, float(scene.rng.integers(360)))
        shots.append(scene.shot)
    return shots


@_no_text
def _a_spinner_of_signs(scene: Scene) -> list[Pixels]:
    shots, row = [], scene.any_row()
    for turn in range(6):
        scene.show(row, "building " + "|/-\\"[turn % 4])
        shots.append(scene.shot)
    return shots


@_no_text
def _a_bar_of_progress(scene: Scene) -> list[Pixels]:
    high, shots = int(scene.rng.integers(3, 25)), []
    for done in sorted(scene.rng.choice(np.arange(40, 380), 2, replace=False)):
        scene.fill(300, 690, 400, high, scene.style.panel)
        scene.fill(300, 690, int(done), high, scene.style.accent)
        shots.append(scene.shot)
    return shots


@_no_text
def _a_film_beside_text(scene: Scene) -> list[Pixels]:
    x, y, wide, high = 900, 360, int(scene.rng.integers(160, 360)), int(scene.rng.integers(120, 300))
    scene.film(x, y, wide, high)
    before = scene.shot
    scene.film(x, y, wide, high)
    return [before, scene.shot]


@_no_text
def _a_large_film(scene: Scene) -> list[Pixels]:
    scene.film(40, 60, 800, 450)
    before = scene.shot
    scene.film(40, 60, 800, 450)
    return [before, scene.shot]


@_no_text
def _a_film_a_clock_and_a_cursor(scene: Scene) -> list[Pixels]:
    shots, row = [], scene.any_row()
    still = scene.shot
    for turn in range(6):
        scene.pixels = still.copy()
        scene.film(900, 400, 320, 200)
        scene.clock(40_000 + turn * 11, "HH:MM:SS")
        if turn % 2:
            scene.fill(
                scene.column(row, len(scene.lines[row]) + 1), scene.top(row), 2, scene.style.line - 2, scene.style.ink
            )
        shots.append(scene.shot)
    return shots


@_no_text
def _a_link_is_underlined(scene: Scene) -> list[Pixels]:
    row, before = scene.any_row(), scene.shot
    scene.fill(scene.column(row, 4), scene.top(row) + scene.style.line - 2, 90, 1, scene.style.ink)
    return [before, scene.shot]


@_no_text
def _a_line_is_selected(scene: Scene) -> list[Pixels]:
    row, before = scene.any_row(), scene.shot
    end = scene.column(row, len(scene.lines[row]))
    _turned(scene, scene.pixels[scene.top(row) : scene.top(row) + scene.style.line, 20:end, :3])
    return [before, scene.shot]
