"""Sound from a program of any kind that writes raw samples: one child a device, read without waiting.

A sound library in this process hangs or aborts when its server dies; a child ends within milliseconds and can always
be killed. Invariants: the child writes interleaved int16, little-endian, at `limits.SOUND_RATE`; reading never blocks;
a block holds whole frames, a part of one waits for the rest; a block's time is when it was read; what the child says
on stderr is heard all along (a full pipe would stop it) and only its end is kept; the child dies with this process's
thread, where the system can see to it; the end is told once, with what the child said last. Starting again and silence
are left to `record.sound`, what the child is to `parec` and `soundcard_source`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Final

import numpy as np

if sys.platform == "linux":
    import fcntl

from pepys import limits
from pepys.clock import Clock
from pepys.record.adapters.wake import Wake
from pepys.record.ports import SoundBlock, SoundCapabilities, SoundEvent, SourceEnded

_SAID_BYTES: Final = 4096
_ENDED: Final = b""


class RawChild:
    """One device, read until its child ends or the source is closed."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        channels: int,
        clock: Clock,
        *,
        env: Mapping[str, str] | None = None,
        threaded: bool = sys.platform == "win32",
    ) -> None:
        """Start the child; whether the device exists shows by its first block or its end.

        Args:
            name: the device's name.
            argv: the program and its words.
            channels: how many the child was asked for.
            clock: where a block's time is taken from.
            env: variables of the child besides those of this process.
            threaded: pipes are read by threads, for systems where they cannot be waited on.

        Raises:
            OSError: the program cannot be started.
        """
        self._name, self._clock = name, clock
        self._rest = self._said = b""
        self._over = False
        self._closed_ns = 0
        self._process = subprocess.Popen(
            [*_tied(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **env} if env else None,
            start_new_session=True,
        )
        out, err = self._process.stdout, self._process.stderr
        assert out is not None and err is not None
        room = _widen(out.fileno())
        kind = _Pumped if threaded else _Pipe
        self._out: _Pipe | _Pumped = kind(out, limits.SOUND_READ_BYTES)
        self._err: _Pipe | _Pumped = kind(err, _SAID_BYTES)
        holds_ns = room * limits.NS_PER_S // (2 * channels * limits.SOUND_RATE)
        self._capabilities = SoundCapabilities(limits.SOUND_RATE, channels, holds_ns)

    @property
    def name(self) -> str:
        """The device's name."""
        return self._name

    @property
    def capabilities(self) -> SoundCapabilities:
        """Rate and channels."""
        return self._capabilities

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def remark(self) -> str:
        """The last line that the child has said so far; empty when it said nothing."""
        self._listen()
        lines = self._said.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def fileno(self) -> int:
        """Readable when `poll` has news; -1 when the source is closed."""
        return self._out.fileno()

    def poll(self) -> Sequence[SoundEvent]:
        """What has arrived: at most one block, or the end."""
        if self._over:
            return ()
        try:
            data = self._out.read()
        except OSError as error:
            return (self._end(str(error)),)
        # Each time: a child whose words nobody hears stands still, and then its pipe is never readable again.
        self._listen()
        if data is None:
            return ()
        if data == _ENDED:
            return (self._end(self._last_words()),) if self._is_over() else ()
        frame = 2 * self._capabilities.channels
        data = self._rest + data
        cut = len(data) // frame * frame
        self._rest = data[cut:]
        if not cut:
            return ()
        samples = np.frombuffer(data[:cut], dtype="<i2").reshape(-1, self._capabilities.channels)
        return (SoundBlock(self._clock.now_ns(), samples),)

    def close(self) -> None:
        """End the child and wait for its end, shortly."""
        self._over = True
        if self._process.poll() is None:
            self._process.kill()
            # One that hangs within the system dies when that lets go of it; nobody waits for it here.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(limits.SOUND_CHILD_KILL_S)
        self._out.close()
        self._err.close()

    def _listen(self) -> None:
        """Hear what the child has said; only its end is kept."""
        with contextlib.suppress(OSError, ValueError):
            while said := self._err.read():
                self._said = (self._said + said)[-_SAID_BYTES:]
                if len(said) < _SAID_BYTES:
                    break

    def _end(self, message: str) -> SourceEnded:
        self._over = True
        torn = f"; {len(self._rest)} bytes of a torn frame left out" if self._rest else ""
        return SourceEnded(self._clock.now_ns(), "device_lost", message + torn)

    def _is_over(self) -> bool:
        """Whether a child whose pipe is closed has ended, or had its time to: it is about to, or only closed its pipe.

        It is asked again and again, for the pipe stays readable: others have their turn meanwhile.
        """
        now_ns = self._clock.now_ns()
        self._closed_ns = self._closed_ns or now_ns
        if now_ns - self._closed_ns >= limits.SOUND_CHILD_END_S * limits.NS_PER_S:
            return True
        try:
            self._process.wait(limits.SOUND_CHILD_LOOK_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _last_words(self) -> str:
        """Why the child ended: its own last line, else how."""
        status = self._process.returncode
        if said := self.remark:
            return said
        if status is not None and status < 0:
            return f"the program that records it was ended by {signal.Signals(-status).name}"
        return f"the program that records it ended with status {status}" if status else "the device was closed"


class _Pipe:
    """A pipe that is read without waiting."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most
        if sys.platform != "win32":
            os.set_blocking(stream.fileno(), False)

    def fileno(self) -> int:
        return -1 if self._stream.closed else self._stream.fileno()

    def read(self) -> bytes | None:
        """What is there; None when nothing is, empty at the end."""
        try:
            return os.read(self._stream.fileno(), self._most)
        except BlockingIOError:
            return None

    def close(self) -> None:
        self._stream.close()


class _Pumped:
    """A pipe that a thread reads; it stops reading while a pipe's worth of bytes waits here."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most
        self._wake = Wake()
        self._changed = threading.Condition()
        self._held = bytearray()
        self._ended = self._closed = False
        threading.Thread(target=self._run, name="sound pipe", daemon=True).start()

    def fileno(self) -> int:
        return self._wake.fileno()

    def read(self) -> bytes | None:
        """What is there; None when nothing is, empty at the end."""
        with self._changed:
            data = bytes(self._held[: self._most])
            del self._held[: self._most]
            if not self._held and not self._ended:
                self._wake.quiet()
            self._changed.notify_all()
            return data if data or self._ended else None

    def close(self) -> None:
        """Let go; the thread closes the pipe, for it may stand in it: the child is gone, so it comes out soon."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._wake.close()

    def _run(self) -> None:
        with self._stream, contextlib.suppress(OSError):
            while data := os.read(self._stream.fileno(), self._most):
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or len(self._held) < limits.SOUND_PIPE_BYTES)
                    if self._closed:
                        return
                    self._held += data
                    self._wake.ring()
        with self._changed:
            self._ended = True
            self._wake.ring()


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


def _tied() -> list[str]:
    """A prefix that ends the child together with the recorder, where the system has one."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
