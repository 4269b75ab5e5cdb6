"""The account over wall time: every second of a session is recorded or in a gap, and each gap has its cause.

Pure. It holds what the store says of a session (spans, gaps, the media of each track) against what the bench did to it
and when. Times are nanoseconds; those of faults are on CLOCK_BOOTTIME and are mapped to the session's axis by the
spans' own anchors.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model.session import Gap, Session, Track

Stretch = tuple[int, int]
Anchors = Sequence[tuple[int, int]]
"""Of each span: CLOCK_BOOTTIME and axis time of its begin, in order."""

WHOLE: Final = "whole"
SOME: Final = "some"
NONE: Final = "none"

LATE_NS: Final = NS_PER_S
"""What a fault takes may begin so much after it, and what it left may end so much before its end."""
EARLY_NS: Final = 1500 * NS_PER_MS
"""A gap may begin so long before its fault: a grid point, and what was not yet durable."""
_NEAR_NS: Final = NS_PER_MS
_MEDIA_NS: Final = 60 * NS_PER_MS
"""A packet of sound: media may end so much before its span does where that was cut off."""
_CUT_NS: Final = 900 * NS_PER_MS
"""In a span that a kill ended, one track may have a fragment less than another."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What the bench did to a recording.

    Attributes:
        name: the fault.
        begun_ns: when (CLOCK_BOOTTIME).
        ended_ns: when what was done was undone.
        well_ns: when all was well again.
        tracks: what of it cannot be recorded meanwhile; empty for the whole session.
        reasons: the reasons that a gap may have.
        also: reasons of shorter gaps that it may leave besides, such as devices that begin anew.
        hole: whether the `whole` of the fault lies in gaps, `some` gap tells of it, or `none` needs to.
    """

    name: str
    begun_ns: int
    ended_ns: int
    well_ns: int
    tracks: tuple[str, ...] = ()
    reasons: frozenset[str] = frozenset()
    hole: str = NONE
    also: frozenset[str] = frozenset()


@dataclass(slots=True)
class TrackSum:
    """One track's time: recorded, in gaps by reason, and neither."""

    track: str
    recorded_ns: int = 0
    gaps_ns: dict[str, int] = field(default_factory=dict)
    lost_ns: int = 0


@dataclass(slots=True)
class Account:
    """What came out: the axis' length, each track's sums, and what does not add up, in words."""

    axis_ns: int
    tracks: list[TrackSum]
    problems: list[str]


def account(session: Session, anchors: Anchors, happened: Sequence[Happened], tracks: Sequence[str]) -> Account:
    """Hold a session against what happened to it.

    Args:
        session: as the store has it.
        anchors: its spans' places on CLOCK_BOOTTIME.
        happened: what was done to it, pauses included, in order.
        tracks: the tracks that must fill the axis.
    """
    axis = _Axis(anchors)
    found = Account(session.end_ns, [], [])
    spans = [(span.start_ns, span.end_ns) for span in session.spans]
    whole = [(gap.start_ns, gap.end_ns) for gap in session.gaps]
    for start, end in holes([*spans, *whole], 0, session.end_ns):
        found.problems.append(f"{_at(start, end)} is neither recorded nor in a gap")
    for name in tracks:
        track = session.track(name)
        if track is None:
            found.problems.append(f"there is no track {name}")
            continue
        found.tracks.append(_sum(session, track, found.problems))
    for each in happened:
        found.problems += _missing(session, axis, each, tracks)
    for gap in session.gaps:
        found.problems += _unexplained(gap, "the session", None, axis, happened)
    for track in session.tracks:
        for gap in track.gaps:
            found.problems += _unexplained(gap, track.track, track.track, axis, happened)
    return found


def holes(stretches: Iterable[Stretch], start_ns: int, end_ns: int, near_ns: int = _NEAR_NS) -> list[Stretch]:
    """What of `start_ns` to `end_ns` no stretch covers; holes of up to `near_ns` are passed over."""
    found, at = [], start_ns
    for start, end in sorted(stretches):
        if min(start, end_ns) - at > near_ns:
            found.append((at, min(start, end_ns)))
        at = max(at, end)
    if end_ns - at > near_ns:
        found.append((at, end_ns))
    return found


class _Axis:
    """From CLOCK_BOOTTIME to the session's axis."""

    def __init__(self, anchors: Anchors) -> None:
        self._anchors = sorted(anchors)

    def at(self, boot_ns: int) -> int:
        """The axis time of a moment, by the last span that had begun."""
        index = max(0, bisect_right([boot for boot, _ in self._anchors], boot_ns) - 1)
        boot, at_ns = self._anchors[index]
        return at_ns + boot_ns - boot


def _sum(session: Session, track: Track, problems: list[str]) -> TrackSum:
    """One track's time; where its span has neither media nor a gap of the track, that is lost."""
    told = TrackSum(track.track)
    own = [(gap.start_ns, gap.end_ns) for gap in track.gaps]
    crashes = [gap.start_ns for gap in session.gaps if gap.reason == "crash"]
    for gap in (*session.gaps, *track.gaps):
        told.gaps_ns[gap.reason] = told.gaps_ns.get(gap.reason, 0) + gap.end_ns - gap.start_ns
    for span in session.spans:
        away = [(max(start, span.start_ns), min(end, span.end_ns)) for start, end in own]
        recorded = span.duration_ns - sum(end - start for start, end in _merged(away))
        cut = any(abs(start - span.end_ns) < NS_PER_MS for start in crashes)
        if track.kind in {"video", "audio"} and "." not in track.track.removeprefix("audio."):
            media = [
                (segment.at_ns, segment.at_ns + segment.duration_ns)
                for segment in track.segments if segment.span == span.span
            ]  # fmt: skip
            for start, end in holes([*media, *away], span.start_ns, span.end_ns, _CUT_NS if cut else _MEDIA_NS):
                problems.append(f"{track.track}: {_at(start, end)} of a span has no media and is in no gap")
                told.lost_ns += end - start
                recorded -= end - start
        told.recorded_ns += recorded
    return told


def _missing(session: Session, axis: _Axis, each: Happened, tracks: Sequence[str]) -> list[str]:
    """What a fault should have left and did not."""
    if each.hole == NONE:
        return []
    begun, ended, well = axis.at(each.begun_ns), axis.at(each.ended_ns), axis.at(each.well_ns)
    found = []
    for name in each.tracks or ("",):
        gaps = list(session.gaps)
        if name:
            track = session.track(name)
            gaps += track.gaps if track is not None and name in (*tracks, name) else ()
        right = [(gap.start_ns, gap.end_ns) for gap in gaps if gap.reason in each.reasons]
        who = name or "the session"
        if not any(start < well + EARLY_NS and end > begun - EARLY_NS for start, end in right):
            found.append(f"{each.name}: {who} has no gap with the right reason at {_at(begun, well)}")
        elif each.hole == WHOLE:
            for start, end in holes(right, begun + LATE_NS, max(begun + LATE_NS, ended - LATE_NS)):
                found.append(f"{each.name}: {who} tells {_at(start, end)} as recorded")
    return found


def _unexplained(gap: Gap, who: str, track: str | None, axis: _Axis, happened: Sequence[Happened]) -> list[str]:
    """A gap that nothing that happened explains."""
    for each in happened:
        near = axis.at(each.begun_ns) - EARLY_NS <= gap.end_ns and gap.start_ns <= axis.at(each.well_ns) + EARLY_NS
        mine = track is None or not each.tracks or track.split(".")[0] in {name.split(".")[0] for name in each.tracks}
        if near and ((mine and gap.reason in each.reasons) or (track and gap.reason in each.also)):
            return []
    if gap.end_ns - gap.start_ns <= _NEAR_NS:
        return []
    return [f"{who}: the gap {gap.reason} at {_at(gap.start_ns, gap.end_ns)} has no cause that is known"]


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _at(start_ns: int, end_ns: int) -> str:
    return f"{start_ns / NS_PER_S:.3f} to {end_ns / NS_PER_S:.3f} s"
