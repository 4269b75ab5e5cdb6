"""The statechart of one session: which states it has and which way leads where.

Owns what may follow what; the host does the work and tells the chart. Invariants: an event that has no transition in
the present state is refused and changes nothing; `recording` holds one region each for video, audio and shots. A
chart is saved as the list of its active states and restored from it; `docs/statechart.md` is generated from this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from operator import or_
from typing import Any, Final, cast

from statemachine import State, StateChart
from statemachine.orderedset import OrderedSet

from pepys.clock import SystemClock
from pepys.model.health import HEALTH, STEPS, shortest, way
from pepys.record.lags import Lags

REGIONS: Final = ("video", "audio", "shots")
ENDED: Final = frozenset({"completed", "failed"})
UNDER_WAY: Final = frozenset(
    {"validating", "checking", "starting", "recording", "pausing", "paused", "resuming", "ending"}
)  # fmt: skip
RECORDER_STATES: Final = frozenset({"starting", "recording", "pausing", "paused", "resuming", "ending"})


def _region(name: str) -> type[Any]:
    """One track's health as a compound state, with ids that are unique in the chart."""
    states = {health: State(health, value=f"{name}_{health}", initial=health == HEALTH[0]) for health in HEALTH}
    events = {
        goal: reduce(or_, (states[start].to(states[goal]) for start in HEALTH if goal in STEPS[start]))
        for goal in HEALTH
    }
    body: dict[str, Any] = {f"{name}_{health}": state for health, state in states.items()}
    body |= {f"{name}_to_{health}": transitions for health, transitions in events.items()}
    make = cast(Callable[[str, tuple[type, ...], dict[str, Any]], type[Any]], type(State.Compound))
    return make(name, (State.Compound,), body)


class SessionChart(StateChart[Any]):
    """One session's states; `idle` until it is started.

    Args:
        changed: called after every transition.
        lags: told how long each event took to handle, with all that `changed` does.
    """

    allow_event_without_transition = False
    catch_errors_as_events = False

    idle = State(initial=True)
    validating = State()
    checking = State()
    starting = State()

    class recording(State.Parallel):
        """Media is being taken; each region tells the health of its tracks."""

        video = _region("video")
        audio = _region("audio")
        shots = _region("shots")

    pausing = State()
    paused = State()
    resuming = State()
    ending = State()
    interrupted = State()
    completed = State(final=True)
    failed = State(final=True)

    start = idle.to(validating)
    validated = validating.to(checking)
    checked = checking.to(starting)
    started = starting.to(recording)
    fail = validating.to(failed) | checking.to(failed) | starting.to(failed)
    pause = recording.to(pausing)
    now_paused = pausing.to(paused)
    resume = paused.to(resuming) | interrupted.to(resuming)
    resumed = resuming.to(recording)
    refused = pausing.to(recording) | resuming.to(paused)
    stop = recording.to(ending) | paused.to(ending) | interrupted.to(ending)
    ended = ending.to(completed)
    crash = (
        recording.to(interrupted)
        | pausing.to(interrupted)
        | paused.to(interrupted)
        | resuming.to(interrupted)
        | ending.to(interrupted)
    )

    def __init__(self, changed: Callable[[], None] | None = None, lags: Lags | None = None, **kwargs: Any) -> None:
        self._changed, self._lags, self._clock = changed, lags, SystemClock()
        super().__init__(**kwargs)

    def send(self, event: str, *args: Any, **kwargs: Any) -> Any:
        """As any chart's, timed."""
        begun_ns = self._clock.now_ns()
        try:
            return super().send(event, *args, **kwargs)
        finally:
            if self._lags is not None:
                self._lags.add(self._clock.now_ns() - begun_ns)

    def after_transition(self) -> None:
        """Tell the owner; being no coroutine keeps every event whole: nothing comes between it and what follows."""
        if self._changed is not None:
            self._changed()

    @property
    def state(self) -> str:
        """The one top-level state that is active."""
        return next(str(value) for value in self.configuration_values if value in _TOP)

    def health(self) -> dict[str, str]:
        """The health of each region while recording, else nothing."""
        active = {str(value) for value in self.configuration_values}
        return {region: health for region in REGIONS for health in HEALTH if f"{region}_{health}" in active}

    def allows(self, event: str) -> bool:
        """Whether `event` has a transition in the present state."""
        return any(found.id == event for found in self.allowed_events)

    def move(self, region: str, health: str) -> None:
        """Bring a region to `health` by the shortest way; nothing happens outside `recording`."""
        now = self.health().get(region)
        if now is not None:
            for step in way(now, health):
                self.send(f"{region}_to_{step}")

    def follow(self, state: str) -> None:
        """Go to `state` by the fewest events, none of them a crash; nothing happens when no way leads there."""
        for event in shortest(_EDGES, self.state, state):
            self.send(event)

    def save(self) -> list[str]:
        """The active states, for `restore`."""
        return [str(value) for value in self.configuration_values]


def new_chart(changed: Callable[[], None] | None = None, lags: Lags | None = None) -> SessionChart:
    """A chart in `idle`."""
    return SessionChart(changed, lags)


def restore(saved: Iterable[str], changed: Callable[[], None] | None = None, lags: Lags | None = None) -> SessionChart:
    """A chart in the states that `save` gave.

    Raises:
        ValueError: they are not the states of one moment.
    """
    chart = new_chart(None, lags)
    active = list(saved)
    wanted = OrderedSet(SessionChart.states_map[value] for value in active if value in SessionChart.states_map)
    if len(wanted) != len(active) or sum(value in _TOP for value in active) != 1:
        raise ValueError(f"no configuration of a session's chart: {active}")
    chart.configuration = wanted
    if len(chart.health()) != (len(REGIONS) if chart.state == "recording" else 0):
        raise ValueError(f"no configuration of a session's chart: {active}")
    chart._changed = changed
    return chart


def configuration(state: str, health: dict[str, str] | None = None) -> list[str]:
    """The active states of a session in `state` whose regions are as `health` says (missing ones: `starting`)."""
    if state != "recording":
        return [state]
    told = health or {}
    return [state, *(part for name in REGIONS for part in (name, f"{name}_{told.get(name, 'starting')}"))]


def region_health(tracks: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The health of each region from `(track, health)` pairs.

    Sound has several tracks: it is `failed` when all that are not off failed, `degraded` when only some did.
    """
    found: dict[str, list[str]] = {region: [] for region in REGIONS}
    for track, health in tracks:
        region = track.partition(".")[0]
        if region in found and health in HEALTH and health != "off":
            found[region].append(health)
    return {region: _together(states) for region, states in found.items()}


def _together(states: list[str]) -> str:
    if not states:
        return "off"
    if len(set(states)) == 1:
        return states[0]
    if "failed" in states or "degraded" in states:
        return "degraded"
    return "restarting" if "restarting" in states else "starting"


_TOP: Final = frozenset(state.value for state in SessionChart.states)
_EDGES: Final = {
    state.value: [
        (event, str(transition.target.value))
        for transition in state.transitions
        for event in str(transition.event).split()
        if event != "crash"
    ]
    for state in SessionChart.states
}
