"""The wall clock is set while a recorder runs: it is told and noted at once, and the recording's own time goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pepys.clock import SystemClock
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.record.loop import Loop
from pepys.record.recorder import Recorder
from pepys.record.wire import Message
from pepys.store.reader import load
from pepys.store.store import open_store
from tests.recording import order
from tests.waiting import wait_until

_HOUR = 3600 * NS_PER_S


class SetClock(SystemClock):
    """The system's clocks, of which a test sets the wall clock."""

    set_by_ns = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + self.set_by_ns


@pytest.mark.quiet
@pytest.mark.parametrize("step_ns", [_HOUR, -_HOUR])
def test_a_clock_that_is_set_is_told_and_costs_nothing(home: Path, step_ns: int) -> None:
    clock = SetClock()
    store = open_store(home, config_dir=home.parent / "config", clock=clock)
    loop, told = Loop(clock), list[Message]()
    spec = order(home, store, sources=("pattern:smptebars=size=64x48:rate=10",), encoder="x264").spec
    recorder = Recorder(spec, store, loop, told.append, told.append)
    recorder.start()

    def until(condition: Callable[[], object]) -> None:
        wait_until(lambda: loop.turn(20 * NS_PER_MS) or condition(), 8, "what is due")

    until(lambda: recorder.state == "recording")
    clock.set_by_ns = step_ns
    began_ns = clock.now_ns()
    until(lambda: any(push.get("kind") == "clock" for push in told))
    assert clock.now_ns() - began_ns < 2 * NS_PER_S
    recorder.stop(lambda _error: None)
    until(lambda: recorder.state == "completed")
    loop.close()
    view = load(store, spec.session)
    (noted,) = view.clock_steps
    assert noted.step_ns == pytest.approx(step_ns, abs=50 * NS_PER_MS)
    assert view.gaps == () and len(view.spans) == 1 and view.duration_ns < 10 * NS_PER_S
