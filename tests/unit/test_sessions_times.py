"""Times as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepys.clock import rfc3339
from pepys.errors import Usage
from pepys.sessions.start import default_name
from pepys.sessions.times import parse_offset, parse_time

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1:02:03.5", 3723_500_000_000),
        ("2:03", 123 * S),
        ("90s", 90 * S),
        ("90", 90 * S),
        ("0.000000001", 1),
        ("1h30m", 5400 * S),
        ("10m", 600 * S),
        ("0s", 0),
    ],
)
def test_offsets_are_exact_nanoseconds(text: str, ns: int) -> None:
    assert parse_offset(text) == ns
    assert parse_time(text, 5 * S) == 5 * S + ns


@pytest.mark.parametrize("text", ["", "soon", "1:2", "-5s", "5 s", "1:02:03.5.6", "٣s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Usage, match="is no time"):
        parse_time(text, 0)


def test_an_offset_needs_a_session() -> None:
    with pytest.raises(Usage):
        parse_time("90s")


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_moments_survive_in_milliseconds(wall_ms: int) -> None:
    assert parse_time(rfc3339(wall_ms * 1_000_000), 0) == wall_ms * 1_000_000


def test_a_nameless_session_is_named_by_day_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert default_name(1795442700 * S) == "Monday 23 November, 14:05"
