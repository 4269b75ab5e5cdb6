"""What `show` says of shots, of what the user did, and of the clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pepys.cli.say import clock_text, counted

_TRIGGERS: Final = {
    "interval": "by time", "adaptive": "by what happened", "focus": "another window", "title": "another title",
    "change": "the screen changed", "manual": "asked for", "start": "at a start",
}  # fmt: skip
_INPUTS: Final = (("keys", "key"), ("clicks", "click"), ("scrolls", "scroll"), ("moves", "move"))


def activity_facts(shown: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Labels and texts of a session's shots, input and idle time; nothing of what there was none of."""
    facts = [("shots", shots_text(shown["shots"]))]
    counts = [counted(shown["input"][name], thing) for name, thing in _INPUTS if shown["input"][name]]
    if counts:
        facts.append(("input", ", ".join(counts)))
    if stretches := shown["idle"]["stretches"]:
        times = f", {len(stretches)} times" if len(stretches) > 1 else ""
        facts.append(("idle", f"{clock_text(shown['idle']['total_ms'])}{times}"))
    return facts


def shots_text(shots: Mapping[str, Any]) -> str:
    """Shots in words, such as `41, 12 of them distinct, 20 nearly the same; 30 by time, 11 another window`."""
    text = f"{shots['total']}, {shots['distinct']} of them distinct"
    if shots["near"]:
        text += f", {shots['near']} nearly the same"
    by = [f"{count} {_TRIGGERS.get(trigger, trigger)}" for trigger, count in shots["by_trigger"].items()]
    return f"{text}; {', '.join(by)}" if len(by) > 1 or shots["by_trigger"].get("manual") else text


def clock_step_text(step: Mapping[str, Any]) -> str:
    """A step of the wall clock, such as `the clock was set forward by 0:30`."""
    way, by_ms = ("forward", step["step_ms"]) if step["step_ms"] >= 0 else ("back", -step["step_ms"])
    # It is measured, not told by who did it: an hour comes as some milliseconds more or less.
    by = clock_text((by_ms + 500) // 1000 * 1000) if by_ms >= 1000 else f"{by_ms} ms"
    return f"the clock was set {way} by {by}"
