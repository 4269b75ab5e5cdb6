"""`GET /metrics`: what the host tells, for Prometheus.

Owns names and units. Invariants: a scrape reads memory only; every value stands in the status of the host; what a
recorder does not tell has no sample. Names begin with `pepys_` and end in their unit. A counter counts since the
session under way began: it starts anew with each, which Prometheus takes for a reset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, Response

import pepys
from pepys.model.health import HEALTH
from pepys.web.answers import PROBLEMS, bytes_of
from pepys.web.services import Services, services

if TYPE_CHECKING:
    from prometheus_client.core import Metric

router = APIRouter(tags=["live"], responses=PROBLEMS)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STATES: Final = (
    "idle", "validating", "checking", "starting", "recording", "pausing", "paused", "resuming", "ending", "interrupted",
    "restarting",
)  # fmt: skip
_CLOCKS: Final = ("attempt", "capture", "write")
_FRAMES: Final = (("captured", "taken"), ("encoded", "encoded"))


@router.get(
    "/metrics", response_class=Response, responses=bytes_of("text/plain", "The samples, as Prometheus reads them")
)
async def get_metrics(service: Annotated[Services, Depends(services)]) -> Response:
    """Frames, drops, bytes, queues, lags, clocks and restarts of the recording under way."""
    return Response(render(service.host.status()), media_type=CONTENT_TYPE)


def render(status: Mapping[str, Any]) -> bytes:
    """The samples of one status in the text format."""
    # Loaded by whoever is scraped, not by every daemon.
    from prometheus_client import CollectorRegistry, generate_latest

    class Told:
        def collect(self) -> Iterator[Metric]:
            return _metrics(status)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Told())
    return generate_latest(registry)


def _metrics(status: Mapping[str, Any]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("pepys", "The program.", {"version": pepys.__version__})
    state = GaugeMetricFamily("pepys_session_state", "1 for the state of the session under way.", labels=["state"])
    for name in dict.fromkeys((*STATES, str(status["state"]))):
        state.add_metric([name], float(name == status["state"]))
    yield state
    yield from _session(status)
    yield from _tracks(list(status.get("tracks") or ()))
    yield from _inside(status)


def _session(status: Mapping[str, Any]) -> Iterator[Metric]:
    disk = status.get("disk") or {}
    seconds = {
        "pepys_recorded_seconds": (
            "Seconds recorded of the session under way, without its gaps.",
            status.get("recorded_ms"),
        ),
        "pepys_wall_seconds": ("Seconds since the session under way began, with its gaps.", status.get("wall_ms")),
    }
    for name, (what, value_ms) in seconds.items():
        yield from _gauge(name, what, None if value_ms is None else value_ms / 1000)
    yield from _counter("pepys_bytes", "Bytes written of the session under way.", status.get("bytes"))
    yield from _counter(
        "pepys_recorder_restarts", "Recorders that were started anew for the session under way.", status.get("restarts")
    )
    yield from _gauge(
        "pepys_held", "1 while the session is held, as by a locked screen.", float(bool(status.get("held")))
    )
    yield from _gauge("pepys_notices", "How many notices the status shows.", float(len(status.get("notices") or ())))
    yield from _gauge("pepys_disk_free_bytes", "Bytes that are free on the disk of the home.", disk.get("free_bytes"))
    yield from _gauge(
        "pepys_disk_left_seconds",
        "Seconds that the free bytes above the reserve last at the present rate.",
        disk.get("seconds_left"),
    )


def _tracks(tracks: list[Mapping[str, Any]]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    by_track = ["track"]
    frames = CounterMetricFamily(
        "pepys_frames",
        "What a track took and encoded: pictures of video and shots, samples (48000 a second) of audio.",
        labels=["track", "stage"],
    )
    dropped = CounterMetricFamily(
        "pepys_frames_dropped",
        "What was due and is not recorded: pictures of video and shots, samples of audio.",
        labels=by_track,
    )
    again = CounterMetricFamily("pepys_restarts", "How many times a track's source was opened again.", labels=by_track)
    health = GaugeMetricFamily(
        "pepys_track_health",
        "1 for the state that a track's health is in, 0 for the others.",
        labels=["track", "health"],
    )
    clock = GaugeMetricFamily(
        "pepys_clock_age_seconds",
        "Seconds since a track was tried, captured or written last.",
        labels=["track", "clock"],
    )
    stands = GaugeMetricFamily(
        "pepys_clock_stands_seconds",
        "Seconds for which a clock has stood still that should move; 0 while it moves.",
        labels=["track", "clock"],
    )
    for track in tracks:
        name = str(track["track"])
        for key, stage in _FRAMES:
            frames.add_metric([name, stage], track.get(key) or 0)
        dropped.add_metric([name], track.get("dropped") or 0)
        again.add_metric([name], track.get("restarts") or 0)
        for word in HEALTH:
            health.add_metric([name, word], float(word == track.get("state")))
        for word in _CLOCKS:
            if (age_ms := track.get(f"{word}_ms_ago")) is not None:
                clock.add_metric([name, word], age_ms / 1000)
            stands.add_metric(
                [name, word], (track.get("stands_ms") or 0) / 1000 if track.get("stands") == word else 0.0
            )
    yield from (frames, dropped, again, health, clock, stands)


def _inside(status: Mapping[str, Any]) -> Iterator[Metric]:
    queue, loop = status.get("write_queue") or {}, status.get("loop") or {}
    memory, host = status.get("memory") or {}, status.get("host") or {}
    yield from _gauge(
        "pepys_queue_items", "Pieces (fragments, shots, batches of events) that wait to be written.", queue.get("items")
    )
    yield from _gauge(
        "pepys_queue_oldest_seconds", "Seconds that the oldest piece has waited.", _seconds(queue, "oldest_ms")
    )
    yield from _counter("pepys_queue_refused", "Pieces that the queue had no room for.", queue.get("refused"))
    yield from _gauge(
        "pepys_loop_lag_seconds", "Seconds that the recorder's loop was late, p99.", _seconds(loop, "p99_ms")
    )
    yield from _gauge(
        "pepys_loop_lag_max_seconds", "Seconds that the recorder's loop was late at most.", _seconds(loop, "longest_ms")
    )
    yield from _gauge("pepys_memory_bytes", "Bytes of memory that the recorder takes.", memory.get("rss_bytes"))
    yield from _gauge(
        "pepys_memory_limit_bytes",
        "Bytes that the recorder may take before it is started anew.",
        memory.get("limit_bytes"),
    )
    yield from _gauge(
        "pepys_host_loop_lag_max_seconds",
        "Seconds that the daemon's loop was late at most.",
        _seconds(host, "loop_longest_ms"),
    )


def _seconds(told: Mapping[str, Any], name: str) -> float | None:
    return None if told.get(name) is None else float(told[name]) / 1000


def _gauge(name: str, what: str, value: float | None) -> Iterable[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    return () if value is None else (GaugeMetricFamily(name, what, value=value),)


def _counter(name: str, what: str, value: float | None) -> Iterable[Metric]:
    from prometheus_client.core import CounterMetricFamily

    return () if value is None else (CounterMetricFamily(name, what, value=value),)
