"""Every sequence of four events, none left out because it began like another one."""

from __future__ import annotations

import gc

import pytest

from tests.interleavings import every, play, seldom_collected
from tests.property.test_sessions_interleavings import loop
from tests.steered import Timeless

__all__ = ["loop"]


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_sequence_of_four_events(loop: Timeless) -> None:
    with seldom_collected():
        for number, events in enumerate(every(4)):
            if number % 32 == 0:
                gc.collect()
            wrong = play(loop, events).wrong
            assert not wrong, f"PEPYS_SEQUENCE={' '.join(events)!r}: {wrong}"
