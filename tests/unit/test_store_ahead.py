"""Doing the next of a row ahead: order, errors in their place, and no more held than the threads have in hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pepys.limits import AHEAD_THREADS
from pepys.store.ahead import ahead


def test_what_comes_is_in_order_whichever_is_made_first() -> None:
    """Would catch segments of an export in the order in which their threads end."""
    second = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert second.wait(10)
        second.set()
        return number * number

    assert list(ahead(range(50), work)) == [number * number for number in range(50)]
    assert list(ahead([], work)) == []


def test_no_more_is_begun_than_the_threads_have_in_hand() -> None:
    """Would catch a whole recording that is read into memory while its first segment is written."""
    asked: list[int] = []

    def given() -> Iterator[int]:
        for number in range(1000):
            asked.append(number)
            yield number

    row = ahead(given(), lambda number: number)
    for number in range(3):
        assert next(row) == number
        assert len(asked) <= number + 1 + AHEAD_THREADS
    row.close()  # type: ignore[attr-defined] # it is a generator
    assert len(asked) <= 3 + AHEAD_THREADS
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_an_error_comes_in_its_place_and_nothing_after_it() -> None:
    """Would catch a file that is told as stored although one before it was not."""

    def work(number: int) -> int:
        if number == 4:
            raise OSError("refused")
        return number

    got: list[int] = []
    with pytest.raises(OSError, match="refused"):
        for number in ahead(range(10), work):
            got.append(number)
    assert got == [0, 1, 2, 3]
