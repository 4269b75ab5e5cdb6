"""The table of the playback stream: spans, segments, and the growing tail of a live session.

The playback stream is the video track with the mixed sound in it; in a span without video it is the mixed sound alone,
whose init says so by its mime. A session with neither has no stream (`spans` empty).
Times are media nanoseconds: gaps are not in them. A player appends a span's init, then its segments, or the tail's
fragments. `version` changes exactly when the answer would: it is what a long poll waits for.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import Any

from pepys.model.session import Segment, Session, Track
from pepys.review.timespan import ms

_VIDEO = "video"
_MIX = "audio.mix"


def playback_track(session: Session) -> Track | None:
    """What plays: the video track, and the mixed sound of the spans that have no video.

    Spans follow one another and segments are only added, so that a segment of both counts from the session's start.
    """
    videos = [track for track in session.tracks if _VIDEO in {track.kind, track.track}]
    video = next((track for track in videos if track.segments), videos[0] if videos else None)
    mix = next((track for track in session.tracks if track.track == _MIX), None)
    if video is None or mix is None or not video.segments:
        return mix if mix is not None and mix.segments else video or mix
    seen = {init.span for init in video.inits}
    sounds = [segment for segment in mix.segments if segment.span not in seen]
    if not sounds:
        return video
    both = sorted([*video.segments, *sounds], key=lambda segment: (segment.span, segment.n))
    return replace(
        video,
        inits=(*video.inits, *(init for init in mix.inits if init.span not in seen)),
        segments=tuple(replace(segment, n=n) for n, segment in enumerate(both)),
    )


def playback(session: Session, state: str, segments_from: int = 0) -> dict[str, Any]:
    """The playback table, `pepys.web.shapes_review.Playback`.

    Args:
        session: the session as it is now.
        state: its state; the host's word for it (`paused` and such) where it is the host's.
        segments_from: the number of the first segment to tell, for a player that has the earlier ones.
    """
    track = playback_track(session)
    return {
        "version": version_of(session, state),
        "live": session.state == "recording",
        "state": state,
        "spans": _spans(session, track) if track else [],
        "segments": _segments(track, segments_from) if track else [],
        "tail": _tail(track) if track else None,
    }


def version_of(session: Session, state: str) -> str:
    """A name of what `playback` answers; cheap, as a long poll asks for it often.

    Segments are only ever added and fragments only ever appended, so that the last of each names them all.
    """
    track = playback_track(session)
    last = track.segments[-1] if track and track.segments else None
    stamp = (
        session.id,
        session.state,
        state,
        [(span.span, span.start_ns, span.media_ns) for span in session.spans],
        [(init.span, init.blob) for init in (track.inits if track else ())],
        len(track.segments) if track else 0,
        (last.n, last.blob, last.bytes, len(last.fragments)) if last else None,
    )
    return blake2b(repr(stamp).encode(), digest_size=9).hexdigest()


def find_segment(session: Session, number: int) -> Segment | None:
    """The playback stream's segment of that number."""
    track = playback_track(session)
    return next((segment for segment in track.segments if segment.n == number), None) if track else None


def find_init(session: Session, span: int) -> str | None:
    """The blob of the header that the segments of `span` need."""
    track = playback_track(session)
    return next((init.blob for init in track.inits if init.span == span), None) if track else None


def init_mime(session: Session, span: int) -> str:
    """The kind of media of a span, without its codecs."""
    track = playback_track(session)
    mime = next((init.mime for init in track.inits if init.span == span), "") if track else ""
    return mime.split(";", maxsplit=1)[0] or "video/mp4"


def _spans(session: Session, track: Track) -> list[dict[str, Any]]:
    """The spans that hold media; an init's id is its span's number."""
    inits = {init.span: init for init in track.inits}
    ends: dict[int, int] = {}
    for segment in track.segments:
        ends[segment.span] = max(ends.get(segment.span, 0), segment.media_ns + segment.duration_ns)
    return [
        {
            "span": span.span,
            "init": span.span,
            "mime": inits[span.span].mime,
            "media_start_ns": span.media_ns,
            "media_end_ns": ends[span.span],
            "start_ms": ms(span.start_ns),
        }
        for span in session.spans
        if span.span in inits and span.span in ends
    ]


def _segments(track: Track, first: int) -> list[dict[str, Any]]:
    return [
        {
            "n": segment.n,
            "span": segment.span,
            "media_start_ns": segment.media_ns,
            "duration_ns": segment.duration_ns,
            "bytes": segment.bytes,
        }
        for segment in track.segments
        if segment.blob and segment.n >= first
    ]


def _tail(track: Track) -> dict[str, Any] | None:
    """The segment that still grows. A reader takes its whole fragments only: they are durable."""
    growing = next((segment for segment in reversed(track.segments) if not segment.blob), None)
    if growing is None:
        return None
    return {
        "n": growing.n,
        "span": growing.span,
        "media_start_ns": growing.media_ns,
        "fragments": [
            {"i": index, "media_start_ns": media_ns, "duration_ns": duration_ns, "bytes": length}
            for index, (_, length, media_ns, duration_ns) in enumerate(growing.fragments)
        ],
    }
