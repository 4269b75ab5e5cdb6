"""What became of the sound of a session, in the shapes of `show --json`: account, corrections, devices, graph.

Pure; only reads what the projection made. Counts are of samples at 48 kHz, times are on the session's axis. A session
that was recorded before accounts were kept has none.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from pepys import limits
from pepys.errors import NotFound
from pepys.model import sound_graph
from pepys.model.session import Session, SoundDrift, Track


def sound_shape(track: Track) -> dict[str, Any]:
    """The fields of a track of sound that others do not have; empty for those."""
    if track.kind != "audio":
        return {}
    return {"account": _account(track), "corrections": _corrections(track.drift), "devices": _devices(track)}


def graph_shape(session: Session) -> dict[str, Any]:
    """The graph that the session's sound went through last, as data and as a drawing in Mermaid.

    Raises:
        NotFound: the session has none: it has no sound, or an earlier version recorded it.
    """
    if session.sound_graph is None:
        if not any(track.kind == "audio" for track in session.tracks):
            raise NotFound(f"session {session.id} has no sound, so it has no graph", "`pepys show` tells what it has")
        what = f"session {session.id} has no graph of its sound"
        raise NotFound(what, "it was recorded by a version that kept none, or comes from elsewhere")
    return {"mermaid": sound_graph.from_json(session.sound_graph).mermaid(), "graph": session.sound_graph}


def _account(track: Track) -> dict[str, Any] | None:
    """The sum over all spans; `untold` is what was written after the last account of a span that crashed or runs."""
    if not track.accounts:
        return None
    accounts = track.accounts
    totals = {
        name: sum(getattr(account, name) for account in accounts)
        for name in ("delivered", "captured", "dropped", "inserted", "silent", "muted", "encoded", "refused")
    }
    untold = sum(account.written + account.refused - account.encoded for account in accounts if not account.final)
    silent_by: Counter[str] = Counter()
    for account in accounts:
        silent_by.update(account.lost)
    return {
        "samples": totals["encoded"] + untold,
        **totals,
        "untold": untold,
        "exact": all(account.exact for account in accounts),
        "crashed": any(account.crashed for account in accounts),
        "silent_by": dict(silent_by),
        "lost": [
            {"at_ms": _ms(loss.at_ns), "samples": loss.samples, "reason": loss.reason, "detail": loss.detail}
            for loss in track.losses
        ],
    }


def _corrections(drift: SoundDrift | None) -> dict[str, Any]:
    seen = drift or SoundDrift()
    return {"inserted": seen.inserted, "dropped": seen.dropped, "steps": seen.steps, "ppm": seen.ppm}


def _devices(track: Track) -> list[dict[str, Any]]:
    """Every device that the track was recorded from, in order, each with why it was taken."""
    first = track.switches[0].before if track.switches else track.source
    return [
        {"device": first, "from_ms": 0, "reason": ""},
        *(
            {"device": switch.device, "from_ms": _ms(switch.at_ns), "reason": switch.reason}
            for switch in track.switches
        ),
    ]


def _ms(at_ns: int) -> int:
    return at_ns // limits.NS_PER_MS
