"""A shot that cannot be made costs itself alone: the next ones are made, all who wait are answered, the end comes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from pepys import limits
from pepys.record.shots import ShotTaker
from pepys.record.writing import Picture
from tests.change_scenes import Pixels
from tests.waiting import wait_until


def page(shade: int) -> Pixels:
    return np.full((64, 64, 4), shade, np.uint8)


class Gate:
    """A taker whose pictures wait at a gate before they are given on."""

    def __init__(self) -> None:
        self.open, self.reached = threading.Event(), threading.Event()
        self.given: list[Picture] = []
        self.answers: list[Picture | None] = []
        self.taker = ShotTaker(self._give)

    def _give(self, picture: Picture) -> bool:
        self.reached.set()
        self.open.wait(10)
        self.given.append(picture)
        return True

    def fill(self) -> None:
        """One picture is being made, and as many wait as can."""
        assert self.taker.take(0, page(0))
        assert self.reached.wait(5)
        assert all(self.taker.take(n, page(20 * n)) for n in range(1, limits.SHOTS_QUEUE + 1))


def fails_once(given: list[Picture]) -> Callable[[Picture], bool]:
    """Takes all but the first picture, for which there is no memory."""
    failed: list[bool] = []

    def give(picture: Picture) -> bool:
        if not failed:
            failed.append(True)
            raise MemoryError
        given.append(picture)
        return True

    return give


def test_a_shot_that_fails_is_dropped_and_answered_and_the_next_is_made(capfd: pytest.CaptureFixture[str]) -> None:
    given: list[Picture] = []
    answers: list[Picture | None] = []
    taker = ShotTaker(fails_once(given))
    taker.take(1, page(10), then=answers.append)
    wait_until(lambda: answers == [None], 3, "the answer")
    wait_until(lambda: not taker.busy, 3, "an end of the shot")
    assert taker.missed and taker.counters.dropped == 1
    taker.take(2, page(10), then=answers.append)
    wait_until(lambda: len(answers) == 2, 3, "the next shot")
    assert given[0].data is not None and not taker.missed and taker.counters.dropped == 1
    taker.finish()
    assert not taker.busy and "MemoryError" in capfd.readouterr().err


def test_who_cannot_be_told_ends_no_thread() -> None:
    given: list[Picture] = []

    def give(picture: Picture) -> bool:
        given.append(picture)
        return True

    taker = ShotTaker(give)

    def deaf(_picture: Picture | None) -> None:
        raise OSError("the loop is gone")

    taker.take(1, page(10), then=deaf)
    taker.take(2, page(90))
    wait_until(lambda: len(given) == 2, 3, "the next shot")
    taker.finish()


def test_a_full_queue_says_so_and_answers() -> None:
    gate = Gate()
    gate.fill()
    assert not gate.taker.take(9, page(9), then=gate.answers.append)
    assert gate.answers == [None] and gate.taker.counters.dropped == 1
    gate.open.set()
    gate.taker.finish()
    assert len(gate.given) == limits.SHOTS_QUEUE + 1


def test_the_end_does_not_wait_for_ever_for_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHOTS_END_S", 0.1)
    gate = Gate()
    assert gate.taker.take(0, page(0)) and gate.reached.wait(5)
    for n in range(1, limits.SHOTS_QUEUE + 1):
        gate.taker.take(n, page(20 * n), then=gate.answers.append)
    ended = threading.Thread(target=gate.taker.finish, daemon=True)
    ended.start()
    ended.join(3)
    assert not ended.is_alive()
    assert gate.answers == [None] * limits.SHOTS_QUEUE, "whoever waits is answered"
    gate.open.set()
    wait_until(lambda: not gate.taker.busy, 3, "the shot that hung")
    assert len(gate.given) == 1, "after the end nothing is given any more"
