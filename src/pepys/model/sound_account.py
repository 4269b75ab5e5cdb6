"""The account of a sound track, span by span: what was told while recording, and what its segments hold.

Pure. Invariants: a span that ended in order has an account of its own making; of one that ended by a crash, what was
written is counted from its fragments, and what lies between its last fragment and the end of the span is a loss. No
loss overlaps another, and none lies outside the spans that the track is part of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pepys.limits import NS_PER_S, SOUND_RATE
from pepys.model.events import SoundAccounted
from pepys.model.session import Segment, SoundLoss, Span, SpanAccount, Track


def samples_of(duration_ns: int) -> int:
    """Samples at 48 kHz whose length was rounded to nanoseconds."""
    return (duration_ns * SOUND_RATE + NS_PER_S // 2) // NS_PER_S


def accounts_of(
    track: Track,
    told: Mapping[int, SoundAccounted],
    spans: tuple[Span, ...] = (),
    crashed: frozenset[int] = frozenset(),
) -> tuple[SpanAccount, ...]:
    """The account of each span of which one was told or segments are there, in order; none where none was ever told.

    Args:
        track: the track with its segments.
        told: the last account that was told of each span.
        spans: the session's spans.
        crashed: the axis times at which a crash was found.
    """
    if not told:
        return ()
    ended = {span.span: span.end_ns in crashed for span in spans if not span.open}
    known = {*told, *(segment.span for segment in track.segments)}
    return tuple(
        _account(track, span, told.get(span), crashed=ended.get(span, False), due=not ended.get(span, True))
        for span in sorted(known)
    )


def losses_of(track: Track, spans: tuple[Span, ...], crashed: frozenset[int]) -> tuple[SoundLoss, ...]:
    """Each stretch of which this track alone has nothing, in order: its gaps, and what a crash took.

    `crashed` holds the axis times at which a crash was found.
    """
    return tuple(loss for span in spans for loss in _losses(track, span, crashed=span.end_ns in crashed))


def _losses(track: Track, span: Span, *, crashed: bool) -> Iterator[SoundLoss]:
    """The losses within one span; what was lost for two reasons at once is told of the one that came first."""
    cut = crashed and not span.open and _takes_part(track, span)
    end_ns = _end_ns(track, span) if cut else span.end_ns
    at_ns = span.start_ns
    for gap in sorted(track.gaps, key=lambda gap: gap.start_ns):
        start_ns, until_ns = max(gap.start_ns, at_ns), min(gap.end_ns, end_ns)
        if until_ns > start_ns:
            samples = _place(span, until_ns, crashed=cut) - _place(span, start_ns, crashed=cut)
            yield SoundLoss(start_ns, samples, gap.reason, gap.detail)
            at_ns = until_ns
    if cut and span.end_ns > end_ns:
        yield SoundLoss(end_ns, samples_of(span.end_ns - end_ns), "crash", "it was not durable yet")


def _place(span: Span, at_ns: int, *, crashed: bool) -> int:
    """The number in its span of the sample at an axis time.

    Gaps begin and end with a sample, and their times are rounded; a span that ended in order did so at any moment, and
    the sample that would lie across its end is not recorded.
    """
    if at_ns == span.end_ns and not (crashed or span.open):
        return (at_ns - span.start_ns) * SOUND_RATE // NS_PER_S
    return samples_of(at_ns - span.start_ns)


def _account(track: Track, span: int, told: SoundAccounted | None, *, crashed: bool, due: bool) -> SpanAccount:
    parts = [part for segment in _segments(track, span) for part in segment.fragments]
    written = sum(samples_of(duration_ns) for *_, duration_ns in parts)
    if told is None:
        return SpanAccount(span, 0, 0, 0, 0, 0, 0, 0, 0, written, crashed=crashed, due=due)
    return SpanAccount(
        span, told.delivered, told.captured, told.dropped, told.inserted, told.silent, told.muted, told.encoded,
        told.refused, written, told.lost, told.final, crashed, due,
    )  # fmt: skip


def _segments(track: Track, span: int) -> list[Segment]:
    return [segment for segment in track.segments if segment.span == span]


def _takes_part(track: Track, span: Span) -> bool:
    """Whether the track was recorded in a span at all."""
    return any(init.span == span.span for init in track.inits) or bool(_segments(track, span.span))


def _end_ns(track: Track, span: Span) -> int:
    """Where what was written of a track in a span ends."""
    segments = _segments(track, span.span)
    return min(span.end_ns, max((segment.at_ns + segment.duration_ns for segment in segments), default=span.start_ns))
