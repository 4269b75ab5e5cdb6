"""Invariant 11: every state of the session statechart and every transition is reached here."""

from __future__ import annotations

from pathlib import Path

import pytest
from statemachine.exceptions import TransitionNotAllowed

from pepys.model.health import HEALTH
from pepys.sessions import diagram
from pepys.sessions.statechart import (
    REGIONS,
    SessionChart,
    configuration,
    new_chart,
    region_health,
    restore,
)

Transition = tuple[str, str, str]

LIFE: list[Transition] = [
    ("idle", "start", "validating"),
    ("validating", "validated", "checking"),
    ("validating", "fail", "failed"),
    ("checking", "checked", "starting"),
    ("checking", "fail", "failed"),
    ("starting", "started", "recording"),
    ("starting", "fail", "failed"),
    ("recording", "pause", "pausing"),
    ("recording", "stop", "ending"),
    ("recording", "crash", "interrupted"),
    ("pausing", "now_paused", "paused"),
    ("pausing", "refused", "recording"),
    ("pausing", "crash", "interrupted"),
    ("paused", "resume", "resuming"),
    ("paused", "stop", "ending"),
    ("paused", "crash", "interrupted"),
    ("resuming", "resumed", "recording"),
    ("resuming", "refused", "paused"),
    ("resuming", "crash", "interrupted"),
    ("ending", "ended", "completed"),
    ("ending", "crash", "interrupted"),
    ("interrupted", "resume", "resuming"),
    ("interrupted", "stop", "ending"),
]
HEALTH_STEPS = {
    "starting": {"healthy", "degraded", "failed", "restarting", "off"},
    "healthy": {"degraded", "failed", "restarting", "off"},
    "degraded": {"healthy", "failed", "restarting", "off"},
    "failed": {"restarting", "off"},
    "restarting": {"healthy", "degraded", "failed", "off"},
    "off": {"starting"},
}
STEPS: list[Transition] = [
    (f"{region}_{start}", f"{region}_to_{goal}", f"{region}_{goal}")
    for region in REGIONS
    for start, goals in HEALTH_STEPS.items()
    for goal in sorted(goals)
]


def route(goal: str) -> list[str]:
    """The events from `idle` to a state."""
    known: dict[str, list[str]] = {"idle": []}
    while goal not in known:
        known.update({t: [*known[s], e] for s, e, t in LIFE if s in known and t not in known})
    return known[goal]


def chart_in(state: str) -> SessionChart:
    chart = new_chart()
    for event in route(state):
        chart.send(event)
    return chart


@pytest.mark.parametrize(("start", "event", "goal"), LIFE)
def test_each_event_of_a_session_leads_where_it_should(start: str, event: str, goal: str) -> None:
    def go() -> str:
        chart = chart_in(start)
        assert chart.state == start
        chart.send(event)
        return chart.state

    assert go() == goal


@pytest.mark.parametrize(("start", "event", "goal"), STEPS)
def test_each_step_of_a_tracks_health_moves_that_region_alone(start: str, event: str, goal: str) -> None:
    region, _, health = start.partition("_")

    def go() -> dict[str, str]:
        chart = restore(configuration("recording", {region: health}))
        chart.send(event)
        return chart.health()

    after = go()
    assert after[region] == goal.partition("_")[2]
    assert all(after[other] == "starting" for other in REGIONS if other != region)


def test_the_chart_has_no_state_and_no_transition_beyond_those_tested() -> None:
    drawn = {
        (str(state.value), event, str(transition.target.value))
        for state in SessionChart.states_map.values()
        for transition in state.transitions
        for event in str(transition.event).split()
        if event
    }
    assert drawn == {*LIFE, *STEPS}
    leaves = {str(value) for value in SessionChart.states_map} - {"recording", *REGIONS}
    assert leaves <= {state for start, _, goal in drawn for state in (start, goal)}


def test_an_event_out_of_place_is_refused_and_changes_nothing() -> None:
    events = sorted({event for _, event, _ in LIFE})

    def go() -> None:
        for state in sorted({state for start, _, goal in LIFE for state in (start, goal)}):
            for event in events:
                if any((state, event) == (start, known) for start, known, _ in LIFE):
                    continue
                chart = chart_in(state)
                before = chart.save()
                assert not chart.allows(event)
                with pytest.raises(TransitionNotAllowed):
                    chart.send(event)
                assert chart.save() == before

    go()


def test_a_track_moves_by_the_shortest_way() -> None:
    def go() -> None:
        for start in HEALTH:
            for goal in HEALTH:
                chart = restore(configuration("recording", {"audio": start}))
                chart.move("audio", goal)
                assert chart.health()["audio"] == goal
        idle = new_chart()
        idle.move("audio", "failed")
        assert idle.state == "idle"

    go()


def test_following_the_recorder_never_goes_through_a_crash() -> None:
    def go() -> None:
        chart = chart_in("paused")
        chart.follow("recording")
        assert chart.state == "recording"
        chart.follow("ending")
        assert chart.state == "ending"
        chart.follow("recording")
        assert chart.state == "ending"

    go()


def test_every_configuration_is_saved_and_restored() -> None:
    def go() -> None:
        for state in sorted({goal for _, _, goal in LIFE}):
            chart = chart_in(state)
            if state == "recording":
                chart.move("video", "degraded")
            again = restore(chart.save())
            assert (again.state, again.health()) == (chart.state, chart.health())
            for event in sorted({event for _, event, _ in LIFE}):
                assert again.allows(event) == chart.allows(event)

    go()


@pytest.mark.parametrize(
    "saved", [[], ["recording"], ["idle", "paused"], ["bogus"], ["paused", "video", "video_healthy"]]
)
def test_what_is_no_configuration_is_not_restored(saved: list[str]) -> None:
    with pytest.raises(ValueError, match="no configuration"):
        restore(saved)


@pytest.mark.parametrize(
    ("tracks", "health"),
    [
        ([], "off"),
        ([("audio.mic", "healthy"), ("audio.system", "healthy")], "healthy"),
        ([("audio.mic", "failed"), ("audio.system", "healthy")], "degraded"),
        ([("audio.mic", "failed"), ("audio.system", "failed")], "failed"),
        ([("audio.mic", "failed"), ("audio.system", "off")], "failed"),
        ([("audio.mic", "restarting"), ("audio.system", "healthy")], "restarting"),
        ([("audio.mic", "starting"), ("audio.system", "healthy")], "starting"),
        ([("activity", "failed")], "off"),
    ],
)
def test_the_region_of_sound_shows_both_tracks(tracks: list[tuple[str, str]], health: str) -> None:
    assert region_health(tracks)["audio"] == health


def test_the_diagram_in_the_docs_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "statechart.md"
    assert page.read_text(encoding="utf-8") == diagram.render()
