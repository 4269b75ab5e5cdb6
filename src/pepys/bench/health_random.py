"""Random sequences against the real daemon, recorder, display and sound server; a seed says what is done and when.

After each session: nothing of a pause was recorded, every second is recorded or in a gap with a cause, and `verify`
finds nothing. What is done to a recording includes commands that cross each other, and what dies or hangs.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from pepys.bench import health_leaks
from pepys.bench.faults import AUDIO
from pepys.bench.faults_account import NONE, WHOLE, Happened
from pepys.bench.faults_scene import Scene, send
from pepys.bench.faults_witness import Witness
from pepys.bench.figures import Figure
from pepys.bench.health_kills import SINKS, await_recording, come_back, host_of
from pepys.bench.health_secret import Secret
from pepys.bench.plan import Bench
from pepys.bench.sound_told import reader_of
from pepys.errors import Busy, DeviceMissing, NotFound, PepysError, Usage
from pepys.limits import NS_PER_MS, NS_PER_S

SECONDS: Final = 30.0
SESSION_S: Final = 60.0
"""A session lasts at most so long: a failure is looked for in a minute, not in all that was done."""

_REFUSED: Final = (Busy, NotFound, Usage)
"""What a command may answer that comes at the wrong moment."""
_CROSSED_S: Final = 30.0
_PAUSE: Final = frozenset({"pause"})
_CRASH: Final = frozenset({"crash", "pause", "device_lost", "source_closed"})
_LOST: Final = frozenset({"device_lost"})
_STILL: Final = frozenset({"suspended", "device_lost", "crash"})
_INTERRUPTED_NS: Final = 10 * NS_PER_S
_REST_NS: Final = 300 * NS_PER_MS


@dataclass(slots=True)
class Result:
    """What came of it.

    Attributes:
        seed: what was drawn from.
        done: what was done, in order, in words.
        problems: what should not be.
        pauses: how often it was paused with something to see and hear.
        sessions: how many.
    """

    seed: int
    done: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    pauses: int = 0
    sessions: int = 0


def sequences(bench: Bench) -> list[Figure]:
    """Random sequences for `bench.seconds`, from a seed that is told."""
    seed = random.SystemRandom().randrange(1_000_000)
    result = drive(bench, seed, bench.seconds or SECONDS)
    what = f"{len(result.done)} random steps in {result.sessions} sessions, {result.pauses} pauses: what should not be"
    said = "; ".join(result.problems[:8]) or f"seed {seed}"
    detail = {"seed": seed, "done": result.done, "problems": result.problems}
    return [Figure("random", "faults", "random_problems", what, len(result.problems), bar=0, said=said, detail=detail)]


def drive(bench: Bench, seed: int, seconds: float) -> Result:
    """Do what `seed` says for about `seconds`.

    Args:
        bench: the run.
        seed: the same one does the same in the same order; what the machine makes of it may differ.
        seconds: how long; a session that has begun is ended.
    """
    result = Result(seed)
    bench.say(f"random sequences, seed {seed}")
    until_ns = bench.clock.now_ns() + int(seconds * NS_PER_S)
    with Scene(bench, tone=False, words=["--shots", "1"]) as scene, scene.witness() as witness:
        env = {**scene.display.env, **scene.sound.env}
        with Secret(env, SINKS, bench.clock) as secret:
            while bench.clock.now_ns() < until_ns or not result.sessions:
                walk = _Walk(scene, witness, secret, random.Random(f"{seed} {result.sessions}"), result)
                try:
                    walk.session(min(until_ns, bench.clock.now_ns() + int(SESSION_S * NS_PER_S)))
                except PepysError as error:
                    result.problems.append(f"after {' '.join(result.done[-4:])}: {error.message}")
                    return result
    return result


class _Walk:
    """One session."""

    def __init__(self, scene: Scene, witness: Witness, secret: Secret, chance: random.Random, result: Result) -> None:
        self._scene, self._witness, self._secret, self._chance = scene, witness, secret, chance
        self._result, self._clock = result, scene.clock
        self._steps: dict[str, tuple[int, Callable[[], object]]] = {
            "pause": (8, self._pause),
            "crossed": (4, self._crossed),
            "note": (3, lambda: self._call("note", text="a random thought")),
            "mute": (2, lambda: self._call("set", mute=["mic"])),
            "unmute": (2, lambda: self._call("set", unmute=["mic"])),
            "again": (2, lambda: self._call("resume")),
            "kill-recorder": (2, self._kill_recorder),
            "kill-paused": (1, self._kill_paused),
            "stop-recorder": (1, self._stop_recorder),
            "kill-reader": (2, self._kill_reader),
        }

    def session(self, until_ns: int) -> None:
        """Begin, do this and that, end, judge."""
        self._scene.start()
        self._result.sessions += 1
        await_recording(self._witness, "at the start")
        names = list(self._steps)
        while True:
            (name,) = self._chance.choices(names, [self._steps[each][0] for each in names])
            self._witness.attend(int(self._chance.uniform(0.02, 0.8) * NS_PER_S))
            self._result.done.append(name)
            self._steps[name][1]()
            if self._state() in {"idle", "completed"}:
                break  # commands that crossed each other may have ended it
            if self._clock.now_ns() > until_ns:
                self._call("stop")
                break
        self._judge()

    def _judge(self) -> None:
        store, session = self._scene.place.open_store(), self._scene.place.session()
        told, damages = self._scene.judge(session)
        leaks = health_leaks.look(store, session)
        self._result.problems += [*told.problems, *(f"verify: {each}" for each in damages)]
        if leaks.count:
            bad = [f"a picture at {at} ns" for at in leaks.bad_pictures[:3]]
            bad += [f"{track} at {at} ns" for track, at in leaks.bad_sound[:3]]
            self._result.problems.append(f"{leaks.count} from inside a pause: {', '.join(bad)}")

    def _call(self, do: str, **args: Any) -> bool:
        """One command; whether it was done. What is refused because of the moment is no trouble."""
        with host_of(self._scene) as client:
            try:
                client.call(do, _CROSSED_S, **args)
            except _REFUSED:
                return False
            except DeviceMissing as error:
                if "no answer" in error.message:
                    raise
                return False  # the recorder died over it
        return True

    def _pause(self) -> None:
        """A pause in which something else is seen and heard."""
        begun_ns = self._clock.now_ns()
        if self._call("pause"):
            self._rest()
        self._go_on()
        self._noted("pause", begun_ns, _PAUSE)

    def _rest(self) -> None:
        self._result.pauses += 1
        self._secret.show()
        self._witness.attend(int(self._chance.uniform(0.05, 0.6) * NS_PER_S))
        self._secret.hide()

    def _crossed(self) -> None:
        """Two or three commands at once, from clients of their own."""
        begun_ns = self._clock.now_ns()
        chosen = self._chance.choices(["pause", "resume", "note", "stop"], [5, 4, 2, 1], k=self._chance.choice([2, 3]))
        self._result.done[-1] += ":" + "+".join(chosen)
        threads = [threading.Thread(target=self._one_of, args=[do]) for do in chosen]
        for thread in threads:
            thread.start()
            self._clock.sleep_ns(int(self._chance.uniform(0, 0.03) * NS_PER_S))
        for thread in threads:
            thread.join()
        if self._state() == "paused":
            self._rest()
        self._go_on()
        self._noted("crossed commands", begun_ns, _PAUSE)

    def _one_of(self, do: str) -> None:
        try:
            self._call(do, **({"text": "crossed"} if do == "note" else {}))
        except PepysError as error:
            self._result.problems.append(f"{do}: {error.message}")

    def _kill_recorder(self) -> None:
        begun_ns = self._clock.now_ns()
        pid = self._scene.recorder
        self._witness.attend(_REST_NS)
        at_ns = self._clock.now_ns()
        send(pid, "SIGKILL")
        come_back(self._witness, pid, self._scene)
        well_ns = await_recording(self._witness, "after a kill")
        self._scene.happened.append(Happened("a killed recorder", at_ns, well_ns, well_ns, (), _CRASH, WHOLE))
        self._noted("around it", begun_ns, _CRASH)

    def _kill_paused(self) -> None:
        """Killed in a pause it stays interrupted, until the user goes on."""
        begun_ns = self._clock.now_ns()
        pid = self._scene.recorder
        if self._call("pause"):
            send(pid, "SIGKILL")
            self._witness.wait_state(frozenset({"interrupted"}), _INTERRUPTED_NS)
            self._rest()
            with host_of(self._scene) as client:
                client.call("resume", session=self._scene.place.session())
        self._go_on()
        self._noted("killed in a pause", begun_ns, _CRASH)

    def _stop_recorder(self) -> None:
        begun_ns = self._clock.now_ns()
        pid = self._scene.recorder
        send(pid, "SIGSTOP")
        self._witness.attend(int(self._chance.uniform(0.3, 4.0) * NS_PER_S))
        send(pid, "SIGCONT")
        await_recording(self._witness, "after a SIGSTOP")
        self._noted("a stopped recorder", begun_ns, _STILL)

    def _kill_reader(self) -> None:
        begun_ns = self._clock.now_ns()
        track = self._chance.choice(list(AUDIO))
        pid = reader_of(self._scene.place, AUDIO[track])
        if pid is not None:
            send(pid, "SIGKILL")
            await_recording(self._witness, "after a reader died")
            self._noted("a killed reader", begun_ns, _LOST, (track,))

    def _go_on(self) -> None:
        """Record again, unless it has ended."""
        if self._state() in {"idle", "completed"}:
            return
        with contextlib.suppress(NotFound):
            self._call("resume")
        if self._state() not in {"idle", "completed"}:
            await_recording(self._witness, "after a pause")

    def _state(self) -> str:
        with host_of(self._scene) as client:
            return str(client.call("status").get("state"))

    def _noted(self, name: str, begun_ns: int, reasons: frozenset[str], tracks: tuple[str, ...] = ()) -> None:
        now_ns = self._clock.now_ns()
        self._scene.happened.append(Happened(name, begun_ns, now_ns, now_ns, tracks, reasons, NONE))
