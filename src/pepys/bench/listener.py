"""A listener at a monitor, with little latency: when what is played really comes out of a sound server.

A recording is judged by it and not by when a player wrote: what a player's queue and the server hold back is not the
recorder's doing, and it changes with every death of a server.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from typing import Final

import numpy as np

from pepys.bench.sound_signal import Samples
from pepys.clock import Clock
from pepys.limits import NS_PER_S, SOUND_RATE

LATENCY_MS: Final = 10
_HELD_NS: Final = 3 * NS_PER_S


class Listener:
    """Hears a monitor with little latency: the last seconds of sound, and where they lie on the clock."""

    def __init__(self, device: str, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._blocks: deque[tuple[int, int, Samples]] = deque()
        argv = ["parec", "--raw", "--format=s16le", f"--rate={SOUND_RATE}", "--channels=1", f"--device={device}"]
        argv += [f"--latency-msec={LATENCY_MS}", "--client-name=bench"]
        self._child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self._read, daemon=True).start()

    def heard(self) -> tuple[int, Samples]:
        """The time of the first sample that is held, and all that are held."""
        with self._lock:
            blocks = list(self._blocks)
        if not blocks:
            return 0, np.zeros(0, np.int16)
        first = blocks[0][1]
        # Blocks are read late, never early: the least delay is the true place.
        zero_ns = min(at - (count + len(pcm)) * NS_PER_S // SOUND_RATE for at, count, pcm in blocks)
        return zero_ns + first * NS_PER_S // SOUND_RATE, np.concatenate([pcm for _, _, pcm in blocks])

    @property
    def alive(self) -> bool:
        """Whether the server still gives sound."""
        return self._child.poll() is None

    def close(self) -> None:
        """Listen no more."""
        self._child.kill()
        self._child.wait()

    def _read(self) -> None:
        assert self._child.stdout is not None
        count, rest = 0, b""
        while data := os.read(self._child.stdout.fileno(), 8192):
            now_ns = self._clock.now_ns()
            data = rest + data
            whole = len(data) // 2 * 2
            pcm = np.frombuffer(data[:whole], "<i2")
            rest = data[whole:]
            with self._lock:
                self._blocks.append((now_ns, count, pcm))
                count += len(pcm)
                while self._blocks[0][0] < now_ns - _HELD_NS:
                    self._blocks.popleft()
