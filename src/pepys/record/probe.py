"""Which displays and sound devices there are, found without opening any for recording.

Used before a recording starts and by the doctor; imports neither codecs nor numpy. Every answer comes within a
deadline, and what is missing is a reason in words, not an error: whether it is needed is the caller's to say.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from pepys import limits
from pepys.errors import DeviceMissing
from pepys.record.adapters.pulse import Listing, Source, list_sources

_SOCKETS = Path("/tmp/.X11-unix")


@dataclass(frozen=True, slots=True)
class SoundFound:
    """The default devices; where one is None, its reason says why.

    `problem` is why the server could not be asked at all, and `remedy` what helps; both are empty when it answered.
    """

    mic: str | None
    mic_reason: str
    system: str | None
    system_reason: str
    sources: tuple[Source, ...] = ()
    problem: str = ""
    remedy: str = ""

    def lacks(self, named: str | None, reason: str) -> tuple[str, str] | None:
        """Why a device cannot be recorded, and what there is instead; None when it is there.

        Args:
            named: the device; None for the default one.
            reason: why there is no default one; empty when there is.
        """
        names = [source.name for source in self.sources]
        if named in names or (named is None and not reason):
            return None
        if self.problem:
            return self.problem, self.remedy
        there = f"these are there: {', '.join(map(shlex.quote, names))}" if names else "connect one, or use --audio off"
        return reason if named is None else f"the sound server has no source {named}", there


def displays() -> list[str]:
    """X displays of this machine: the one in force first, then those with a socket."""
    found = [os.environ["DISPLAY"]] if os.environ.get("DISPLAY") else []
    if _SOCKETS.is_dir():
        numbers = sorted(int(path.name[1:]) for path in _SOCKETS.glob("X*") if path.name[1:].isdigit())
        known = {_number(display) for display in found}
        found += [f":{number}" for number in numbers if number not in known]
    return found


def find_display(deadline_s: float = limits.PROBE_S) -> tuple[str | None, str]:
    """The display in force and an empty reason, or None and why there is none."""
    display = os.environ.get("DISPLAY")
    if not display:
        return None, "DISPLAY is not set"
    reason = display_problem(display, deadline_s)
    return (None, reason) if reason else (display, "")


def display_problem(display: str, deadline_s: float = limits.PROBE_S) -> str:
    """Why a display cannot be recorded; empty when it answers."""
    if sys.platform != "linux":
        return "X11 displays are recorded on Linux only"
    found: list[str] = []
    # The library waits for ever on a server that hangs.
    thread = threading.Thread(target=lambda: found.append(_ask(display)), name="probe-display", daemon=True)
    thread.start()
    thread.join(deadline_s)
    return found[0] if found else f"the X server of display {display!r} does not answer"


def display_gone(display: str) -> bool:
    """Whether nobody listens for a local display any more; False for one that hangs, and for one of another machine."""
    number = _number(display)
    if number < 0 or sys.platform != "linux":
        return False
    path = str(_SOCKETS / f"X{number}")
    return not any(_listens(address) for address in (path, f"\0{path}"))


def _listens(address: str) -> bool:
    """Whether a unix socket takes connections."""
    if sys.platform == "win32":
        return False
    with socket.socket(socket.AF_UNIX) as asking:
        asking.setblocking(False)
        try:
            asking.connect(address)
        except BlockingIOError:
            return True  # its queue is full: somebody is slow
        except OSError:
            return False
    return True


def _ask(display: str) -> str:
    # Not through xcffib: a host that runs for hours would carry its 8 MB for this one question.
    try:
        library = ctypes.CDLL("libxcb.so.1")
    except OSError as error:
        return f"the X client library cannot be loaded: {error}"
    library.xcb_connect.restype = ctypes.c_void_p
    library.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    library.xcb_connection_has_error.argtypes = library.xcb_disconnect.argtypes = [ctypes.c_void_p]
    try:
        connection = library.xcb_connect(display.encode("ascii"), None)
    except (UnicodeEncodeError, ctypes.ArgumentError):
        return f"no X server answers on display {display!r}"
    # One that failed is an object too, and must be let go of all the same.
    failed = library.xcb_connection_has_error(connection)
    library.xcb_disconnect(connection)
    return f"no X server answers on display {display!r}" if failed else ""


def default_sound(deadline_s: float = limits.PROBE_S) -> SoundFound:
    """The default microphone and the monitor that carries the system's sound."""
    try:
        listing = portable_listing(deadline_s) if sys.platform in {"darwin", "win32"} else list_sources(deadline_s)
    except DeviceMissing as error:
        return SoundFound(None, error.message, None, error.message, (), error.message, error.remedy)
    return _defaults(listing)


def portable_listing(deadline_s: float) -> Listing:
    """The devices where there is no PulseAudio and no PipeWire, each named by its id there.

    Raises:
        DeviceMissing: the sound system does not answer within the deadline, or its library is not installed.
    """
    # Loads numpy, which a server's listing is spared.
    from pepys.record.adapters.soundcard_source import list_soundcard

    found = list_soundcard(deadline_s)
    mic = next((device.id for device in found if device.default_microphone), "")
    system = next((device.id for device in found if device.default_system), "")
    sources = tuple(Source(device.id, device.name, device.loopback, 0, device.channels) for device in found)
    return Listing(sources, mic, "", system)


def _defaults(listing: Listing) -> SoundFound:
    mic, mic_reason = listing.default_source, ""
    system, system_reason = listing.default_monitor, ""
    names = {source.name for source in listing.sources}
    if mic not in names:
        mic, mic_reason = "", "the sound server has no default source"
    elif mic == listing.default_monitor:
        # Servers without a microphone name the sink's monitor instead; it would record the system's sound twice.
        mic, mic_reason = "", "there is no microphone: the default source is the monitor of the default sink"
    if system not in names:
        system, system_reason = "", "the sound server has no default sink"
    return SoundFound(mic or None, mic_reason, system or None, system_reason, listing.sources)


def _number(display: str) -> int:
    match = re.fullmatch(r"(?:unix)?:(\d+)(?:\.\d+)?", display)
    return int(match.group(1)) if match else -1
