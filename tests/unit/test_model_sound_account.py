"""The account of a sound track: exact where a span ended in order, and what a crash took is a loss with its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model import events as ev
from pepys.model.session import Session, SoundDrift, SoundLoss, Track
from tests.unit.test_model_projection import fold, span, started

TRACK = ev.TrackStarted("audio.mic", "audio", "a device", "opus")
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
    crashed = (span(0, 0, 0), TRACK, segment(0, 0, 0, 800, 800), ev.SpanEnded(0, 1_900 * NS_PER_MS, 0))
    view = fold(*crashed, ev.GapNoted(1_900 * NS_PER_MS, 5 * NS_PER_S, "crash"), span(1, 5, 2))
    assert track_of(view).losses == (SoundLoss(1_600 * NS_PER_MS, 14_400, "crash", "it was not durable yet"),)
    assert track_of(fold(*crashed)).losses == (), "a pause takes nothing"


def test_a_gap_of_the_track_is_a_loss_in_samples() -> None:
    gap = ev.GapNoted(NS_PER_S, NS_PER_S + 20_833, "device_lost", "audio.mic", "A, then B")
    assert track_of(fold(TRACK, gap)).losses == (SoundLoss(NS_PER_S, 1, "device_lost", "A, then B"),)


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
