"""What happens to a recording whose sound is to be accounted for: which faults, when, and how each is brought about.

The order and the times come from a fixed seed, so that two runs meet the same. When each began and ended is noted on
CLOCK_BOOTTIME, from outside.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.bench.processes import accounts, family, hurry
from pepys.bench.recorders import Place, command
from pepys.clock import Clock
from pepys.demo.child import program
from pepys.demo.servers import MIC_SINK, SoundServer
from pepys.errors import DeviceMissing, PepysError
from pepys.limits import NS_PER_MS, NS_PER_S

PAUSE: Final = "pause"
DEVICE: Final = "device"
SERVER: Final = "server"
KILL: Final = "kill"
WORDS: Final = {
    PAUSE: "paused", DEVICE: "another microphone", SERVER: "the sound server died", KILL: "the recorder was killed",
}  # fmt: skip

LONG_S: Final = 1800.0
MANY: Final = {PAUSE: 20, DEVICE: 5, SERVER: 3, KILL: 3}
"""How many in `LONG_S`; a shorter run has fewer, but one of each where there is room."""

SECOND_SINK: Final = "bench_second"
_ROOM_S: Final = 7.0
"""A fault has so much to itself: a server's devices need up to 2 s to be back, and are heard before and after."""

_SEED: Final = 4
_RESUME_NS: Final = 15 * NS_PER_S
_AGAIN_NS: Final = 100 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to come: its kind, when (seconds since the recording's begin), how long it lasts."""

    kind: str
    at_s: float
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Done:
    """A fault that happened: from when to when (CLOCK_BOOTTIME), and what exactly."""

    kind: str
    begun_ns: int
    ended_ns: int
    detail: str = ""


def schedule(seconds: float, seed: int = _SEED) -> list[Fault]:
    """The faults of a recording of `seconds`, in order."""
    rng = random.Random(seed)
    room = int(seconds // _ROOM_S)
    wanted = {kind: max(1, round(many * seconds / LONG_S)) for kind, many in MANY.items()}
    kinds = [kind for kind, many in wanted.items() for _ in range(many)]
    if len(kinds) > room:
        kinds = list(MANY)[: max(1, room)] if room < len(MANY) else [*MANY, *kinds[: room - len(MANY)]]
    rng.shuffle(kinds)
    slot = seconds / len(kinds)
    # In the middle of its slot, give or take: what is heard before and after it is the same fault's business.
    return [
        Fault(kind, round(number * slot + slot * rng.uniform(0.35, 0.5), 3), round(rng.uniform(0.4, 1.6), 3))
        for number, kind in enumerate(kinds)
    ]


class Trouble:
    """Brings faults about; knows which microphone is the default, and which of them are there."""

    def __init__(self, place: Place, server: SoundServer, clock: Clock) -> None:
        """Set up: the second microphone is loaded."""
        self.done: list[Done] = []
        self._place, self._server, self._clock = place, server, clock
        self._pactl = program("pactl", "pulseaudio-utils")
        self._modules: dict[str, str] = {}
        self._changes = 0
        self._default = MIC_SINK
        self._load(SECOND_SINK)
        hurry(server.pid)

    def bring(self, fault: Fault) -> None:
        """Bring a fault about and wait until it is over.

        Raises:
            DeviceMissing: pepys did not go on after it.
        """
        ways: Mapping[str, Callable[[int], str]] = {
            PAUSE: self._pause, DEVICE: self._device, SERVER: self._die, KILL: self._kill,
        }  # fmt: skip
        begun_ns = self._clock.now_ns()
        detail = ways[fault.kind](int(fault.lasts_s * NS_PER_S))
        self.done.append(Done(fault.kind, begun_ns, self._clock.now_ns(), detail))

    def _pause(self, lasts_ns: int) -> str:
        command(self._place, ["pause"])
        self._clock.sleep_ns(lasts_ns)
        command(self._place, ["resume"])
        return ""

    def _device(self, lasts_ns: int) -> str:
        """In turn: another default; that one unplugged, and plugged in again when the first is the default."""
        self._changes += 1
        if self._changes % 2 == 0:
            _end_clients(SECOND_SINK)
            self._ask("unload-module", self._modules[SECOND_SINK])
            self._clock.sleep_ns(lasts_ns)
            self._load(SECOND_SINK)
            self._choose(MIC_SINK)
            return "unplugged, and plugged in again"
        self._choose(SECOND_SINK)
        return "another default"

    def _die(self, lasts_ns: int) -> str:
        self._server.kill()
        self._clock.sleep_ns(lasts_ns)
        self._server.start()
        hurry(self._server.pid)
        self._load(SECOND_SINK)
        self._choose(self._default)
        return ""

    def _kill(self, lasts_ns: int) -> str:
        (run,) = self._place.recorders()
        if sys.platform != "win32":
            os.kill(run.pid, signal.SIGKILL)
        self._clock.sleep_ns(lasts_ns)
        until_ns = self._clock.now_ns() + _RESUME_NS
        while True:
            try:
                command(self._place, ["resume", run.session])
            except PepysError:
                if self._clock.now_ns() > until_ns:
                    raise
                self._clock.sleep_ns(_AGAIN_NS)
            else:
                return ""

    def _choose(self, sink: str) -> None:
        self._default = sink
        self._ask("set-default-source", f"{sink}.monitor")

    def _load(self, sink: str) -> None:
        words = ["load-module", "module-null-sink", f"sink_name={sink}", "rate=48000", "channels=2"]
        self._modules[sink] = self._ask(*words)

    def _ask(self, *words: str) -> str:
        env = {**os.environ, **self._server.env}
        told = subprocess.run([self._pactl, *words], env=env, capture_output=True, text=True, check=False)
        if told.returncode:
            raise DeviceMissing(f"pactl {words[0]} failed: {told.stderr.strip()}", "measure again")
        return told.stdout.strip()


def _end_clients(sink: str) -> None:
    """End the bench's own clients of a sink: the server would move them to another one, and their sound with them."""
    for pid in family(os.getpid(), accounts()):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            if "--client-name=bench" in words and {f"--device={sink}", f"--device={sink}.monitor"} & set(words):
                end = signal.SIGTERM
                if sys.platform != "win32":
                    end = signal.SIGKILL
                os.kill(pid, end)
