"""`python -m pepys.bench.player ORDER`: plays the counting tone to one sink, or listens to it, until it is ended."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn

from pepys.bench.listener import Listener
from pepys.bench.player import Order, narrow
from pepys.bench.processes import hurry
from pepys.bench.sound_signal import STEP_NS, counting_tone, read_marks
from pepys.clock import Clock, SystemClock
from pepys.limits import NS_PER_MS, NS_PER_S, SOUND_RATE

LATENCY_MS: Final = 150
_BLOCK_NS: Final = 10 * NS_PER_MS
_LATE_NS: Final = 140 * NS_PER_MS
"""Further behind than this the tone jumps: it must not be played late for the rest of the run."""
_AGAIN_NS: Final = 30 * NS_PER_MS
_LOOK_NS: Final = NS_PER_S // 2
_LIVES_NS: Final = 60 * NS_PER_MS
"""A pacat that finds no server or no sink ends before that."""


def main(arguments: list[str]) -> int:
    """Play or listen; never returns by itself."""
    order = Order(**json.loads(arguments[0]))
    clock = SystemClock()
    if order.listens:
        _listen(order, clock)
    # A tone that is played late leaves a hole by which a recording would be judged.
    hurry(os.getpid())
    argv = ["pacat", "--playback", "--raw", "--format=s16le", f"--rate={SOUND_RATE}", "--channels=1"]
    argv += [f"--latency-msec={LATENCY_MS}", "--client-name=bench", f"--device={order.sink}"]
    while True:
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as pacat:
            assert pacat.stdin is not None
            narrow(pacat.stdin.fileno())
            _feed(pacat, pacat.stdin.fileno(), order, clock)
            pacat.kill()
        clock.sleep_ns(_AGAIN_NS)


def _feed(pacat: subprocess.Popen[bytes], pipe: int, order: Order, clock: Clock) -> None:
    """Write the tone as the clock goes, until pacat ends."""
    begun_ns = played_ns = clock.now_ns()
    told = False
    while pacat.poll() is None:
        now_ns = clock.now_ns()
        if now_ns - played_ns > _LATE_NS:
            played_ns = now_ns - _BLOCK_NS
        samples = (now_ns - played_ns) * SOUND_RATE // NS_PER_S
        try:
            # What finds no room is left out: queued, it would make all that follows late.
            with contextlib.suppress(BlockingIOError):
                os.write(pipe, counting_tone(played_ns, samples, order.level).tobytes())
        except OSError:
            return
        played_ns += samples * NS_PER_S // SOUND_RATE
        if not told and now_ns - begun_ns > _LIVES_NS:
            told = True
            with Path(order.log).open("a", encoding="ascii") as file:
                file.write(f"{begun_ns}\n")
        clock.sleep_ns(_BLOCK_NS)


def _listen(order: Order, clock: Clock) -> NoReturn:
    """Write down the steps that come out of the sink, over every death of its server."""
    last_ns = 0
    while True:
        with contextlib.closing(Listener(f"{order.sink}.monitor", clock)) as listener:
            while listener.alive:
                clock.sleep_ns(_LOOK_NS)
                last_ns = _note(listener, Path(order.log), last_ns)
        clock.sleep_ns(_AGAIN_NS)


def _note(listener: Listener, log: Path, after_ns: int) -> int:
    """Write down the steps heard since `after_ns`; gives the time of the last."""
    begin_ns, pcm = listener.heard()
    steps = [(begin_ns + mark.position * NS_PER_S // SOUND_RATE, mark.number) for mark in read_marks(pcm)]
    new = [(at_ns, number) for at_ns, number in steps if at_ns > after_ns + STEP_NS // 2]
    with log.open("a", encoding="ascii") as file:
        file.writelines(f"{number} {at_ns}\n" for at_ns, number in new)
    return new[-1][0] if new else after_ns


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
