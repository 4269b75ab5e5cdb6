"""Times as people write them: RFC 3339, or an offset from a session's start.

Whole nanoseconds throughout: a decimal is never a float here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from pepys import limits
from pepys.clock import parse_rfc3339
from pepys.errors import Usage

_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{2}(?:\.\d{1,9})?)", re.ASCII)
_UNITS = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s?)?", re.ASCII)
_LAST_NS: Final = 2**63 - 1
_FORMS: Final = "give RFC 3339 such as 2026-11-23T14:05:00Z, or with one session an offset such as 1:02:03.5 or 90s"


def parse_offset(text: str) -> int | None:
    """Nanoseconds of an offset such as `1:02:03.5`, `2:03`, `90s`, `1h30m` or `12.5`; None when it is none."""
    match = _CLOCK.fullmatch(text) or (_UNITS.fullmatch(text) if text else None)
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + Decimal(seconds or 0)
    return int(total * limits.NS_PER_S)


def parse_time(text: str, started_wall_ns: int | None = None) -> int:
    """A moment in nanoseconds since the epoch.

    Args:
        text: RFC 3339, or with `started_wall_ns` also an offset.
        started_wall_ns: when the session began.

    Returns:
        The moment, or the last one that 64 bits of nanoseconds tell (in the year 2262) for one after it.

    Raises:
        Usage: it is neither.
    """
    offset = parse_offset(text) if started_wall_ns is not None else None
    if offset is not None and started_wall_ns is not None:
        return min(started_wall_ns + offset, _LAST_NS)
    try:
        return max(-_LAST_NS, min(parse_rfc3339(text), _LAST_NS))
    except (ValueError, OverflowError, OSError) as error:
        raise Usage(f"{text} is no time", _FORMS) from error
