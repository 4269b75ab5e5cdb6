"""Sound from PulseAudio or PipeWire through one child a device: `parec`, kept on its device by `parec_child`.

Invariants: the server converts: whatever rate, format and channels a device has, what arrives is what was asked for
(numbers that are no sound are full scale by then). Neither server puts another device in the place of the one that was
asked for: its end is the child's. Only where the child cannot load the library that `parec` is made of, PulseAudio may;
`may_be_moved` says so then, and `record.following` finds out by what the server lists. Reading the child is
`raw_child`'s.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.record.adapters import parec_child
from pepys.record.adapters.raw_child import RawChild
from pepys.record.ports import DEFAULT_MICROPHONE, DEFAULT_SYSTEM

# WirePlumber would connect the default device instead of one that is not there, and when one goes away. Until its
# version 0.5 the first property forbids both, from then on the second one the former.
_NO_OTHER: Final = ("--property=node.dont-reconnect=true", "--property=node.dont-fallback=true")

# PipeWire does not know the servers' words for the defaults where no other device may serve. They are asked for in the
# child, so that nobody waits here for a server that hangs.
_ASKED: Final = {
    DEFAULT_MICROPHONE: 'exec "$@" --device="$(pactl get-default-source)"',
    DEFAULT_SYSTEM: 'exec "$@" --device="$(pactl get-default-sink).monitor"',
}

# Neither site packages nor this package: a bare interpreter starts in 15 ms.
_KEPT: Final = (sys.executable, "-I", "-S", str(Path(parec_child.__file__).resolve()))

_ENGLISH: Final = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
_PLAIN: Final = {
    "Connection refused": "no sound server answers",
    "Connection terminated": "the sound server is gone",
    "Connection reset by peer": "the sound server is gone",
    "Timeout": "the sound server does not answer",
    "Access denied": "the sound server refuses this user: access denied",
    "No such entity": "the sound server has no such device",
    "Entity killed": "the sound server has closed the device",
}
"""What errors of the library of PulseAudio mean; they come behind the name of whatever failed."""


def plain(said: str) -> str:
    """A last line of `parec` or `pactl` in plain words; one that is not known as it is."""
    return _PLAIN.get(said.rpartition(": ")[2].strip(), said)


class ParecSource(RawChild):
    """One device, read until it ends or is closed."""

    def __init__(self, device: str, channels: int, clock: Clock) -> None:
        """Start the child; whether the device exists shows by its first block or its end.

        `DEFAULT_MICROPHONE` and `DEFAULT_SYSTEM` mean the devices that are the defaults now.

        Raises:
            DeviceMissing: there is no `parec` here.
            OSError: it cannot be started.
        """
        argv = [*_KEPT, _parec(), "--raw", "--format=s16le", f"--rate={limits.SOUND_RATE}", f"--channels={channels}"]
        argv += [f"--latency-msec={limits.SOUND_LATENCY_MS}", "--client-name=pepys", *_NO_OTHER]
        asked = _ASKED.get(device)
        argv = ["sh", "-c", asked, "sh", *argv] if asked else [*argv, f"--device={device}"]
        super().__init__(device, argv, channels, clock, env=_ENGLISH)

    @property
    def may_be_moved(self) -> bool:
        """Whether the server may put another device in this one's place."""
        return self.remark.startswith(parec_child.MAY_BE_MOVED)

    def _last_words(self) -> str:
        return plain(super()._last_words())


def has_parec() -> bool:
    """Whether the program is installed."""
    return shutil.which("parec") is not None


def _parec() -> str:
    found = shutil.which("parec")
    if found is None:
        raise DeviceMissing("the program parec is not installed", "install it: apt-get install pulseaudio-utils")
    return found
