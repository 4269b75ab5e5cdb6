"""Session times as the API writes them: whole milliseconds on the session's axis."""

from __future__ import annotations

from pepys.limits import NS_PER_MS
from pepys.model.session import Gap, Session

Json = dict[str, "object"]


def ms(at_ns: int) -> int:
    """Nanoseconds as whole milliseconds, rounded down, so that an item never lies before its own time."""
    return at_ns // NS_PER_MS


def gap_json(gap: Gap) -> Json:
    """A gap as the API says it."""
    return {
        "start_ms": ms(gap.start_ns), "end_ms": ms(gap.end_ns), "reason": gap.reason, "track": gap.track,
        "detail": gap.detail or None,
    }  # fmt: skip


def wall_ns(session: Session) -> int:
    """The length of the session on its axis, gaps included."""
    return max([session.end_ns if session.spans else 0, *(span.end_ns for span in session.spans)])
