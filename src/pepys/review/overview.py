"""The one request that paints the page: the shape of a session, without its items.

Invariant: the answer stays below `limits.OVERVIEW_BYTES` however long or busy the session is. Each list has a share of
the bytes: stretches of applications are merged, texts cut (`cut` says so; the whole text is an item of its own), gaps
beyond the share are the shortest ones.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pepys import limits
from pepys.model.session import Gap, Note, Session, Track
from pepys.review.apps import Stretch, stretches
from pepys.review.rows import Extras, poster, row_of_session
from pepys.review.texts import AnyTexts
from pepys.review.timespan import gap_json, ms, wall_ns

_APPS = 110
_TITLE_CHARS = 80
_GAPS = 60
_TRACK_GAPS = 12
_SPANS = 100
_NOTES = 80
_NOTES_CHARS = 8_000
_SHARES = (1, 2, 4, 8)
_NOTE_CHARS_MIN = 40
_SUMMARY_CHARS = 3_000
_POINTS = 12
_POINT_CHARS = 240
_DESCRIPTION_CHARS = 1_000
_DETAIL_CHARS = 120
_BUCKETS = 300
_IDLE = 120
_CLOCK_STEPS = 20


def overview(session: Session, texts: AnyTexts, extras: Extras) -> dict[str, Any]:
    """The overview, `pepys.web.shapes_review.Overview`; what does not fit is told in smaller shares."""
    for share in _SHARES:
        told = _overview(session, texts, extras, share)
        if len(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()) < limits.OVERVIEW_BYTES:
            break
    return told


def _overview(session: Session, texts: AnyTexts, extras: Extras, share: int) -> dict[str, Any]:
    summary = texts.summary
    buckets, bucket_ms = _buckets(session, texts)
    picture = poster(session)
    return {
        "session": _session(session, texts, extras, share),
        "spans": [
            {"start_ms": ms(span.start_ns), "end_ms": ms(span.end_ns), "media_start_ns": span.media_ns}
            for span in session.spans[-_SPANS:]
        ],
        "gaps": _gaps(session.gaps, _GAPS),
        "chapters": [],
        "apps": [_app(part, _TITLE_CHARS // share) for part in _apps(session, _APPS // share)],
        "idle": _idle(session, _IDLE // share),
        "clock_steps": _clock_steps(session),
        "notes": _notes(session.notes, share),
        "summary": {
            "title": summary.title[:_POINT_CHARS] if summary else None,
            "text": summary.text[: _SUMMARY_CHARS // share] if summary else None,
            "points": [point[:_POINT_CHARS] for point in summary.points[: _POINTS // share]] if summary else [],
        },
        "bucket_ms": bucket_ms,
        "buckets": buckets,
        "poster": picture.blob if picture else None,
    }


def _session(session: Session, texts: AnyTexts, extras: Extras, share: int) -> dict[str, Any]:
    summary = texts.summary.text if texts.summary else None
    row = row_of_session(session, extras, summary)
    # The overview's own lists say more than a row's, and each byte is sent once.
    row = {key: value for key, value in row.items() if key not in {"apps", "gaps"}}
    return {
        **row,
        "description": session.description[:_DESCRIPTION_CHARS],
        "category": session.category,
        "tracks": [_track(track, share) for track in session.tracks],
        "shots": {"total": len(session.shots), "distinct": len(session.distinct_shots)},
        "enrichment": {
            "state": extras.enrichment.get("state", "pending"),
            "stages": list(extras.enrichment.get("stages", [])),
            "cost_usd": extras.enrichment.get("cost_usd", 0),
        },
    }


def _track(track: Track, share: int) -> dict[str, Any]:
    return {
        "track": track.track,
        "kind": track.kind,
        "source": track.source[:_DETAIL_CHARS],
        "codec": track.codec,
        "encoder": track.encoder,
        "layout": track.layout,
        "width": track.width,
        "height": track.height,
        "bytes": track.bytes,
        "segments": len(track.segments),
        "frames_captured": track.captured,
        "frames_encoded": track.encoded,
        "frames_dropped": track.dropped,
        "gaps": _gaps(track.gaps, _TRACK_GAPS // share),
    }


def _gaps(gaps: Sequence[Gap], most: int) -> list[dict[str, Any]]:
    longest = sorted(gaps, key=lambda gap: gap.start_ns - gap.end_ns)[:most]
    told = [dict(gap_json(gap)) for gap in sorted(longest, key=lambda gap: gap.start_ns)]
    for gap in told:
        if isinstance(gap["detail"], str):
            gap["detail"] = gap["detail"][:_DETAIL_CHARS]
    return told


def _idle(session: Session, most: int) -> list[tuple[int, int]]:
    """The longest stretches without input, in order."""
    longest = sorted(session.idle, key=lambda stretch: stretch[0] - stretch[1])[:most]
    return [(ms(start_ns), ms(end_ns)) for start_ns, end_ns in sorted(longest)]


def _clock_steps(session: Session) -> list[dict[str, int]]:
    """The largest steps of the wall clock, in order."""
    largest = sorted(session.clock_steps, key=lambda step: -abs(step.step_ns))[:_CLOCK_STEPS]
    return [
        {"at_ms": ms(step.at_ns), "step_ms": ms(step.step_ns)} for step in sorted(largest, key=lambda one: one.at_ns)
    ]


def _apps(session: Session, most: int) -> list[Stretch]:
    return stretches(session.focus, most, titles=True, title_chars=_TITLE_CHARS)


def _app(part: Stretch, chars: int) -> dict[str, Any]:
    return {
        "start_ms": ms(part.start_ns), "end_ms": ms(part.end_ns), "app": part.app[:chars], "title": part.title[:chars],
        "excluded": part.excluded,
    }  # fmt: skip


def _notes(notes: Sequence[Note], share: int) -> list[dict[str, Any]]:
    shown = notes[:_NOTES]
    room = max(_NOTE_CHARS_MIN, _NOTES_CHARS // share // max(1, len(shown)))
    return [
        {"id": note.id, "kind": note.kind, "at_ms": ms(note.at_ns), "text": note.text[:room],
         "cut": len(note.text) > room}
        for note in shown
    ]  # fmt: skip


def _buckets(session: Session, texts: AnyTexts) -> tuple[list[dict[str, int]], int]:
    """Counts of each kind by bucket; buckets are five minutes long, and empty ones are told too."""
    size = limits.BUCKET_MS
    kinds = (
        _count((ms(shot.at_ns) for shot in session.shots), size),
        _count(texts.starts_ms, size),
        _count((ms(shot.at_ns) for shot in session.distinct_shots if shot.blob in texts.shown), size),
    )
    last = max([ms(max(0, wall_ns(session) - 1)) // size, *(max(kind, default=0) for kind in kinds)])
    return [
        {"bucket": n, "shots": kinds[0][n], "transcript": kinds[1][n], "screen_text": kinds[2][n]}
        for n in range(min(last + 1, _BUCKETS))
    ], size


def _count(times_ms: Iterable[int], size_ms: int) -> Counter[int]:
    return Counter(max(0, at_ms) // size_ms for at_ms in times_ms)
