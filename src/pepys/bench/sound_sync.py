"""Sound against picture, and one track of sound against another: the same moment, as a recording has it."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pepys.bench import flash, heard
from pepys.bench.figures import Figure, percentile
from pepys.bench.plan import Bench
from pepys.bench.processes import hurry
from pepys.bench.recorders import recording, settle_s
from pepys.demo.child import program
from pepys.demo.servers import NULL_SINK, SoundServer, XServer
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_MS, NS_PER_S

SYNC_BAR_MS: Final = 40.0
DRIFT_BAR_MS: Final = 20.0
CLICK_BAR_MS: Final = 10.0
DRIFT_S: Final = 600.0
"""Shorter than this the slope of a drift is mostly noise, and is not held to the bar."""

_SPAN_NS: Final = 60 * NS_PER_S
_SAME_MIC: Final = "bench_mic"
_PAIRED_NS: Final = 400 * NS_PER_MS


def sync(bench: Bench) -> list[Figure]:
    """Flash and beep through a display and a sound server, recorded for `bench.seconds`."""
    bench.say(f"flash and beep, for {bench.seconds:.0f} s")
    log = bench.file("flash.log")
    with XServer(640, 480) as display, SoundServer() as sound:
        env = {**display.env, **sound.env}
        hurry(sound.pid)
        place = bench.place(env)
        with (
            flash.flashing(flash.Order(NULL_SINK, str(log)), env, bench.folder),
            recording(place, ["--shots", "off", "--audio", "both"]),
        ):
            bench.clock.sleep_ns(int((bench.seconds + settle_s(bench.seconds)) * NS_PER_S))
    store, session = place.open_store(), place.session()
    shown = heard.flashes(store, session, flash.X + flash.WIDTH // 2, flash.Y + flash.HEIGHT // 2)
    beeps = heard.find(store, session, "video", "beep")
    return sync_figures(_moments(log), shown, beeps, bench.seconds)


def sync_figures(
    moments: Sequence[flash.Moment], shown: Sequence[int], beeps: Sequence[int], seconds: float
) -> list[Figure]:
    """The figures of what was made and what was recorded of it."""
    found = flash.offsets(moments, shown, beeps)
    if not found:
        raise DeviceMissing("no flash and no beep was recorded", "see the recorder's log")
    late = [each.late_ns / NS_PER_MS for each in found]
    begin_ns, end_ns = found[0].at_ns, found[-1].at_ns
    first = [each.late_ns / NS_PER_MS for each in found if each.at_ns - begin_ns < _SPAN_NS]
    last = [each.late_ns / NS_PER_MS for each in found if end_ns - each.at_ns < _SPAN_NS]
    errors = [abs(value) for value in late]
    drift = flash.drift_ms_an_hour(found)
    said = (
        f"95 of 100 {percentile(errors, 95):.1f} ms; the sound is late by {statistics.median(late):.1f} ms in the"
        f" median, {statistics.median(first):.1f} in the first minute, {statistics.median(last):.1f} in the last"
    )
    detail = {"offsets_ms": [round(value, 2) for value in late], "made": len(moments)}
    return [
        Figure(
            "sync", "flash", "picture_sound", f"sound against picture, of {len(found)} flashes: most", max(errors),
            "ms", bar=SYNC_BAR_MS, detail=detail, said=said,
        ),
        Figure(
            "sync", "flash", "drift", "drift of sound against picture, in an hour", abs(drift), "ms",
            bar=DRIFT_BAR_MS if seconds >= DRIFT_S else None, below=True, said=f"over {seconds:.0f} s",
        ),
    ]  # fmt: skip


def clicks(bench: Bench) -> list[Figure]:
    """The same click in microphone and system sound, for `bench.seconds`: two devices that are one sound."""
    bench.say(f"one click in two tracks, for {bench.seconds:.0f} s")
    log = bench.file("click.log")
    with XServer(640, 480) as display, SoundServer() as sound:
        env = {**display.env, **sound.env}
        hurry(sound.pid)
        _share(env)
        place = bench.place(env)
        order = flash.Order(NULL_SINK, str(log), "click", flashes=False)
        words = ["--no-video", "--shots", "off", "--audio", "both", "--mic", _SAME_MIC]
        with flash.flashing(order, env, bench.folder), recording(place, words):
            bench.clock.sleep_ns(int((bench.seconds + settle_s(bench.seconds)) * NS_PER_S))
    store, session = place.open_store(), place.session()
    mic, system = (heard.find(store, session, track, "click") for track in ("audio.mic", "audio.system"))
    return click_figures(mic, system, [moment.beep_ns for moment in _moments(log)])


def click_figures(mic: Sequence[int], system: Sequence[int], made: Sequence[int]) -> list[Figure]:
    """The figures of the clicks found in both tracks, and of when they were made."""
    pairs = paired(mic, system)
    if not pairs:
        raise DeviceMissing("no click was recorded in both tracks", "see the recorder's log")
    apart = [(one - other) / NS_PER_MS for one, other in pairs]
    placed = [(each - true) / NS_PER_MS for each, true in paired(system, made)]
    errors = [abs(value) for value in apart]
    said = f"95 of 100 {percentile(errors, 95):.2f} ms; against the sink's own time {statistics.median(placed):.1f} ms"
    return [
        Figure(
            "click", "click", "mic_system", f"microphone against system sound, of {len(pairs)} clicks: most",
            max(errors), "ms", bar=CLICK_BAR_MS, said=said,
            detail={"apart_ms": [round(value, 3) for value in apart], "placed_ms": [round(each, 2) for each in placed]},
        )
    ]  # fmt: skip


def paired(one: Sequence[int], other: Sequence[int], near_ns: int = _PAIRED_NS) -> list[tuple[int, int]]:
    """Each of the first with the nearest of the second, where there is one near."""
    found = []
    for each in one:
        nearest = min(other, key=lambda at: abs(at - each), default=None)
        if nearest is not None and abs(nearest - each) < near_ns:
            found.append((each, nearest))
    return found


def _share(env: dict[str, str]) -> None:
    """Make a microphone of what the system plays: the same samples at the same time, as another device."""
    words = ["load-module", "module-remap-source", f"master={NULL_SINK}.monitor", f"source_name={_SAME_MIC}"]
    words += ["channels=1", "channel_map=mono", "master_channel_map=front-left", "remix=no"]
    argv = [program("pactl", "pulseaudio-utils"), *words]
    told = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if told.returncode:
        raise DeviceMissing(f"pactl load-module failed: {told.stderr.strip()}", "install pulseaudio's modules")


def _moments(log: Path) -> list[flash.Moment]:
    return flash.read_log(log.read_text(encoding="ascii").splitlines(keepends=True))
