"""What `show --json` tells of shots, of what the user did, and of the clock: sums, never content.

Pure. Times are milliseconds on the session's axis.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from pepys import limits
from pepys.model.session import Session

_INPUTS: Final = ("keys", "clicks", "scrolls", "moves")


def shots_shape(session: Session) -> dict[str, Any]:
    """How many shots there are, what they are of, and what made the recorder take them.

    `near` are those that differ from an earlier one in nothing that can be read, `repeats` those that are the very
    picture of an earlier one: neither has bytes of its own.
    """
    triggers = Counter(shot.trigger or "interval" for shot in session.shots)
    return {
        "total": len(session.shots),
        "distinct": len(session.distinct_shots),
        "repeats": sum(shot.repeat and not shot.near for shot in session.shots),
        "near": sum(shot.near for shot in session.shots),
        "by_trigger": dict(triggers.most_common()),
    }


def activity_shape(session: Session) -> dict[str, Any]:
    """Stretches without input, counts of input, and steps of the wall clock."""
    idle = [{"start_ms": start // limits.NS_PER_MS, "end_ms": end // limits.NS_PER_MS} for start, end in session.idle]
    return {
        "idle": {"total_ms": sum(stretch["end_ms"] - stretch["start_ms"] for stretch in idle), "stretches": idle},
        "input": {name: sum(getattr(count, name) for count in session.inputs) for name in _INPUTS},
        "clock_steps": [
            {"at_ms": step.at_ns // limits.NS_PER_MS, "step_ms": step.step_ns // limits.NS_PER_MS}
            for step in session.clock_steps
        ],
    }
