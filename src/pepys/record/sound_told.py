"""What happens to a sound device, told: to the health of its track, to its gaps, and as a line to whoever watches.

Invariants: every hole is a gap of its track, with the device's name and why; what is told is told once. Outside a span
nothing is journalled. Noticing it is left to `sound`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pepys import limits
from pepys.model import events as ev
from pepys.record.health import Health
from pepys.record.playback import SpanPlace
from pepys.record.sound import SoundChange, SoundInput, duration_of

_LOST: Final = "device_lost"
QUIET: Final = f"recording, but nothing is heard: digital silence for {limits.SOUND_QUIET_NS // limits.NS_PER_S} s"


class SoundTold:
    """Turns changes of inputs into states, gaps, events and warnings."""

    def __init__(self, health: Health, tracks: Mapping[str, Sequence[str]], warns: Callable[[str], bool]) -> None:
        """Take who is told.

        Args:
            health: of the tracks.
            tracks: all that hold the sound of an input, by the input's own.
            warns: whether silence of an input's own track is worth a word.
        """
        self._health, self._tracks, self._warns = health, tracks, warns
        self._elsewhere: dict[str, str] = {}

    def tell(self, sound: SoundInput, change: SoundChange, place: SpanPlace | None) -> None:
        """Tell one change of an input, in the span at `place` or in none."""
        for track in self._tracks[sound.track]:
            if place is None:
                self._outside(track, sound, change)
            else:
                self._inside(track, sound, change, place)

    def _inside(self, track: str, sound: SoundInput, change: SoundChange, place: SpanPlace) -> None:
        at_ns = place.at_ns + duration_of(change.position or 0)
        if change.kind == "lost":
            detail = f"{sound.device}: {change.detail}" if change.detail else sound.device
            if sound.finished:
                self._health.set(track, "off", at_ns, change.detail)
            elif sound.dead or place.at_ns == at_ns:
                self._health.set(track, sound.seen.lost_state, at_ns, change.detail)
            self._health.open_gap(track, change.reason or _LOST, at_ns, detail)
        elif change.kind == "vain":
            self._health.set(track, "failed", at_ns, change.detail)
        elif change.kind == "back":
            self._health.set(track, "healthy", at_ns, self._elsewhere.get(track, ""))
            self._health.close_gap(track, _LOST, at_ns)
        elif change.kind == "switched":
            self._switched(track, change, at_ns)
        elif change.kind == "corrected":
            since_ns = place.at_ns + duration_of(change.since or 0)
            self._health.note(
                ev.SoundCorrected(track, at_ns, since_ns, change.inserted, change.dropped, change.ppm, change.step)
            )
        else:
            self._warn(track, sound, change, at_ns)

    def _outside(self, track: str, sound: SoundInput, change: SoundChange) -> None:
        if change.kind in {"lost", "back"}:
            self._health.set(track, sound.seen.lost_state if change.lost else "healthy", None, change.detail)
        elif change.kind == "switched":
            self._health.tracks[track].source = change.device

    def _switched(self, track: str, change: SoundChange, at_ns: int) -> None:
        self._health.tracks[track].source = change.device
        self._health.note(ev.DeviceSwitched(track, at_ns, change.device, change.before, change.reason))
        self._health.rename_gap(track, _LOST, f"{change.before} ({change.reason}), then {change.device}")
        self._health.close_gap(track, _LOST, at_ns)
        self._elsewhere[track] = f"recorded from {change.device}: {change.reason}"
        self._health.set(track, "healthy", at_ns, self._elsewhere[track])
        self._say(track, "switched", f"switched from {change.before} to {change.device}: {change.reason}", at_ns)

    def _warn(self, track: str, sound: SoundInput, change: SoundChange, at_ns: int) -> None:
        if change.kind == "quiet":
            if not self._warns(sound.track):
                return
            self._health.set(track, "degraded", at_ns, QUIET)
            self._say(track, "quiet", QUIET, at_ns)
        elif change.kind == "heard":
            if self._health.tracks[track].detail == QUIET:
                self._health.set(track, "healthy", at_ns, self._elsewhere.get(track, ""))
                self._say(track, "heard", "something is heard again", at_ns)
        elif change.kind == "fast":
            text = f"the device gives {1 + change.ppm / 1_000_000:.2f} times the sound it should: the rest is left out"
            self._health.set(track, "degraded", at_ns, text)
            self._say(track, "fast", text, at_ns)
        elif change.kind == "kept":
            rest = f"and {sound.device} is away" if sound.dead else f"still from {sound.device}"
            text = f"{change.device} could not be recorded ({change.detail}): {rest}"
            self._say(track, "kept", text, at_ns)

    def _say(self, track: str, kind: str, text: str, at_ns: int) -> None:
        if track not in self._tracks:
            return  # another track of the same source says it
        at_ms = at_ns // limits.NS_PER_MS
        self._health.tell({"push": "warning", "track": track, "kind": kind, "text": text, "at_ms": at_ms})


class WatchedSound:
    """The tracks of a device, for the coordinator: once it has delivered they go until it is known to be away.

    Silence is sound: a device that gives zeros, or is muted, goes. One that gives nothing at all is noticed by its
    input within a second, so that this stands still only where its input does.
    """

    def __init__(self, tracks: Sequence[str], sound: SoundInput, step: Callable[[], None]) -> None:
        """Take the tracks, their input, and what reads it."""
        self.tracks = tracks
        self._sound, self._step = sound, step

    def due(self, now_ns: int) -> bool:
        """Whether it delivers."""
        return self._sound.delivers and not self._sound.finished

    def restart(self) -> None:
        """Let go of the device; its input starts it again."""
        self._sound.lose(f"{self._sound.device} shows no life", self._sound.seen.capture_ns)
        self._step()
