"""Short sessions whose last shot shows text that no other does: it has to be kept."""

from __future__ import annotations

from collections.abc import Callable

from tests.change_scenes import PROSE, Pixels, Scene, face, ticks

Maker = Callable[[Scene], list[Pixels]]
TEXT: dict[str, Maker] = {}


def _text(maker: Maker) -> Maker:
    TEXT[maker.__name__.strip("_").replace("_", " ")] = maker
    return maker


def _swapped(scene: Scene, signs: str, row: int | None = None) -> list[Pixels]:
    """One character of a line becomes another of `signs`; the rest stays where it is."""
    row = scene.any_row() if row is None else row
    line = scene.lines[row]
    places = [at for at, sign in enumerate(line) if sign in signs] or [len(line) // 2]
    at = int(scene.rng.choice(places))
    other = str(scene.rng.choice([sign for sign in signs if sign != line[at]]))
    before = scene.shot
    scene.show(row, line[:at] + other + line[at + 1 :])
    return [before, scene.shot]


@_text
def _one_digit(scene: Scene) -> list[Pixels]:
    scene.show(3, f"invoice {scene.rng.integers(1e5, 1e6)} of 2047")
    return _swapped(scene, "0123456789", 3)


@_text
def _one_letter(scene: Scene) -> list[Pixels]:
    return _swapped(scene, "abcdefghijkmnopqrstuvwxyz")


@_text
def _one_digit_in_a_heading(scene: Scene) -> list[Pixels]:
    shots = []
    for number in scene.rng.choice(10, 2, replace=False):
        scene.fill(20, 300, 850, 60, scene.style.ground)
        scene.write(20, 300, f"Chapter {number} begins", size=32)
        shots.append(scene.shot)
    return shots


@_text
def _a_word(scene: Scene) -> list[Pixels]:
    row, before = scene.any_row(), scene.shot
    words = scene.lines[row].split()
    at = int(scene.rng.integers(len(words)))
    words[at] = str(scene.rng.choice([word for word in PROSE if word != words[at] and len(word) > 2]))
    scene.show(row, " ".join(words))
    return [before, scene.shot]


@_text
def _a_line(scene: Scene) -> list[Pixels]:
    before = scene.shot
    scene.show(scene.any_row(), scene.sentence())
    return [before, scene.shot]


@_text
def _a_line_appended(scene: Scene) -> list[Pixels]:
    row = len(scene.lines) - 1
    kept = scene.lines[row]
    scene.show(row, "")
    before = scene.shot
    scene.show(row, kept)
    return [before, scene.shot]


@_text
def _a_line_deleted(scene: Scene) -> list[Pixels]:
    before = scene.shot
    scene.show(scene.any_row(), "")
    return [before, scene.shot]


@_text
def _typed_at_a_bar(scene: Scene) -> list[Pixels]:
    return _typed(scene, lambda x, y: scene.fill(x, y, 2, scene.style.line - 2, scene.style.ink))


@_text
def _typed_at_a_block(scene: Scene) -> list[Pixels]:
    wide = round(face(scene.style.font, scene.style.size).getlength("n"))
    return _typed(scene, lambda x, y: scene.fill(x, y, wide, scene.style.line - 1, scene.style.ink))


def _typed(scene: Scene, cursor: Callable[[int, int], None]) -> list[Pixels]:
    row, shots = scene.any_row(), []
    line = scene.lines[row][:20]
    for length in (len(line), len(line) + int(scene.rng.integers(1, 5))):
        scene.show(row, (line + "tion")[:length])
        cursor(scene.column(row, length), scene.top(row))
        shots.append(scene.shot)
    return shots


@_text
def _typing_that_goes_on(scene: Scene) -> list[Pixels]:
    """A few letters from shot to shot, on one line: never what a clock does."""
    row, shots = scene.any_row(), []
    line, length = "who_writes_slowly_writes_a_few_letters_each_time", int(scene.rng.integers(1, 6))
    for _ in range(7):
        scene.show(row, line[:length])
        scene.fill(scene.column(row, length), scene.top(row), 2, scene.style.line - 2, scene.style.ink)
        shots.append(scene.shot)
        length += int(scene.rng.integers(1, 6))
    return shots


@_text
def _a_message_each_time(scene: Scene) -> list[Pixels]:
    """Lines that a program prints at the bottom of its window, the others going up."""
    shots = []
    for _ in range(4):
        scene.pixels[580:662, 20:420] = scene.pixels[600:682, 20:420].copy()
        scene.fill(20, 660, 400, 24, scene.style.ground)
        scene.write(20, 662, f"[{scene.rng.integers(10, 99)}] {scene.sentence()[:24]}", size=12)
        shots.append(scene.shot)
    return shots


@_text
def _a_full_stop_and_a_comma(scene: Scene) -> list[Pixels]:
    row, before = scene.any_row(), scene.shot
    scene.show(row, scene.lines[row] + str(scene.rng.choice([".", ",", ";", ":", "!", "?"])))
    return [before, scene.shot]


@_text
def _a_thin_letter(scene: Scene) -> list[Pixels]:
    """What looks like a cursor, where none is."""
    row = scene.any_row()
    words = scene.lines[row][:30]
    scene.show(row, words)
    before = scene.shot
    scene.show(row, words + str(scene.rng.choice([" - ", "l", "I", "i", "-", "1"])))
    return [before, scene.shot]


@_text
def _what_an_excluded_window_hides(scene: Scene) -> list[Pixels]:
    """An excluded window lies over a film: black from one shot to the next."""
    scene.film(900, 400, 320, 200)
    before = scene.shot
    scene.film(900, 400, 320, 200)
    wide, high = int(scene.rng.integers(30, 300)), int(scene.rng.integers(30, 190))
    scene.fill(900, 400, wide, high, (0, 0, 0))
    return [before, scene.shot]


@_text
def _scrolled_by_lines(scene: Scene) -> list[Pixels]:
    before, by = scene.shot, scene.style.line * int(scene.rng.integers(1, 4))
    scene.pixels[36 : 680 - by, :860] = scene.pixels[36 + by : 680, :860].copy()
    return [before, scene.shot]


@_text
def _a_popup(scene: Scene) -> list[Pixels]:
    before = scene.shot
    x, y = int(scene.rng.integers(100, 500)), int(scene.rng.integers(60, 400))
    scene.fill(x, y, 320, 140, scene.style.accent)
    scene.fill(x + 1, y + 1, 318, 138, scene.style.panel)
    for row in range(4):
        scene.write(x + 14, y + 14 + row * 28, scene.sentence()[:28])
    return [before, scene.shot]


@_text
def _a_tooltip(scene: Scene) -> list[Pixels]:
    before = scene.shot
    x, y = int(scene.rng.integers(100, 700)), int(scene.rng.integers(60, 600))
    scene.fill(x, y, 110, 22, scene.style.panel)
    scene.write(x + 6, y + 3, str(scene.rng.choice(["Save as", "Line 14", "Undo typing", "3 errors"])), size=12)
    return [before, scene.shot]


@_text
def _a_figure_in_a_table(scene: Scene) -> list[Pixels]:
    shots = []
    for turn in range(2):
        for row in range(4):
            scene.fill(900, 420 + row * 26, 340, 1, scene.style.accent)
            for column in range(4):
                scene.fill(902 + column * 84, 422 + row * 26, 80, 22, scene.style.ground)
                odd = 7 * turn * (row == 2 and column == 1)
                scene.write(
                    906 + column * 84, 424 + row * 26, f"{(row * 37 + column * 11 + 3) * 1.25 + odd:.2f}", size=12
                )
        shots.append(scene.shot)
    return shots


@_text
def _a_line_beside_a_film(scene: Scene) -> list[Pixels]:
    scene.film(900, 400, 340, 220)
    before = scene.shot
    scene.film(900, 400, 340, 220)
    scene.show(scene.any_row(), scene.sentence())
    return [before, scene.shot]


@_text
def _a_subtitle_in_a_film(scene: Scene) -> list[Pixels]:
    scene.film(240, 200, 560, 320)
    before = scene.shot
    scene.film(240, 200, 560, 320)
    scene.fill(300, 470, 440, 30, (16, 16, 16))
    scene.write(320, 472, "and this is what they say to it", size=18, ink=(255, 255, 255))
    return [before, scene.shot]


@_text
def _a_digit_and_a_restless_clock(scene: Scene) -> list[Pixels]:
    shots = ticks(scene, "HH:MM:SS", 5)
    scene.show(3, "invoice 481950 of 2047")
    shots.append(scene.shot)
    _swapped(scene, "0123456789", 3)
    scene.clock(41_111, "HH:MM:SS")
    return [*shots, scene.shot]


@_text
def _text_where_a_spinner_was(scene: Scene) -> list[Pixels]:
    shots = []
    for turn in range(5):
        scene.spinner(400, 300, 32, turn * 73)
        shots.append(scene.shot)
    scene.fill(400, 300, 32, 32, scene.style.ground)
    scene.write(390, 304, "Saved 12 files")
    return [*shots, scene.shot]


@_text
def _another_window_over_the_clock(scene: Scene) -> list[Pixels]:
    shots = ticks(scene, "HH:MM", 4)
    scene.fill(880, 0, 400, 120, scene.style.ground)
    scene.write(900, 4, "total of the orders in March: 184", size=13)
    shots.append(scene.shot)
    scene.fill(1050, 0, 230, 30, scene.style.ground)
    scene.write(1080, 4, "March: 185", size=13)
    return [*shots, scene.shot]
