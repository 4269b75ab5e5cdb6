"""What the journal and people are told of tracks: each step one that a track can take, nothing twice, nothing lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from pepys.model import events as ev
from pepys.model.health import HEALTH, STEPS
from pepys.model.session import Session, Track
from pepys.record.health import Health, Then
from pepys.record.standing import Standing
from pepys.record.wire import Message


class Told:
    """A health, its journal and whoever listens; the journal is durable when the test says so."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self.pushed: list[Message] = []
        self.waiting: list[Then | None] = []
        self.takes = True
        self.health = Health(self._journal, self.pushed.append)

    def _journal(self, events: tuple[ev.Event, ...], then: Then | None) -> bool:
        if self.takes:
            self.events += events
            self.waiting.append(then)
        return self.takes

    def sync(self) -> None:
        waiting, self.waiting = self.waiting, []
        for then in waiting:
            if then is not None:
                then(None)

    @property
    def states(self) -> list[str]:
        return [event.state for event in self.events if isinstance(event, ev.TrackHealth)]


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()
    made.health.add("video", "a source")
    yield made
    for one, other in itertools.pairwise(made.states):
        assert one == other or other in STEPS[one], made.states


@pytest.mark.parametrize(("start", "goal"), list(itertools.product(HEALTH, HEALTH)))
def test_every_change_is_journalled_as_steps_that_there_are(told: Told, start: str, goal: str) -> None:
    told.health.set("video", start, 1, "one")
    told.health.set("video", goal, 2, "other")
    told.sync()
    assert told.states[-1] == goal
    assert [push["state"] for push in told.pushed] == [start, goal], "people are told where it came to, not the way"


def test_nothing_is_told_twice_or_before_it_is_durable(told: Told) -> None:
    told.health.set("video", "healthy", 1)
    told.health.set("video", "healthy", 2)
    assert told.pushed == [] and told.states == ["healthy"]
    told.sync()
    told.sync()
    assert len(told.pushed) == 1


def test_what_the_journal_refused_is_told_and_journalled_with_the_next_change(told: Told) -> None:
    told.health.set("video", "healthy", 1)
    told.takes = False
    told.health.set("video", "failed", 2, "it is gone")
    assert [push["state"] for push in told.pushed] == ["failed"]
    told.takes = True
    told.health.set("video", "restarting", 3, "again")
    assert told.states == ["healthy", "restarting"]


def test_another_recorder_goes_on_from_the_state_that_was_left(told: Told) -> None:
    track = Track("video", "video", "", "", state="failed", captured=7, encoded=8, dropped=9)
    view = Session("id", "n", "recording", 0, 0, tracks=(track,))
    told.health.go_on({"video": (7, 8, 9)}, view)
    told.health.set("video", "healthy", 1)
    assert told.states == ["restarting", "healthy"] and told.health.tracks["video"].totals == (7, 8, 9)


def test_a_track_that_is_shown_again_keeps_what_is_known_of_it(told: Told) -> None:
    report = told.health.tracks["video"]
    report.captured, report.restarts = 5, 2
    told.health.set("video", "off", 1, "not shown")
    again = told.health.add("video", "another source")
    assert (again.totals, again.restarts) == ((5, 0, 0), 2)
    told.health.set("video", "healthy", 2)
    assert told.states == ["off", "starting", "healthy"]


def test_a_clock_that_stands_changes_no_state_of_what_is_away(told: Told) -> None:
    told.health.set("video", "failed", 1, "closed")
    told.health.stand("video", Standing("write", 0), 2)
    assert told.states == ["failed"] and told.health.tracks["video"].to_json(3, 0)["stands"] == ""


def test_what_is_away_is_known_with_its_reason_until_it_is_back() -> None:
    told = Told()
    report = told.health.add("video", "display::7")
    assert (told.health.lacks("video"), report.lost_by) == (False, "source_closed"), "it was never there"
    told.health.open_gap("video", "device_lost", 5, "pulled out")
    told.health.open_gap(None, "pause", 6)
    assert (told.health.lacks("video"), report.lost_by) == (True, "device_lost")
    told.health.close_gaps_of("video", 9)
    assert (told.health.lacks("video"), report.lost_by) == (False, "device_lost"), "the next span asks for it"


def test_what_is_counted_by_the_same_one_counts_once_when_its_track_is_shown_again() -> None:
    told = Told()
    report = told.health.add("shots", "display::7")
    report.before, report.captured, report.encoded = (1, 1, 0), 5, 2
    again = told.health.add("shots", "display::8", same=True)
    assert again.totals == (6, 3, 0)
    again.captured, again.encoded = 6, 2  # as it counts, over all compositions
    assert again.totals == (7, 3, 0)
