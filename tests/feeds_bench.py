"""Feeds without devices: sources that tests steer, what opens them, and a loop whose clock tests move."""

from __future__ import annotations

import os
import select

import numpy as np

from pepys.clock import Clock, FakeClock
from pepys.errors import DeviceMissing
from pepys.record.feeds import Feed
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.ports import Bgra, Geometry, Opening, Patch, VideoCapabilities, VideoEvent, VideoSource
from pepys.record.shots import ShotCounters, Then, Why
from pepys.record.sources import SourceName, Wish
from pepys.record.spec import RecordSpec
from pepys.record.stage import Stage


class Piped:
    """A grey source with a descriptor that tests make readable by `tell`."""

    capabilities = VideoCapabilities("rectangles", "absent", without=("no DAMAGE: pictures are compared",))
    geometry = Geometry(32, 32)

    def __init__(self, name: str) -> None:
        self.name = name
        self._in, self._out = os.pipe()
        self.events: list[VideoEvent] = []
        self.closed = False
        self.polled = self.refreshed = 0
        self.held = False
        self.wake_at_ns: int | None = None
        self.alive_ns: int | None = None

    def tell(self, event: VideoEvent) -> None:
        self.events.append(event)
        os.write(self._out, b"\0")

    def fileno(self) -> int:
        return self._in

    def poll(self) -> list[VideoEvent]:
        self.polled += 1
        if select.select([self._in], [], [], 0)[0]:
            os.read(self._in, 1000)
        events, self.events = self.events, []
        return events

    def wake_ns(self) -> int | None:
        return self.wake_at_ns

    def take(self, align: int) -> list[Patch]:
        return [Patch(0, 0, np.zeros((32, 32, 4), np.uint8))]

    def refresh(self) -> None:
        self.refreshed += 1

    def grab(self) -> Bgra:
        return np.zeros((32, 32, 4), np.uint8)

    def hold(self, held: bool) -> None:
        self.held = held

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self._in)
            os.close(self._out)


class Shots:
    """Counts shots, and keeps why and when they were taken."""

    def __init__(self) -> None:
        self.taken = self.repeated = 0
        self.changed, self.missed = 0.0, False
        self.counters = ShotCounters()
        self.whys: list[Why] = []
        self.times: list[int] = []

    def take(self, at_ns: int, pixels: Bgra, why: Why, then: Then | None = None) -> bool:
        self.taken += 1
        self.whys.append(why)
        self.times.append(at_ns)
        return True

    def repeat(self, at_ns: int, why: Why) -> None:
        self.repeated += 1
        self.whys.append(why)
        self.times.append(at_ns)


class House:
    """Opens sources that are there, and says of others that they are missing; `slow` ones answer when told.

    Those that are `hanging` leave a thread behind; while it is `broken` nothing can be opened at all.
    """

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.slow: set[str] = set()
        self.hanging: set[str] = set()
        self.broken: Exception | None = None
        self.opened: list[Piped] = []
        self.openings: list[Door] = []

    def __call__(self, name: SourceName, wish: Wish, clock: Clock) -> Opening:
        if self.broken is not None:
            raise self.broken
        self.openings.append(Door(self, str(name)))
        return self.openings[-1]


class Door:
    """One opening."""

    def __init__(self, house: House, name: str) -> None:
        self._house, self.name = house, name
        self._in, self._out = os.pipe()
        self.cancelled = False
        if name not in house.slow:
            self.answer()

    @property
    def hangs(self) -> bool:
        return self.name in self._house.hanging

    def answer(self) -> None:
        os.write(self._out, b"\0")

    def fileno(self) -> int:
        return self._in

    def poll(self) -> VideoSource | None:
        if self.name in self._house.missing:
            raise DeviceMissing(f"{self.name} is missing", "look for it")
        self._house.opened.append(Piped(self.name))
        return self._house.opened[-1]

    def cancel(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            os.close(self._in)
            os.close(self._out)


class Bench:
    """A loop whose clock tests move."""

    def __init__(self) -> None:
        self.clock, self.house = FakeClock(), House()
        self.loop = Loop(self.clock)
        self.told: list[str] = []

    def feed(self, name: str = "window:x") -> Feed:
        kind, _, arg = name.partition(":")
        return Feed(SourceName(kind, arg), Wish(None), self.house, self.loop)

    def stage(self, **asked: object) -> Stage:
        spec = RecordSpec(home="/", session="s", name="n", socket="s", run_file="r", encoder="x264", **asked)  # type: ignore[arg-type] # fields by name
        health = Health(lambda _events, _then: None, lambda _message: None)
        self.health = health
        return Stage(spec, self.loop, health, self.told.append, self.house)

    def turn(self, count: int = 3) -> None:
        for _ in range(count):
            self.loop.turn(0)

    def advance(self, ns: int) -> None:
        self.clock.advance(ns)
        self.turn()

    def close(self) -> None:
        """Let go of every descriptor."""
        self.loop.close()
        for source in self.house.opened:
            source.close()
        for door in self.house.openings:
            door.cancel()
