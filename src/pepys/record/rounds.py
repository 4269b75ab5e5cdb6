"""What the recorder looks at by the clock: each second and each beat.

Owns disk, memory and wall clock of a recording. Invariants: nothing here waits for a disk; what is found wrong is told
once and handed to whoever can act on it. Beats prove that a still screen was watched, anchors that a pause was one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pepys import limits
from pepys.clock import rfc3339
from pepys.errors import PepysError, StorageProblem
from pepys.model import events as ev
from pepys.record.capture import Capture
from pepys.record.disk import Disk
from pepys.record.health import Health
from pepys.record.holding import Holding
from pepys.record.loop import Loop
from pepys.record.memory import MemoryWatch
from pepys.record.spans import Spans
from pepys.record.spec import RecordSpec
from pepys.record.wall_watch import WallWatch
from pepys.record.writing import Writer


class Acting(Protocol):
    """What can be done about what is found."""

    holding: Holding

    @property
    def state(self) -> str:
        """The recorder's state."""
        ...

    def stop_for(self, error: PepysError, reason: str = "") -> None:
        """End in order."""
        ...

    def begin_anew(self, detail: str) -> bool:
        """Let the host start another recorder; whether there is one."""
        ...


class Rounds:
    """The rounds of one recorder.

    Attributes:
        disk: the room that is left.
        memory: how much this process takes.
    """

    def __init__(
        self,
        spec: RecordSpec,
        loop: Loop,
        health: Health,
        capture: Capture,
        spans: Spans,
        work: Callable[[], Writer],
        acting: Acting,
    ) -> None:
        self.disk = Disk(Path(spec.home), spec.disk_reserve_bytes, loop.clock)
        self.memory = MemoryWatch(spec.memory_limit_bytes)
        self._loop, self._clock, self._health = loop, loop.clock, health
        self._capture, self._spans, self._work, self._acting = capture, spans, work, acting
        self._wall = WallWatch(loop.clock)
        self._beats = 0
        self._lived_ns = 0

    def begin(self, base_ns: int) -> None:
        """The session has begun."""
        self._lived_ns = base_ns
        self._loop.set_timer("second", base_ns + limits.DISK_LOOK_NS, self._on_second)
        self._loop.set_timer("beat", base_ns + limits.BEAT_NS, self._on_beat)

    def end(self) -> None:
        """Look no more."""
        self._loop.clear_timer("second")
        self._loop.clear_timer("beat")
        self.disk.close()

    def note_beats(self, at_ns: int) -> None:
        """Prove by counters that everything was watched until `at_ns`."""
        self._capture.count()
        beats = [
            ev.Beat(r.track, at_ns, *r.totals)
            for r in self._health.tracks.values()
            if r.state != "off" or any(r.totals)
        ]
        self._work().events(*beats, *self._capture.sounds.accounts())

    def _on_second(self) -> None:
        now_ns = self._clock.now_ns()
        self._loop.set_timer("second", now_ns + limits.DISK_LOOK_NS, self._on_second, limits.LOOP_SLACK_NS)
        writer, acting = self._work(), self._acting
        try:
            if writer.failure is not None:
                acting.stop_for(writer.failure, "disk_full")
                return
            if acting.state != "recording" or self._capture.lives():
                self._lived_ns = now_ns
            elif now_ns - self._lived_ns > limits.NOTHING_LEFT_NS:
                acting.holding.lost("no source delivers anything")
                if acting.state == "ending":
                    return  # nothing is journalled behind the end
            low = self.disk.look(now_ns, writer.bytes)
        except StorageProblem as error:
            if self.disk.lost:
                writer.lose(error)
            acting.stop_for(error, "disk_full")
            return
        if low:
            self._warn("disk", low, now_ns)
        step_ns = self._wall.look()
        if step_ns:
            wall_ns = self._clock.wall_ns()
            writer.events(ev.AnchorNoted(self._spans.axis(now_ns), wall_ns, step_ns))
            moved = f"by {'+' if step_ns > 0 else '-'}{abs(step_ns) / limits.NS_PER_S:.1f} s, to {rfc3339(wall_ns)}"
            self._warn("clock", f"the clock was set {moved}; the recording's own time goes on", now_ns)

    def _on_beat(self) -> None:
        now_ns = self._clock.now_ns()
        self._loop.set_timer("beat", now_ns + limits.BEAT_NS, self._on_beat, limits.LOOP_SLACK_NS)
        at_ns, state = self._spans.axis(now_ns), self._acting.state
        self._beats += 1
        if state == "recording":
            self.note_beats(at_ns)
        if state == "paused" or (state == "recording" and self._beats * limits.BEAT_NS % limits.ANCHOR_NS == 0):
            self._work().events(ev.AnchorNoted(at_ns, self._clock.wall_ns()))
        if self.memory.look():
            self._too_much()

    def _too_much(self) -> None:
        memory = self.memory
        used, limit = memory.resident_bytes >> 20, memory.limit_bytes >> 20
        detail = f"the recorder took {used} MiB of memory, more than {limit}"
        if not self._acting.begin_anew(detail) and memory.beyond_help:
            self._acting.stop_for(PepysError(detail, "resume the session: what was recorded is safe"))

    def _warn(self, kind: str, text: str, now_ns: int) -> None:
        at_ms = self._spans.axis(now_ns) // limits.NS_PER_MS
        self._health.tell({"push": "warning", "track": None, "kind": kind, "text": text, "at_ms": at_ms})
