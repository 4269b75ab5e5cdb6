"""What a recording must keep and must not take: frames and their times, memory, bytes an hour, excluded windows.

Each figure is read from what was really recorded: films are decoded, events read, processes looked at.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from pepys.bench import counter, film
from pepys.bench.figures import Figure
from pepys.bench.load import COUNTER, LOADS, MAPPING, READING, SECRET, Load, shown
from pepys.bench.plan import Bench
from pepys.bench.processes import accounts, family, pss_bytes
from pepys.bench.recorders import SETTLE_S, Place, daemon_recording, playing, recording, settle_s, silent
from pepys.clock import Clock
from pepys.demo.servers import SoundServer, WindowManager, XServer
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model.events import FragmentWritten, SegmentSealed, ShotTaken, SpanStarted
from pepys.store import reader

READ_S: Final = 120.0
"""Key frames come a minute apart: less would count too many of them, or too few."""

MAPS: Final = 100
_SECRET_WAIT_S: Final = 90.0
_MB: Final = 1e6
_HOUR_S: Final = 3600
_EARLY_MS: Final = 1000


def frames(bench: Bench) -> list[Figure]:
    """How many numbers of a 30 Hz counter a 30 fps recording lost, and how far its times are off."""
    load = replace(COUNTER, log=str(bench.file("counter.log")))
    bench.say(load.words)
    with (
        XServer() as display,
        WindowManager(display.env),
        shown(load, display.env, bench.folder),
    ):
        place = bench.place(display.env)
        with recording(place, silent([])):
            bench.clock.sleep_ns(int((bench.seconds + settle_s(bench.seconds)) * NS_PER_S))
    return frame_figures(load, place)


def frame_figures(load: Load, place: Place) -> list[Figure]:
    """Compare the film of `place` with the log of its load."""
    points = [(load.x + x, load.y + y) for x, y in counter.centres()]
    told = film.read_numbers(place.open_store(), place.session(), points)
    with Path(load.log).open(encoding="ascii") as log:
        kept = counter.kept(counter.read_log(log), told.pictures, told.begun_ns, told.ended_ns)
    lost_said = f"{len(kept.lost)} of {kept.expected} lost, {len(told.pictures)} pictures"
    lost_ms = [(each.at_ns - told.begun_ns) // NS_PER_MS for each in kept.lost]
    if early := sum(at_ms < _EARLY_MS for at_ms in lost_ms):
        lost_said += f", {early} of them lost in the first second"
    if kept.unreadable:
        lost_said += f", {kept.unreadable} pictures without a number"
    middle, worst = kept.error_ms(50), kept.error_ms(100)
    return [
        Figure(
            "frames", "counter", "frames_dropped", f"{load.words}: numbers lost at 30 a second", kept.lost_percent,
            "%", bar=0.2, below=True, said=lost_said,
            detail={"expected": kept.expected, "lost_at_ms": lost_ms, "unreadable": kept.unreadable},
        ),
        Figure(
            "frames", "counter", "frame_time_error_p95", "error of frame times, 95 of 100", kept.error_ms(95), "ms",
            bar=20.0, below=True, said=f"median {middle:.1f} ms, longest {worst:.1f} ms",
            detail={"p50_ms": middle, "max_ms": worst},
        ),
    ]  # fmt: skip


def memory(bench: Bench) -> list[Figure]:
    """PSS of the recorder, and of daemon, recorder and all below them, with sound and 720p motion; the most seen."""
    bench.say("memory, with sound and 1280x720 motion")
    recorder, together, hosts = [], [], []
    with XServer() as display, WindowManager(display.env), SoundServer() as sound:
        env = {**display.env, **sound.env}
        place = bench.place(env)
        with (
            shown(LOADS["motion"], display.env, bench.folder),
            playing(env, bench.folder),
            daemon_recording(place, ["--audio", "both"]) as host,
        ):
            bench.clock.sleep_ns(int(settle_s(bench.seconds) * NS_PER_S))
            until_ns = bench.clock.now_ns() + int(bench.seconds * NS_PER_S)
            while bench.clock.now_ns() < until_ns:
                host.check()
                (run,) = place.recorders()
                sizes = {pid: pss_bytes(pid) for pid in family(host.pid, accounts())}
                recorder.append(sizes[run.pid])
                hosts.append(sizes[host.pid])
                together.append(sum(sizes.values()))
                bench.clock.sleep_ns(NS_PER_S)
    said = f"the daemon {max(hosts) / _MB:.1f}, {len(sizes)} processes; aim 150"
    return [
        _megabytes("recorder_pss", "the recorder while recording, video and sound: PSS", recorder, 110.0, ""),
        _megabytes("total_pss", "the same with the daemon and all below it", together, 180.0, said),
    ]


def _megabytes(name: str, what: str, sizes: list[int], bar: float, said: str) -> Figure:
    values = [size / _MB for size in sizes]
    # What it ever took is what a machine must have: the bar holds for the most.
    return Figure("memory", "motion", name, what, max(values), "MB", min(values), max(values), bar, said=said)


def volume(bench: Bench) -> list[Figure]:
    """Bytes an hour of typing and reading: pictures of the playback stream, and shots. At least two minutes."""
    seconds = max(bench.seconds, READ_S)
    bench.say(f"{READING.words}, for {seconds:.0f} s")
    with XServer() as display, WindowManager(display.env), shown(READING, display.env, bench.folder):
        place = bench.place(display.env)
        with recording(place, ["--audio", "off"]):
            # Two seconds more, so that the last fragment of what is counted is written.
            bench.clock.sleep_ns(int((SETTLE_S + seconds + 2) * NS_PER_S))
    video, shots = bytes_between(place, SETTLE_S, SETTLE_S + seconds)
    begin_ns, end_ns = int(SETTLE_S * NS_PER_S), int((SETTLE_S + seconds) * NS_PER_S)
    keys = film.key_frame_bytes(place.open_store(), place.session(), begin_ns, end_ns)
    hourly = _HOUR_S / seconds / _MB
    total = (video + shots) * hourly
    parts = f"pictures {video * hourly:.1f} (their key frames {keys * hourly:.1f}), shots {shots * hourly:.1f}"
    said = f"{parts}; extrapolated from {seconds:.0f} s, the first {SETTLE_S:.0f} s left out"
    what = f"{READING.words}: bytes an hour"
    detail = {"video_bytes": video, "key_frame_bytes": keys, "shot_bytes": shots, "seconds": seconds}
    return [Figure("bytes", "reading", "bytes_an_hour", what, total, "MB", bar=60.0, detail=detail, said=said)]


def bytes_between(place: Place, begin_s: float, end_s: float) -> tuple[int, int]:
    """Plaintext bytes of pictures and of new shots whose time lies between two times of the session."""
    begin_ns, end_ns = int(begin_s * NS_PER_S), int(end_s * NS_PER_S)
    video = shots = 0
    offset_ns = 0
    for event in reader.events(place.open_store(), place.session()):
        if isinstance(event, SpanStarted):
            offset_ns = event.at_ns - event.media_ns
        elif isinstance(event, SegmentSealed) and event.track == "video":
            parts = [length for _, length, at, _ in event.fragments if begin_ns <= at + offset_ns < end_ns]
            video += sum(parts)
        elif isinstance(event, FragmentWritten) and event.track == "video" and begin_ns <= event.at_ns < end_ns:
            video += event.length
        elif isinstance(event, ShotTaken) and not event.repeat and begin_ns <= event.at_ns < end_ns:
            shots += event.bytes
    return video, shots


def masks(bench: Bench) -> list[Figure]:
    """Show an excluded window a hundred times and look for it in the film; once more without exclusion, to compare."""
    with XServer() as display, WindowManager(display.env):
        bench.say(f"an excluded window is shown {MAPS} times")
        hidden = _mapped(bench, display.env, ["--exclude", f"{SECRET}*"])
        bench.say("the same without exclusion, to see that it would be seen")
        control = _mapped(bench, display.env, ["--no-exclude"])
    clean = MAPS - len(hidden.leaked)
    said = (
        f"in none of {hidden.pictures} pictures" if not hidden.leaked else f"maps {list(hidden.leaked)} show it"
    ) + f"; black in its place {len(hidden.covered)} times; without exclusion it is seen {len(control.leaked)} times"
    detail = {
        "leaked": list(hidden.leaked), "covered": len(hidden.covered), "pictures": hidden.pictures,
        "control_seen": len(control.leaked), "control_pictures": control.pictures,
    }  # fmt: skip
    return [
        Figure(
            "masks", "secret", "maps_clean", f"windows masked before their first encoded frame, of {MAPS}", clean,
            bar=MAPS, least=True, detail=detail, said=said,
        ),
        Figure(
            "masks", "secret", "maps_seen_without", "the same windows seen without exclusion (or nothing is proved)",
            len(control.leaked), bar=0.9 * MAPS, least=True,
        ),
    ]  # fmt: skip


def _mapped(bench: Bench, env: dict[str, str], words: list[str]) -> film.Seen:
    load = replace(MAPPING, maps=MAPS, log=str(bench.file("maps.log")))
    place = bench.place(env)
    with recording(place, silent(words)):
        with shown(load, env, bench.folder) as child:
            child.wait(_SECRET_WAIT_S)
        _rest(bench.clock)
    return film.read_windows(place.open_store(), place.session(), load.log)


def _rest(clock: Clock) -> None:
    """Let the recorder take what the last window left."""
    clock.sleep_ns(NS_PER_S)
