"""Servers for a machine without a desktop: a virtual X display, a window manager, a private sound server.

Each is a context manager with `pid`, `stop()` and `env`, the environment that makes other programs use it. They need
no user session and work as root; nothing listens on the network; two may run at once. What they leave to others: the
activity on them (`activity`), and finding out whether the user has servers already (`show`).
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pepys.demo.child import Child, program
from pepys.errors import DeviceMissing

NULL_SINK = "pepys_null"
MIC_SINK = "pepys_mic"

_FAMILY_WILD = 0xFFFF
_COOKIE_NAME = b"MIT-MAGIC-COOKIE-1"


class Server:
    """What the three servers share: a folder of their own, one child, an orderly end."""

    def __init__(self) -> None:
        # Socket paths end at 108 bytes, so the folder's path is kept short whatever TMPDIR says.
        short = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
        self.folder = Path(tempfile.mkdtemp(prefix="pepys-", dir=short))
        self.env: dict[str, str] = {}
        self.child: Child | None = None

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self.child is None:
            raise DeviceMissing("the server is not running", "start it first")
        return self.child.pid

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return self.child is not None and self.child.alive

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self.child is not None:
            self.child.kill()

    def stop(self) -> None:
        """End the server and remove its folder; may be called twice."""
        if self.child is not None:
            self.child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server, fill in `env`, and return when it answers."""
        raise DeviceMissing(f"{type(self).__name__} is no server by itself", "use one of its kinds")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


NO_BUS: Final = {"DBUS_SESSION_BUS_ADDRESS": "", "DBUS_SYSTEM_BUS_ADDRESS": ""}
"""For who records a display of ours: that the user's own screen is locked is no reason to pause."""


class XServer(Server):
    """Xvfb on a free display number, with its own authority file."""

    def __init__(self, width: int = 1920, height: int = 1080) -> None:
        super().__init__()
        self.width = width
        self.height = height
        self.display = ""

    def start(self) -> None:
        """Start Xvfb; `env` then names DISPLAY and XAUTHORITY."""
        xvfb = program("Xvfb", "xvfb")
        authority = self.folder / "authority"
        authority.write_bytes(_authority(secrets.token_bytes(16)))
        reading, writing = os.pipe()
        try:
            argv = [xvfb, "-displayfd", str(writing), "-screen", "0", f"{self.width}x{self.height}x24"]
            argv += ["-auth", str(authority), "-nolisten", "tcp", "-noreset", "-dpi", "96"]
            self.child = Child(argv, self.folder / "log", pass_fds=[writing])
            os.close(writing)
            writing = -1
            number = self._read_number(reading)
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)
        self.display = f":{number}"
        self.env = {"DISPLAY": self.display, "XAUTHORITY": str(authority)}

    def _read_number(self, reading: int) -> int:
        assert self.child is not None
        told = bytearray()

        def ready() -> bool:
            if select.select([reading], [], [], 0.05)[0]:
                told.extend(os.read(reading, 32))
            return told.endswith(b"\n")

        self.child.wait_ready(ready, "the virtual display")
        return int(told)


class WindowManager(Server):
    """openbox on a display, so that windows have frames, focus and the EWMH properties."""

    def __init__(self, display: dict[str, str]) -> None:
        super().__init__()
        self._display = display

    def start(self) -> None:
        """Start openbox and wait until the display names a window manager."""
        openbox = program("openbox", "openbox")
        self.env = dict(self._display)
        # An empty home keeps the user's own openbox configuration, menus and autostart out.
        own = {
            **self.env,
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder),
        }
        self.child = Child([openbox, "--sm-disable"], self.folder / "log", env=own)
        self.child.wait_ready(lambda: _managed(self.env), "the window manager")


class SoundServer(Server):
    """A PulseAudio daemon of its own with two null sinks and no hardware.

    `pepys_null` is the default sink: what is played to it is the system sound. `pepys_mic` stands for the microphone:
    its monitor is the default source. Only a unix socket in the server's own 0700 folder leads to it.
    """

    def start(self) -> None:
        """Start PulseAudio; `env` then names PULSE_SERVER."""
        pulseaudio = program("pulseaudio", "pulseaudio")
        socket_path = self.folder / "native"
        script = self.folder / "script"
        # A null sink that rewinds fills its monitor 2 s ahead: who begins to record then hears nothing until these are
        # over. Without, it is 50 ms, as with a card (`norewinds`: since PulseAudio 15).
        sinks = "".join(
            f"load-module module-null-sink sink_name={name} rate=48000 channels=2 norewinds=1\n"
            for name in (NULL_SINK, MIC_SINK)
        )
        script.write_text(
            f"{sinks}"
            f"set-default-sink {NULL_SINK}\n"
            f"set-default-source {MIC_SINK}.monitor\n"
            # The socket comes last: who can connect finds everything else in place.
            f"load-module module-native-protocol-unix auth-anonymous=1 socket='{socket_path}'\n",
            encoding="utf-8",
        )
        own = {
            name: str(self.folder)
            for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH")
        }
        argv = [pulseaudio, "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"]
        argv += ["--realtime=no", "--high-priority=no", "--log-target=stderr", "-F", str(script)]
        self.child = Child(argv, self.folder / "log", env=own)
        self.child.wait_ready(lambda: listens(socket_path), "the sound server")
        # Without a cookie file and a runtime folder of its own each client would leave them in the user's folders.
        self.env = {
            "PULSE_SERVER": f"unix:{socket_path}",
            "PULSE_COOKIE": str(self.folder / "cookie"),
            "PULSE_RUNTIME_PATH": str(self.folder),
        }


def _managed(display: dict[str, str]) -> bool:
    if sys.platform != "linux":
        return True
    from pepys.demo.desktop import Desktop

    with Desktop(display) as desktop:
        return desktop.has_window_manager()


def _authority(cookie: bytes) -> bytes:
    """One Xauthority record that holds for any address and display (libXau's format: big-endian counted strings)."""
    parts = [b"", b"", _COOKIE_NAME, cookie]
    return struct.pack(">H", _FAMILY_WILD) + b"".join(struct.pack(">H", len(part)) + part for part in parts)


def listens(path: Path) -> bool:
    """Whether somebody takes connections at a unix socket."""
    if sys.platform == "win32":
        return False
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    except OSError:
        return False
    return True
