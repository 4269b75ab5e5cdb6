"""Shots at random: whatever happens on a screen, they keep their distances and miss nothing for long."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from pepys import limits
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.record.shot_schedule import Activity, delay_ns
from pepys.record.shot_triggers import Area, ShotTriggers

_WIDTH, _HEIGHT = 1920, 1080


@st.composite
def _areas(draw: st.DrawFn) -> Area:
    left, top = draw(st.integers(0, _WIDTH - 2)), draw(st.integers(0, _HEIGHT - 2))
    return left, top, draw(st.integers(1, _WIDTH - left)), draw(st.integers(1, _HEIGHT - top))


_HAPPENINGS = st.lists(
    st.tuples(
        st.integers(1, 5000),
        st.one_of(
            st.sampled_from(["focus", "title", "other shot", "pause"]),
            st.lists(_areas(), max_size=3),
            st.integers(1, 100),
        ),
    ),
    max_size=60,
)
_REST_NS = 10 * NS_PER_S
_FILM: Area = (600, 200, 640, 360)


@settings(max_examples=80, deadline=None)
@given(_HAPPENINGS)
def test_triggers_keep_their_distances_and_lose_nothing(happenings: list[tuple[int, str | list[Area] | int]]) -> None:
    triggers = ShotTriggers()
    triggers.resized(_WIDTH, _HEIGHT)
    now_ns, shots, shown, told = 50 * NS_PER_S, [0], 0, False

    def run(until_ns: int) -> None:
        nonlocal now_ns, told
        while (due_ns := triggers.due_ns(now_ns)) is not None and max(due_ns, now_ns) <= until_ns:
            now_ns = max(now_ns, due_ns)
            trigger = triggers.due(now_ns)
            if trigger is not None:
                assert (trigger != "change") == told, "another window or title counts more than what is drawn"
                triggers.shot(now_ns, trigger)
                assert now_ns - shots[-1] >= limits.SHOT_TRIGGER_MIN_NS
                shots.append(now_ns)
                told = False
        now_ns = until_ns

    for milliseconds, what in happenings:
        run(now_ns + milliseconds * NS_PER_MS)
        if isinstance(what, list):
            triggers.damaged(what, now_ns)
            shown = now_ns if any(w * h >= limits.SHOT_BURST_PX for _, _, w, h in what) else shown
        elif isinstance(what, int):
            for _ in range(what):  # a film, ten pictures a second
                triggers.damaged([_FILM], now_ns)
                shown = now_ns
                run(now_ns + 100 * NS_PER_MS)
        elif what == "other shot":
            triggers.shot(now_ns, "manual")
            told = False
            shots.append(now_ns)
        elif what == "pause":
            triggers.forget()
            told, shown = False, 0
        else:
            triggers.told(what, now_ns)
            told, shown = True, now_ns
    # Long enough for what is restless to rest, and for the longest wait between two shots.
    run(now_ns + limits.SHOT_UNSETTLED_NS + limits.SHOT_SMALL_MIN_NS + limits.SHOT_TRIGGER_MEAN_NS + _REST_NS)
    assert shots[-1] >= shown, "a burst, a window or a title without a shot after it"
    assert triggers.due_ns(now_ns) is None, "and then nobody is woken any more"


@given(
    st.builds(Activity, st.integers(-9, 99), st.integers(-9, 999), st.integers(-9, 99)) | st.none(),
    st.floats(-2, 2),
)
def test_the_wait_lies_between_ten_seconds_and_five_minutes(activity: Activity | None, curiosity: float) -> None:
    assert 10 * NS_PER_S <= delay_ns(activity, curiosity) <= 300 * NS_PER_S


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 60), st.integers(0, 10)), min_size=2, max_size=5))
def test_who_does_more_waits_less(counts: list[tuple[int, int, int]]) -> None:
    for one, other in itertools.pairwise(sorted(counts)):
        both = Activity(*(max(pair) for pair in zip(one, other, strict=True)))
        assert delay_ns(both, 0.5) <= min(delay_ns(Activity(*one), 0.5), delay_ns(Activity(*other), 0.5))
        assert delay_ns(both, 1.0) <= delay_ns(both, 0.0)
