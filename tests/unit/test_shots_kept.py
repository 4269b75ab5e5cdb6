"""A recorder holds no picture longer than a shot takes: each is 8 MB, and shots are seconds apart."""

from __future__ import annotations

import weakref

import numpy as np

from pepys.record.shots import ShotTaker
from pepys.record.writing import Picture
from tests.waiting import wait_until


def test_a_picture_is_let_go_of_when_its_shot_is_made() -> None:
    given: list[Picture] = []

    def give(picture: Picture) -> bool:
        given.append(picture)
        return True

    taker = ShotTaker(give)
    try:
        pixels = np.zeros((64, 64, 4), np.uint8)
        held = weakref.ref(pixels)
        taker.take(1, pixels)
        del pixels
        wait_until(lambda: given, what="the shot")
        wait_until(lambda: held() is None, 2.0, "the picture to be let go of")
    finally:
        taker.finish()
