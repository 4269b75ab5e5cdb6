"""A session as one row of the list, whether it comes from the catalog or from the session itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pepys import limits
from pepys.clock import rfc3339
from pepys.model.session import Session, Shot
from pepys.review.apps import stretches
from pepys.review.timespan import ms, wall_ns

if TYPE_CHECKING:
    from pepys.store.row import Row

SUMMARY_CHARS = 200
_NANOS_A_USD = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Extras:
    """What a page tells of a session that is not in the session itself.

    Attributes:
        bytes_on_disk: size of everything that is the session's.
        enrichment: `state`, `stages` and `cost_usd`, as enrichment says them.
    """

    bytes_on_disk: int = 0
    enrichment: Mapping[str, Any] = field(default_factory=dict)


def row_of_catalog(found: Row) -> dict[str, Any]:
    """The row of a list, from the catalog alone."""
    return {
        "id": found.id,
        "name": found.name,
        "state": found.state,
        "started_at": rfc3339(found.started_wall_ns),
        "ended_at": _ended_at(found.state, found.started_wall_ns, found.end_ns),
        "duration_ms": ms(found.duration_ns),
        "wall_ms": ms(found.end_ns),
        "tags": list(found.tags),
        "summary": one_line(found.summary),
        "bytes_on_disk": found.bytes_on_disk,
        "cost_usd": found.cost_nanos / _NANOS_A_USD,
        "enrichment_state": found.enrichment_state,
        "apps": [{"start_ms": start, "end_ms": end, "app": app} for start, end, app in found.apps[: limits.ROW_APPS]],
        "gaps": [
            {"start_ms": start, "end_ms": end, "reason": why} for start, end, why in found.gaps[: limits.ROW_APPS]
        ],
        "poster": found.poster,
    }


def row_of_session(session: Session, extras: Extras, summary: str | None) -> dict[str, Any]:
    """The same row of a session that was read whole."""
    wall = wall_ns(session)
    picture = poster(session)
    longest = sorted(session.gaps, key=lambda gap: gap.start_ns - gap.end_ns)[: limits.ROW_APPS]
    return {
        "id": session.id,
        "name": session.name,
        "state": session.state,
        "started_at": rfc3339(session.started_wall_ns),
        "ended_at": _ended_at(session.state, session.started_wall_ns, wall),
        "duration_ms": ms(session.duration_ns),
        "wall_ms": ms(wall),
        "tags": list(session.tags),
        "summary": one_line(summary),
        "bytes_on_disk": extras.bytes_on_disk,
        "cost_usd": extras.enrichment.get("cost_usd", 0.0),
        "enrichment_state": extras.enrichment.get("state", "pending"),
        "apps": [
            {"start_ms": ms(part.start_ns), "end_ms": ms(part.end_ns), "app": "excluded" if part.excluded else part.app}
            for part in stretches(session.focus, limits.ROW_APPS, titles=False)
        ],
        "gaps": [
            {"start_ms": ms(gap.start_ns), "end_ms": ms(gap.end_ns), "reason": gap.reason}
            for gap in sorted(longest, key=lambda gap: gap.start_ns)
        ],
        "poster": picture.blob if picture else None,
    }


def poster(session: Session) -> Shot | None:
    """The shot that stands for the session: the middle one of the distinct ones."""
    distinct = session.distinct_shots
    return distinct[len(distinct) // 2] if distinct else None


def one_line(text: str | None) -> str | None:
    """The text on one line, cut at a word where it is long; None where there is none."""
    line = " ".join((text or "").split())
    if not line:
        return None
    if len(line) <= SUMMARY_CHARS:
        return line
    return line[:SUMMARY_CHARS].rsplit(" ", 1)[0] + "…"


def _ended_at(state: str, started_wall_ns: int, length_ns: int) -> str | None:
    return None if state == "recording" else rfc3339(started_wall_ns + length_ns)
