"""Whatever happens to a session, its chart stays whole."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from statemachine.exceptions import TransitionNotAllowed

from pepys.model.health import HEALTH
from pepys.sessions.statechart import REGIONS, UNDER_WAY, SessionChart, new_chart, restore
from pepys.sessions.times import parse_offset

EVENTS = sorted({str(event.id) for event in SessionChart.events})
TOP = {str(state.value) for state in SessionChart.states}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=40))
def test_any_events_in_any_order_leave_one_state_that_survives_a_restart(events: list[str]) -> None:
    told: list[str] = []

    def go() -> None:
        def changed() -> None:
            told.append(chart.state)

        chart = new_chart(changed)
        for event in events:
            before, allowed = chart.save(), chart.allows(event)
            try:
                chart.send(event)
            except TransitionNotAllowed:
                assert not allowed
                assert chart.save() == before
            else:
                assert allowed
            assert len(TOP & set(chart.save())) == 1
            assert set(chart.health()) == (set(REGIONS) if chart.state == "recording" else set())
        again = restore(chart.save())
        assert (again.state, again.health()) == (chart.state, chart.health())
        assert (chart.state in UNDER_WAY) == (chart.state not in {"idle", "interrupted", "completed", "failed"})
        again.follow("interrupted")
        assert again.state == chart.state, "nothing but a crash leads there"

    go()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(REGIONS), st.sampled_from(HEALTH)), max_size=20))
def test_regions_reach_any_health_from_any_other(moves: list[tuple[str, str]]) -> None:
    def go() -> None:
        chart = new_chart()
        for event in ("start", "validated", "checked", "started"):
            chart.send(event)
        wanted = dict.fromkeys(REGIONS, "starting")
        for region, health in moves:
            chart.move(region, health)
            wanted[region] = health
            assert chart.health() == wanted

    go()


@given(st.integers(0, 9999), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999_999_999))
def test_clock_offsets_are_exact(hours: int, minutes: int, seconds: int, ns: int) -> None:
    text = f"{hours}:{minutes:02d}:{seconds:02d}.{ns:09d}"
    assert parse_offset(text) == ((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + ns
