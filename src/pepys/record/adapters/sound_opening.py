"""Opens a source of sound: which adapter serves what, on which system.

Owns that choice alone: on Linux and its like `parec` records every device, where there is none the library soundcard
does; on macOS and Windows it is soundcard in any case, for what a stray `parec` there talks to is not their sound
system. There is no other switch. What a name means (defaults, falling back) is left to `record.devices`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pepys.clock import Clock
from pepys.errors import DeviceMissing, Usage
from pepys.record.adapters.made_sound import FileSound, MadeSound, Tone
from pepys.record.adapters.parec import ParecSource, has_parec
from pepys.record.adapters.soundcard_source import SoundcardSource, has_soundcard
from pepys.record.ports import DEFAULT_MICROPHONE, DEFAULT_SYSTEM, SoundSource

_DEFAULTS: Final = {"microphone": DEFAULT_MICROPHONE, "system": DEFAULT_SYSTEM}


def open_sound(kind: str, params: Mapping[str, bool | int | float | str], clock: Clock) -> SoundSource:
    """Open a source node of a sound graph; `params` are whole, as `model.sound_kinds.checked` gives them.

    Raises:
        DeviceMissing: there is nothing here that records.
        OSError: the program that records cannot be started.
        Usage: there is no such kind of source, or a file's path means nothing.
    """
    channels = int(params["channels"])
    if kind in _DEFAULTS:
        return open_device(str(params["device"]) or _DEFAULTS[kind], channels, clock)
    if kind == "file":
        return FileSound(_path(str(params["path"])), channels, clock, loop=bool(params["loop"]))
    if kind == "tone":
        return Tone(float(params["frequency_hz"]), float(params["level_db"]), channels, clock)
    if kind == "silence":
        return MadeSound("silence", channels, clock)
    raise Usage(f"there is no source of sound called {kind!r}", "there are microphone, system, file, tone, silence")


def _path(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise Usage(f"the path {path} names a user who does not exist", "name the file by its whole path") from error


def open_device(device: str, channels: int, clock: Clock) -> SoundSource:
    """Start recording a device, or what `DEFAULT_MICROPHONE` or `DEFAULT_SYSTEM` is now.

    Whether it exists shows by its first block or its end.

    Raises:
        DeviceMissing: there is nothing here that records.
        OSError: the program that records cannot be started.
    """
    native = sys.platform in {"darwin", "win32"}
    if not native and has_parec():
        return ParecSource(device, channels, clock)
    if has_soundcard():
        return SoundcardSource(device, channels, clock)
    if native:
        raise DeviceMissing("the library soundcard is not installed", "install it: pip install soundcard")
    raise DeviceMissing("the program parec is not installed", "install it: apt-get install pulseaudio-utils")
