"""The policy of devices: which one each track is recorded from, when it changes, and when it must not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pepys import limits
from pepys.record.adapters.pactl import read_devices
from pepys.record.devices import DeviceChoice, Devices, Switch, Wish, choose, default_for

S = limits.NS_PER_S
SPEAKER = "speaker.monitor"
MIC = Wish("audio.mic", "headset", follow_default=True, monitor=False)
NAMED = Wish("audio.mic", "headset", follow_default=False, monitor=False)
SYSTEM = Wish("audio.system", SPEAKER, follow_default=True, monitor=True)


def there(*names: str, mic: str = "headset", system: str = SPEAKER) -> Devices:
    return Devices(names, mic if mic in names else "", system if system in names else "")


ALL = there("headset", "desk", SPEAKER)


def told(steps: list[Switch]) -> list[tuple[str, str, str]]:
    return [(step.track, step.before, step.device) for step in steps]


def test_a_track_by_default_goes_where_the_default_goes_and_a_named_one_stays() -> None:
    moved = there("headset", "desk", SPEAKER, mic="desk")
    assert choose(MIC, "headset", moved) == "desk"
    assert choose(NAMED, "headset", moved) == "headset"
    assert choose(SYSTEM, SPEAKER, there("headset", SPEAKER, "hdmi.monitor", system="hdmi.monitor")) == "hdmi.monitor"


def test_what_is_gone_falls_back_to_the_default_only() -> None:
    for wish in (MIC, NAMED):
        assert choose(wish, "headset", there("desk", SPEAKER, mic="desk")) == "desk"
        assert choose(wish, "headset", there("desk", SPEAKER, mic="")) is None, "not whatever else is there"


def test_a_microphone_never_becomes_a_monitor() -> None:
    for default in (SPEAKER, "hdmi.monitor"):
        assert choose(NAMED, "headset", there(SPEAKER, "hdmi.monitor", mic=default)) is None
    virtual = Wish("audio.mic", "mixer.monitor", follow_default=True, monitor=False)
    assert default_for(virtual, there(SPEAKER, "hdmi.monitor", mic="hdmi.monitor")) == "hdmi.monitor"
    assert default_for(virtual, there(SPEAKER, mic=SPEAKER)) is None, "that is the system's sound"


def test_no_track_falls_back_to_another_one_s_device() -> None:
    second = Wish("audio.second", "desk", follow_default=False, monitor=False)
    choice = DeviceChoice([NAMED, second])
    assert not choice.seen(ALL, 0)
    assert not choice.seen(there("headset", SPEAKER), S), "the default is the other's"
    assert choice.absent("audio.second") and not choice.absent("audio.mic")
    (again,) = choice.seen(ALL, 2 * S)
    assert again == Switch("audio.second", "desk", "desk", "desk is there again") and again.again


def test_an_empty_list_is_no_news() -> None:
    choice = DeviceChoice([MIC, SYSTEM])
    assert not choice.seen(Devices((), "", ""), 0)
    assert not choice.seen(ALL, S)
    assert not choice.seen(Devices((), "", ""), 2 * S) and not choice.absent("audio.mic")
    assert choose(MIC, "headset", Devices((), "", "")) == "headset"


def test_unplugged_it_falls_back_at_once_and_goes_back_when_it_has_stayed() -> None:
    choice = DeviceChoice([NAMED, SYSTEM])
    choice.seen(ALL, 0)
    (fallen,) = choice.seen(there("desk", SPEAKER, mic="desk"), S)
    assert fallen == Switch("audio.mic", "desk", "headset", "headset is gone", gone=True)
    assert not choice.seen(there("headset", "desk", SPEAKER, mic="desk"), 5 * S)
    assert choice.due_ns == 5 * S + limits.DEVICE_SWITCH_NS
    (back,) = choice.due(choice.due_ns)
    assert back == Switch("audio.mic", "headset", "desk", "headset is there again")
    assert choice.due_ns is None and choice.current("audio.mic") == "headset"


def test_without_a_fallback_it_is_started_the_moment_it_is_there_again() -> None:
    choice = DeviceChoice([NAMED])
    choice.seen(ALL, 0)
    assert not choice.seen(there(SPEAKER), S) and choice.absent("audio.mic")
    assert not choice.due(2 * S)
    (again,) = choice.seen(ALL, 3 * S)
    assert again.again and again.device == "headset"
    assert not choice.due(4 * S)


def test_a_device_that_is_there_is_tried_again_before_another_takes_its_place() -> None:
    choice = DeviceChoice([NAMED])
    choice.seen(there("headset", "desk", SPEAKER, mic="desk"), 0)
    assert not choice.died("audio.mic", S)
    choice.delivers("audio.mic")
    assert not choice.died("audio.mic", 20 * S), "it had delivered since"
    assert told(choice.died("audio.mic", 21 * S)) == [("audio.mic", "headset", "desk")]
    assert choice.due_ns is not None
    (back,) = choice.due(choice.due_ns)
    assert back.device == "headset"
    assert not choice.refused("audio.mic", "desk", 24 * S)
    assert choice.current("audio.mic") == "desk", "doubted again, for longer"
    assert choice.due_ns is not None and choice.due_ns >= 24 * S + 2 * limits.DEVICE_SWITCH_NS


def test_a_server_that_died_says_nothing_about_its_devices() -> None:
    choice = DeviceChoice([NAMED])
    choice.seen(there("headset", "desk", SPEAKER, mic="desk"), 0)
    for second in range(10):
        assert not choice.died("audio.mic", second * S, answers=False)
    assert not choice.died("audio.mic", 10 * S)
    assert not choice.seen(there("headset", "desk", SPEAKER, mic="desk"), 11 * S)


def test_a_fallback_that_gives_nothing_is_not_tried_over_and_over() -> None:
    choice = DeviceChoice([NAMED])
    choice.seen(ALL, 0)
    assert told(choice.seen(there("desk", SPEAKER, mic="desk"), S)) == [("audio.mic", "headset", "desk")]
    assert not choice.refused("audio.mic", "headset", S + 1)
    assert not choice.due(S + 2) and choice.absent("audio.mic")
    assert choice.due_ns == S + 1 + limits.DEVICE_SWITCH_NS
    assert told(choice.due(choice.due_ns)) == [("audio.mic", "headset", "desk")]


def test_a_broken_device_without_another_is_kept() -> None:
    choice = DeviceChoice([NAMED])
    choice.seen(there("headset", SPEAKER), 0)
    for second in range(1, 8):
        assert not choice.died("audio.mic", second * S)
        choice.due(second * S)
    assert choice.current("audio.mic") == "headset"


def test_a_default_that_wavers_moves_a_track_once_in_two_seconds() -> None:
    choice = DeviceChoice([MIC])
    choice.seen(ALL, 0)
    moves: list[int] = []
    for tenth in range(1, 101):
        now = tenth * S // 10
        default = "desk" if tenth % 2 else "headset"
        steps = [*choice.seen(there("headset", "desk", SPEAKER, mic=default), now), *choice.due(now)]
        moves += [now] * len(steps)
    assert moves[0] == S // 10, "the first at once"
    gaps = [after - before for before, after in pairwise(moves)]
    assert gaps and min(gaps) >= limits.DEVICE_SWITCH_NS


def test_a_loose_plug_is_believed_less_each_time() -> None:
    choice = DeviceChoice([NAMED])
    without, now, waits = there("desk", SPEAKER, mic="desk"), 0, []
    choice.seen(ALL, now)
    for _ in range(6):
        now += S // 10
        assert told(choice.seen(without, now)) == [("audio.mic", "headset", "desk")]
        now += S // 10
        choice.seen(ALL, now)
        assert choice.due_ns is not None
        waits.append((choice.due_ns - now) // S)
        now = choice.due_ns
        assert told(choice.due(now)) == [("audio.mic", "desk", "headset")]
    assert waits == [2, 4, 8, 16, 30, 30]
    now += limits.DEVICE_STEADY_NS
    choice.seen(without, now)
    choice.seen(ALL, now)
    assert choice.due_ns == now + limits.DEVICE_SWITCH_NS, "it had been steady since"


def test_a_dummy_while_the_server_starts_is_left_again() -> None:
    choice = DeviceChoice([MIC, SYSTEM])
    choice.seen(ALL, 0)
    dummy = Devices(("auto_null.monitor",), "auto_null.monitor", "auto_null.monitor")
    assert told(choice.seen(dummy, S)) == [("audio.system", SPEAKER, "auto_null.monitor")]
    steps = told(choice.seen(ALL, S + S // 10))
    assert steps == [("audio.mic", "headset", "headset"), ("audio.system", "auto_null.monitor", SPEAKER)]


_NAMES = st.sampled_from(["headset", "desk", "webcam", SPEAKER, "hdmi.monitor"])
_LISTS = st.builds(
    lambda names, mic, system: Devices(tuple(sorted(names)), mic, system), st.sets(_NAMES), _NAMES, _NAMES
)
_HAPPENINGS = st.lists(
    st.one_of(_LISTS, st.tuples(st.sampled_from(["audio.mic", "audio.system"]), st.booleans())), max_size=40
)


@given(_HAPPENINGS, st.lists(st.integers(0, 3 * S), min_size=40, max_size=40), st.booleans())
def test_whatever_happens_the_rules_hold(
    happenings: list[Devices | tuple[str, bool]], waits: list[int], named: bool
) -> None:
    choice = DeviceChoice([NAMED if named else MIC, SYSTEM])
    now, listed, current = 0, Devices((), "", ""), {"audio.mic": "headset", "audio.system": SPEAKER}
    for happening, wait in zip(happenings, waits, strict=False):
        now += wait
        if isinstance(happening, Devices):
            listed = happening if happening.names else listed
            steps = choice.seen(happening, now)
        else:
            steps = choice.died(happening[0], now, answers=happening[1])
        if choice.due_ns is not None and choice.due_ns <= now:
            steps += choice.due(now)
        for step in steps:
            assert step.before == current[step.track] and step.reason
            assert step.device in listed.names
            assert step.track == "audio.system" or not step.device.endswith(".monitor")
            assert step.again or step.device not in current.values() or step.device in {"headset", SPEAKER}
            current[step.track] = step.device
        assert all(choice.current(track) == device for track, device in current.items())
        assert choice.due_ns is None or choice.due_ns > now


def test_what_went_and_came_between_two_lists_is_started_anew() -> None:
    choice = DeviceChoice([NAMED, SYSTEM])
    choice.seen(replace(ALL, numbers=(1, 2, 3)), 0)
    assert not choice.seen(replace(ALL, numbers=(1, 5, 3)), S), "it is nobody's"
    (again,) = choice.seen(replace(ALL, numbers=(7, 5, 3)), 2 * S)
    assert again.again and again.gone and again.device == "headset"
    assert not choice.seen(replace(ALL, numbers=(7, 5, 3)), 3 * S)
    assert not choice.seen(replace(ALL, numbers=(1, 2, 3), server=1), 4 * S), "another server counts anew"


def test_answers_of_pactl_are_read_as_they_come() -> None:
    info = "Server Name: pulseaudio\nDefault Sink: a b\nDefault Source: n/a\n"
    sources = "1\ta b.monitor\tmodule\ts16le 2ch 48000Hz\tIDLE\n7\tMikró fon\tmodule\ts16le 1ch 8000Hz\tRUNNING\n"
    expected = Devices(("a b.monitor", "Mikró fon"), "", "a b.monitor", at_ns=5, numbers=(1, 7), server=2)
    assert read_devices(info, sources, 5, 2) == expected
    assert read_devices("Default Source: Mikró fon", sources, 0).default_source == "Mikró fon"
    assert read_devices("Default Source: @DEFAULT_SOURCE@\nDefault Sink: gone", sources, 0).default_monitor == ""
    assert read_devices("", "\n\tx\nno\ty\n3", 0).names == ()
