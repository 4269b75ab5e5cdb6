"""What health and metrics say of a status: the truth about what stands still, in names that do not change."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pepys.web.health import health_shape
from pepys.web.metrics import render
from pepys.web.shapes import Health


def status(**changed: Any) -> dict[str, Any]:
    """A recording that is well; `changed` goes over its video track, or with a capital first over the status."""
    track = {
        "track": "video", "source": "display::1", "state": "healthy", "detail": "", "attempt_ms_ago": 10,
        "capture_ms_ago": 250, "write_ms_ago": None, "stands": "", "stands_ms": 0, "captured": 7, "encoded": 9,
        "dropped": 1, "restarts": 2,
    }  # fmt: skip
    whole = {
        "state": "recording", "session": "s", "recorded_ms": 1500, "wall_ms": 2000, "bytes": 7000, "restarts": 1,
        "tracks": [{**track, **{name: value for name, value in changed.items() if name.islower()}}],
        "write_queue": {"items": 3, "refused": 0, "oldest_ms": 120}, "loop": {"longest_ms": 12.5, "p99_ms": 4.0},
        "memory": {"rss_bytes": 90, "limit_bytes": 512}, "host": {"loop_longest_ms": 8.0}, "held": "", "notices": [],
        "disk": {"free_bytes": 10, "seconds_left": 700, "warning": ""},
    }  # fmt: skip
    return {**whole, **{name.lower(): value for name, value in changed.items() if not name.islower()}}


def test_a_recording_that_is_well_is_ok() -> None:
    told = health_shape(status())
    Health.model_validate(told)
    assert (told["status"], told["problems"]) == ("ok", [])
    assert told["tracks"][0]["capture_ms_ago"] == 250 and told["tracks"][0]["write_ms_ago"] is None


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"stands": "write", "stands_ms": 3400}, "video: write stands still for 3 s"),
        ({"state": "degraded", "detail": "capture stands still for 3 s", "stands": "capture", "stands_ms": 3000},
         "video: degraded: capture stands still for 3 s"),
        ({"state": "failed", "detail": "gone"}, "video: failed: gone"),
        ({"state": "restarting"}, "video: restarting"),
        ({"Write_queue": {"items": 256, "refused": 9, "refused_lately": 4}}, "the disk does not keep up: 4 refused"),
        ({"Disk": {"free_bytes": 1, "seconds_left": 90, "warning": "low"}}, "the disk is nearly full"),
        ({"Notices": [{"kind": "protocol", "text": "an older recorder ends"}]}, "an older recorder ends"),
        ({"State": "restarting", "Tracks": [], "Notices": [{"kind": "restart", "text": "it is started again: x"}]},
         "it is started again: x"),
        ({"State": "restarting", "Tracks": []}, "the recorder died and is started again"),
        ({"State": "interrupted", "Tracks": []}, "the recorder died: the session is interrupted"),
    ],
)  # fmt: skip
def test_anything_that_stands_still_or_is_in_trouble_is_degraded(changed: dict[str, Any], problem: str) -> None:
    told = health_shape(status(**changed))
    Health.model_validate(told)
    assert (told["status"], told["problems"]) == ("degraded", [problem])


def test_what_was_refused_long_ago_is_no_trouble() -> None:
    told = health_shape(status(Write_queue={"items": 0, "refused": 4, "refused_lately": 0, "oldest_ms": 0}))
    assert (told["status"], told["problems"]) == ("ok", [])


def test_a_held_recording_and_an_idle_host_are_ok() -> None:
    assert health_shape(status(Held="locked", State="paused"))["held"] == "the screen is locked"
    idle = health_shape({"state": "idle", "tracks": [], "disk": {}})
    assert (idle["status"], idle["tracks"]) == ("ok", [])


def samples(told: bytes) -> dict[str, float]:
    """Every sample by its name and labels."""
    lines = [line for line in told.decode().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_metrics_tell_the_status_with_units() -> None:
    told = samples(render(status(stands="write", stands_ms=3000)))
    assert told == {
        **told,
        'pepys_session_state{state="recording"}': 1, 'pepys_session_state{state="idle"}': 0,
        "pepys_recorded_seconds": 1.5, "pepys_wall_seconds": 2, "pepys_bytes_total": 7000,
        "pepys_recorder_restarts_total": 1, "pepys_held": 0, "pepys_notices": 0,
        "pepys_disk_free_bytes": 10, "pepys_disk_left_seconds": 700,
        'pepys_frames_total{stage="taken",track="video"}': 7, 'pepys_frames_total{stage="encoded",track="video"}': 9,
        'pepys_frames_dropped_total{track="video"}': 1,
        'pepys_restarts_total{track="video"}': 2, 'pepys_track_health{health="healthy",track="video"}': 1,
        'pepys_clock_age_seconds{clock="capture",track="video"}': 0.25,
        'pepys_clock_stands_seconds{clock="write",track="video"}': 3,
        "pepys_queue_items": 3, "pepys_queue_oldest_seconds": 0.12, "pepys_queue_refused_total": 0,
        "pepys_loop_lag_seconds": 0.004, "pepys_loop_lag_max_seconds": 0.0125,
        "pepys_memory_bytes": 90, "pepys_memory_limit_bytes": 512, "pepys_host_loop_lag_max_seconds": 0.008,
    }  # fmt: skip
    assert 'pepys_clock_age_seconds{clock="write",track="video"}' not in told
    assert all(re.match(r"pepys_[a-z_]+(\{|$)", name) for name in told)


def test_metrics_of_an_idle_host_have_no_samples_of_a_recorder() -> None:
    told = samples(render({"state": "idle", "session": None, "tracks": [], "disk": {}}))
    assert told['pepys_session_state{state="idle"}'] == 1
    assert not any("queue" in name or "clock" in name or "memory" in name for name in told)
