"""How a recording is, in the words and lines that `status`, its live view and the line of `record` share.

Owns what is told and in which order; pure, and light: `pepys status` imports it. What stands still, and for how long,
is said by the recorder; nothing here decides it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pepys.cli.say import clock_text, counted, in_place, size_text
from pepys.limits import NS_PER_MS, STAND_WRITE_NS

_HELD: Final = {
    "locked": "the screen is locked: nothing is recorded until it is unlocked",
    "suspended": "the machine goes to sleep: nothing is recorded until it wakes",
    "device_lost": "no source is there: nothing is recorded; it is tried for half a minute, then the session ends",
}
_CLOCKS: Final = (("attempt", "tried"), ("capture", "captured"), ("write", "written"))
_MUCH_MS: Final = 100_000
_SILENT: Final = "no sign of life"
_DISK_TAKES_NOTHING: Final = "nothing is durable meanwhile; look what holds it up"


def ago_text(passed_ms: int | None) -> str:
    """How long ago, such as `0.3 s`, `12 s` or `3:20`; a dash for never."""
    if passed_ms is None:
        return "-"
    if passed_ms < 10_000:
        return f"{passed_ms / 1000:.1f} s"
    return f"{passed_ms // 1000} s" if passed_ms < _MUCH_MS else clock_text(passed_ms)


def left_text(seconds: int) -> str:
    """How long something lasts, such as `40 s`, `8 min` or `3 h 20 min`."""
    if seconds < 120:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def stands_text(track: Mapping[str, Any]) -> str:
    """What of a track stands still and for how long, such as `capture stands still for 3 s`; empty for nothing."""
    clock = track.get("stands") or ""
    return f"{clock} stands still for {int(track.get('stands_ms') or 0) // 1000} s" if clock else ""


def held_text(held: str) -> str:
    """Why a recording rests by itself, and until when."""
    return _HELD.get(held, f"held: {held}")


def told_tracks(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tracks as people are told of them; `--json` has them as the recorder tells.

    While it is paused a track that could record is `paused` and nothing more. What the disk, or a recorder that gives
    no sign of life, does to every track is said once, by `warnings`.
    """
    paused, disk = status.get("state") == "paused", _disk_stands_ms(status) > 0
    found: list[Mapping[str, Any]] = []
    for track in status.get("tracks") or ():
        detail = str(track.get("detail") or "")
        if paused and track.get("state") in {"healthy", "degraded"}:
            track = {**track, "state": "paused", "detail": "", "stands": "", "stands_ms": 0, "level": None}
        elif _SILENT in detail or (disk and track.get("stands") == "write"):
            said = _SILENT in detail or "stands still" in detail
            track = {**track, "detail": "" if said else detail, "stands": "", "stands_ms": 0}
        found.append(track)
    return found


def _disk_stands_ms(status: Mapping[str, Any]) -> int:
    """For how long the disk has taken nothing; 0 while it does. One track alone may wait for its encoder."""
    stands = [
        int(track.get("stands_ms") or 0) for track in status.get("tracks") or () if track.get("stands") == "write"
    ]
    waits_ms = int((status.get("write_queue") or {}).get("oldest_ms") or 0)
    return max(stands) if stands and (len(stands) > 1 or waits_ms >= STAND_WRITE_NS // NS_PER_MS) else 0


def track_detail(track: Mapping[str, Any]) -> str:
    """Why a track is as it is, and what stands still where that says something else."""
    detail, stands = str(track.get("detail") or ""), stands_text(track)
    return "; ".join(part for part in (detail, "" if "stands still" in detail else stands) if part)


def disk_text(disk: Mapping[str, Any] | None) -> str:
    """The room that is left, such as `12 GB free, 3 h 20 min left`; empty where nobody knows."""
    free = (disk or {}).get("free_bytes")
    if disk is None or free is None:
        return ""
    seconds = disk.get("seconds_left")
    low = ", LOW" if disk.get("warning") else ""
    return f"{size_text(free)} free" + (f", {left_text(seconds)} left" if seconds is not None else "") + low


def warnings(status: Mapping[str, Any]) -> list[str]:
    """What the user should know at once, the weightiest first; nothing while all is well."""
    found = []
    if held := status.get("held"):
        found.append(held_text(held))
    if disk_ms := _disk_stands_ms(status):
        found.append(f"the disk takes nothing for {disk_ms // 1000} s: {_DISK_TAKES_NOTHING}")
    silent = (str(track.get("detail") or "") for track in status.get("tracks") or ())
    found += dict.fromkeys(detail for detail in silent if _SILENT in detail)
    for track in told_tracks(status):
        if stands := stands_text(track):
            found.append(f"{track['track']}: {stands}")
    disk = status.get("disk") or {}
    if disk.get("warning"):
        seconds = disk.get("seconds_left")
        found.append("the disk is nearly full" + ("" if seconds is None else f": {left_text(seconds)} left"))
    if refused := (status.get("write_queue") or {}).get("refused_lately"):
        found.append(f"the disk does not keep up: {counted(refused, 'piece')} refused")
    return [*found, *(str(notice.get("text", "")) for notice in status.get("notices") or ())]


def warnings_apart(status: Mapping[str, Any]) -> list[str]:
    """The warnings that the lines of the tracks do not tell."""
    by_tracks = {f"{track['track']}: {stands_text(track)}" for track in told_tracks(status)}
    return [line for line in warnings(status) if line not in by_tracks]


def short_warning(status: Mapping[str, Any]) -> str:
    """The weightiest warning, for a line that has room for one; a plus tells that there are more."""
    found = warnings(status)
    return found[0] + (" (+)" if len(found) > 1 else "") if found else ""


def inner_facts(status: Mapping[str, Any]) -> list[str]:
    """What goes on inside: queue, loop, memory. What a recorder does not tell is left out."""
    found = []
    if (queue := status.get("write_queue")) is not None:
        words = [f"write queue {queue.get('items', 0)}"]
        if queue.get("oldest_ms"):
            words.append(f"oldest {ago_text(queue['oldest_ms'])}")
        if queue.get("refused"):
            words.append(f"{queue['refused']} refused")
        found.append(", ".join(words))
    if (loop := status.get("loop")) is not None:
        found.append(f"loop late {loop.get('p99_ms', 0):.1f} ms (p99), {loop.get('longest_ms', 0):.1f} ms at most")
    if (memory := status.get("memory")) is not None and memory.get("rss_bytes"):
        # In MiB, as the setting `memory_mb` has it.
        limit = memory.get("limit_bytes")
        found.append(
            f"memory {_mebibytes(memory['rss_bytes'])}" + (f" of {_mebibytes(limit)} MiB" if limit else " MiB")
        )
    return found


def _mebibytes(count: int) -> int:
    return round(count / 2**20)


def restarts_text(status: Mapping[str, Any]) -> str:
    """How often the recorder was started anew, and why; empty for never."""
    if not (restarts := status.get("restarts")):
        return ""
    reason = (status.get("last_restart") or {}).get("reason")
    return f"recorder restarted {counted(restarts, 'time')}" + (f", the last: {reason}" if reason else "")


def clock_words(track: Mapping[str, Any]) -> tuple[str, str, str]:
    """The three clocks of a track: when it was tried, captured and written last."""
    tried, captured, written = (ago_text(track.get(f"{clock}_ms_ago")) for clock, _ in _CLOCKS)
    return tried, captured, written


def track_rows(status: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Sequence[str]]]:
    """Each track that is recorded, with the cells of `HEAD`."""
    rows: list[tuple[Mapping[str, Any], Sequence[str]]] = []
    for track in in_place(told_tracks(status)):
        if track.get("state") == "off" and not track.get("detail"):
            continue
        state = "ok" if track.get("state") == "healthy" else str(track.get("state", ""))
        figures = [f"{int(track.get(name) or 0):,}" for name in ("captured", "encoded", "dropped", "restarts")]
        rows.append((track, (str(track["track"]), state, *clock_words(track), *figures)))
    return rows


HEAD: Final = (
    "TRACK", "STATE", "TRIED", "CAPTURED", "WRITTEN", "TAKEN", "ENCODED", "DROPPED", "RESTARTS",
)  # fmt: skip
"""The columns of the live view; the clocks say how long ago. Pictures, or samples of sound, are taken and encoded."""
