"""The account of a sound track, span by span: what was told while recording, and what its segments hold.

Pure. Invariants: a span that ended in order has an account of its own making; of one that ended by a crash, what was
written is counted from its fragments, and what lies between its last fragment and the end of the span is a loss.
"""

from __future__ import annotations

from collections.abc import Mapping

from pepys.limits import NS_PER_S, SOUND_RATE
from pepys.model.events import SoundAccounted
from pepys.model.session import Segment, SoundLoss, Span, SpanAccount, Track


def samples_of(duration_ns: int) -> int:
    """Samples at 48 kHz whose length was rounded to nanoseconds."""
    return (duration_ns * SOUND_RATE + NS_PER_S // 2) // NS_PER_S


def accounts_of(track: Track, told: Mapping[int, SoundAccounted]) -> tuple[SpanAccount, ...]:
    """The account of each span that one was told of, in order."""
    return tuple(_account(track, told[span]) for span in sorted(told))


def losses_of(track: Track, spans: tuple[Span, ...], crashed: frozenset[int]) -> tuple[SoundLoss, ...]:
    """Each stretch of which this track alone has nothing, in order: its gaps, and what a crash took.

    `crashed` holds the axis times at which a crash was found.
    """
    losses = [
        SoundLoss(gap.start_ns, samples_of(gap.end_ns - gap.start_ns), gap.reason, gap.detail)
        for gap in track.gaps
        if gap.end_ns > gap.start_ns
    ]
    for span in spans:
        if span.open or span.end_ns not in crashed:
            continue
        end_ns = _end_ns(track, span)
        if span.end_ns > end_ns:
            losses.append(SoundLoss(end_ns, samples_of(span.end_ns - end_ns), "crash", "it was not durable yet"))
    return tuple(sorted(losses, key=lambda loss: loss.at_ns))


def _account(track: Track, told: SoundAccounted) -> SpanAccount:
    parts = [part for segment in _segments(track, told.span) for part in segment.fragments]
    return SpanAccount(
        told.span, told.delivered, told.captured, told.dropped, told.inserted, told.silent, told.muted, told.encoded,
        told.refused, sum(samples_of(duration_ns) for *_, duration_ns in parts), told.lost, told.final,
    )  # fmt: skip


def _segments(track: Track, span: int) -> list[Segment]:
    return [segment for segment in track.segments if segment.span == span]


def _end_ns(track: Track, span: Span) -> int:
    segments = _segments(track, span.span)
    return max((segment.at_ns + segment.duration_ns for segment in segments), default=span.start_ns)
