"""What holds a recording lets go of what it held only; without any source it rests, and ends after a while."""

from __future__ import annotations

import pytest

from pepys.clock import FakeClock
from pepys.errors import Busy, DeviceMissing, PepysError
from pepys.limits import NS_PER_S, REOPEN_MIN_NS, STEADY_NS
from pepys.record.holding import Holding
from pepys.record.loop import Loop
from pepys.record.writing import Then


class Recorder:
    """One that rests and goes on at once, or fails to."""

    def __init__(self) -> None:
        self.state, self.reasons = "recording", list[str]()
        self.error: PepysError | None = None
        self.ended: PepysError | None = None
        self.holding: Holding | None = None

    def rest(self, reason: str, detail: str, done: Then) -> None:
        """Rest."""
        self.reasons.append(reason)
        self.enter("paused", done)

    def rest_for(self, reason: str, detail: str) -> None:
        """Rest for another reason."""
        self.reasons.append(reason)

    def go_on(self, done: Then) -> None:
        """Go on, unless a device is away."""
        self.enter("recording" if self.error is None else "paused", done)

    def stop_for(self, error: PepysError, reason: str = "") -> None:
        """End."""
        self.ended, self.state = error, "ending"

    def enter(self, state: str, done: Then = lambda _error: None) -> None:
        """As the recorder settles."""
        self.state = state
        done(self.error)
        assert self.holding is not None
        self.holding.consider()


@pytest.fixture
def recorder() -> Recorder:
    """A recorder with its lock."""
    made = Recorder()
    made.holding = Holding(Loop(FakeClock()), made, 4 * NS_PER_S)
    return made


def lock(recorder: Recorder) -> Holding:
    assert recorder.holding is not None
    return recorder.holding


def test_a_lock_holds_and_its_end_lets_go(recorder: Recorder) -> None:
    lock(recorder).locked(True, "login1")
    assert (recorder.state, lock(recorder).held, recorder.reasons) == ("paused", "locked", ["locked"])
    with pytest.raises(Busy, match="locked"):
        lock(recorder).refuse()
    lock(recorder).locked(False, "")
    assert (recorder.state, lock(recorder).held) == ("recording", "")
    lock(recorder).refuse()


def test_what_the_user_paused_stays_paused(recorder: Recorder) -> None:
    recorder.enter("paused")
    lock(recorder).locked(True, "login1")
    lock(recorder).locked(False, "")
    assert (recorder.state, lock(recorder).held, recorder.reasons) == ("paused", "", [])


def test_what_the_user_pauses_behind_a_lock_stays_paused(recorder: Recorder) -> None:
    lock(recorder).locked(True, "login1")
    lock(recorder).release()
    lock(recorder).locked(False, "")
    assert recorder.state == "paused"


def test_a_lock_that_comes_while_it_starts_is_heeded_then(recorder: Recorder) -> None:
    recorder.state = "starting"
    lock(recorder).locked(True, "login1")
    assert recorder.state == "starting"
    recorder.enter("recording")
    assert recorder.state == "paused" and recorder.reasons == ["locked"]


def test_the_lock_outlasts_a_sleep(recorder: Recorder) -> None:
    lock(recorder).sleeps(True)
    lock(recorder).locked(True, "login1")
    lock(recorder).sleeps(False)
    assert (recorder.state, recorder.reasons, lock(recorder).held) == ("paused", ["suspended", "locked"], "locked")
    lock(recorder).locked(False, "")
    assert recorder.state == "recording"


def held(clock: FakeClock) -> tuple[Loop, Recorder, Holding]:
    """A recorder that finds nothing to record any more, and waits until a moment later."""
    loop, recorder = Loop(clock), Recorder()
    recorder.holding = Holding(loop, recorder, 4 * NS_PER_S)
    return loop, recorder, recorder.holding


def test_what_cannot_go_on_after_the_lock_is_tried_again() -> None:
    clock = FakeClock()
    loop, recorder, holding = held(clock)
    holding.locked(True, "login1")
    recorder.error = DeviceMissing("nothing is there", "start it")
    holding.locked(False, "")
    assert recorder.state == "paused" and holding.held == "device_lost"
    recorder.error = None
    clock.advance(REOPEN_MIN_NS)
    loop.turn(0)
    assert recorder.state == "recording" and holding.held == ""
    loop.close()


def test_without_any_source_it_rests_and_goes_on_with_the_first() -> None:
    clock = FakeClock()
    loop, recorder, holding = held(clock)
    recorder.error = DeviceMissing("nothing is there", "start it")
    holding.lost("the display died")
    assert (recorder.state, holding.held, recorder.reasons) == ("paused", "device_lost", ["device_lost"])
    holding.refuse()  # a user may try at once
    clock.advance(REOPEN_MIN_NS)
    loop.turn(0)
    recorder.error = None
    clock.advance(REOPEN_MIN_NS)
    loop.turn(0)
    assert recorder.state == "paused", "the second wait is twice as long"
    clock.advance(REOPEN_MIN_NS)
    loop.turn(0)
    assert (recorder.state, holding.held, recorder.ended) == ("recording", "", None)
    loop.close()


def test_what_finds_no_source_for_long_is_ended() -> None:
    clock = FakeClock()
    loop, recorder, holding = held(clock)
    recorder.error = DeviceMissing("nothing is there", "start it")
    holding.lost("the display died")
    for _ in range(4):
        clock.advance(REOPEN_MIN_NS)
        loop.turn(0)
    assert recorder.ended is None
    for _ in range(3):
        clock.advance(REOPEN_MIN_NS)
        loop.turn(0)
    assert recorder.ended is recorder.error
    loop.close()


def turn(clock: FakeClock, loop: Loop, duration_ns: int) -> None:
    """Time goes by, and what is due is served."""
    clock.advance(duration_ns)
    loop.turn(0)


@pytest.mark.parametrize("reason", ["locked", "suspended"])
def test_what_stays_away_after_a_lock_or_a_sleep_is_lost_and_ended(reason: str) -> None:
    clock = FakeClock()
    loop, recorder, holding = held(clock)
    tell = {"locked": lambda on: holding.locked(on, "login1"), "suspended": holding.sleeps}[reason]
    tell(True)
    clock.advance(3600 * NS_PER_S)
    recorder.error = DeviceMissing("nothing is there", "start it")
    tell(False)
    assert (recorder.state, holding.held, recorder.reasons) == ("paused", "device_lost", [reason, "device_lost"])
    for _ in range(3):
        turn(clock, loop, REOPEN_MIN_NS)
    assert recorder.ended is None, "it is tried for as long as after any other loss"
    for _ in range(4):
        turn(clock, loop, REOPEN_MIN_NS)
    assert recorder.ended is recorder.error
    loop.close()


def test_a_lock_that_comes_while_nothing_is_there_holds_from_then_on() -> None:
    clock = FakeClock()
    loop, recorder, holding = held(clock)
    recorder.error = DeviceMissing("nothing is there", "start it")
    holding.lost("the display died")
    holding.locked(True, "login1")
    assert holding.held == "locked"
    for _ in range(60):
        turn(clock, loop, NS_PER_S)
    assert (recorder.state, recorder.ended) == ("paused", None)
    holding.locked(False, "")
    assert (holding.held, recorder.ended) == ("device_lost", None), "the time of the lock does not count"
    assert recorder.reasons == ["device_lost", "locked", "device_lost"]
    recorder.error = None
    turn(clock, loop, NS_PER_S)
    assert recorder.state == "recording"
    loop.close()


def test_a_source_that_comes_and_goes_is_waited_for_longer_each_time_and_then_no_more() -> None:
    clock = FakeClock()
    loop, recorder, holding = held(clock)
    went = []
    for second in range(60):
        if recorder.state == "recording":
            went.append(second)
            holding.lost("the cable is loose")
        turn(clock, loop, NS_PER_S)
        if recorder.ended is not None:
            break
    assert went == [0, 1, 2, 4], "at once, and after 1 and 2 s"
    assert isinstance(recorder.ended, DeviceMissing) and "the cable is loose" in recorder.ended.message
    loop.close()


def test_a_source_that_stayed_for_a_while_has_all_its_tries_again() -> None:
    clock = FakeClock()
    loop, recorder, holding = held(clock)
    for _ in range(5):
        holding.lost("the cable is loose")
        assert recorder.state == "recording", "it is tried at once"
        turn(clock, loop, STEADY_NS)
    assert recorder.ended is None
    loop.close()


def test_a_locked_screen_is_not_recorded_whoever_paused(recorder: Recorder) -> None:
    recorder.enter("paused")
    lock(recorder).locked(True, "login1")
    with pytest.raises(Busy, match="locked"):
        lock(recorder).refuse()
    lock(recorder).locked(False, "")
    lock(recorder).refuse()


def test_what_the_user_took_from_a_lock_is_refused_until_the_unlock(recorder: Recorder) -> None:
    lock(recorder).locked(True, "login1")
    lock(recorder).release()
    with pytest.raises(Busy, match="locked"):
        lock(recorder).refuse()
    lock(recorder).locked(False, "")
    lock(recorder).refuse()
    assert recorder.state == "paused"


def test_who_wants_the_lock_recorded_is_held_by_a_sleep_only() -> None:
    loop, recorder = Loop(FakeClock()), Recorder()
    recorder.holding = Holding(loop, recorder, NS_PER_S, heeds_locks=False)
    recorder.holding.locked(True, "login1")
    recorder.holding.refuse()
    assert recorder.state == "recording"
    recorder.holding.sleeps(True)
    assert recorder.reasons == ["suspended"]
    recorder.holding.sleeps(False)
    assert recorder.state == "recording"
    loop.close()
