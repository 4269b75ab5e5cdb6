"""A PipeWire of its own, in the same shape as the PulseAudio of `servers`.

Three programs make one server: `pipewire` moves the samples, `wireplumber` links streams to devices and keeps the
defaults, `pipewire-pulse` speaks PulseAudio's protocol, which is how pepys and every other client of it records. Their
settings, state and sockets lie in the server's own folder; the monitors of hardware are turned off; no session bus is
needed, and none that the user has is touched.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Final

from pepys.demo.child import Child, program
from pepys.demo.servers import MIC_SINK, NULL_SINK, Server, listens
from pepys.limits import PROBE_S

_DEVICES: Final = """context.objects = [
%s]
"""
_SINK: Final = (
    "  {{ factory = adapter args = {{ factory.name = support.null-audio-sink node.name = {name}"
    " node.description = {name} media.class = Audio/Sink object.linger = true"
    " audio.position = [ FL FR ] audio.rate = 48000 }} }}\n"
)
# WirePlumber 0.4 is told in Lua, 0.5 and later by profiles; each passes over the other's files.
_NO_HARDWARE: Final = """alsa_monitor.enabled = false
v4l2_monitor.enabled = false
libcamera_monitor.enabled = false
default_access.properties["enable-flatpak-portal"] = false
"""
_NO_BLUETOOTH: Final = "bluez_monitor.enabled = false\n"
_PROFILE: Final = """wireplumber.profiles = {
  main = {
    hardware.audio = disabled
    hardware.bluetooth = disabled
    hardware.video-capture = disabled
    support.portal-permissionstore = disabled
    support.reserve-device = disabled
  }
}
"""
_DEFAULTS: Final = """[default-nodes]
default.configured.audio.sink={sink}
default.configured.audio.source={source}
"""


class PipeWireServer(Server):
    """PipeWire with two null sinks and no hardware; `pid` is the program that clients of PulseAudio talk to.

    `pepys_null` is the default sink, the monitor of `pepys_mic` the default source, as with `SoundServer`. It may be
    started again after `kill`, with the same `env`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._behind: list[Child] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of all three programs."""
        return (self.pid, *(child.pid for child in self._behind))

    def start(self) -> None:
        """Start the three programs; `env` then names PULSE_SERVER and PIPEWIRE_RUNTIME_DIR."""
        pipewire = program("pipewire", "pipewire")
        wireplumber = program("wireplumber", "wireplumber")
        pulse = program("pipewire-pulse", "pipewire-pulse")
        pactl = program("pactl", "pulseaudio-utils")
        self._write_settings()
        names = ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
        own = {name: str(self.folder) for name in (*names, "PIPEWIRE_RUNTIME_DIR", "PULSE_RUNTIME_PATH")}
        # An address that nobody listens at: without one the programs would start a bus, or use the user's.
        own["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={self.folder / 'no-bus'}"
        own["DISPLAY"] = ""
        self._behind = [Child([pipewire], self.folder / "pipewire.log", env=own)]
        self._behind[0].wait_ready(lambda: listens(self.folder / "pipewire-0"), "the sound server")
        self._behind.append(Child([wireplumber], self.folder / "wireplumber.log", env=own))
        self.child = Child([pulse], self.folder / "log", env=own)
        self.env = {
            "PULSE_SERVER": f"unix:{self.folder / 'native'}",
            "PULSE_COOKIE": str(self.folder / "cookie"),
            "PULSE_RUNTIME_PATH": str(self.folder),
            "PIPEWIRE_RUNTIME_DIR": str(self.folder),
        }
        # The devices come into being one after the other, the default source last.
        self.child.wait_ready(lambda: self._default_source(pactl) == f"{MIC_SINK}.monitor", "the sound server")

    def kill(self) -> None:
        """End all three programs at once, as a crash would."""
        super().kill()
        for child in self._behind:
            child.kill()

    def stop(self) -> None:
        """End all three programs and remove the folder; may be called twice."""
        if self.child is not None:
            self.child.stop()
        for child in reversed(self._behind):
            child.stop()
        super().stop()

    def _default_source(self, pactl: str) -> str:
        if not listens(self.folder / "native"):
            return ""
        env = {**os.environ, **self.env}
        asking = subprocess.Popen([pactl, "get-default-source"], env=env, stdout=PIPE, stderr=DEVNULL, text=True)
        try:
            return asking.communicate(timeout=PROBE_S)[0].strip()
        except subprocess.TimeoutExpired:
            asking.kill()
            asking.communicate()
            return ""

    def _write_settings(self) -> None:
        sinks = "".join(_SINK.format(name=name) for name in (NULL_SINK, MIC_SINK))
        self._write("pipewire/pipewire.conf.d/pepys.conf", _DEVICES % sinks)
        self._write("wireplumber/main.lua.d/51-pepys.lua", _NO_HARDWARE)
        self._write("wireplumber/bluetooth.lua.d/51-pepys.lua", _NO_BLUETOOTH)
        self._write("wireplumber/wireplumber.conf.d/pepys.conf", _PROFILE)
        self._write("wireplumber/default-nodes", _DEFAULTS.format(sink=NULL_SINK, source=MIC_SINK))

    def _write(self, name: str, text: str) -> None:
        path: Path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
