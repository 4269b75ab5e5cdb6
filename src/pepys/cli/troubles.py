"""Which tracks of a recording are unwell, in lines that stay: one for what befell several, one when all are back.

Owns what was told of them. Pure. Invariants: a track that stays away is not told of again for each try in vain; tracks
that are away for the same reason, as those of one display are, share a line, and the line that ends it names them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pepys.cli.say import in_place, track_word

_AWAY: Final = frozenset({"restarting", "failed"})
_UNWELL: Final = _AWAY | {"degraded"}


@dataclass(slots=True)
class _Trouble:
    """A state and why; the tracks that are in it, and those of it that are well again and were not named yet."""

    state: str
    reason: str
    tracks: set[str] = field(default_factory=set)
    well: set[str] = field(default_factory=set)


class Troubles:
    """What is wrong with the tracks, as far as it was told."""

    def __init__(self) -> None:
        self._of: dict[str, _Trouble] = {}

    def begin(self, tracks: list[Mapping[str, Any]]) -> None:
        """A recording begins: those of its tracks that are unwell are told by others, and here when they are well."""
        for told in tracks:
            if told["state"] not in {"starting", "healthy"}:
                self._join(_Trouble(told["state"], str(told.get("detail") or "")), told["track"])

    def hear(self, told: Mapping[str, Any]) -> str | None:
        """The line that a track's new state is worth, without its reason; None where nothing is to be said."""
        track, state, reason = str(told["track"]), str(told.get("state")), str(told.get("detail") or "")
        if state in _UNWELL:
            return self._unwell(track, state, reason, told)
        return self._healthy(track) if state == "healthy" else None

    def _unwell(self, track: str, state: str, reason: str, told: Mapping[str, Any]) -> str | None:
        known = self._of.get(track)
        if known is not None and known.state == state and (state in _AWAY or known.reason == reason):
            return None  # one more try in vain
        same = (trouble for trouble in self._of.values() if (trouble.state, trouble.reason) == (state, reason))
        shared = next(same, None) if reason else None
        self._join(shared or _Trouble(state, reason), track)
        return track_word(told) if shared is None else None

    def _join(self, trouble: _Trouble, track: str) -> None:
        before = self._of.get(track)
        if before is not None:
            before.tracks.discard(track)
            if not before.tracks:
                trouble.well |= before.well  # nobody else is left to name them
        trouble.tracks.add(track)
        trouble.well.discard(track)
        self._of[track] = trouble

    def _healthy(self, track: str) -> str | None:
        trouble = self._of.pop(track, None)
        if trouble is None:
            return None
        trouble.tracks.discard(track)
        trouble.well.add(track)
        if trouble.tracks:
            return None
        names = [str(one["track"]) for one in in_place([{"track": name} for name in sorted(trouble.well)])]
        return f"{', '.join(names[:-1])} and {names[-1]} ok" if len(names) > 1 else f"{names[0]} ok"
