"""The account of a recording held against what is heard in it: which sums do not add up, and what each fault cost.

Pure. `show --json` says where every sample went; `heard` says what is really there; the counting tone says by its own
clock how much is missing between two sounds. Times are nanoseconds on CLOCK_BOOTTIME unless said otherwise.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from pepys.bench.heard import Heard
from pepys.bench.sound_faults import DEVICE, WORDS, Done
from pepys.bench.sound_signal import CYCLE_NS
from pepys.limits import NS_PER_MS, NS_PER_S, SOUND_RATE

MIX: Final = "audio.mix"
"""The mix loses nothing by itself: what its inputs lose is declared of them."""

_BEFORE_NS: Final = 300 * NS_PER_MS
_AFTER_NS: Final = 2500 * NS_PER_MS
_NEAR_NS: Final = 3 * NS_PER_S
Steps = Mapping[str, Sequence[tuple[int, int]]]

_PLAYER_NS: Final = 100 * NS_PER_MS
"""A player is heard so long after it began: its own buffer, and the server's."""


@dataclass(frozen=True, slots=True)
class Sum:
    """One sum of a track's account: by how many samples its two sides differ, which is 0 where it is exact."""

    track: str
    words: str
    off: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What a fault cost a track, in milliseconds.

    Attributes:
        track: the track.
        declared_ms: how much the account and the gaps declare as not recorded.
        clock_ms: how much is missing by the tone's own clock.
        moved_ms: by how much the sound after the fault stands later on the axis than that before it did.
    """

    track: str
    declared_ms: float
    clock_ms: float
    moved_ms: float

    @property
    def error_ms(self) -> float:
        """By how much too much (or, negative, too little) is declared."""
        return self.declared_ms - self.clock_ms


def sums(shown: Mapping[str, Any], heard: Sequence[Heard]) -> list[Sum]:
    """Every sum that must be exact, of each track with an account.

    Args:
        shown: the session as `show --json` tells it.
        heard: its sound, decoded.
    """
    found = []
    for track in shown["tracks"]:
        told = track.get("account")
        if not told:
            continue
        name = track["track"]
        spans = [each for each in heard if each.track == name]
        found += [
            Sum(name, "delivered = captured + dropped", told["delivered"] - told["captured"] - told["dropped"]),
            Sum(
                name, "encoded = captured + inserted + silent",
                told["encoded"] - told["captured"] - told["inserted"] - told["silent"],
            ),
        ]  # fmt: skip
        if spans:
            stored = told["samples"] - told["refused"]
            found += [
                Sum(name, "samples decoded = samples told", sum(each.samples for each in spans) - stored),
                Sum(name, "samples decoded = samples in packets", sum(each.samples - each.declared for each in spans)),
                Sum(name, "fragments that do not follow", sum(each.holes for each in spans)),
            ]
    return found


def span_errors(heard: Sequence[Heard], killed: Sequence[int]) -> list[int]:
    """By how many samples the sound of each span differs from the span's length; spans that were killed left out."""
    found = []
    for each in heard:
        if each.span not in killed:
            found.append(each.samples - (each.end_ns - each.at_ns) * SOUND_RATE // NS_PER_S)
    return found


def losses(
    shown: Mapping[str, Any], heard: Sequence[Heard], fault: Done, begun: Sequence[int], steps: Steps
) -> list[Loss]:
    """What a fault cost each track whose sound is stored.

    Args:
        shown: the session as `show --json` tells it.
        heard: its sound, decoded.
        fault: what happened.
        begun: when the players began to play, of all sinks.
        steps: of each device, by name, the steps of the tone as they came out of it.
    """
    found = []
    for track in shown["tracks"]:
        spans = [each for each in heard if each.track == track["track"]]
        if spans and track.get("account") and track["track"] != MIX:
            loss = _loss(shown, track, spans, fault, begun, steps)
            if loss is not None:
                found.append(loss)
    return found


def hole(spans: Sequence[Heard], begun_ns: int, ended_ns: int) -> tuple[int, int] | None:
    """From the last sound before a fault to the first after it; None where no hole is heard.

    Of several holes the longest is the fault's: on a busy machine a player leaves short ones of its own.
    """
    stretches = [stretch for span in spans for stretch in _sounding(span)]
    holes = [(before[1], after[0]) for before, after in pairwise(stretches) if after[0] > before[1]]
    near = [(a, b) for a, b in holes if b > begun_ns - _BEFORE_NS and a < ended_ns + _AFTER_NS]
    return max(near, key=lambda each: each[1] - each[0], default=None)


def declared_ns(shown: Mapping[str, Any], track: Mapping[str, Any], zero_ns: int, near: tuple[int, int]) -> int:
    """How much of a stretch, and around it, is declared as lost of a track or as a gap of the session.

    Args:
        shown: the session as `show --json` tells it.
        track: the track, from there.
        zero_ns: where the session's axis begins.
        near: the stretch.
    """
    return sum(end - begin for begin, end in _declared(shown, track, zero_ns, near))


def placed(span: Heard, begin_ns: int, end_ns: int, steps: Sequence[tuple[int, int]]) -> float | None:
    """How much later than it was played the tone stands on the axis, between two times; None where it is not heard.

    Args:
        span: the sound.
        begin_ns: from when.
        end_ns: up to when.
        steps: number and time of the tone's steps, as they came out of the device.
    """
    late = []
    for mark in span.marks:
        at_ns = span.boot_ns + mark.position * NS_PER_S // SOUND_RATE
        if begin_ns <= at_ns <= end_ns:
            near = [at_ns - true_ns for number, true_ns in _around(steps, at_ns) if number == mark.number]
            late += [min(near, key=abs)] if near else []
    return statistics.median(late) if late else None


def device_at(track: Mapping[str, Any], at_ns: int) -> str:
    """The device that a track is recorded from at a time of the axis."""
    devices = [each["device"] for each in track.get("devices", ()) if each["from_ms"] * NS_PER_MS <= at_ns]
    return str(devices[-1]) if devices else str(track.get("source", ""))


def table(shown: Mapping[str, Any], faults: Sequence[tuple[Done, Sequence[Loss]]], zero_ns: int) -> list[str]:
    """The account as lines of text: what happened when, what it cost, and where all samples went."""
    names = [track["track"] for track in shown["tracks"] if track.get("account")]
    own = [name for name in names if name != MIX]
    lines = [f"{'at':>8}  {'what':<52}" + "".join(f"{name + ' lost (clock)':>30}" for name in own)]
    for fault, costs in faults:
        words = f"{WORDS[fault.kind]}{': ' + fault.detail if fault.detail else ''}"
        by_track = {cost.track: cost for cost in costs}
        cells = [_cell(by_track.get(name)) for name in own]
        at = _clock((fault.begun_ns - zero_ns) // NS_PER_S)
        lines.append(f"{at:>8}  {words:<52}" + "".join(f"{cell:>30}" for cell in cells))
    lines.append("")
    lines.append(f"{'samples':<24}" + "".join(f"{name:>16}" for name in names))
    accounts = [track["account"] for track in shown["tracks"] if track.get("account")]
    for field in ("delivered", "captured", "dropped", "inserted", "silent", "muted", "encoded", "refused"):
        lines.append(f"{field:<24}" + "".join(f"{account[field]:>16,}" for account in accounts))
    lines.append(f"{'written after the last':<24}" + "".join(f"{a.get('untold', 0):>16,}" for a in accounts))
    lines.append(f"{'in the file':<24}" + "".join(f"{a['samples'] - a['refused']:>16,}" for a in accounts))
    return lines


def _loss(
    shown: Mapping[str, Any],
    track: Mapping[str, Any],
    spans: Sequence[Heard],
    fault: Done,
    begun: Sequence[int],
    steps: Steps,
) -> Loss | None:
    zero_ns = spans[0].boot_ns - spans[0].at_ns
    silent = hole(spans, fault.begun_ns, fault.ended_ns)
    if silent is None:
        near = (fault.begun_ns, fault.ended_ns)
        declared = declared_ns(shown, track, zero_ns, near)
        return Loss(track["track"], declared / NS_PER_MS, 0.0, 0.0) if declared or fault.kind == DEVICE else None
    a, b = silent
    before, after = (
        next((late for span in spans if (late := placed(span, begin, end, told)) is not None), None)
        for begin, end, told in (
            (a - _NEAR_NS, a, steps.get(device_at(track, a - zero_ns), ())),
            (b, b + _NEAR_NS, steps.get(device_at(track, b + _NEAR_NS - zero_ns), ())),
        )
    )
    if before is None or after is None:
        return None
    parts = _declared(shown, track, zero_ns, silent)
    declared = sum(end - begin for begin, end in parts)
    clock = b - a - (after - before)
    until = max((end for _, end in parts), default=b)
    if b > until and any(fault.begun_ns < each and until - _PLAYER_NS < each <= b for each in begun):
        # The device was back before its player: what it gave meanwhile was silence, and was recorded.
        clock -= b - until
    return Loss(track["track"], declared / NS_PER_MS, clock / NS_PER_MS, (after - before) / NS_PER_MS)


def _declared(
    shown: Mapping[str, Any], track: Mapping[str, Any], zero_ns: int, near: tuple[int, int]
) -> list[tuple[int, int]]:
    lost = [
        (begin := zero_ns + each["at_ms"] * NS_PER_MS, begin + each["samples"] * NS_PER_S // SOUND_RATE)
        for each in track["account"]["lost"]
    ]
    gaps = [
        (zero_ns + gap["start_ms"] * NS_PER_MS, zero_ns + gap["end_ms"] * NS_PER_MS)
        for gap in shown["gaps"]
        if gap.get("end_ms") is not None
    ]
    around = (near[0] - _BEFORE_NS, near[1] + _BEFORE_NS)
    return [(begin, end) for begin, end in (*lost, *gaps) if begin < around[1] and end > around[0]]


def _sounding(span: Heard) -> Iterator[tuple[int, int]]:
    """From and up to when something is heard."""
    edges = [0, *(edge for stretch in span.quiet for edge in stretch), span.samples]
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end > begin:
            yield tuple(span.boot_ns + at * NS_PER_S // SOUND_RATE for at in (begin, end))  # type: ignore[misc] # a pair


def _around(steps: Sequence[tuple[int, int]], at_ns: int) -> Sequence[tuple[int, int]]:
    """The steps within a third of a cycle: no number comes twice in them."""
    first = bisect_left(steps, at_ns - CYCLE_NS // 3, key=lambda step: step[1])
    last = bisect_left(steps, at_ns + CYCLE_NS // 3, key=lambda step: step[1])
    return steps[first:last]


def _cell(cost: Loss | None) -> str:
    return f"{cost.declared_ms / 1000:.3f} s ({cost.clock_ms / 1000:.3f} s)" if cost is not None else "-"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
