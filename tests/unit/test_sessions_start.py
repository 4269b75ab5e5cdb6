"""What settings and flags become in the order that a recorder gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.clock import SystemClock
from pepys.config import config_dir, load_settings
from pepys.errors import Usage
from pepys.limits import NS_PER_S
from pepys.record.spec import RecordSpec, from_json
from pepys.sessions.start import StartRequest, make_spec, validate
from tests.hosted import fakes


@pytest.fixture(autouse=True)
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


def ordered(home: Path, request: StartRequest) -> RecordSpec:
    """The order, read back as a recorder reads it."""
    judged, settings = validate(request, SystemClock())
    return from_json(make_spec(home, judged, settings, SystemClock()).to_json())


@pytest.mark.parametrize(
    ("shots", "adaptive", "seconds"), [(None, True, 300), ("adaptive", True, 300), (7.5, False, 7.5), ("off", False, 0)]
)
def test_shots_are_adaptive_unless_said_otherwise(
    home: Path, shots: float | str | None, adaptive: bool, seconds: float
) -> None:
    spec = ordered(home, StartRequest(shots=shots))
    assert (spec.shots_adaptive, spec.shots_interval_ns) == (adaptive, seconds * NS_PER_S)


def test_lock_and_memory_are_settings(home: Path) -> None:
    spec = ordered(home, StartRequest())
    assert (spec.when_locked, spec.memory_limit_bytes, spec.rehearsal) == ("pause", 512 * 2**20, False)
    config_dir().mkdir(parents=True)
    file = config_dir() / "config.toml"
    file.write_text('[record]\nwhen_locked = "record"\nmemory_mb = 300\nshots = "adaptive"\n')
    spec = ordered(home, StartRequest())
    assert (spec.when_locked, spec.memory_limit_bytes) == ("record", 300 * 2**20)
    for line, word in (
        ("memory_mb = 100", "memory_mb"),
        ("memory_mb = 9000", "memory_mb"),
        ('when_locked = "no"', "when"),
    ):
        file.write_text(f"[record]\n{line}\n")
        with pytest.raises(Usage, match=word):
            load_settings()


def test_a_session_that_goes_on_later_counts_nothing_down(home: Path) -> None:
    assert ordered(home, StartRequest(countdown_s=5)).config["countdown_s"] == 0
