"""Whatever happens to a recording, in any order, one thing while another is under way: its host stays right.

Each failure names its sequence; `PEPYS_SEQUENCE="start wait pause crash" pytest -k one_sequence` plays it again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from pepys import limits
from pepys.sessions import course, statechart, steering
from pepys.sessions import recording as recordings
from tests import interleavings
from tests.interleavings import ROOT, explore, play, seldom_collected
from tests.steered import Timeless, World, short_limits

DEPTH = 4


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Timeless]:
    for name, value in short_limits().items():
        monkeypatch.setattr(limits, name, value)
    monkeypatch.setattr(recordings, "signal_run", lambda run, number, clock: World.latest().signal(run, number))
    timeless = Timeless()
    for module in (course, statechart, steering):
        monkeypatch.setattr(module, "new_chart", timeless.charts.new)
    yield timeless
    asyncio.set_event_loop(None)
    timeless.close()


def test_a_session_stays_right_whatever_happens_in_any_order(loop: Timeless) -> None:
    with seldom_collected():
        count, wrong = explore(loop, DEPTH)
    shortest = sorted(wrong, key=len)[:5]
    assert not wrong, "\n".join(f"PEPYS_SEQUENCE={' '.join(events)!r}: {wrong[events]}" for events in shortest)
    assert count > 1500, "so few worlds that something must be left out"


def test_a_session_stays_right_whenever_its_recorder_lets_go_of_the_host(loop: Timeless) -> None:
    with seldom_collected():
        _, wrong = explore(loop, 3, interleavings.LINE)
    assert not wrong, wrong


def test_one_sequence(loop: Timeless) -> None:
    events = os.environ.get("PEPYS_SEQUENCE", " ".join((*ROOT, "crash", "wait", "pause"))).split()
    assert play(loop, events).wrong == []


@pytest.mark.parametrize(
    ("broken", "events"),
    [
        ("it records although it was paused", ("pause", "wait")),
        ("there is no recorder", ("crash", "wait")),
        ("two recorders", ("start", "wait")),
        ("does not return", ("stop", "wait")),
    ],
)
def test_what_would_be_wrong_is_found(
    loop: Timeless, monkeypatch: pytest.MonkeyPatch, broken: str, events: tuple[str, ...]
) -> None:
    interleavings.break_it(monkeypatch, broken)
    assert any(broken in wrong for wrong in play(loop, (*ROOT, *events)).wrong)
