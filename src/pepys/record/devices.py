"""Which device each sound track is recorded from: the policy, without any device or sound server.

Owns what the recorder knows of the server's devices and the decision to change from one to another. Invariants:
- a track that follows the default goes where the default goes; one that was named stays with its device;
- one whose device is gone falls back to the default at once, and goes back when its own is there again;
- a fallback is never a monitor in a microphone's place, and never what another track records;
- an empty list is no news: servers tell one while they start;
- a change that nothing forces comes at the earliest `limits.DEVICE_SWITCH_NS` after the last one, and a device that
  went away is believed only when it has stayed for as long, longer each time it went again.
Asking the server is left to `adapters.pactl`, starting and stopping devices to `sound` and `soundboard`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass
from typing import Final

from pepys import limits

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Devices:
    """What can be recorded now; the defaults are empty where the server has none.

    Attributes:
        names: of all sources.
        default_source: the default for microphones.
        default_monitor: what carries the sound of the default sink.
        at_ns: when the change was heard that led to asking. PulseAudio moves streams that do not forbid it to its
            default without a word, so what a device has given since then, and is not there any more, may be another's.
        numbers: the server's number for each name; another one means that the device went and came again. Empty where
            they are not known.
        server: which life of the server the numbers are of.
    """

    names: tuple[str, ...]
    default_source: str
    default_monitor: str
    at_ns: int = 0
    numbers: tuple[int, ...] = ()
    server: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a track is to be recorded from.

    Attributes:
        track: such as `audio.mic`.
        device: the one that was named, or the default when the recording began.
        follow_default: whether nobody named it, so that the track goes where the default goes.
        monitor: whether it is the system's sound, whose default is the monitor of the default sink.
    """

    track: str
    device: str
    follow_default: bool
    monitor: bool


@dataclass(frozen=True, slots=True)
class Switch:
    """A track is to be recorded from `device`; where that equals `before`, it is there again: start it at once."""

    track: str
    device: str
    before: str
    reason: str
    gone: bool = False
    """Whether `before` is not there any more: what it seems to give since `Devices.at_ns` is another device's sound."""

    @property
    def again(self) -> bool:
        """Whether the device is the same one, which only has to be started again."""
        return self.device == self.before


def is_monitor(name: str) -> bool:
    """Whether a source carries what a sink plays: PulseAudio and PipeWire both name it after its sink."""
    return name.endswith(".monitor")


def default_for(wish: Wish, devices: Devices) -> str | None:
    """The default device that a track may be recorded from.

    A server without a microphone names a monitor as its default source. It would put the system's sound into the
    microphone's track, so only a track whose own device is a monitor takes one, and never the default sink's.
    """
    name = devices.default_monitor if wish.monitor else devices.default_source
    if not name or name not in devices.names:
        return None
    if not wish.monitor and (name == devices.default_monitor or (is_monitor(name) and not is_monitor(wish.device))):
        return None
    return name


def _came_anew(before: Devices, now: Devices) -> frozenset[str]:
    """Devices that went and came again between two lists: streams of them were moved to another meanwhile."""
    if before.server != now.server:
        return _NONE
    old = dict(zip(before.names, before.numbers, strict=False))
    new = zip(now.names, now.numbers, strict=False)
    return frozenset(name for name, number in new if old.get(name, number) != number)


def choose(
    wish: Wish,
    current: str,
    devices: Devices,
    *,
    broken: Collection[str] = _NONE,
    taken: Collection[str] = _NONE,
) -> str | None:
    """What a track should be recorded from now.

    Args:
        wish: what it is to be recorded from.
        current: what it is recorded from.
        devices: what is there.
        broken: devices that failed or went away a moment ago.
        taken: devices of other tracks.

    Returns:
        A device that is there, or None when there is none for this track; `current` where nothing is known.
    """
    if not devices.names:
        return current
    default = default_for(wish, devices)
    if default in taken and default != wish.device:
        default = None
    order = [default, wish.device] if wish.follow_default else [wish.device, default]
    there = [name for name in (*order, current) if name is not None and name in devices.names]
    # One that failed is better than none: it is tried again where it is.
    return next(
        (name for name in there if name not in broken), current if current in there else next(iter(there), None)
    )


@dataclass(slots=True)
class _Track:
    """What is known of one track: `switched_ns` is None until it changed its device.

    `gone` is whether its device was missing when last looked at, `anew` whether it is there but went in between.
    """

    wish: Wish
    current: str
    switched_ns: int | None = None
    failures: int = 0
    gone: bool = False
    anew: bool = False


@dataclass(slots=True)
class _Trouble:
    """A device that went away or `failed`; believed again from `ready_ns` on, None while it is not listed."""

    hold_ns: int
    ready_ns: int | None
    failed: bool


class DeviceChoice:
    """The devices of all tracks over a session. Every call returns what to do now; ask `due` again at `due_ns`."""

    def __init__(self, wishes: Iterable[Wish]) -> None:
        self._tracks = {wish.track: _Track(wish, wish.device) for wish in wishes}
        self._devices = Devices((), "", "")
        self._troubles: dict[str, _Trouble] = {}
        self._due_ns: int | None = None

    def current(self, track: str) -> str:
        """What a track is recorded from."""
        return self._tracks[track].current

    def absent(self, track: str) -> bool:
        """Whether a track's device is known not to be there: what it still gives is another's sound."""
        return bool(self._devices.names) and self.current(track) not in self._devices.names

    def is_on(self, track: str, device: str) -> None:
        """A track is recorded from `device`, whatever was decided before."""
        if track in self._tracks:
            self._tracks[track].current = device

    @property
    def due_ns(self) -> int | None:
        """When `due` must be called although nothing happens; None for never."""
        return self._due_ns

    def seen(self, devices: Devices, now_ns: int) -> list[Switch]:
        """The server told what is there."""
        if not devices.names:
            return []
        anew = _came_anew(self._devices, devices)
        for state in self._tracks.values():
            state.anew = state.current in anew
        self._devices, now = devices, frozenset(devices.names)
        for name in self._names() - now:
            trouble = self._troubles.get(name)
            if trouble is None or trouble.ready_ns is not None:
                self._trouble(name, now_ns, None)
        for name, trouble in self._troubles.items():
            if name in now and trouble.ready_ns is None:
                trouble.ready_ns = now_ns + trouble.hold_ns
        return self._decide(now_ns)

    def died(self, track: str, now_ns: int, *, answers: bool = True) -> list[Switch]:
        """A track's device ended, or gave no more sound; it is started again where it is unless told otherwise here.

        Args:
            track: whose device.
            now_ns: now.
            answers: whether the server is known to be there. One that died takes all its devices with it, which
                says nothing about any of them.
        """
        state = self._tracks[track]
        if not answers:
            return []
        state.failures += 1
        if state.failures >= limits.DEVICE_FAILURES and state.current in self._devices.names:
            self._trouble(state.current, now_ns, now_ns)
        return self._decide(now_ns)

    def refused(self, track: str, before: str, now_ns: int) -> list[Switch]:
        """The device that a track was switched to gave no sound: the track is still recorded from `before`."""
        state = self._tracks[track]
        self._trouble(state.current, now_ns, now_ns)
        state.current, state.switched_ns = before, now_ns
        return self._decide(now_ns)

    def delivers(self, track: str) -> None:
        """A track's device gives sound."""
        self._tracks[track].failures = 0

    def due(self, now_ns: int) -> list[Switch]:
        """What was put off and may be done now."""
        return self._decide(now_ns)

    # --- inside

    def _names(self) -> frozenset[str]:
        return frozenset(name for state in self._tracks.values() for name in (state.current, state.wish.device))

    def _trouble(self, name: str, now_ns: int, from_ns: int | None) -> None:
        """Believe a device no more for a while, longer when it had just been believed again."""
        last = self._troubles.pop(name, None)
        hold_ns = limits.DEVICE_SWITCH_NS
        if last is not None and (last.ready_ns is None or now_ns - last.ready_ns < limits.DEVICE_STEADY_NS):
            hold_ns = min(2 * last.hold_ns, limits.DEVICE_HOLD_MAX_NS)
        self._troubles[name] = _Trouble(
            hold_ns, None if from_ns is None else from_ns + hold_ns, failed=from_ns is not None
        )
        while len(self._troubles) > limits.DEVICES_DOUBTED:
            del self._troubles[next(iter(self._troubles))]

    def _decide(self, now_ns: int) -> list[Switch]:
        self._due_ns = None
        found: list[Switch] = []
        if not self._devices.names:
            return found
        for state in self._tracks.values():
            step = self._next(state, self._broken(now_ns), now_ns)
            if step is not None:
                found.append(step)
        for trouble in self._troubles.values():
            if trouble.ready_ns is not None and trouble.ready_ns > now_ns:
                self._wait(trouble.ready_ns)
        return found

    def _next(self, state: _Track, broken: Set[str], now_ns: int) -> Switch | None:
        there, before = state.current in self._devices.names, state.current
        taken = {other.current for other in self._tracks.values() if other is not state}
        target = choose(state.wish, before, self._devices, broken=broken, taken=taken)
        returned, anew = state.gone and there, state.anew
        state.gone, state.anew = not there, False
        if target is None:
            return None
        if target != before and target in broken and self._troubles[target].failed:
            return None  # it is listed but gives nothing: trying it over and over would cost more than it can give
        if target == before:
            reason = f"{before} is there again"
            return Switch(state.wish.track, before, before, reason, gone=anew) if returned or anew else None
        if there and before not in broken:
            earliest_ns = 0 if state.switched_ns is None else state.switched_ns + limits.DEVICE_SWITCH_NS
            if earliest_ns > now_ns:
                self._wait(earliest_ns)
                return None
            back = target == state.wish.device and not state.wish.follow_default
            reason = f"{target} is there again" if back else "the default device changed"
        else:
            reason = f"{before} gives no sound" if there else f"{before} is gone"
        state.current, state.switched_ns, state.failures, state.gone = target, now_ns, 0, False
        return Switch(state.wish.track, target, before, reason, gone=not there or anew)

    def _broken(self, now_ns: int) -> Set[str]:
        return {name for name, each in self._troubles.items() if each.ready_ns is None or each.ready_ns > now_ns}

    def _wait(self, at_ns: int) -> None:
        self._due_ns = at_ns if self._due_ns is None else min(self._due_ns, at_ns)
