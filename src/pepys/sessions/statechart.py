"""The statechart of one session: which states it has and which way leads where.

Owns what may follow what; the host does the work and tells the chart. Invariants: an event that has no transition in
the present state is refused and changes nothing; `recording` holds one region each for video, audio and shots. A
chart is saved as the list of its active states and restored from it; `docs/statechart.md` is generated from this file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from statemachine import State, StateChart
from statemachine.orderedset import OrderedSet

REGIONS: Final = ("video", "audio", "shots")
HEALTH: Final = ("starting", "healthy", "degraded", "failed", "restarting", "off")
ENDED: Final = frozenset({"completed", "failed"})
UNDER_WAY: Final = frozenset(
    {"validating", "checking", "starting", "recording", "pausing", "paused", "resuming", "ending"}
)  # fmt: skip
RECORDER_STATES: Final = frozenset({"starting", "recording", "pausing", "paused", "resuming", "ending"})


def _region(name: str) -> type[Any]:
    """One track's health as a compound state, with ids that are unique in the chart."""
    states = {health: State(health, value=f"{name}_{health}", initial=health == "starting") for health in HEALTH}
    starting, healthy, degraded, failed, restarting, off = (states[health] for health in HEALTH)
    events = {
        "healthy": starting.to(healthy) | degraded.to(healthy) | restarting.to(healthy),
        "degraded": starting.to(degraded) | healthy.to(degraded) | restarting.to(degraded),
        "failed": starting.to(failed) | healthy.to(failed) | degraded.to(failed) | restarting.to(failed),
        "restarting": healthy.to(restarting) | degraded.to(restarting) | failed.to(restarting),
        "off": starting.to(off) | healthy.to(off) | degraded.to(off) | failed.to(off) | restarting.to(off),
        "starting": off.to(starting),
    }
    body: dict[str, Any] = {f"{name}_{health}": state for health, state in states.items()}
    body |= {f"{name}_to_{health}": transitions for health, transitions in events.items()}
    make = cast(Callable[[str, tuple[type, ...], dict[str, Any]], type[Any]], type(State.Compound))
    return make(name, (State.Compound,), body)


class SessionChart(StateChart[Any]):
    """One session's states; `idle` until it is started.

    Args:
        changed: called after every transition.
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

    def __init__(self, changed: Callable[[], Awaitable[None]] | None = None, **kwargs: Any) -> None:
        self._changed = changed
        super().__init__(**kwargs)

    async def after_transition(self) -> None:
        """Tell the owner; being async makes the whole chart so."""
        if self._changed is not None:
            await self._changed()

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

    async def move(self, region: str, health: str) -> None:
        """Bring a region to `health` by the shortest way; nothing happens outside `recording`."""
        now = self.health().get(region)
        if now is not None:
            for step in _way(now, health):
                await self.send(f"{region}_to_{step}")

    async def follow(self, state: str) -> None:
        """Go to `state` by the fewest events, none of them a crash; nothing happens when no way leads there."""
        for event in _events(self.state, state):
            await self.send(event)

    def save(self) -> list[str]:
        """The active states, for `restore`."""
        return [str(value) for value in self.configuration_values]


async def new_chart(changed: Callable[[], Awaitable[None]] | None = None) -> SessionChart:
    """A chart in `idle`."""
    chart = SessionChart(changed)
    await cast(Awaitable[None], chart.activate_initial_state())
    return chart


async def restore(saved: Iterable[str], changed: Callable[[], Awaitable[None]] | None = None) -> SessionChart:
    """A chart in the states that `save` gave.

    Raises:
        ValueError: they are not the states of one moment.
    """
    chart = await new_chart(None)
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


def _way(start: str, goal: str) -> tuple[str, ...]:
    """The fewest steps between two healths of a region."""
    return _shortest({health: [(step, step) for step in _STEPS[health]] for health in HEALTH}, start, goal)


def _events(start: str, goal: str) -> tuple[str, ...]:
    """The fewest events between two states of a session."""
    return _shortest(_EDGES, start, goal)


def _shortest(edges: Mapping[str, Sequence[tuple[str, str]]], start: str, goal: str) -> tuple[str, ...]:
    """The labels along a shortest way through `(label, next)` edges; empty when there is none."""
    reached: dict[str, tuple[str, ...]] = {start: ()}
    waiting = deque([start])
    while waiting and goal not in reached:
        here = waiting.popleft()
        for label, there in edges[here]:
            if there not in reached:
                reached[there] = (*reached[here], label)
                waiting.append(there)
    return reached.get(goal, ())


_TOP: Final = frozenset(state.value for state in SessionChart.states)
# Every region is made alike; the first one tells the steps of all.
_STEPS: Final = {
    health: tuple(
        str(transition.target.value).partition("_")[2]
        for transition in SessionChart.states_map[f"{REGIONS[0]}_{health}"].transitions
    )
    for health in HEALTH
}
_EDGES: Final = {
    state.value: [
        (event, str(transition.target.value))
        for transition in state.transitions
        for event in str(transition.event).split()
        if event != "crash"
    ]
    for state in SessionChart.states
}
