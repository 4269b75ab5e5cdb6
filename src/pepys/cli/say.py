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


def size_text(count: int) -> str:
    """A size such as `812 B`, `3.4 MB` or `12 GB` (powers of ten)."""
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"


def local_time(moment: str) -> str:
    """An RFC 3339 moment in local time, to the minute."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"


def track_word(track: Mapping[str, Any]) -> str:
    """A track and its health, such as `video ok` or `audio.mic failed`."""
    state = str(track.get("state", ""))
    return f"{track.get('track', '')} {'ok' if state == 'healthy' else state}"


def left_out(tracks: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each track that does not record although nobody asked for that."""
    missing = [track for track in tracks if track["state"] in {"failed", "restarting"}]
    missing += [track for track in tracks if track["state"] == "off" and track.get("detail")]
    return [f"  without {track['track']}: {track.get('detail') or track['state']}" for track in missing]
