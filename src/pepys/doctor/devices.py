"""Checks of the sound.

Owns one look at the sound server and at the present level of its devices, shared by the check and `--json`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from pepys import limits
from pepys.clock import SystemClock
from pepys.doctor.findings import Finding, less, missing, ok
from pepys.doctor.levels import FLOOR_DB, can_listen, peak_levels
from pepys.record import probe
from pepys.record.adapters.pulse import Source
from pepys.record.probe import SoundFound


class Sound:
    """One look at what gives sound, made when it is first needed."""

    @cached_property
    def _found(self) -> SoundFound:
        return probe.default_sound(limits.PROBE_S)

    @cached_property
    def _levels(self) -> dict[str, float]:
        return peak_levels({source.name: source.channels or 2 for source in self._found.sources}, SystemClock())

    @property
    def devices(self) -> list[dict[str, Any]]:
        """Every device with its format and its level in dBFS, None where it gives no sound at all."""
        return [
            {
                "name": source.name,
                "description": source.description,
                "kind": "monitor" if source.monitor else "microphone",
                "monitor_of": source.monitor_of or None,
                "rate": source.rate or None,
                "channels": source.channels or None,
                "state": source.state or None,
                "default": source.name in (self._found.mic, self._found.system),
                "level_db": self._levels.get(source.name),
            }
            for source in self._found.sources
        ]

    def check(self) -> Iterator[Finding]:
        """The default devices, all that there are, and the program that records them."""
        found = self._found
        remedy = found.remedy or "connect one or name a source with --mic; `--audio off` records without"
        for name, device, reason in (
            ("microphone", found.mic, found.mic_reason),
            ("system sound", found.system, found.system_reason),
        ):
            yield ok(name, device) if device else missing(name, reason, remedy)
        yield from self._listed()
        if sys.platform in {"darwin", "win32"}:
            return
        for program, use in (("parec", "records sound"), ("pactl", "lists sound devices")):
            where = shutil.which(program)
            install = "apt-get install pulseaudio-utils"
            yield ok(program, where) if where else missing(program, f"the program that {use} is not installed", install)

    def _listed(self) -> Iterator[Finding]:
        for plural, monitor in (("microphones", False), ("system sounds", True)):
            sources = [source for source in self._found.sources if source.monitor == monitor]
            if not sources:
                continue
            told = "\n".join(self._told(source) for source in sources)
            # A monitor that nothing plays to may give nothing for seconds; a microphone that gives nothing hangs.
            if not monitor and can_listen() and any(source.name not in self._levels for source in sources):
                yield less(plural, told, "connect the one that gives no sound again, or name another with --mic")
            else:
                yield ok(plural, told)

    def _told(self, source: Source) -> str:
        level = self._levels.get(source.name)
        if level is None:
            # A monitor that nothing plays to gives no samples at all, or zeros: both are silence.
            heard = "" if not can_listen() else "silent" if source.monitor else "gives no sound"
        else:
            heard = "silent" if level <= FLOOR_DB else f"{level:.0f} dBFS"
        shape = f"{source.rate} Hz" if source.rate else ""
        channels = f"{source.channels} channel{'' if source.channels == 1 else 's'}" if source.channels else ""
        description = source.description if source.description != source.name else ""
        return "  ".join(part for part in (source.name, description, shape, channels, heard) if part)
