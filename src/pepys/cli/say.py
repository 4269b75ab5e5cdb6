"""Figures in the words people read: durations, sizes, moments, the health of a track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def clock_text(duration_ms: int) -> str:
    """A duration such as `0:05` or `1:02:03`."""
    minutes, seconds = divmod(duration_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def length_text(duration_ms: int) -> str:
    """How long something lasted: `0:05`, and what is shorter than a second `0.4 s`."""
    return clock_text(duration_ms) if duration_ms >= 1000 else f"{max(duration_ms, 1) / 1000:.1g} s"


def size_text(count: int) -> str:
    """A size such as `812 B`, `3.4 MB` or `12 GB` (powers of ten)."""
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"


def counted(count: int, thing: str) -> str:
    """A number of things, such as `1 session` or `3 sessions`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def local_time(moment: str) -> str:
    """An RFC 3339 moment in local time, to the minute."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"


def track_word(track: Mapping[str, Any]) -> str:
    """A track and its health, such as `video ok` or `audio.mic failed`."""
    state = str(track.get("state", ""))
    return f"{track.get('track', '')} {'ok' if state == 'healthy' else state}"


def shown_text(status: Mapping[str, Any]) -> str:
    """What is shown, such as `window:editor` or `side-by-side: window:a + window:b`."""
    names = " + ".join(status.get("sources") or ("no pictures",))
    layout = status.get("layout", "")
    return names if layout in {"", "passthrough"} else f"{layout}: {names}"


def picture_text(tracks: Sequence[Mapping[str, Any]]) -> str:
    """The video in words, such as `1920x1080, side-by-side of 2 sources, by x264`; empty where there is none."""
    video = next((track for track in tracks if track["track"] == "video" and track["segments"]), None)
    if video is None:
        return ""
    sources = sum(track["track"].startswith("video.") and track["state"] != "off" for track in tracks)
    parts = [f"{video['width']}x{video['height']}"]
    if sources > 1:
        parts.append(f"{video['layout']} of {counted(sources, 'source')}")
    return ", ".join([*parts, f"by {video['encoder']}"] if video["encoder"] else parts)


def in_place(tracks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Tracks with the sources of the video right behind it; a source may have come later than other tracks."""

    def place(track: Mapping[str, Any]) -> tuple[int, int]:
        kind, _, part = str(track["track"]).partition(".")
        return (0, int(part) if part.isdecimal() else 0) if kind == "video" else (1, 0)

    return sorted(tracks, key=place)


def gap_name(track: Mapping[str, Any]) -> str:
    """What a gap is of: the track, and of several sources the one that was gone."""
    return f"{track['track']} ({track['source']})" if track["track"].startswith("video.") else str(track["track"])


def track_state(track: Mapping[str, Any]) -> str:
    """How a track that is being recorded is, such as `healthy` or `restarting: the server is gone`."""
    detail = f": {track['detail']}" if track.get("detail") else ""
    return f"{track['state']}{detail}"


def track_result(track: Mapping[str, Any], session_gaps: Sequence[Mapping[str, Any]] = ()) -> str:
    """What a track of an ended session came to: `whole`, or its gaps and its last trouble."""
    if track["state"] == "off":
        if track.get("segments") or track.get("frames_captured"):
            return f"until it ended: {track['detail']}" if track.get("detail") else "until it ended"
        return f"left out: {track['detail']}" if track.get("detail") else "off"
    gaps = list(track["gaps"])
    crashes = [gap for gap in session_gaps if gap["reason"] == "crash"]
    if not gaps:
        # A crash that was followed by a new span has a length; one that ended the session has none.
        ended = any(gap["end_ms"] == gap["start_ms"] for gap in crashes)
        several = len(crashes) > 1
        whole = "whole"
        if ended:
            whole = "whole up to the last crash" if several else "whole up to the crash"
        elif crashes:
            whole = f"whole but for {len(crashes)} crashes" if several else "whole but for the crash"
        troubled = track["state"] == "degraded" and track.get("detail")
        return f"{whole}, but {track['detail'].removeprefix('recording, but ')}" if troubled else whole
    details = [track.get("detail"), gaps[-1].get("detail")]
    if gaps[-1]["reason"] == "source_closed":
        details.reverse()  # how it went says more than that it did not come back
    last = details[0] or details[1] or gaps[-1]["reason"].replace("_", " ")
    besides = "" if not crashes else "; and the crash" if len(crashes) == 1 else f"; and {len(crashes)} crashes"
    return (f"1 gap: {last}" if len(gaps) == 1 else f"{len(gaps)} gaps, the last: {last}") + besides


def unread_text(unread: Sequence[Mapping[str, Any]]) -> str:
    """What a session is told without, such as `... events 100 to 220 are damaged (1:00 to 2:30) ...`."""
    parts = []
    for part in unread:
        when = "" if part["start_ms"] is None else f" ({clock_text(part['start_ms'])} to "
        if when:
            when += ")" if part["end_ms"] is None else f"{clock_text(part['end_ms'])})"
        parts.append(f"{part['what']} are {'lost' if part['lost'] else 'damaged'}{when.replace(' to )', ' on)')}")
    return f"the session is told without a part of it: {', '.join(parts)}; pepys verify tells more"


def gap_text(gap: Mapping[str, Any]) -> str:
    """A gap of a session, such as `gap of 0:05: pause` or `gap of 1:12:00: suspended (the machine slept)`."""
    length_ms = gap["end_ms"] - gap["start_ms"]
    why = f" ({gap['detail']})" if gap.get("detail") else ""
    if gap["reason"] == "crash" and length_ms < 1000:
        return f"crash, at most 1 s is missing{why}"  # what was not yet durable; nobody knows when it ended
    return f"gap of {length_text(length_ms)}: {gap['reason']}{why}"


def fallbacks(tracks: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each thing that tracks which are well do without; what several tell is said of the first."""
    found: dict[str, str] = {}
    for track in in_place(tracks):
        if track["state"] in {"starting", "healthy"} and track.get("detail"):
            found.setdefault(track["detail"], f"  {track['track']}: {track['detail']}")
    return list(found.values())


def left_out(tracks: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each track that does not record although nobody asked for that."""
    missing = [track for track in tracks if track["state"] in {"failed", "restarting"}]
    missing += [track for track in tracks if track["state"] == "off" and track.get("detail")]
    return [f"  without {track['track']}: {track.get('detail') or track['state']}" for track in missing]
