"""The account of a sound track: exact where a span ended in order, and what a crash took is a loss with its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model import events as ev
from pepys.model.session import Session, SoundDrift, SoundLoss, Track
from pepys.record.account import duration_of, samples_in
from tests.unit.test_model_projection import fold, span, started

TRACK = ev.TrackStarted("audio.mic", "audio", "a device", "opus")
INIT = ev.InitWritten("audio.mic", 0, "b3-i", "audio/mp4")
TOLD = ev.SoundAccounted("audio.mic", 0, 2 * NS_PER_S, 95_990, 95_980, 10, 20, 0, 0, 96_000, 0, {}, final=True)


def segment(number: int, in_span: int, at_ms: int, *durations_ms: int) -> ev.SegmentSealed:
    starts = [at_ms + sum(durations_ms[:n]) for n in range(len(durations_ms))]
    parts = tuple(
        (n, 1, start * NS_PER_MS, length * NS_PER_MS)
        for n, (start, length) in enumerate(zip(starts, durations_ms, strict=True))
    )
    at_ns, lasts_ns = at_ms * NS_PER_MS, sum(durations_ms) * NS_PER_MS
    return ev.SegmentSealed("audio.mic", number, in_span, "b3-x", 9, at_ns, lasts_ns, at_ns, parts)


def track_of(view: Session) -> Track:
    found = view.track("audio.mic")
    assert found is not None
    return found


def whole(told: ev.SoundAccounted) -> Session:
    return fold(
        started(), span(0, 0, 0), TRACK, segment(0, 0, 0, 800, 800, 400), told, ev.SpanEnded(0, 2 * NS_PER_S, 0)
    )


def test_a_span_that_ended_in_order_is_exact() -> None:
    (account,) = track_of(whole(TOLD)).accounts
    assert account.exact and account.written == account.encoded == 96_000
    assert track_of(whole(TOLD)).losses == ()


@pytest.mark.parametrize("lasts_ns", [60_544_895_417, 60_544_874_999, 60_544_875_000, 60_544_875_001])
@pytest.mark.parametrize("first", [0, 1, 2, 77_777])
def test_a_device_that_is_away_until_the_end_loses_what_is_silent_to_the_sample(first: int, lasts_ns: int) -> None:
    start_ns = 3 * NS_PER_S + 7
    silent = samples_in(lasts_ns) - first
    lost = ev.GapNoted(start_ns + duration_of(first), start_ns + lasts_ns, "device_lost", "audio.mic", "it died")
    began = ev.SpanStarted(0, start_ns, 0, "boot", 0, 0)
    losses = track_of(fold(began, TRACK, lost, ev.SpanEnded(0, start_ns + lasts_ns, lasts_ns))).losses
    assert [loss.samples for loss in losses] == [silent]


@pytest.mark.parametrize(
    "wrong",
    [
        replace(TOLD, delivered=95_991), replace(TOLD, captured=95_979), replace(TOLD, encoded=96_001),
        replace(TOLD, refused=1), replace(TOLD, inserted=19),
        replace(TOLD, silent=1, captured=95_979, delivered=95_989),
    ],
)  # fmt: skip
def test_a_sample_that_is_nowhere_shows(wrong: ev.SoundAccounted) -> None:
    (account,) = track_of(whole(wrong)).accounts
    assert not account.exact


def test_what_the_disk_refused_is_not_written_and_yet_exact() -> None:
    view = fold(span(0, 0, 0), TRACK, segment(0, 0, 0, 800, 400), replace(TOLD, refused=38_400))
    (account,) = track_of(view).accounts
    assert account.exact and account.written == 57_600


def test_the_last_account_of_a_span_counts() -> None:
    early = replace(TOLD, encoded=1, final=False)
    for order in ([early, TOLD], [early, early, TOLD]):
        assert [account.encoded for account in track_of(fold(TRACK, *order)).accounts] == [96_000]


def test_a_crash_takes_what_lies_behind_the_last_fragment() -> None:
    crashed = (span(0, 0, 0), TRACK, INIT, segment(0, 0, 0, 800, 800), ev.SpanEnded(0, 1_900 * NS_PER_MS, 0))
    view = fold(*crashed, ev.GapNoted(1_900 * NS_PER_MS, 5 * NS_PER_S, "crash"), span(1, 5, 2))
    assert track_of(view).losses == (SoundLoss(1_600 * NS_PER_MS, 14_400, "crash", "it was not durable yet"),)
    assert track_of(fold(*crashed)).losses == (), "a pause takes nothing"


def test_a_gap_of_the_track_is_a_loss_in_samples() -> None:
    gap = ev.GapNoted(NS_PER_S, NS_PER_S + 20_833, "device_lost", "audio.mic", "A, then B")
    lost = track_of(fold(span(0, 0, 0), TRACK, gap)).losses
    assert lost == (SoundLoss(NS_PER_S, 1, "device_lost", "A, then B"),)


def crashed_after(*events: ev.Event, at_ms: int = 1_900) -> Session:
    """A span with 1.6 s of sound that crashed, then one that runs for ten seconds."""
    end_ns = at_ms * NS_PER_MS
    gone_on = (ev.GapNoted(end_ns, 5 * NS_PER_S, "crash"), span(1, 5, 2), ev.AnchorNoted(5 * NS_PER_S, 0))
    sound = (INIT, segment(0, 0, 0, 800, 800), *events, ev.SpanEnded(0, end_ns, 0), *gone_on)
    return fold(span(0, 0, 0), TRACK, *sound, replace(INIT, span=1), segment(1, 1, 5_000, 10_000))


def test_a_track_that_was_off_when_it_crashed_lost_nothing() -> None:
    view = fold(
        span(0, 0, 0), TRACK, ev.SpanEnded(0, 2 * NS_PER_S, 0), ev.GapNoted(2 * NS_PER_S, 5 * NS_PER_S, "crash"),
        span(1, 5, 2), replace(INIT, span=1), segment(0, 1, 5_000, 800),
    )  # fmt: skip
    assert track_of(view).losses == ()
    begun = fold(span(0, 0, 0), TRACK, INIT, ev.SpanEnded(0, NS_PER_S, 0), ev.GapNoted(NS_PER_S, None, "crash"))
    assert [loss.samples for loss in track_of(begun).losses] == [48_000], "it had begun, and nothing came to the disk"


@pytest.mark.parametrize("end_ns", [None, 1_900 * NS_PER_MS, 7 * NS_PER_S])
def test_a_gap_that_was_open_at_a_crash_ends_where_the_crash_took_the_rest(end_ns: int | None) -> None:
    gap = ev.GapNoted(NS_PER_S, end_ns, "device_lost", "audio.mic", "A")
    lost = track_of(crashed_after(gap)).losses
    at_crash = SoundLoss(1_600 * NS_PER_MS, 14_400, "crash", "it was not durable yet")
    assert lost[:2] == (SoundLoss(NS_PER_S, 28_800, "device_lost", "A"), at_crash)
    later = 0 if end_ns != 7 * NS_PER_S else 2 * 48_000
    assert sum(loss.samples for loss in lost[2:]) == later, "the time between spans is nobody's loss"


def test_an_open_gap_of_a_track_ends_with_its_span() -> None:
    track = track_of(crashed_after(ev.GapNoted(NS_PER_S, None, "device_lost", "audio.mic")))
    assert [(gap.start_ns, gap.end_ns) for gap in track.gaps] == [(NS_PER_S, 1_900 * NS_PER_MS)]


def test_losses_for_two_reasons_at_once_are_summed_once() -> None:
    away = ev.GapNoted(200 * NS_PER_MS, 900 * NS_PER_MS, "device_lost", "audio.mic")
    refused = ev.GapNoted(0, 800 * NS_PER_MS, "disk_full", "audio.mic")
    lost = track_of(crashed_after(away, refused)).losses
    assert [(loss.at_ns // NS_PER_MS, loss.samples, loss.reason) for loss in lost] == [
        (0, 38_400, "disk_full"), (800, 4_800, "device_lost"), (1_600, 14_400, "crash"),
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [{"delivered": 95_991}, {"captured": 1}, {"silent": 1}, {"inserted": 19}])
def test_what_was_told_before_a_crash_has_to_sum_up_too(wrong: dict[str, int]) -> None:
    told = replace(TOLD, final=False)
    good, bad = (track_of(crashed_after(one)).accounts[0] for one in (told, replace(told, **wrong)))
    assert good.crashed and good.exact and good.written == 76_800
    assert bad.crashed and not bad.exact


def test_a_span_of_which_nothing_was_told_is_exact_only_as_far_as_it_was_told() -> None:
    crashed, runs = track_of(crashed_after(replace(TOLD, span=1, final=False))).accounts
    assert (crashed.written, crashed.encoded, crashed.crashed, crashed.exact) == (76_800, 0, True, True)
    assert not runs.crashed and runs.exact
    orderly = fold(
        span(0, 0, 0), TRACK, segment(0, 0, 0, 800), ev.SpanEnded(0, NS_PER_S, 0), span(1, 1, 1),
        segment(1, 1, 1_000, 2_000), replace(TOLD, span=1), ev.SpanEnded(1, 3 * NS_PER_S, 0),
    )  # fmt: skip
    assert [(account.span, account.exact) for account in track_of(orderly).accounts] == [(0, False), (1, True)]
    early = fold(span(0, 0, 0), TRACK, replace(TOLD, final=False), ev.SpanEnded(0, 2 * NS_PER_S, 0))
    assert not track_of(early).accounts[0].exact, "a span that ended in order owes its last account"


def test_corrections_add_up_and_switches_are_kept() -> None:
    view = fold(
        TRACK, ev.SoundCorrected("audio.mic", 9, 1, 100, 0, -90),
        ev.SoundCorrected("audio.mic", 19, 9, 0, 960, 110, step=True),
        ev.DeviceSwitched("audio.mic", 30, "B", "A", "the default device changed"),
        ev.SoundGraphSet(0, {"nodes": []}), ev.SoundGraphSet(5, {"nodes": [1]}),
    )  # fmt: skip
    track = track_of(view)
    assert track.drift == SoundDrift(100, 960, 1, 110)
    assert [(switch.device, switch.before) for switch in track.switches] == [("B", "A")]
    assert view.sound_graph == {"nodes": [1]}


def test_what_gains_and_mixes_were_set_to_last_is_kept_though_a_later_graph_lacks_them() -> None:
    def graph(*nodes: tuple[str, str, object]) -> ev.SoundGraphSet:
        return ev.SoundGraphSet(
            0, {"nodes": [{"name": name, "kind": kind, "params": params} for name, kind, params in nodes]}
        )

    muted = {"gain_db": 0.0, "muted": True}
    view = fold(
        graph(("mic", "microphone", {}), ("mic.gain", "gain", {}), ("mix", "mix", {"balance": 3})),
        graph(("mic.gain", "gain", muted)), graph(("odd", "gain", "text")),
    )  # fmt: skip
    assert view.sound_set == {"mic.gain": muted, "mix": {"balance": 3}, "odd": {}}
