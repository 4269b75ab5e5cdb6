"""What there is to do for a session: the units of every local stage, from the session alone.

Pure and light: `show` and the web page ask it how far a session's enrichment is, so no engine and no numpy is imported
here. Only sealed segments count, so that a session still being recorded can be enriched as far as it got; its last
stretch changes its inputs when the recording goes on, and is then made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pepys import limits
from pepys.enrich.stage import Unit, unit_name
from pepys.model.session import Segment, Session, Track

JOIN_NS: Final = limits.NS_PER_MS
"""Segments that follow one another closer than this are one stretch of sound."""


def screen_text_units(session: Session) -> tuple[Unit, ...]:
    """Batches of distinct shots in time order."""
    shots = [shot.blob for shot in session.distinct_shots]
    size = limits.SHOTS_A_UNIT
    batches = [tuple(shots[first : first + size]) for first in range(0, len(shots), size)]
    return tuple(Unit(unit_name(f"{index:05d}", batch), batch) for index, batch in enumerate(batches))


def transcript_units(session: Session) -> tuple[Unit, ...]:
    """Stretches of every sound track.

    `values` holds the numbers of the segments to decode, and of the first and last one that belong to the stretch: its
    neighbours are decoded too where the sound goes on, so that the cut can be made at a quiet moment. Where in it
    somebody may speak is not among them: that was measured from the same samples and so follows from the inputs.
    """
    return tuple(unit for track in session.tracks if _is_sound(track) for unit in _track_units(track))


def summary_units(session: Session) -> tuple[Unit, ...]:
    """One unit, made from what the other stages made; none for a session without any words to come."""
    others = [name for name in STAGES if name != "summary"]
    keys = tuple(sorted(ref.key for ref in session.artifacts if ref.stage in others and not ref.error))
    front = [[focus.start_ns, focus.end_ns, focus.app, focus.title] for focus in session.focus if not focus.excluded]
    if not (keys or session.notes or front or any(UNITS[name](session) for name in others)):
        return ()
    notes = [[note.id, note.at_ns, note.text] for note in session.notes]
    # How far the session had got counts: a summary made of a part is not the whole session's, even where nothing new
    # was shown or said. Notes stay out of the name: a later one makes `enrich` run again, but a summary is there.
    reached = _hash([session.end_ns, front])
    return (Unit(unit_name("summary", [*keys, reached]), keys, {"words": _hash([notes, front]), "reached": reached}),)


def _hash(value: list[Any]) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()


UNITS: Final[dict[str, Callable[[Session], tuple[Unit, ...]]]] = {
    "screen_text": screen_text_units,
    "transcript": transcript_units,
    "summary": summary_units,
}
STAGES: Final = tuple(UNITS)
"""Names of the local stages, in the order they run in."""


def _is_sound(track: Track) -> bool:
    return track.track.startswith("audio.")


def _track_units(track: Track) -> Iterator[Unit]:
    sealed = [segment for segment in track.segments if segment.blob]
    inits = {init.span: init.blob for init in track.inits}
    end = 0
    for index, stretch in enumerate(_stretches(sealed)):
        begin, end = end, end + len(stretch)
        around = list(stretch)
        if begin and follows(sealed[begin - 1], stretch[0]):
            around.insert(0, sealed[begin - 1])
        if end < len(sealed) and follows(stretch[-1], sealed[end]):
            around.append(sealed[end])
        inputs = (inits.get(stretch[0].span, ""), *(segment.blob for segment in around))
        values: dict[str, Any] = {
            "track": track.track,
            "segments": [segment.n for segment in around],
            "first": stretch[0].n,
            "last": stretch[-1].n,
        }
        yield Unit(unit_name(f"{track.track}-{index:05d}", inputs), inputs, values)


def _stretches(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Neighbouring segments of one span, until they last long enough."""
    stretch: list[Segment] = []
    for segment in segments:
        long = sum(part.duration_ns for part in stretch) >= limits.STRETCH_NS
        if stretch and (long or len(stretch) >= limits.STRETCH_MAX_SEGMENTS or not follows(stretch[-1], segment)):
            yield stretch
            stretch = []
        stretch.append(segment)
    if stretch:
        yield stretch


def follows(one: Segment, other: Segment) -> bool:
    """Whether `other` goes on where `one` ends."""
    return one.span == other.span and abs(other.media_ns - one.media_ns - one.duration_ns) <= JOIN_NS
