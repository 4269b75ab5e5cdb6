"""How long the host is held up while segments are saved: by an event of its statechart, by a turn of its loop."""

from __future__ import annotations

import random
from typing import Final

from pepys.bench.faults_scene import Scene
from pepys.bench.figures import Figure
from pepys.bench.health_kills import await_recording, end_session, host_of
from pepys.bench.plan import Bench
from pepys.limits import NS_PER_S

PAUSES: Final = 100
EVENT_BAR_MS: Final = 5.0
BLOCK_BAR_MS: Final = 20.0

_SEED: Final = 7


def host(bench: Bench) -> list[Figure]:
    """Pause and go on again and again: each pause seals and saves the segments of all tracks."""
    chance, longest_ms, told = random.Random(_SEED), 0.0, {}
    bench.say(f"{bench.runs} pauses, each of which saves segments")
    with Scene(bench, tone=False) as scene, scene.witness() as witness:
        scene.start()
        await_recording(witness, "at the start")
        with host_of(scene) as client:
            for _ in range(bench.runs):
                bench.clock.sleep_ns(int(chance.uniform(0.3, 1.0) * NS_PER_S))
                client.call("pause")
                client.call("resume")
                told = client.call("status")["host"]
                longest_ms = max(longest_ms, float(told["loop_longest_ms"]))
        witness.close()
        end_session(scene)
    return [
        Figure(
            "host", "host", "event_p99", "handling an event of the statechart while segments are saved, p99",
            float(told["event_p99_ms"]), "ms", bar=EVENT_BAR_MS, said=f"over {bench.runs} pauses and resumes",
        ),
        Figure("host", "host", "loop_block", "longest block of the host's event loop", longest_ms, "ms",
               bar=BLOCK_BAR_MS, said="its start included"),
    ]  # fmt: skip
