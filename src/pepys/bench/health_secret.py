"""Shows and plays what must not be recorded: another ground and another tone, from the moment a pause is told.

Owns a connection to the display and a player for each device. Invariant: `hide` returns when nothing of it can be seen
or heard any more, so that whatever of it is found in a recording was taken within a pause.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import numpy as np
import xcffib

from pepys.bench.health_leaks import COLOUR, GROUND, OPEN_HZ, TONE_HZ
from pepys.bench.player import narrow
from pepys.clock import Clock
from pepys.demo.child import program
from pepys.demo.desktop import Desktop
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_MS, NS_PER_S, SOUND_RATE

_BLOCK: Final = SOUND_RATE // 50
_BLOCK_NS: Final = 20 * NS_PER_MS
_AHEAD_NS: Final = 40 * NS_PER_MS
_LEVEL: Final = 6500
_FADES_NS: Final = 350 * NS_PER_MS
"""What player, server and monitor hold."""
_AGAIN_S: Final = 0.3


class Secret:
    """Open from `with` on; hidden at first."""

    def __init__(self, env: Mapping[str, str], sinks: Mapping[str, str], clock: Clock) -> None:
        """Take where.

        Args:
            env: names display and sound server.
            sinks: the sinks that are played to, by any name.
            clock: the time.
        """
        self._env, self._clock = env, clock
        self._shown = False
        self._ending = threading.Event()
        self._desktop: Desktop | None = None
        self._players = [
            threading.Thread(target=self._play, args=[sink], name=f"secret-{name}", daemon=True)
            for name, sink in sinks.items()
        ]

    def __enter__(self) -> Self:
        self._paint(GROUND)
        for player in self._players:
            player.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for player in self._players:
            player.join()
        if self._desktop is not None:
            self._desktop.close()

    def show(self) -> None:
        """From now on it is seen and heard."""
        self._shown = True
        self._paint(COLOUR)

    def hide(self) -> None:
        """Show and play what may be recorded again; returns when nothing else is left."""
        self._shown = False
        self._paint(GROUND)
        self._clock.sleep_ns(_FADES_NS)

    def _paint(self, colour: int) -> None:
        """Paint the ground; on a display that was started anew with a new connection."""
        for _ in range(2):
            try:
                if self._desktop is None:
                    self._desktop = Desktop(self._env)
                self._desktop.paint(colour)
                self._desktop.has_window_manager()  # an answer: everything before it is done
                return
            except (DeviceMissing, xcffib.ConnectionException):
                self._desktop = None

    def _play(self, sink: str) -> None:
        argv = [program("pacat", "pulseaudio-utils"), "--raw", "--format=s16le", f"--rate={SOUND_RATE}"]
        argv += ["--channels=1", f"--device={sink}", "--latency-msec=20", "--client-name=bench"]
        while not self._ending.is_set():
            with subprocess.Popen(
                argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **self._env}
            ) as child:
                assert child.stdin is not None
                narrow(child.stdin.fileno())
                self._feed(child.stdin.fileno())
                child.kill()
            self._ending.wait(_AGAIN_S)

    def _feed(self, pipe: int) -> None:
        """Play until the end, or until the server is gone."""
        at = np.arange(_BLOCK) / SOUND_RATE
        # Whole waves in a block: blocks follow each other without a seam.
        tones = {
            secret: np.round(_LEVEL * np.sin(2 * np.pi * hertz * at)).astype("<i2").tobytes()
            for secret, hertz in ((True, TONE_HZ), (False, OPEN_HZ))
        }
        next_ns = self._clock.now_ns()
        while not self._ending.is_set():
            now_ns = self._clock.now_ns()
            if now_ns - next_ns > NS_PER_S:
                next_ns = now_ns
            while next_ns < now_ns + _AHEAD_NS:
                try:
                    os.write(pipe, tones[self._shown])
                except BlockingIOError:
                    break
                except OSError:
                    return
                next_ns += _BLOCK_NS
            self._clock.sleep_ns(_BLOCK_NS // 2)
