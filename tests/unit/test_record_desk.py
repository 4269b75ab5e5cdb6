"""When the desk is listened to, on a clock that the test moves: what a process that did not run makes of inputs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest

from pepys.clock import FakeClock
from pepys.limits import NS_PER_S
from pepys.model.events import IdleNoted, InputCounted, WindowsNoted
from pepys.record.activity import WindowsShown
from pepys.record.desk import DeskTrack
from pepys.record.inputs import Input
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import SourceEnded

_AT = 50 * NS_PER_S


class Scripted:
    """A desk on which happens what the test says."""

    counts, behind = True, False

    def __init__(self) -> None:
        self.waiting: list[Input | WindowsShown | SourceEnded] = []
        self.listens = False
        self._read, self._write = os.pipe()

    def fileno(self) -> int:
        return self._read

    def happens(self, item: Input | WindowsShown) -> None:
        os.write(self._write, b"\0")
        self.waiting.append(item)

    def poll(self) -> Sequence[Input | WindowsShown | SourceEnded]:
        if self.waiting:
            os.read(self._read, 4096)
        found, self.waiting = self.waiting, []
        return found

    def listen(self, *, inputs: bool) -> None:
        self.listens = inputs

    def close(self) -> None:
        for end in (self._read, self._write):
            os.close(end)


class Beside:
    """A track of such a desk, and what it noted; times are seconds since the span's start."""

    def __init__(self) -> None:
        self.clock, self.source = FakeClock(), Scripted()
        self.loop = Loop(self.clock)
        self.noted: list[WindowsNoted | InputCounted | IdleNoted] = []
        self.track = DeskTrack(self.source, self.loop, self.noted.append, lambda _ended: None)
        self.base_ns = self.clock.now_ns()
        self.track.begin(SpanPlace(0, self.base_ns, _AT, 0))

    def did(self, second: float) -> None:
        self.source.happens(Input(self.base_ns + round(second * NS_PER_S), "keys"))

    def sees(self, title: str, left: int = 0) -> None:
        self.source.happens(WindowsShown(self.clock.now_ns(), (("App", title, left, 0, 10, 10),)))

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(NS_PER_S)
            self.loop.turn(0)


@pytest.fixture
def beside() -> Iterator[Beside]:
    made = Beside()
    yield made
    made.track.close()
    made.loop.close()


def test_what_was_done_while_this_process_did_not_run_is_not_counted(beside: Beside) -> None:
    beside.did(0.5)
    beside.run(2)
    for second in range(1, 80):
        beside.did(second)
    beside.clock.advance(78 * NS_PER_S)
    beside.loop.turn(0)
    beside.track.end(beside.base_ns + 3 * NS_PER_S)
    assert beside.noted == [InputCounted(_AT, 3 * NS_PER_S, keys=3)], "neither keys of the gap, nor idle in it"
    assert not beside.source.listens


def test_what_was_done_after_the_end_of_the_span_is_not_counted(beside: Beside) -> None:
    beside.run(3)
    for second in (1, 2, 2.9, 3.1):
        beside.did(second)
    beside.clock.advance(3 * NS_PER_S)
    beside.track.end(beside.base_ns + 3 * NS_PER_S)
    assert beside.noted == [InputCounted(_AT, 3 * NS_PER_S, keys=3)]


def test_idle_is_noted_though_nothing_wakes_the_loop(beside: Beside) -> None:
    beside.run(61)
    assert beside.noted == [IdleNoted(_AT, None)]
    beside.track.end(beside.clock.now_ns())
    assert beside.noted[1:] == [IdleNoted(_AT, _AT + 61 * NS_PER_S)]


def test_titles_alone_are_noted_seldom_and_places_soon(beside: Beside) -> None:
    for second in range(25):
        beside.sees(f"{second} %")
        beside.run(1)
    titles = [event.windows[0][1] for event in beside.noted if isinstance(event, WindowsNoted)]
    assert titles == ["0 %", "10 %", "20 %"]
    beside.sees("24 %", left=5)
    beside.run(2)
    assert isinstance(beside.noted[-1], WindowsNoted) and beside.noted[-1].windows[0][2] == 5
    beside.sees("done", left=5)
    beside.run(12)
    assert isinstance(beside.noted[-1], WindowsNoted) and beside.noted[-1].windows[0][1] == "done", "the last is noted"


def test_what_is_told_as_the_span_ends_is_counted_and_nothing_lies_past_its_end(beside: Beside) -> None:
    beside.run(9)
    until_ns = beside.base_ns + 9_900_000_000
    beside.did(10.3)  # the wall of the next ten seconds, and of the span
    beside.clock.advance(1_300_000_000)
    beside.sees("too late")
    beside.track.end(until_ns)
    (counted,) = [item for item in beside.noted if isinstance(item, InputCounted)]
    assert counted.keys == 1 and counted.at_ns + counted.duration_ns == _AT + until_ns - beside.base_ns
    assert all(item.at_ns <= _AT + until_ns - beside.base_ns for item in beside.noted if isinstance(item, WindowsNoted))
