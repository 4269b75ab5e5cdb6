"""Checks of the screen and the sound."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator

from pepys import limits
from pepys.doctor.findings import Finding, less, missing, ok
from pepys.record import probe

_NEEDED = ("DAMAGE", "XFIXES")
_SHARED_MEMORY = "MIT-SHM"


def display() -> Iterator[Finding]:
    """The X display in force: size and the extensions that capture uses."""
    if sys.platform != "linux":
        yield missing("display", "the screen can be recorded on Linux with X11 only", "record sound: --no-video")
        return
    name, reason = probe.find_display()
    if name is None:
        others = [other for other in probe.displays() if other != os.environ.get("DISPLAY")]
        hint = f"; these answer perhaps: {', '.join(others)}" if others else ""
        yield missing("display", reason, f"set DISPLAY, or try `pepys demo`, which starts one{hint}")
        return
    facts: list[tuple[str, list[str]]] = []
    if not within(limits.PROBE_S, lambda: facts.append(_screen(name))) or not facts:
        yield missing("display", f"{name} does not tell its size", "start the X server again")
        return
    size, absent = facts[0]
    lacking = [extension for extension in absent if extension in _NEEDED]
    if lacking:
        yield missing("display", f"{name} {size}, without {', '.join(lacking)}", "use an X server that has them")
    elif absent:
        yield less("display", f"{name} {size}, without {', '.join(absent)}", "record on the machine of the X server")
    else:
        yield ok("display", f"{name} {size}, {', '.join([*_NEEDED, _SHARED_MEMORY])}")


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


def within(seconds: float, action: Callable[[], object]) -> bool:
    """Run something that may hang in a thread of its own; whether it ended in time without an error."""
    done = threading.Event()

    def run() -> None:
        action()
        done.set()

    thread = threading.Thread(target=run, name="doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    return done.is_set()


def _screen(name: str) -> tuple[str, list[str]]:
    """The size of a display and which of the extensions it lacks."""
    import xcffib

    connection = xcffib.connect(display=name)
    try:
        screen = connection.get_setup().roots[connection.pref_screen]
        asked = {
            extension: connection.core.QueryExtension(len(extension), extension)
            for extension in (*_NEEDED, _SHARED_MEMORY)
        }
        absent = [extension for extension, answer in asked.items() if not answer.reply().present]
    finally:
        connection.disconnect()
    return f"{screen.width_in_pixels}x{screen.height_in_pixels}", absent
