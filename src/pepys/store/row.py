"""A session as a line of a list: the row of the catalog, and how it is made of a session."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pepys.limits import NS_PER_MS, ROW_APPS
from pepys.model.session import Session
from pepys.store.documents import Artifact, summary_line

COLUMNS: Final = (
    "id", "name", "state", "started_wall_ns", "end_ns", "duration_ns", "description", "category", "tags", "summary",
    "bytes_on_disk", "cost_nanos", "enrichment_state", "detail", "sequence",
)  # fmt: skip

SHOWN_STAGE: Final = "summary"
"""The stage whose artifacts a row is made of; all others are for searching."""


@dataclass(frozen=True, slots=True)
class Row:
    """One session in a list.

    Attributes:
        end_ns: axis time of the end; for a session being recorded, of what is known of it.
        duration_ns: recorded time, gaps out.
        summary: one line, empty where none was made.
        enrichment_state: `pending` (nothing made yet, or still being recorded), `completed` or `failed`.
        apps: `(start_ms, end_ms, app)`, merged, the longest ones.
        gaps: `(start_ms, end_ms, reason)` of the whole session.
        poster: the blob of a shot that stands for the session.
        sequence: of the head that this was made of.
    """

    id: str
    name: str
    state: str
    started_wall_ns: int
    end_ns: int
    duration_ns: int
    description: str
    category: str
    tags: tuple[str, ...]
    summary: str
    bytes_on_disk: int
    cost_nanos: int
    enrichment_state: str
    apps: tuple[tuple[int, int, str], ...]
    gaps: tuple[tuple[int, int, str], ...]
    poster: str | None
    sequence: int


def make_row(session: Session, artifacts: Iterable[Artifact], bytes_on_disk: int, sequence: int) -> Row:
    """The row of a session."""
    failed = any(ref.error and not ref.error.startswith("skipped") for ref in session.artifacts)
    made = bool(session.artifacts) and session.state != "recording"
    enrichment = "failed" if failed else "completed" if made else "pending"
    shots = session.distinct_shots
    return Row(
        id=session.id,
        name=session.name,
        state=session.state,
        started_wall_ns=session.started_wall_ns,
        end_ns=session.end_ns,
        duration_ns=session.duration_ns,
        description=session.description,
        category=session.category,
        tags=session.tags,
        summary=summary_line(artifacts),
        bytes_on_disk=bytes_on_disk,
        cost_nanos=sum(ref.cost_nanos for ref in session.artifacts),
        enrichment_state=enrichment,
        apps=_apps(session),
        gaps=tuple((_ms(gap.start_ns), _ms(gap.end_ns), gap.reason) for gap in session.gaps),
        poster=shots[len(shots) // 2].blob if shots else None,
        sequence=sequence,
    )


def to_columns(row: Row) -> dict[str, Any]:
    """The row as the table keeps it."""
    detail = {"apps": row.apps, "gaps": row.gaps, "poster": row.poster}
    columns: dict[str, Any] = {name: getattr(row, name) for name in COLUMNS if name not in {"tags", "detail"}}
    columns["tags"] = json.dumps(row.tags, ensure_ascii=False)
    columns["detail"] = json.dumps(detail, ensure_ascii=False, separators=(",", ":"))
    return {name: storable(value) if isinstance(value, str) else value for name, value in columns.items()}


def from_columns(columns: tuple[Any, ...]) -> Row:
    """The row that the table keeps."""
    values = dict(zip(COLUMNS, columns, strict=True))
    detail = json.loads(values.pop("detail"))
    values["tags"] = tuple(json.loads(values["tags"]))
    values["apps"] = tuple((start, end, app) for start, end, app in detail["apps"])
    values["gaps"] = tuple((start, end, reason) for start, end, reason in detail["gaps"])
    return Row(**values, poster=detail["poster"])


def storable(text: str) -> str:
    """Text without what no database takes: half of a surrogate pair may stand in a name that a file system gave."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")


def _apps(session: Session) -> tuple[tuple[int, int, str], ...]:
    """What was in front: neighbours of one application merged; of too many, the longest."""
    merged: list[tuple[int, int, str]] = []
    for focus in session.focus:
        app = "excluded" if focus.excluded else focus.app
        start, end = _ms(focus.start_ns), _ms(focus.end_ns)
        if merged and merged[-1][2] == app and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], end, app)
        elif app and end > start:
            merged.append((start, end, app))
    longest = sorted(merged, key=lambda part: part[0] - part[1])[:ROW_APPS]
    return tuple(sorted(longest))


def _ms(ns: int) -> int:
    return ns // NS_PER_MS
