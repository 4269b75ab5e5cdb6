"""A session's time as a table in Markdown: from when to when each track was recorded, or why it was not.

Pure. Every row holds for its whole stretch, rows follow each other without a hole, and the last one sums them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model.session import Gap, Session

RECORDED: Final = "recorded"
MISSING: Final = "**neither**"

_MINUTE_S: Final = 60
Row = tuple[int, int, tuple[str, ...]]


def table(session: Session, tracks: Sequence[str]) -> list[str]:
    """The lines of the table."""
    found = rows(session, tracks)
    lines = [f"| from | to | {' | '.join(tracks)} |", "|---:|---:|" + "---|" * len(tracks)]
    lines += [f"| {_clock(start)} | {_clock(end)} | {' | '.join(states)} |" for start, end, states in found]
    sums = [_sum(found, column) for column in range(len(tracks))]
    return [*lines, f"| **all** | {_clock(session.end_ns)} | {' | '.join(sums)} |"]


def rows(session: Session, tracks: Sequence[str]) -> list[Row]:
    """Stretches in order, each with what every track was meanwhile; neighbours that are alike are one."""
    edges = {0, session.end_ns}
    own = {name: track.gaps if (track := session.track(name)) else () for name in tracks}
    for gap in [*session.gaps, *(gap for gaps in own.values() for gap in gaps)]:
        edges |= {gap.start_ns, gap.end_ns}
    for span in session.spans:
        edges |= {span.start_ns, span.end_ns}
    points = sorted(edge for edge in edges if 0 <= edge <= session.end_ns)
    found: list[Row] = []
    for start, end in pairwise(points):
        states = tuple(_state(session, own[name], start, end) for name in tracks)
        if end - start < NS_PER_MS and MISSING not in states:
            continue
        if found and found[-1][2] == states:
            found[-1] = (found[-1][0], end, states)
        else:
            found.append((found[-1][1] if found else start, end, states))
    return found


def _state(session: Session, gaps: Sequence[Gap], start: int, end: int) -> str:
    middle = (start + end) // 2
    for gap in (*session.gaps, *gaps):
        if gap.start_ns <= middle < gap.end_ns:
            return gap.reason
    return RECORDED if any(span.start_ns <= middle < span.end_ns for span in session.spans) else MISSING


def _sum(found: Sequence[Row], column: int) -> str:
    """What one track was altogether."""
    sums: dict[str, int] = {}
    for start, end, states in found:
        sums[states[column]] = sums.get(states[column], 0) + end - start
    return ", ".join(f"{_clock(ns)} {state}" for state, ns in sums.items())


def _clock(at_ns: int) -> str:
    minutes, rest = divmod(at_ns / NS_PER_S, _MINUTE_S)
    return f"{int(minutes)}:{rest:04.1f}"
