"""How soon whoever watches is told that a device is dead: its reader killed or stopped, its sound server killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pepys.bench.figures import Figure, percentile
from pepys.bench.plan import Bench
from pepys.bench.player import counting
from pepys.bench.processes import accounts, family
from pepys.bench.recorders import Place, daemon_recording
from pepys.clock import Clock
from pepys.demo.servers import MIC_SINK, NULL_SINK, SoundServer, XServer
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.record.wire import Client
from pepys.sessions.control import connect_host

TIMES: Final = 100
WHOLE_S: Final = 60.0
"""A run of at least so long meets `TIMES` faults; a shorter one, for a try, one in two seconds."""

BAR_MS: Final = 2000.0
_GIVE_UP_NS: Final = 10 * NS_PER_S
_BACK_NS: Final = 60 * NS_PER_S
_ASK_NS: Final = 50 * NS_PER_MS
_WELL: Final = "healthy"
_WORDS: Final = ["--no-video", "--shots", "off", "--audio", "both"]
_DEVICES: Final = {"audio.mic": f"{MIC_SINK}.monitor", "audio.system": f"{NULL_SINK}.monitor"}


@dataclass(frozen=True, slots=True)
class Told:
    """One fault: what, of which track, and after how long a client was told; None when it never was."""

    what: str
    track: str
    after_ms: float | None


class Watcher:
    """A client that subscribed to the host, as `pepys status --watch` does."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._states: dict[str, str] = {}
        self.hear(client.call("subscribe"))

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take what a push or a status says of the tracks."""
        told = told.get("status", told)
        for track in told.get("tracks") or ():
            self._states[track["track"]] = track["state"]
        if told.get("push") == "track":
            self._states[told["track"]] = told["state"]
        if told.get("push") == "gap" and told.get("track") and told.get("end_ms") is None:
            self._states[told["track"]] = told["reason"]

    def wait(self, good: Callable[[dict[str, str]], bool], within_ns: int) -> int | None:
        """When a client knew that the states are so; None when it did not in time."""
        until_ns = self._clock.now_ns() + within_ns
        while not good(self._states):
            left_ns = until_ns - self._clock.now_ns()
            if left_ns <= 0:
                return None
            push = self._client.next_push(left_ns / NS_PER_S)
            if push is not None:
                self.hear(push)
        return self._clock.now_ns()


def told(bench: Bench) -> list[Figure]:
    """A hundred faults of three kinds, in turn; each is over before the next."""
    times = TIMES if bench.seconds >= WHOLE_S else max(3, int(bench.seconds / 2))
    bench.say(f"a device dies {times} times")
    found: list[Told] = []
    with contextlib.ExitStack() as around:
        display = around.enter_context(XServer(640, 480))
        server = around.enter_context(SoundServer())
        env = {**display.env, **server.env}
        place = bench.place(env)
        around.enter_context(counting({MIC_SINK: 1.0, NULL_SINK: 0.6}, env, bench.folder))
        around.enter_context(daemon_recording(place, _WORDS))
        client = connect_host(place.home)
        if client is None:
            raise DeviceMissing("the daemon does not answer", "see its log")
        with client:
            watcher = Watcher(client, bench.clock)
            for number in range(times):
                if watcher.wait(_all_well, _BACK_NS) is None:
                    raise DeviceMissing("a device did not come back", "see the recorder's log")
                found.append(_fault(number, place, server, watcher, bench.clock))
    return told_figures(found)


def told_figures(found: list[Told]) -> list[Figure]:
    """The figures of all faults."""
    late = [each.after_ms for each in found if each.after_ms is not None]
    kinds = {
        what: [each.after_ms for each in found if each.what == what and each.after_ms is not None]
        for what in dict.fromkeys(each.what for each in found)
    }
    said = ", ".join(
        f"{what} {percentile(values, 50):.0f} to {max(values):.0f}" for what, values in kinds.items() if values
    )
    soon = sum(value < BAR_MS for value in late)
    detail = {"faults": [{"what": each.what, "track": each.track, "after_ms": each.after_ms} for each in found]}
    return [
        Figure(
            "told", "faults", "told_in_time", f"dead devices told of within 2 s, of {len(found)}", soon,
            bar=len(found), least=True, detail=detail,
        ),
        Figure(
            "told", "faults", "told_after", "from a device's death until a client is told: longest",
            max(late, default=_GIVE_UP_NS / NS_PER_MS), "ms", bar=BAR_MS, below=True,
            said=f"median to longest: {said}",
        ),
    ]  # fmt: skip


def reader_of(place: Place, device: str) -> int | None:
    """The process below the recorder that reads a device; None while there is none."""
    for run in place.recorders():
        for pid in family(run.pid, accounts()) - {run.pid}:
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                # The last word that names it: the wrapper that ties the child to its parent has become the child.
                if any(word.decode(errors="replace").endswith(device) for word in words):
                    return pid
    return None


def _fault(number: int, place: Place, server: SoundServer, watcher: Watcher, clock: Clock) -> Told:
    """One fault: two in five kill a reader, two in five stop one, one in five kills the server."""
    track = ("audio.mic", "audio.system")[number % 2]
    turn = number // 2 % 5
    if turn == 4:
        begun_ns = clock.now_ns()
        server.kill()
        at_ns = watcher.wait(lambda states: any(states.get(name) != _WELL for name in _DEVICES), _GIVE_UP_NS)
        server.start()
        return Told("server killed", "", _after_ms(begun_ns, at_ns))
    what, word = ("reader killed", "SIGKILL") if turn % 2 == 0 else ("reader stopped", "SIGSTOP")
    until_ns = clock.now_ns() + _BACK_NS
    while (pid := reader_of(place, _DEVICES[track])) is None:
        if clock.now_ns() > until_ns:
            raise DeviceMissing(f"nobody reads {_DEVICES[track]}", "see the recorder's log")
        clock.sleep_ns(_ASK_NS)
    begun_ns = clock.now_ns()
    if sys.platform != "win32":
        os.kill(pid, getattr(signal, word))
    at_ns = watcher.wait(lambda states: states.get(track) != _WELL, _GIVE_UP_NS)
    return Told(what, track, _after_ms(begun_ns, at_ns))


def _after_ms(begun_ns: int, at_ns: int | None) -> float | None:
    return None if at_ns is None else (at_ns - begun_ns) / NS_PER_MS


def _all_well(states: dict[str, str]) -> bool:
    return all(states.get(name) == _WELL for name in _DEVICES)
