"""Where the sound devices of a recording are looked for: wires what the server has to the inputs.

Owns the calls between the watch on the server, the policy and the inputs. Invariant: a device is never let go before
the next one delivers, unless it is dead already. What to choose is left to `devices`, how to ask to `adapters.pactl`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pepys.clock import Clock
from pepys.record.adapters.pactl import DeviceWatch
from pepys.record.devices import DeviceChoice, Devices, Switch, Wish
from pepys.record.loop import Loop
from pepys.record.ports import Movable
from pepys.record.sound import SoundInput

_TIMER = "devices"


class Following:
    """Keeps inputs on the devices that the policy chooses."""

    def __init__(self, clock: Clock, loop: Loop, wishes: Iterable[Wish], watched: Callable[[SoundInput], None]) -> None:
        """Take the wishes; nothing is asked yet.

        Args:
            clock: the clock.
            loop: where the server's news arrive.
            wishes: one for each input that is a device.
            watched: told when an input opened another source.
        """
        self._clock, self._loop, self._watched = clock, loop, watched
        known = tuple(wishes)
        self._choice = DeviceChoice(known)
        self._tracks = frozenset(wish.track for wish in known)
        self._watch = DeviceWatch(loop, clock, self._on_devices)
        self._inputs: Mapping[str, SoundInput] = {}
        self._default = ""
        self._known: set[str] = set()

    def start(self, inputs: Mapping[str, SoundInput]) -> None:
        """Begin to listen to the server, for these inputs by track."""
        # Files and tones are no devices of the server: what it lists says nothing of them.
        self._inputs = {track: sound for track, sound in inputs.items() if track in self._tracks}
        for track, sound in self._inputs.items():
            # A switch that was under way at a pause did not come about.
            self._choice.is_on(track, sound.device)
        if self._inputs:
            self._watch.start()

    def stop(self) -> None:
        """Listen no more."""
        self._watch.stop()
        self._default = ""
        self._loop.clear_timer(_TIMER)

    def died(self, track: str) -> None:
        """The device of an input ended."""
        if track in self._inputs:
            self._do(self._choice.died(track, self._clock.now_ns(), answers=self._watch.answers))
            self._watch.ask()

    def refused(self, track: str, before: str) -> None:
        """The device that an input was switched to gives nothing; it is still on `before`."""
        if track in self._inputs:
            self._do(self._choice.refused(track, before, self._clock.now_ns()))

    def delivers(self, track: str) -> None:
        """The device of an input gives sound."""
        if track in self._inputs:
            self._choice.delivers(track)

    def _on_devices(self, devices: Devices) -> None:
        switches = self._choice.seen(devices, self._clock.now_ns())
        before, self._default = self._default, devices.default_source or self._default
        self._known |= set(devices.names)
        moved = {switch.track for switch in switches}
        for track, sound in self._inputs.items():
            gone = sound.device in self._known and sound.device not in devices.names
            if devices.names and (gone or self._choice.absent(track)):
                sound.lose(f"{sound.device} is gone", devices.at_ns)
                self._watched(sound)
            elif (
                before not in ("", self._default) and sound.device == before and track not in moved and _movable(sound)
            ):
                # PulseAudio moves what is recorded from the default along with it, also what was named.
                sound.lose(f"the sound server moved {sound.device} to {self._default}", devices.at_ns)
                sound.open()
                self._watched(sound)
        for switch in switches:
            # It went and came again between two lists.
            if switch.gone and self._inputs[switch.track].device == switch.before:
                self._inputs[switch.track].lose(f"{switch.before} is gone", devices.at_ns)
        self._do(switches)

    def _on_due(self) -> None:
        self._do(self._choice.due(self._clock.now_ns()))

    def _do(self, switches: Iterable[Switch]) -> None:
        for switch in switches:
            sound = self._inputs[switch.track]
            if not switch.again:
                sound.switch(switch.device, switch.reason)
            elif sound.dead:
                sound.open()
            self._watched(sound)
        if self._choice.due_ns is not None:
            self._loop.set_timer(_TIMER, self._choice.due_ns, self._on_due)


def _movable(sound: SoundInput) -> bool:
    return isinstance(sound.source, Movable) and sound.source.may_be_moved
