"""The activity track on a real X server: inputs are counted exactly, windows told, a server that hangs is known."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator

import pytest
import xcffib.xtest

from pepys.clock import SystemClock
from pepys.demo.servers import XServer, program
from pepys.limits import FRAGMENT_NS, NS_PER_MS, NS_PER_S
from pepys.model import events as ev
from pepys.record.adapters.x11.connection import Connection
from pepys.record.adapters.x11.desk import X11Desk
from pepys.record.exclusions import Exclusions
from pepys.record.focus import FocusWatch
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from tests.desk import Desk
from tests.waiting import wait_until

_PRESS, _RELEASE, _BUTTON, _LIFT, _MOVE = 2, 3, 4, 5, 6
_AT = 7 * NS_PER_S


class User:
    """Whoever sits at a display: keys, buttons and a pointer, by XTEST."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._test = desk, desk.connection(xcffib.xtest.key)

    def does(self, keys: int = 0, clicks: int = 0, scrolls: int = 0, moves: int = 0) -> None:
        for number in range(keys):
            self._both(_PRESS, _RELEASE, 24 + number % 10)
        for number in range(clicks):
            self._both(_BUTTON, _LIFT, 1 + number % 3)
        for number in range(scrolls):
            self._both(_BUTTON, _LIFT, 4 + number % 4)
        for number in range(moves):
            self._test.FakeInput(_MOVE, 0, 0, self._desk.root, 10 + number % 500, 20 + number % 300, 0)
        self._desk.sync()

    def _both(self, down: int, up: int, detail: int) -> None:
        for what in (down, up):
            self._test.FakeInput(what, detail, 0, self._desk.root, 0, 0, 0)


class Watching:
    """The activity of a display, as a recorder has it."""

    def __init__(self, server: XServer, *patterns: str) -> None:
        self.server, self.desk = server, Desk(server.display)
        self.user = User(self.desk)
        self.loop = Loop(SystemClock())
        self.noted: list[ev.Event] = []
        self.health = Health(self._journal, lambda _message: None)
        self.watch = FocusWatch(self.loop, self.health, Exclusions(patterns, builtin=False))
        self.watch.show(server.display)
        self.until(lambda: not self.watch.waits, "the display")

    def _journal(self, events: tuple[ev.Event, ...], _then: object) -> None:
        self.noted += events

    def begin(self, at_ns: int = _AT) -> SpanPlace:
        place = SpanPlace(0, self.loop.clock.now_ns(), at_ns, 0)
        self.watch.prepare()
        self.watch.begin(place)
        self.listened()
        return place

    @property
    def connection(self) -> Connection:
        desk = self.watch._desk
        assert desk is not None and isinstance(desk._source, X11Desk)
        return desk._source._connection

    def listened(self) -> None:
        """What was asked of the server is in force: it serves its clients in no order."""
        if self.watch._desk is not None:
            self.connection.core.GetInputFocus().reply()

    def until(self, condition: Callable[[], object], what: str, seconds: float = 5) -> None:
        def met() -> object:
            self.loop.turn(10 * NS_PER_MS)
            return condition()

        wait_until(met, seconds, what)

    def front(self, window: int) -> None:
        self.desk.put(self.desk.root, "_NET_ACTIVE_WINDOW", "WINDOW", struct.pack("<I", window), 32)
        self.desk.sync()

    def counts(self) -> list[tuple[int, int, int, int]]:
        found = [event for event in self.noted if isinstance(event, ev.InputCounted)]
        return [(event.keys, event.clicks, event.scrolls, event.moves) for event in found]

    def windows(self) -> list[tuple[tuple[str, str, int, int, int, int], ...]]:
        return [event.windows for event in self.noted if isinstance(event, ev.WindowsNoted)]

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        os.kill(self.server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.server.pid, signal.SIGCONT)


@pytest.fixture
def watching(xserver: XServer) -> Iterator[Watching]:
    made = Watching(xserver, "*secret*")
    yield made
    made.watch.close()
    made.desk.close()
    made.loop.close()


def test_inputs_are_counted_exactly_and_only_in_spans(watching: Watching) -> None:
    watching.user.does(keys=5, clicks=1, moves=3)
    watching.begin()
    watching.user.does(keys=17, clicks=5, scrolls=8, moves=230)
    watching.watch.end()
    assert watching.counts() == [(17, 5, 8, 230)]
    watching.listened()
    watching.user.does(keys=9, clicks=9, scrolls=9, moves=9)
    told = [event for event in iter(watching.connection.next_event, None) if isinstance(event, bytes)]
    assert told == [], "in a pause the server tells of none"
    watching.begin(_AT + 30 * NS_PER_S)
    watching.user.does(keys=1)
    watching.watch.end()
    assert watching.counts()[1:] == [(1, 0, 0, 0)]
    first, second = (event for event in watching.noted if isinstance(event, ev.InputCounted))
    assert (first.at_ns, second.at_ns) == (_AT, _AT + 30 * NS_PER_S) and 0 < first.duration_ns < 5 * NS_PER_S


def test_what_a_program_types_is_counted_and_never_told(watching: Watching) -> None:
    watching.front(watching.desk.window((0, 0, 300, 200), title="my secret", wm_class="One"))
    watching.begin()
    argv = [
        program("xdotool", "xdotool"),
        "click",
        "1",
        "click",
        "5",
        "key",
        "Return",
        "type",
        "--delay",
        "1",
        "hunter",
    ]
    subprocess.run(argv, check=True, timeout=20)
    watching.watch.end()
    assert watching.counts() == [(7, 1, 1, 0)], "of an excluded window too"
    assert "hunter" not in repr(watching.noted) and "secret" not in repr(watching.noted)
    recent = watching.watch.recent(watching.loop.clock.now_ns())
    assert recent is None, "no span is open"


def test_a_pointer_that_moves_wakes_nobody_each_time(watching: Watching) -> None:
    watching.begin()
    watching.until(lambda: not watching.loop.turn(300 * NS_PER_MS), "quiet")
    turns, until_ns = 0, watching.loop.clock.now_ns() + 600 * NS_PER_MS
    while watching.loop.clock.now_ns() < until_ns:
        watching.user.does(moves=1)
        before_ns = watching.loop.clock.now_ns()
        watching.loop.turn(8 * NS_PER_MS)
        turns += watching.loop.clock.now_ns() - before_ns < 7 * NS_PER_MS
    assert turns < 10, "of more than fifty"
    watching.watch.end()
    assert sum(moves for *_, moves in watching.counts()) > 30


def test_windows_are_told_topmost_first_as_they_are_seen(watching: Watching) -> None:
    desk = watching.desk
    desk.window((900, 500, 50, 50), title="hidden", wm_class="Under")
    low = desk.window((800, 400, 300, 200), title="low", wm_class="Low")
    desk.window((100, 100, 400, 300), title="My secret plan", wm_class="Vault")
    with Desk(watching.server.display) as nobody:
        nobody.window((300, 150, 60, 40))
        _told_of_windows(watching, low)


def _told_of_windows(watching: Watching, low: int) -> None:
    desk = watching.desk
    watching.begin()
    secret = ("excluded", "", 100, 100, 400, 300)
    watching.until(watching.windows, "the windows")
    assert watching.windows() == [(secret, ("Low", "low", 800, 400, 300, 200))]
    began_ns = watching.loop.clock.now_ns()
    for step in range(20):
        desk.place(low, x=600 + step, y=300)
        watching.loop.turn(5 * NS_PER_MS)
    desk.retitle(low, "high")
    desk.raise_(low)
    last = (("Low", "high", 619, 300, 300, 200), ("Under", "hidden", 900, 500, 50, 50), secret)
    watching.until(lambda: set(watching.windows()[-1]) == set(last), "the last state")
    assert watching.windows()[-1][0] == last[0], "it lies above"
    assert len(watching.windows()) <= 2 + (watching.loop.clock.now_ns() - began_ns) // NS_PER_S
    desk.retitle(low, "a secret")
    watching.until(lambda: watching.windows()[-1][0][:2] == ("excluded", ""), "exclusion")
    assert "plan" not in repr(watching.noted) and "a secret" not in repr(watching.noted)


def test_the_focus_is_told_at_once_and_asked_for_at_any_moment(watching: Watching) -> None:
    told: list[str] = []
    watching.watch.on_focus = told.append
    one = watching.desk.window((0, 0, 100, 100), title="one", wm_class="Same")
    two = watching.desk.window((200, 0, 100, 100), title="two", wm_class="Same")
    other = watching.desk.window((400, 0, 100, 100), title="three", wm_class="Other")
    watching.front(one)
    watching.begin()
    assert told == [], "what is in front at the start has not come there"
    watching.desk.retitle(one, "one more")
    assert _now(watching) == ("Same", "one more", False), "though the loop has not turned"
    watching.until(lambda: told == ["title"], "the title")
    for window in (two, other, one):
        watching.front(window)
        watching.until(lambda: told[-1] == "focus" and told.count("focus") == len(told) - 1, "the focus")
        told[:] = ["title", *["focus"] * (told.count("focus"))]
        watching.loop.turn(20 * NS_PER_MS)
    watching.user.does(clicks=4)
    watching.until(lambda: (_recent(watching) or (0, 0, 0))[1] == 4, "the clicks")
    assert _recent(watching) == (2, 4, 3)
    watching.desk.retitle(one, "secret")
    assert _now(watching) == ("excluded", "", True)


def _now(watching: Watching) -> tuple[str, str, bool] | None:
    now = watching.watch.now()
    return None if now is None else (now.app, now.title, now.excluded)


def _recent(watching: Watching) -> tuple[int, int, int] | None:
    found = watching.watch.recent(watching.loop.clock.now_ns())
    return None if found is None else (found.app_switches, found.clicks, found.focus_changes)


def test_a_display_that_hangs_is_known_by_its_clock_and_comes_back(watching: Watching) -> None:
    watching.begin()
    report, clock = watching.health.tracks["activity"], watching.loop.clock

    def age_ns() -> int:
        assert watching.watch.due(clock.now_ns())
        return clock.now_ns() - report.capture_ns

    first_ns, asked_ns = report.capture_ns, report.attempt_ns
    watching.until(lambda: watching.watch.due(clock.now_ns()) and report.capture_ns > first_ns, "an answer")
    assert age_ns() < FRAGMENT_NS, "nothing happens on it, and yet it lives"
    with watching.hanging():
        began_ns = clock.now_ns()
        assert watching.watch.now() is None and clock.now_ns() - began_ns < 100 * NS_PER_MS
        watching.until(lambda: age_ns() > 2 * NS_PER_S, "its clock to stand")
        assert report.attempt_ns > asked_ns and clock.now_ns() - began_ns < 2500 * NS_PER_MS
        seen_ns = report.capture_ns
        watching.watch.restart()
        assert report.state == "restarting" and not watching.watch.due(clock.now_ns())
    watching.until(lambda: report.state == "healthy", "it is back")
    watching.listened()
    assert report.tries == 0 and report.restarts == 1
    gaps = [event for event in watching.noted if isinstance(event, ev.GapNoted)]
    assert [gap.reason for gap in gaps] == ["device_lost"] * 2, "as of the pictures of a display that hangs"
    assert gaps[1].end_ns is not None
    assert abs(gaps[0].start_ns - (seen_ns - began_ns) - (_AT + began_ns - _base(watching))) < NS_PER_MS
    watching.user.does(keys=3)
    watching.watch.end()
    assert watching.counts() == [(3, 0, 0, 0)]


def _base(watching: Watching) -> int:
    place = watching.watch._place
    assert place is not None
    return place.base_ns


def test_a_resume_while_the_display_hangs_waits_for_nobody(watching: Watching) -> None:
    watching.begin()
    watching.watch.end()
    report = watching.health.tracks["activity"]
    with watching.hanging():
        began_ns = watching.loop.clock.now_ns()
        watching.watch.prepare()
        watching.watch.begin(SpanPlace(1, began_ns, _AT + NS_PER_S, 0))
        assert watching.loop.clock.now_ns() - began_ns < 200 * NS_PER_MS
        watching.watch.restart()
        watching.until(lambda: not watching.watch.waits, "an outcome")
        assert report.state == "restarting"
        watching.watch.end()
        watching.health.close_track_gaps(_AT + NS_PER_S)
        watching.watch.begin(SpanPlace(2, watching.loop.clock.now_ns(), _AT + 2 * NS_PER_S, 0))
        assert watching.health.open_gaps, "a span that begins without it has its gap"
    watching.until(lambda: report.state == "healthy", "it is back")
    assert watching.health.open_gaps == [] and (report.tries, report.restarts) == (0, 1)
