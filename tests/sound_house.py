"""A sound board with made devices on a made clock: everything that happens is said by a test or drawn from a seed."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from pepys import limits
from pepys.clock import FakeClock
from pepys.errors import DeviceMissing
from pepys.model import events as ev
from pepys.model.sound_graph import Node, SoundGraph
from pepys.record.devices import Devices
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import SoundBlock, SoundCapabilities, SoundEvent, SourceEnded
from pepys.record.sound import samples_in
from pepys.record.soundboard import SoundBoard
from pepys.record.writing import Fragment

MS = limits.NS_PER_MS
SLICE_NS = 20 * MS
NORMAL, SECRET, PAUSED = 100, 9_000, 20_000
MIC, SYSTEM = "audio.mic", "audio.system"

GRAPH = SoundGraph(
    (
        Node("mic", "microphone", {"device": "m0", "follow_default": True}),
        Node("system", "system", {"device": "s0.monitor"}),
        Node("mic.gain", "gain"), Node("system.gain", "gain"),
        Node("mic.meter", "meter"), Node("mic.voice", "voice"), Node("listen", "tap", {"rate": 48_000}),
        Node("mic.track", "encoder", {"track": MIC}), Node("system.track", "encoder", {"track": SYSTEM}),
        Node("mix", "mix"), Node("limiter", "limiter"),
        Node("mix.track", "encoder", {"codec": "aac", "track": "audio.mix"}),
    ),
    (
        ("mic", "mic.gain"), ("mic.gain", "mic.meter"), ("mic.meter", "mic.voice"), ("mic.voice", "mic.track"),
        ("mic.gain", "listen"), ("system", "system.gain"), ("system.gain", "system.track"), ("mic.voice", "mix"),
        ("system.gain", "mix"), ("mix", "limiter"), ("limiter", "mix.track"),
    ),
)  # fmt: skip


class Watch:
    """Stands for the watch on the sound server: tells what a test says."""

    last: Watch | None = None

    def __init__(self, _loop: object, _clock: object, on_devices: Any) -> None:
        self.tell, self.answers, self.running = on_devices, True, False
        Watch.last = self

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def ask(self) -> None:
        pass


class Made:
    """One opened device."""

    def __init__(self, house: House, name: str, channels: int) -> None:
        rate = house.rates.get(name, limits.SOUND_RATE)
        self.name, self.capabilities = name, SoundCapabilities(rate, channels, 5 * limits.NS_PER_S)
        self._house = house
        self._began_ns, self._made = house.clock.now_ns(), 0
        self._queue: list[tuple[int, SoundEvent]] = []
        self._out, self._in = os.pipe()
        self._dead = self._closed = False
        house.sources.append(self)

    def run(self) -> None:
        """A slice of time has passed."""
        house, now_ns = self._house, self._house.clock.now_ns()
        if self._dead or self._closed:
            return
        speed = 1 + house.ppm.get(self.name, 0) / 1e6
        due = int((now_ns - self._began_ns) * self.capabilities.rate / limits.NS_PER_S * speed) - self._made
        self._made += due
        if self.name in house.hung or not due:
            return
        value = PAUSED if house.paused else house.said
        block = np.full((due, self.capabilities.channels), value, np.int16)
        late_ns = house.random.randrange(0, 15) * MS if house.jitter else 0
        self._queue.append((max(now_ns + late_ns, self._queue[-1][0] if self._queue else 0), SoundBlock(0, block)))
        os.write(self._in, b"!")
        if self.name not in house.present:
            self.end()

    def end(self) -> None:
        """The device is gone."""
        now_ns = self._house.clock.now_ns()
        self._queue.append((now_ns, SourceEnded(now_ns, "device_lost", "gone")))
        self._dead = True

    def fileno(self) -> int:
        return -1 if self._closed else self._out

    def poll(self) -> Sequence[SoundEvent]:
        now_ns = self._house.clock.now_ns()
        if self._closed or not self._queue or self._queue[0][0] > now_ns:
            return ()
        _, event = self._queue.pop(0)
        if isinstance(event, SourceEnded):
            return (event,)
        os.read(self._out, 1)
        return (SoundBlock(now_ns, event.samples),) if isinstance(event, SoundBlock) else ()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._out)
            os.close(self._in)


class House:
    """A board, its devices, and what came of them."""

    def __init__(self, seed: int, *, jitter: bool) -> None:
        self.random = random.Random(seed)
        self.jitter = jitter
        self.clock = FakeClock()
        self.events: list[ev.Event] = []
        self.sources: list[Made] = []
        self.loop = Loop(self.clock)
        self.present = {"m0", "m1", "m2", "s0.monitor", "s1.monitor"}
        self.default, self.monitor = "m0", "s0.monitor"
        self.ppm = {name: self.random.choice((0, 0, 80, -80, 3_000, -10_000, 12_000)) for name in sorted(self.present)}
        self.rates = {"m1": 44_100, "m2": 8_000}
        self.hung: set[str] = set()
        self.paused, self.refuses = True, False
        self.fragments: list[tuple[Fragment, bool]] = []
        self.tapped: list[Any] = []
        self.health = Health(lambda events, _then: self.events.extend(events), lambda _message: None)
        self.board = SoundBoard(self.clock, self.loop, self.health, self._open, GRAPH)
        self.board.tapped = lambda _name, _rate, _at_ns, pcm: self.tapped.append(pcm)
        assert Watch.last is not None
        self.watch = Watch.last
        self.said = NORMAL
        self.spans = 0
        self.place: SpanPlace | None = None

    def _open(self, node: Node, name: str) -> Made:
        if name not in self.present:
            raise DeviceMissing(f"{name} is not there", "")
        return Made(self, name, int(node.params["channels"]))

    def give(self, work: object) -> bool:
        if not isinstance(work, Fragment):
            return True
        taken = not (self.refuses and self.random.random() < 0.5)
        self.fragments.append((work, taken))
        return taken

    def sound(self, _pcm: object, active: bool = True) -> None:
        """Takes the mix."""

    def slice(self) -> None:
        self.clock.advance(SLICE_NS)
        for source in self.sources:
            source.run()
        self.sources = [source for source in self.sources if source.fileno() >= 0]
        self.loop.turn(0)

    def run(self, slices: int) -> None:
        for _ in range(slices):
            self.slice()

    def tell(self) -> None:
        """The server tells what is there."""
        if self.watch.running and self.present:
            names = tuple(sorted(self.present))
            self.watch.tell(Devices(names, self.default, self.monitor, self.clock.now_ns()))

    def resume(self) -> None:
        self.paused = False
        self.board.open()
        self.tell()
        self.run(self.random.randrange(0, 12))
        self.board.prepare()
        self.spans += 1
        now_ns = self.clock.now_ns()
        self.place = SpanPlace(self.spans, now_ns, now_ns, now_ns)
        self.events.clear()
        self.fragments.clear()
        self.tapped.clear()
        self.board.begin(self.place, self.give, self)

    def pause(self) -> None:
        place, until_ns = self.place, self.clock.now_ns()
        assert place is not None
        self.paused = True
        self.board.finish(until_ns, rests=True)
        self.health.close_track_gaps(until_ns)
        self.board.stop()
        self.check(place, until_ns)

    def check(self, place: SpanPlace, until_ns: int) -> None:
        length = samples_in(until_ns - place.base_ns)
        accounts = [event for event in self.events if isinstance(event, ev.SoundAccounted) and event.final]
        assert sorted(event.track for event in accounts) == [MIC, SYSTEM]
        for told in accounts:
            assert told.delivered == told.captured + told.dropped, told
            assert told.encoded == told.captured + told.inserted + told.silent == length, (told, length)
            assert told.silent == sum(told.lost.values()), told
            assert min(told.delivered, told.captured, told.dropped, told.inserted, told.silent) >= 0
            own = [(fragment, taken) for fragment, taken in self.fragments if fragment.track == told.track]
            written = sum(_samples(fragment.duration_ns) for fragment, taken in own if taken)
            refused = sum(_samples(fragment.duration_ns) for fragment, taken in own if not taken)
            assert (written, refused) == (told.encoded - told.refused, told.refused), told
            gaps = self._gaps(told.track)
            for gap in gaps:
                assert gap.end_ns is not None and place.at_ns <= gap.start_ns <= gap.end_ns <= until_ns, gap
            holes = [gap for gap in gaps if gap.reason != "disk_full"]
            silent = sum(_samples((gap.end_ns or 0) - gap.start_ns) for gap in holes)
            assert abs(silent - told.silent) <= len(gaps), (told, gaps)
            corrected = [e for e in self.events if isinstance(e, ev.SoundCorrected) and e.track == told.track]
            assert sum(e.inserted for e in corrected) >= told.inserted, (told, corrected)

    def _gaps(self, track: str) -> list[ev.GapNoted]:
        """Each gap of a track as it was told last."""
        told = [event for event in self.events if isinstance(event, ev.GapNoted) and event.track == track]
        return list({(gap.reason, gap.start_ns): gap for gap in told}.values())

    def heard(self, louder: int) -> int:
        """Samples of the microphone that are louder."""
        return sum(int((pcm > louder).sum()) for pcm in self.tapped)

    def trouble(self) -> None:
        """Something happens."""
        name = self.random.choice(sorted(self.rates.keys() | self.ppm.keys()))
        match self.random.randrange(10):
            case 0:
                self.present.discard(name)
                if self.random.random() < 0.7:
                    self.tell()
            case 1 | 2:
                self.present.add(name)
                self.tell()
            case 3:
                self.default = self.random.choice(["m0", "m1", "m2"])
                self.monitor = self.random.choice(["s0.monitor", "s1.monitor"])
                self.tell()
            case 4:
                self.hung ^= {name}
            case 5:
                self.refuses = not self.refuses
            case 6:
                mute = self.random.random() < 0.5
                self.board.set(["mic"] if mute else [], [] if mute else ["mic"], None)
            case 7:
                self.clock.advance(self.random.randrange(1, 4_000) * MS)
            case 8:
                self.board.close_fragments()
            case 9:
                self.hung.clear()
                self.present |= set(self.ppm)
                self.tell()


def _samples(duration_ns: int) -> int:
    return (duration_ns * limits.SOUND_RATE + limits.NS_PER_S // 2) // limits.NS_PER_S
