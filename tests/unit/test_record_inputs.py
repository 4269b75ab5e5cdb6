"""Counts of what a user did, and idle stretches, on a clock that the test moves."""

from __future__ import annotations

import struct

import pytest

from pepys import limits
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model.events import IdleNoted, InputCounted
from pepys.record.adapters.x11.inputs import ServerTime, kind_of
from pepys.record.inputs import Input, InputLedger, Kind
from pepys.record.playback import SpanPlace

BASE, AT = 1000 * NS_PER_S, 500 * NS_PER_S
PLACE = SpanPlace(0, BASE, AT, 0)


class Kept:
    """A ledger and what it noted; times are seconds since the span's start."""

    def __init__(self) -> None:
        self.noted: list[InputCounted | IdleNoted] = []
        self.ledger = InputLedger(self.noted.append)
        self.ledger.begin(PLACE, BASE)

    def did(self, second: float, kind: Kind = "keys") -> None:
        self.ledger.take([Input(BASE + round(second * NS_PER_S), kind)])

    def look(self, second: float) -> None:
        self.ledger.look(BASE + round(second * NS_PER_S))

    def end(self, second: float) -> None:
        self.ledger.end(BASE + round(second * NS_PER_S))


def counted(start: float, seconds: float, *counts: int) -> InputCounted:
    return InputCounted(AT + round(start * NS_PER_S), round(seconds * NS_PER_S), *counts)


def idle(start: float, end: float | None) -> IdleNoted:
    return IdleNoted(AT + round(start * NS_PER_S), None if end is None else AT + round(end * NS_PER_S))


def test_each_ten_seconds_are_counted_by_themselves() -> None:
    kept = Kept()
    kept.did(1)
    kept.did(9.9, "clicks")
    assert kept.ledger.due_ns() == BASE + 10 * NS_PER_S
    kept.did(10.1, "moves")
    assert kept.noted == [counted(0, 10, 1, 1, 0, 0)], "heard late, counted where it was"
    kept.look(19.9)
    assert len(kept.noted) == 1
    kept.look(20)
    assert kept.noted[1:] == [counted(10, 10, 0, 0, 0, 1)]
    kept.look(40)
    kept.did(41, "scrolls")
    kept.end(42.5)
    assert kept.noted[2:] == [counted(40, 2.5, 0, 0, 1, 0)], "nothing is noted where nothing was done"


def test_outside_of_spans_nothing_is_counted() -> None:
    kept = Kept()
    kept.end(1)
    kept.did(2)
    kept.look(90)
    assert kept.noted == [] and kept.ledger.due_ns() is None
    kept.ledger.begin(SpanPlace(1, BASE + 100 * NS_PER_S, AT + 100 * NS_PER_S, 0), BASE + 100 * NS_PER_S)
    kept.did(99)
    kept.look(159.5)
    kept.end(159.9)
    assert kept.noted == [counted(100, 10, 1, 0, 0, 0)], "what was under way counts at the start"


def test_idle_begins_at_the_last_input_and_ends_at_the_next() -> None:
    kept = Kept()
    kept.did(5)
    kept.look(64.9)
    assert kept.noted == [counted(0, 10, 1, 0, 0, 0)]
    assert kept.ledger.due_ns() == BASE + 65 * NS_PER_S
    kept.look(65)
    assert kept.noted[1:] == [idle(5, None)]
    kept.look(300)
    kept.did(301, "moves")
    assert kept.noted[2:] == [idle(5, 301)]
    kept.did(400)
    assert kept.noted[3:] == [counted(300, 10, 0, 0, 0, 1), idle(301, None), idle(301, 400)], "though nobody looked"


def test_idle_ends_with_the_span_and_begins_anew_with_the_next() -> None:
    kept = Kept()
    kept.look(60)
    kept.end(75)
    assert kept.noted == [idle(0, None), idle(0, 75)]
    kept.ledger.begin(SpanPlace(1, BASE + 80 * NS_PER_S, AT + 80 * NS_PER_S, 0), BASE + 70 * NS_PER_S)
    kept.look(139)
    assert len(kept.noted) == 2
    kept.look(140)
    assert kept.noted[2:] == [idle(80, None)]


def test_clicks_of_a_while_are_known() -> None:
    kept = Kept()
    for second in range(100):
        kept.did(second, "clicks")
    assert kept.ledger.clicks(BASE + 40 * NS_PER_S) == 60


def raw(number: int, detail: int = 0, valuators: int = 0, axes: int = 0) -> bytes:
    """A raw event of XInput 2 as the client library holds it."""
    head = struct.pack("=BBHIHHIIHHI4xI", 35, 131, 0, valuators, number, 2, 77, detail, 4, valuators, 0, 9)
    return head + (struct.pack("=I", axes) if valuators else b"")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (raw(13, detail=38), "keys"),
        (raw(14, detail=38), None),
        (raw(15, detail=1), "clicks"),
        (raw(15, detail=3), "clicks"),
        (raw(15, detail=8), "clicks"),
        (raw(15, detail=4), "scrolls"),
        (raw(15, detail=7), "scrolls"),
        (raw(17, valuators=1, axes=0b01), "moves"),
        (raw(17, valuators=1, axes=0b1011), "moves"),
        (raw(17, valuators=1, axes=0b1000), None),
        (raw(22), "clicks"),
        (raw(23), None),
    ],
)
def test_what_an_event_is_counted_as(event: bytes, kind: Kind | None) -> None:
    assert kind_of(event) == kind


def test_a_servers_time_becomes_the_clocks() -> None:
    time, now = ServerTime(), 50 * NS_PER_S
    assert time.at_ns(2**32 - 100, 0, now) == now
    assert time.at_ns(400, 0, now + NS_PER_S) == now + NS_PER_S // 2, "its milliseconds began anew"
    late = now + 100 * NS_PER_S
    assert time.at_ns(500, late, late + NS_PER_S) == late, "its clock stood still meanwhile"
    assert time.at_ns(750, late, late + NS_PER_S) == late + 250 * NS_PER_MS
    assert time.at_ns(9000, late, late + NS_PER_S) == late + NS_PER_S, "not after it was found"


def test_the_last_kept_clicks_are_enough_for_the_formula() -> None:
    # Fifty clicks a minute are as many as count there.
    assert limits.CLICKS_KEPT >= 50
