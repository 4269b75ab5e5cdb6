"""What takes a shot at once: windows and titles, and bursts of changes that settle."""

from __future__ import annotations

from collections.abc import Sequence

from pepys import limits
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.record.shot_triggers import Area, ShotTriggers

_PAGE: Area = (0, 100, 1200, 700)
_LINE: Area = (16, 400, 320, 14)
_CURSOR: Area = (200, 600, 16, 14)
_CLOCK: Area = (1800, 4, 96, 40)
_FILM: Area = (600, 200, 640, 360)


class Timeline:
    """Runs a `ShotTriggers` as the loop does: asked when it says that it is due."""

    def __init__(self) -> None:
        self.triggers = ShotTriggers()
        self.triggers.resized(1920, 1080)
        self.now_ns = 1000 * NS_PER_S
        self.shots: list[tuple[int, str]] = []
        self.triggers.shot(self.now_ns)
        self.asked = 0

    def run(self, seconds: float) -> None:
        until_ns = self.now_ns + round(seconds * NS_PER_S)
        while True:
            due_ns = self.triggers.due_ns(self.now_ns)
            if due_ns is None or max(due_ns, self.now_ns) > until_ns:
                break
            self.now_ns = max(self.now_ns, due_ns)
            self.asked += 1
            trigger = self.triggers.due(self.now_ns)
            if trigger is not None:
                self.triggers.shot(self.now_ns, trigger)
                self.shots.append((self.now_ns, trigger))
        self.now_ns = until_ns

    def change(self, *areas: Area) -> None:
        self.triggers.damaged(areas, self.now_ns)

    def changes(self, areas: Sequence[Area], every_s: float, seconds: float) -> None:
        for _ in range(round(seconds / every_s)):
            self.change(*areas)
            self.run(every_s)

    def type_line(self, top: int, letters: int, every_s: float) -> None:
        for letter in range(letters):
            self.change((letter * 6 // 16 * 16, top, 16, 14))
            self.run(every_s)

    @property
    def since_ns(self) -> list[int]:
        """Times of the shots since the timeline's own zero."""
        return [at_ns - 1000 * NS_PER_S for at_ns, _ in self.shots]


def test_a_burst_is_taken_once_when_it_settles() -> None:
    line = Timeline()
    line.run(5)
    line.changes([_PAGE], 0.1, 1.0)
    line.run(60)
    assert line.shots == [(1005 * NS_PER_S + 900 * NS_PER_MS + limits.SHOT_SETTLE_NS, "change")]


def test_a_burst_that_does_not_settle_is_taken_after_three_seconds_and_once_more_when_it_does() -> None:
    line = Timeline()
    line.run(5)
    line.changes([_PAGE], 0.1, 3.5)
    assert line.since_ns == [8 * NS_PER_S]
    line.run(60)
    assert line.since_ns == [8 * NS_PER_S, 10 * NS_PER_S], "settled, and two seconds after the last"


def test_a_burst_that_moves_on_is_taken_again_and_one_that_stays_when_it_rests() -> None:
    line = Timeline()
    line.run(5)
    for n in range(100):
        line.change((0, n * 8, 1920, 200))
        line.run(0.1)
    assert line.since_ns[:3] == [8 * NS_PER_S, 11 * NS_PER_S, 14 * NS_PER_S]
    line = Timeline()
    line.run(5)
    line.changes([_PAGE], 0.1, 20)
    assert line.since_ns == [8 * NS_PER_S]
    line.run(10)
    assert len(line.shots) == 2 and 25 * NS_PER_S < line.since_ns[1] < 30 * NS_PER_S, "what it has become is seen"


def test_focus_and_title_wait_until_the_window_is_drawn() -> None:
    line = Timeline()
    line.run(5)
    line.triggers.told("title", line.now_ns)
    line.run(0.1)
    line.triggers.told("focus", line.now_ns)
    line.change(_PAGE)
    line.run(0.1)
    line.triggers.told("title", line.now_ns)
    line.run(30)
    assert line.shots == [(1005 * NS_PER_S + 400 * NS_PER_MS, "focus")], "a window counts more than its title"
    line.triggers.told("title", line.now_ns)
    line.run(30)
    assert [trigger for _, trigger in line.shots] == ["focus", "title"], "and needs no change to be seen"


def test_a_window_that_never_settles_is_taken_after_three_seconds() -> None:
    line = Timeline()
    line.run(5)
    line.triggers.told("focus", line.now_ns)
    for n in range(60):
        line.change((0, n * 16, 1200, 100))  # another place each time
        line.run(0.1)
    assert line.shots[0] == (1008 * NS_PER_S, "focus")
    line = Timeline()
    line.run(5)
    line.changes([_PAGE], 0.1, 2.5)
    line.triggers.told("focus", line.now_ns)
    line.changes([_PAGE], 0.1, 1)
    line.run(5)
    assert line.shots == [(1008 * NS_PER_S, "focus"), (1010 * NS_PER_S, "change")], "nor does it hold up a burst"


def test_no_trigger_within_two_seconds_after_a_shot_and_none_is_lost() -> None:
    line = Timeline()
    line.run(0.1)
    line.triggers.told("focus", line.now_ns)
    line.run(5)
    assert line.since_ns == [limits.SHOT_TRIGGER_MIN_NS]
    line.triggers.shot(line.now_ns, "manual")
    line.change(_PAGE)
    line.run(5)
    assert line.since_ns[1:] == [5100 * NS_PER_MS + limits.SHOT_TRIGGER_MIN_NS]


def test_little_change_waits_longer_than_much() -> None:
    line = Timeline()
    line.run(1)
    line.change(_LINE)
    line.run(30)
    assert line.shots == [(1000 * NS_PER_S + limits.SHOT_SMALL_MIN_NS, "change")]


def test_what_blinks_is_no_burst() -> None:
    line = Timeline()
    line.run(5)
    line.changes([_CURSOR], 0.53, 600)
    assert line.shots == []
    assert line.asked <= 20, "nor does it wake anybody for long"


def test_a_clock_is_taken_until_it_is_known_to_be_one() -> None:
    line = Timeline()
    line.run(5)
    line.changes([_CLOCK], 1.0, 600)
    assert len(line.shots) <= 2
    seen = len(line.shots)
    line.change(_PAGE)
    line.run(1)
    assert len(line.shots) == seen + 1, "what changes elsewhere is a burst all the same"


def test_a_film_is_taken_at_first_and_when_it_has_ended() -> None:
    line = Timeline()
    line.run(5)
    line.changes([_FILM], 1 / 30, 120)
    assert len(line.shots) == 1
    line.type_line(900, 60, 0.15)
    assert len(line.shots) >= 2, "beside it, typing counts"
    line.changes([_FILM], 1 / 30, 60)
    seen = len(line.shots)
    line.run(30)
    assert len(line.shots) == seen + 1 and line.shots[-1][1] == "change"
    line.run(600)
    assert len(line.shots) == seen + 1


def test_typing_beside_a_film_settles() -> None:
    line = Timeline()
    line.run(5)
    line.changes([_FILM], 1 / 30, 30)
    seen = len(line.shots)
    line.change((0, 700, 1200, 300))
    line.changes([_FILM], 1 / 30, 1)
    assert len(line.shots) == seen + 1, "the film does not hold it up"


def test_letters_add_up_to_a_line() -> None:
    line = Timeline()
    line.run(30)
    line.type_line(200, 8, 0.5)
    assert line.shots == []
    line.type_line(200, 40, 0.5)
    assert len(line.shots) == 2, "24 s of slow typing: one once there is enough, then one in ten seconds"


def test_typing_has_a_bound() -> None:
    line = Timeline()
    for row in range(90):
        line.type_line(100 + 14 * (row % 60), 60, 1 / 6)
    assert 80 <= len(line.shots) <= 91, "a quarter of an hour"


def test_an_hour_of_pages_has_a_bound() -> None:
    line = Timeline()
    line.changes([_PAGE], 3.0, 3600)
    times = [at_ns for at_ns, _ in line.shots]
    assert 340 <= len(times) <= 375, "one in ten seconds, and twelve at once"
    assert times[10] - times[0] <= 35 * NS_PER_S, "the first come at once"
    assert times[-1] - times[-2] >= 9 * NS_PER_S


def test_a_span_that_is_over_leaves_nothing() -> None:
    line = Timeline()
    line.run(5)
    line.triggers.told("focus", line.now_ns)
    line.change(_PAGE)
    line.triggers.forget()
    assert line.triggers.due_ns(line.now_ns) is None
    line.run(30)
    assert line.shots == []


def test_a_screen_of_another_size_begins_anew() -> None:
    line = Timeline()
    line.run(5)
    line.triggers.resized(800, 600)
    line.change((0, 0, 800, 600))
    line.run(5)
    assert len(line.shots) == 1
