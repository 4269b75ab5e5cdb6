"""`python -m pepys.bench.flash ORDER`: flashes and beeps until it is ended, and writes down when each came."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np

from pepys.bench.flash import HEIGHT, WIDTH, Order, X, Y
from pepys.bench.listener import Listener
from pepys.bench.player import narrow
from pepys.bench.processes import hurry
from pepys.bench.sound_signal import Samples, beep, click, find_beeps, find_clicks
from pepys.clock import SystemClock
from pepys.limits import NS_PER_MS, NS_PER_S, SOUND_RATE

LATENCY_MS: Final = 10
_BLOCK_NS: Final = 10 * NS_PER_MS
_BLOCK: Final = SOUND_RATE // 100
_EVERY_NS: Final = 1500 * NS_PER_MS
_SHOWN_NS: Final = 400 * NS_PER_MS
_LATE_NS: Final = 500 * NS_PER_MS
"""A beep that is not heard so long after it was written is not counted."""

_WHITE: Final = 0xFFFFFF


class Stage:
    """The window that flashes; nothing where none is shown."""

    def __init__(self, flashes: bool) -> None:
        self._flashes = flashes
        if flashes:
            from pepys.bench.load.board import Board

            self._board = Board()
            self._window = self._board.window(X, Y, WIDTH, HEIGHT, title="bench-flash", framed=False)
            self._board.show(self._window)
            self.show(0)

    def show(self, colour: int) -> None:
        """Fill the window, and wait until it is drawn."""
        if self._flashes:
            self._board.fill(self._window, colour, [(0, 0, WIDTH, HEIGHT)])
            self._board.settle()


def main(arguments: list[str]) -> int:
    """Do it; returns when the sound server has gone."""
    order = Order(**json.loads(arguments[0]))
    clock, rng = SystemClock(), random.Random(11)
    hurry(os.getpid())
    stage = Stage(order.flashes)
    listener = Listener(f"{order.sink}.monitor", clock)
    shape = beep() if order.what == "beep" else click()
    argv = ["pacat", "--playback", "--raw", "--format=s16le", f"--rate={SOUND_RATE}", "--channels=1"]
    argv += [f"--latency-msec={LATENCY_MS}", "--client-name=bench", f"--device={order.sink}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as pacat, Path(order.log).open("w", encoding="ascii") as log:
        assert pacat.stdin is not None
        pipe = pacat.stdin.fileno()
        narrow(pipe)
        written_ns = clock.now_ns()
        next_ns = written_ns + _EVERY_NS
        white_ns = asked_ns = flash_ns = 0
        waiting = np.zeros(0, np.int16)
        while pacat.poll() is None:
            now_ns = clock.now_ns()
            if now_ns >= next_ns:
                stage.show(_WHITE)
                # The picture may have been drawn at any time until the answer; the sound goes out right after it.
                flash_ns, asked_ns = (now_ns + clock.now_ns()) // 2, now_ns
                waiting, white_ns = shape, now_ns + _SHOWN_NS
                next_ns = now_ns + _EVERY_NS + rng.randrange(500) * NS_PER_MS
            elif white_ns and now_ns >= white_ns:
                stage.show(0)
                white_ns = 0
            if asked_ns and now_ns > asked_ns + _LATE_NS:
                beep_ns = _found(listener, order.what, asked_ns, shape)
                if beep_ns:
                    log.write(f"{flash_ns if order.flashes else 0} {beep_ns}\n")
                    log.flush()
                asked_ns = 0
            block = np.concatenate((waiting[:_BLOCK], np.zeros(max(0, _BLOCK - len(waiting)), np.int16)))
            # Nothing waits in the pipe while the sink is only starting: what it has no room for is not played.
            with contextlib.suppress(BlockingIOError):
                os.write(pipe, block.tobytes())
            waiting = waiting[_BLOCK:]
            written_ns += _BLOCK_NS
            clock.sleep_ns(max(0, written_ns - clock.now_ns()))
    return 0


def _found(listener: Listener, what: str, asked_ns: int, shape: Samples) -> int:
    """When the sound asked for at `asked_ns` was heard; 0 when it was not."""
    begin_ns, pcm = listener.heard()
    for at in find_beeps(pcm) if what == "beep" else find_clicks(pcm, shape):
        at_ns = begin_ns + at * NS_PER_S // SOUND_RATE
        if asked_ns - _BLOCK_NS <= at_ns <= asked_ns + _LATE_NS:
            return at_ns
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
