"""How much media a kill of the recorder loses, and whether anything from inside a pause is ever recorded."""

from __future__ import annotations

import random
from typing import Any, Final

from pepys.bench import health_leaks
from pepys.bench.faults_scene import Scene, anchors, send
from pepys.bench.faults_witness import Witness
from pepys.bench.figures import Figure, percentile
from pepys.bench.health_secret import Secret
from pepys.bench.plan import Bench
from pepys.demo.servers import MIC_SINK, NULL_SINK
from pepys.errors import DeviceMissing, PepysError
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model.session import Session, Track
from pepys.record.wire import Client
from pepys.sessions.control import connect_host
from pepys.store import reader
from pepys.store.verify import verify

KILLS: Final = 100
PAUSES: Final = 200
LOSS_BAR_MS: Final = 1000.0
SINKS: Final = {"mic": MIC_SINK, "system": NULL_SINK}

_SEED: Final = 5
_BACK_NS: Final = 30 * NS_PER_S
_ALIVE_NS: Final = 15 * NS_PER_S
_LOOK_NS: Final = 100 * NS_PER_MS
_TRIED_NS: Final = 700 * NS_PER_MS
"""A host that starts another recorder counts the try at once."""
_LEAST_S, _MOST_S = 1.0, 3.0


def kills(bench: Bench) -> list[Figure]:
    """Kill the recorder again and again, at any moment between two fragments."""
    times, chance = bench.runs, random.Random(_SEED)
    killed: list[int] = []
    bench.say(f"the recorder is killed {times} times")
    with Scene(bench) as scene, scene.witness() as witness:
        scene.start()
        for number in range(times):
            await_recording(witness, f"before kill {number + 1}")
            witness.attend(int(chance.uniform(_LEAST_S, _MOST_S) * NS_PER_S))
            pid = scene.recorder
            killed.append(bench.clock.now_ns())
            send(pid, "SIGKILL")
            come_back(witness, pid, scene)
        await_recording(witness, "after the last kill")
        witness.attend(NS_PER_S)
        witness.close()
        end_session(scene)
        store = scene.place.open_store()
        session = reader.load(store, scene.place.session())
        damages = verify(store, session.id).damages
        lost = losses(session, anchors(reader.events(store, session.id)), killed)
    return _kill_figures(lost, len(damages), times)


def losses(session: Session, begun: list[tuple[int, int]], killed: list[int]) -> list[dict[str, float]]:
    """Of each kill and track: from the end of its media to the kill, in ms.

    Args:
        session: as recovered.
        begun: its spans' places on CLOCK_BOOTTIME.
        killed: when (CLOCK_BOOTTIME).
    """
    found = []
    for at_ns in killed:
        span = max((n for n, (boot_ns, _) in enumerate(begun) if boot_ns < at_ns), default=0)
        boot_ns, axis_ns = begun[span]
        ends = {track.track: _end(track, session.spans[span].span) for track in session.tracks}
        found.append({name: (at_ns - boot_ns - (end - axis_ns)) / NS_PER_MS for name, end in ends.items() if end})
    return found


def _end(track: Track, span: int) -> int:
    """Where the media of a track end in a span; 0 where there is none."""
    return max((part.at_ns + part.duration_ns for part in track.segments if part.span == span), default=0)


def _kill_figures(lost: list[dict[str, float]], damages: int, times: int) -> list[Figure]:
    # Of the playback stream and of each device by itself: whichever lost most.
    most = [max(each.values(), default=float("inf")) for each in lost]
    within = sum(each <= LOSS_BAR_MS for each in most)
    said = f"median {percentile(most, 50):.0f}, longest {max(most):.0f} ms" if most else ""
    detail: dict[str, Any] = {"lost_ms": lost}
    return [
        Figure(
            "kills", "faults", "kills_within", f"kills that lost at most 1 s of media, of {times}", within, bar=times,
            least=True, said=said, detail=detail,
        ),
        Figure("kills", "faults", "kills_damages", "damages after all kills", damages, bar=0),
    ]  # fmt: skip


def pauses(bench: Bench) -> list[Figure]:
    """Pause again and again while another ground and tone are there in the pauses alone; look for them."""
    times, chance = bench.runs, random.Random(_SEED)
    bench.say(f"{times} pauses")
    took_ms: list[float] = []
    with (
        Scene(bench, tone=False) as scene,
        scene.witness() as witness,
        Secret({**scene.display.env, **scene.sound.env}, SINKS, bench.clock) as secret,
    ):
        scene.start()
        await_recording(witness, "before the first pause")
        with host_of(scene) as client:
            for _ in range(times):
                bench.clock.sleep_ns(int(chance.uniform(0.1, 0.9) * NS_PER_S))
                begun_ns = bench.clock.now_ns()
                client.call("pause")
                took_ms.append((bench.clock.now_ns() - begun_ns) / NS_PER_MS)
                secret.show()
                bench.clock.sleep_ns(int(chance.uniform(0.05, 0.5) * NS_PER_S))
                secret.hide()
                client.call("resume")
        bench.clock.sleep_ns(NS_PER_S)
        witness.close()
        end_session(scene)
        store, session = scene.place.open_store(), scene.place.session()
        found = health_leaks.look(store, session)
        spans = len(reader.load(store, session).spans)
    said = f"of {found.pictures} pictures and {found.samples / 16_000 / 3:.0f} s of sound in {spans} spans"
    return [
        Figure(
            "pauses", "faults", "pauses_leaked", f"pictures and 10 ms of sound from inside {times} pauses", found.count,
            bar=0, said=said,
            detail={"pictures": list(found.bad_pictures), "sound": [list(each) for each in found.bad_sound]},
        ),
        Figure(
            "pauses", "faults", "pauses_open", "10 ms of the tone that may be recorded (or nothing is proved)",
            found.open_sound, bar=10 * times, least=True,
        ),
        Figure(
            "pauses", "faults", "pause_took", "until a pause is told, longest", max(took_ms, default=0.0), "ms",
            said=f"median {percentile(took_ms, 50):.0f}",
        ),
    ]  # fmt: skip


def host_of(scene: Scene) -> Client:
    """A connection to the scene's daemon.

    Raises:
        DeviceMissing: it does not answer.
    """
    client = connect_host(scene.place.home)
    if client is None:
        raise DeviceMissing("the daemon does not answer", "see its log")
    return client


def end_session(scene: Scene) -> None:
    """Stop whatever is recorded or was interrupted."""
    with host_of(scene) as client:
        client.call("stop")


def await_recording(witness: Witness, when: str) -> int:
    """Wait until it records and all is well; since when it does (CLOCK_BOOTTIME).

    Raises:
        DeviceMissing: it does not.
    """
    since_ns = witness.wait_well(_BACK_NS)
    if since_ns is None:
        raise DeviceMissing(f"it does not record {when}", f"the last status: {witness.status}")
    return since_ns


def come_back(witness: Witness, pid: int, scene: Scene) -> bool:
    """After a kill: wait for the recorder that the host starts, or go on by hand; whether it was the host.

    Raises:
        DeviceMissing: neither helps.
    """
    tried = witness.status.get("restarts", 0)
    begun_ns = scene.clock.now_ns()
    while (passed_ns := scene.clock.now_ns() - begun_ns) < _ALIVE_NS:
        if any(run.pid != pid for run in scene.place.recorders()):
            return True
        witness.attend(_LOOK_NS)
        state = witness.status.get("state")
        if state == "interrupted" and witness.status.get("restarts", 0) == tried and passed_ns > _TRIED_NS:
            break
    with host_of(scene) as client:
        try:
            client.call("resume", session=scene.place.session())
        except PepysError as error:
            raise DeviceMissing(f"it does not go on: {error.message}", error.remedy or "see its log") from error
    return False
