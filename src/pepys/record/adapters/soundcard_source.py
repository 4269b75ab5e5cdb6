"""Sound where there is no `parec`: macOS (CoreAudio) and Windows (WASAPI), through the library soundcard in a child.

Owns the command line of that child and its list of devices. The library is never loaded in this process: see
`soundcard_child`. Reading the child is `raw_child`'s.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.modules import module_words
from pepys.record.adapters.raw_child import RawChild

_CHILD: Final = tuple(module_words("pepys.record.adapters.soundcard_child"))
# A thread a core and their memory, for what the child does with one block after another.
_ENV: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class SoundcardDevice:
    """A device that can be recorded; `loopback` tells whether it carries what a speaker plays."""

    name: str
    id: str
    loopback: bool
    channels: int
    default_microphone: bool
    default_system: bool


class SoundcardSource(RawChild):
    """One device, by its id or its name, read until it ends or is closed."""

    def __init__(self, device: str, channels: int, clock: Clock, *, threaded: bool = sys.platform == "win32") -> None:
        """Start the child; whether the device exists shows by its first block or its end.

        Raises:
            DeviceMissing: the library is not installed.
            OSError: the child cannot be started.
        """
        if not has_soundcard():
            raise DeviceMissing("the library soundcard is not installed", "install it: pip install soundcard")
        super().__init__(device, [*_CHILD, device, str(channels)], channels, clock, env=_ENV, threaded=threaded)


def has_soundcard() -> bool:
    """Whether the library is installed; it is not loaded for that."""
    return importlib.util.find_spec("soundcard") is not None


def list_soundcard(deadline_s: float) -> tuple[SoundcardDevice, ...]:
    """Every device that can be recorded.

    Raises:
        DeviceMissing: the library is not there, or no sound system answers within the deadline.
    """
    try:
        done = subprocess.run(
            [*_CHILD, "--list"],
            env={**os.environ, **_ENV},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DeviceMissing("the sound system does not answer", "restart it, or record with --audio off") from None
    except OSError as error:
        raise DeviceMissing(f"devices cannot be listed: {error.strerror}", "record with --audio off") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DeviceMissing(said[-1] if said else "devices cannot be listed", "or record with --audio off")
    return tuple(SoundcardDevice(**json.loads(line)) for line in done.stdout.splitlines())
