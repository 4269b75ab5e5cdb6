"""Checks of the sound."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from pepys.doctor.findings import Finding, missing, ok
from pepys.record import probe


def sound() -> Iterator[Finding]:
    """The sound server's default devices, and the program that records them."""
    found = probe.default_sound()
    remedy = "start PulseAudio or PipeWire, or name a source with --mic; `--audio off` records without"
    for name, device, reason in (
        ("microphone", found.mic, found.mic_reason),
        ("system sound", found.system, found.system_reason),
    ):
        yield ok(name, device) if device else missing(name, reason, remedy)
    names = [source.name for source in found.sources]
    if names:
        yield ok("sound sources", ", ".join(names))
    parec = shutil.which("parec")
    yield (
        ok("parec", parec)
        if parec
        else missing("parec", "the program that records sound is not installed", "apt-get install pulseaudio-utils")
    )
