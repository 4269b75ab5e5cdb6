"""The health of a track: its states, and which may follow which. One table for the recorder and the statechart.

Pure. Who decides which state a track is in is `record.coordinator`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

HEALTH: Final = ("starting", "healthy", "degraded", "failed", "restarting", "off")
"""The states: `degraded` delivers less than is due or nothing for 2 s, `restarting` is tried again, `failed` was tried
in vain, `off` is not recorded."""

STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "starting": ("healthy", "degraded", "failed", "restarting", "off"),
    "healthy": ("degraded", "failed", "restarting", "off"),
    "degraded": ("healthy", "failed", "restarting", "off"),
    "failed": ("restarting", "off"),
    "restarting": ("healthy", "degraded", "failed", "off"),
    "off": ("starting",),
}
"""Which states may follow a state."""

WELL: Final = frozenset({"starting", "healthy", "off"})
"""The states of which nobody needs to be told."""


def way(start: str, goal: str) -> tuple[str, ...]:
    """The fewest steps from one state to another, without the first; empty when they are the same.

    Raises:
        ValueError: one of them is no state of a track.
    """
    if start not in STEPS or goal not in STEPS:
        raise ValueError(f"no states of a track: {start}, {goal}")
    return shortest({state: [(step, step) for step in steps] for state, steps in STEPS.items()}, start, goal)


def shortest(edges: Mapping[str, Sequence[tuple[str, str]]], start: str, goal: str) -> tuple[str, ...]:
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
