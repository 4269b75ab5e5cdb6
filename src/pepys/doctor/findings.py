"""What a check finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """How good a finding is."""

    OK = "ok"
    LESS = "less"
    """It works, with less than it could: the remedy says how to get the rest."""
    MISSING = "missing"
    """What needs it does not work until the remedy is followed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: what was looked at, such as `display`.
        state: how good it is.
        found: says what there is, a line for each, or why there is nothing.
        remedy: one line that says what to do; empty where all is well.
    """

    name: str
    state: State
    found: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """The finding in `pepys doctor --json`."""
        return {name: str(value) for name, value in asdict(self).items()}


def ok(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name, State.OK, found)


def less(name: str, found: str, remedy: str) -> Finding:
    """It works with less."""
    return Finding(name, State.LESS, found, remedy)


def missing(name: str, found: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(name, State.MISSING, found, remedy)
