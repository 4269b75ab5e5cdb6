"""What `/api/v1/health` says of a status: the three clocks of each track, and whether all is well.

Pure. Invariant: it is `ok` only while nothing that is due stands still, no track is in trouble and everything that was
given to the disk was taken: a recording whose writes stand still is degraded, however well it captures. What is over
is no trouble: of what was refused, what was refused lately counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pepys.model.health import WELL

_HELD: Final = {
    "locked": "the screen is locked", "suspended": "the machine sleeps", "device_lost": "no source is there",
}  # fmt: skip


def health_shape(status: Mapping[str, Any]) -> dict[str, Any]:
    """The answer for one status of the host."""
    tracks = [_track(track) for track in status.get("tracks") or ()]
    problems = [problem for track in tracks if (problem := _problem(track))]
    if refused := (status.get("write_queue") or {}).get("refused_lately"):
        problems.append(f"the disk does not keep up: {refused} refused")
    if (status.get("disk") or {}).get("warning"):
        problems.append("the disk is nearly full")
    notices = [notice for notice in status.get("notices") or () if notice.get("kind") != "departed"]
    problems += [str(notice.get("text", "")) for notice in notices]
    if status.get("state") == "interrupted":
        problems.append("the recorder died: the session is interrupted")
    if status.get("state") == "restarting" and not notices:
        problems.append("the recorder died and is started again")
    held = status.get("held") or ""
    if held == "device_lost":
        problems.append("no source is there: nothing is recorded")
    return {
        "status": "degraded" if problems else "ok",
        "state": status["state"],
        "held": _HELD.get(held, held),
        "problems": problems,
        "tracks": tracks,
    }


def _track(track: Mapping[str, Any]) -> dict[str, Any]:
    words = {name: str(track.get(name) or "") for name in ("track", "source", "state", "detail", "stands")}
    clocks = {name: track.get(name) for name in ("attempt_ms_ago", "capture_ms_ago", "write_ms_ago")}
    return {
        **words,
        **clocks,
        "stands_ms": int(track.get("stands_ms") or 0),
        "restarts": int(track.get("restarts") or 0),
    }


def _problem(track: Mapping[str, Any]) -> str:
    """What is wrong with a track; empty while it is well."""
    stands = f"{track['stands']} stands still for {track['stands_ms'] // 1000} s" if track["stands"] else ""
    if track["state"] in WELL and not stands:
        return ""
    because = track["detail"] or stands
    state = track["state"] if track["state"] not in WELL else ""
    return f"{track['track']}: " + ": ".join(part for part in (state, because) if part)
