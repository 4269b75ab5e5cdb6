"""How far a session's enrichment is, read from its manifest alone; the shape of `enrichment` in `show --json`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from pepys.enrich.plan import STAGES, UNITS
from pepys.model.session import Session

SKIPPED: Final = "skipped: "
"""How the error of an artifact begins that stands for a stage without an engine."""


def enrichment_state(session: Session, running: Collection[str] = ()) -> dict[str, Any]:
    """The state of every stage that applies.

    Args:
        session: the session.
        running: names of the stages of a job under way; `*` stands for all of them.

    Returns:
        `{"state", "stages": [{"name", "state", "seconds", "cost_usd", "error"?}], "cost_usd"}`. The whole is
        `completed` when no stage is failed, running or pending; a skipped stage names what is missing in `error`.
        While a session is being recorded nothing of it is `completed`, for more is to come.
    """
    stages = [stage for name in STAGES if (stage := _stage(session, name, running)) is not None]
    spent = sum(ref.cost_nanos for ref in session.artifacts) / 1e9
    return {"state": whole_state(session, stages), "stages": stages, "cost_usd": spent}


def whole_state(session: Session, stages: Collection[Mapping[str, Any]]) -> str:
    """The state of some stages of a session taken together."""
    told = {str(stage["state"]) for stage in stages}
    ended = "pending" if is_growing(session) else "completed"
    return next((state for state in ("running", "failed", "pending") if state in told), ended)


def is_growing(session: Session) -> bool:
    """Whether the session is still being recorded, so that only what is sealed of it can be read."""
    return session.state == "recording"


def _stage(session: Session, name: str, running: Collection[str]) -> dict[str, Any] | None:
    wanted = {unit.name for unit in UNITS[name](session)}
    if not wanted:
        return None
    refs = [ref for ref in session.artifacts if ref.stage == name]
    done = {ref.unit for ref in refs if not ref.error}
    errors = [ref.error for ref in refs if ref.error]
    stage: dict[str, Any] = {
        "name": name,
        "state": "pending",
        "seconds": round(sum(ref.seconds for ref in refs), 3),
        "cost_usd": sum(ref.cost_nanos for ref in refs) / 1e9,
    }
    if wanted <= done and not is_growing(session):
        stage["state"] = "completed"
    elif name in running or "*" in running:
        stage["state"] = "running"
    elif errors:
        skipped = [error for error in errors if error.startswith(SKIPPED)]
        stage["state"] = "skipped" if len(skipped) == len(errors) else "failed"
        stage["error"] = skipped[0].removeprefix(SKIPPED) if stage["state"] == "skipped" else _first_failure(errors)
    return stage


def _first_failure(errors: list[str]) -> str:
    return next(error for error in errors if not error.startswith(SKIPPED))
