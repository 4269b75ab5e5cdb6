"""What a host tells of itself: the one document of `status`, from memory.

Pure. What the recorder told comes through as it is; what a host adds stands beside it. Nothing here waits.
"""

from __future__ import annotations

from typing import Final

from pepys.clock import rfc3339
from pepys.record.lags import Lags
from pepys.record.wire import Message
from pepys.sessions.recording import Recording
from pepys.sessions.restarts import Restarts

_PASSED_ON: Final = ("write_queue", "loop", "memory")


def status(
    *,
    state: str | None,
    session: str | None,
    name: str | None,
    live: Recording | None,
    told: Message,
    room: Message,
    restarts: Restarts,
    notices: list[dict[str, str]],
    countdown_s: int | None,
    lags: Lags | None,
    event_lags: Lags,
    last: Message | None,
) -> Message:
    """The document.

    Args:
        state: of the session, as the chart has it, or `restarting`: its recorder died and is started again. None when
            there is no session.
        session: its id.
        name: its name.
        live: its recorder; None when there is none.
        told: what that last told, or what is stored of the session.
        room: the `disk` of a host without a recorder.
        restarts: how often the recorder was started again.
        notices: what else the user must know.
        countdown_s: seconds until the session begins.
        lags: the turns of the host's loop.
        event_lags: what the statechart's events took.
        last: how the last session ended.
    """
    started = told.get("started_wall_ns")
    again = [{"kind": "restart", "text": restarts.notice}] if restarts.notice else []
    return {
        "state": state or "idle",
        "session": session if state else None,
        "name": name if state else None,
        "since": rfc3339(started) if started else None,
        "recorded_ms": told.get("recorded_ms", 0),
        "wall_ms": told.get("wall_ms", 0),
        "bytes": told.get("bytes", 0),
        "tracks": told.get("tracks", []),
        "left_out": list(live.left_out) if live is not None else [],
        "sources": told.get("sources", []),
        "layout": told.get("layout", ""),
        "sound": told.get("sound"),
        "gaps_open": told.get("gaps_open", []),
        "disk": told.get("disk") or room,
        "held": told.get("held", "") if state == "paused" else "",
        "countdown_s": countdown_s,
        "restarts": restarts.count,
        "last_restart": restarts.last,
        "notices": [*notices, *again],
        "recorder": {"pid": live.pid} if live is not None else None,
        "host": _host(lags, event_lags),
        **{key: told[key] for key in _PASSED_ON if key in told},
        "last": last,
    }


def _host(lags: Lags | None, event_lags: Lags) -> Message:
    longest_ms = None if lags is None else lags.to_json()["longest_ms"]
    return {"loop_longest_ms": longest_ms, "event_p99_ms": event_lags.to_json()["p99_ms"]}
