"""Sound from PulseAudio or PipeWire through one `parec` child a device.

A sound library in this process hangs or aborts when the server dies; a child ends within milliseconds and can always
be killed. Invariants: reading never blocks; a block's time is when it was read; the child dies with this process's
thread; the end is told once, with what the child said last. Restarting and silence are left to `record.sound`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

if sys.platform == "linux":
    import fcntl

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.record.ports import SoundBlock, SoundCapabilities, SoundEvent, SourceEnded


class ParecSource:
    """One device, read until it ends or is closed."""

    def __init__(self, device: str, channels: int, clock: Clock) -> None:
        """Start the child; whether the device exists shows by its first block or its end.

        Raises:
            DeviceMissing: there is no `parec` here.
        """
        self._device = device
        self._clock = clock
        self._rest = b""
        self._over = False
        argv = [*_tied(), _parec(), "--raw", "--format=s16le", f"--rate={limits.SOUND_RATE}"]
        argv += [f"--channels={channels}", f"--latency-msec={limits.SOUND_LATENCY_MS}", "--client-name=pepys"]
        argv += [f"--device={device}"]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            if sys.platform != "win32":
                os.set_blocking(pipe.fileno(), False)
        room = _widen(self.fileno())
        holds_ns = room * limits.NS_PER_S // (2 * channels * limits.SOUND_RATE)
        self._capabilities = SoundCapabilities(limits.SOUND_RATE, channels, holds_ns)

    @property
    def name(self) -> str:
        """The device's name."""
        return self._device

    @property
    def capabilities(self) -> SoundCapabilities:
        """Rate and channels."""
        return self._capabilities

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def fileno(self) -> int:
        """The pipe of samples."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def poll(self) -> Sequence[SoundEvent]:
        """What has arrived: at most one block, or the end."""
        if self._over:
            return ()
        whole = 2 * self._capabilities.channels
        try:
            data = os.read(self.fileno(), limits.SOUND_READ_BYTES)
        except BlockingIOError:
            return ()
        except OSError as error:
            return (self._end(str(error)),)
        if not data:
            return (self._end(self._last_words()),)
        data = self._rest + data
        cut = len(data) // whole * whole
        self._rest = data[cut:]
        if not cut:
            return ()
        samples = np.frombuffer(data[:cut], dtype="<i2").reshape(-1, self._capabilities.channels)
        return (SoundBlock(self._clock.now_ns(), samples),)

    def close(self) -> None:
        """End the child and wait for it."""
        self._over = True
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _end(self, message: str) -> SourceEnded:
        self._over = True
        return SourceEnded(self._clock.now_ns(), "device_lost", message)

    def _last_words(self) -> str:
        said = b""
        assert self._process.stderr is not None
        with contextlib.suppress(BlockingIOError):
            said = os.read(self._process.stderr.fileno(), 4096)
        lines = said.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the sound server closed the device"


def _widen(fd: int) -> int:
    """Make room in a pipe for seconds of sound: this process may stand still while another server hangs.

    Returns:
        How many bytes it holds; 0 where the system does not tell.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a user has a total for all pipes, which may be spent
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, limits.SOUND_PIPE_BYTES)
        with contextlib.suppress(OSError):
            return int(fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ))
    return 0


def _parec() -> str:
    found = shutil.which("parec")
    if found is None:
        raise DeviceMissing("the program parec is not installed", "install it: apt-get install pulseaudio-utils")
    return found


def _tied() -> list[str]:
    """A prefix that ends the child together with the recorder, where the system has one."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
