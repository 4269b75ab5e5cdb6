"""The activity of a display that is gone: when its sources are tried again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.clock import Clock
from pepys.limits import NS_PER_S
from pepys.record import probe
from pepys.record.exclusions import Exclusions
from pepys.record.focus import FocusOpening, FocusWatch
from pepys.record.health import Health
from pepys.record.sources import SourceName, Wish
from tests.feeds_bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_the_activity_of_a_display_that_was_gone_is_tried_as_soon_as_somebody_listens_for_it(
    bench: Bench, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After many tries in vain the next is 30 s away: a display that is back must not wait for it."""
    monkeypatch.setattr(probe, "_SOCKETS", short_folder)
    bench.house.missing.add("display::4077")

    def opener(display: str, _exclusions: Exclusions, clock: Clock) -> FocusOpening:
        return bench.house(SourceName("display", display), Wish(None), clock)  # type: ignore[return-value] # never opens

    watch = FocusWatch(bench.loop, Health(lambda _events, _then: None, lambda _push: None), Exclusions(()), opener)
    watch.show(":4077")
    bench.turn()
    for _ in range(80):
        bench.advance(NS_PER_S)
    tried = len(bench.house.openings)
    assert tried == 7, "at once, then after 1, 2, 4, 8, 16 and 30 s: to look for it is no try"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short_folder / "X4077"))
        server.listen()
        bench.advance(NS_PER_S)
    assert len(bench.house.openings) == tried + 1
    watch.close()
