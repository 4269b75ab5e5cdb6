"""What sound costs: CPU of two tracks, their mix and the encoders, while there is sound and while there is none; bytes.

The peer is ffmpeg: the same two devices recorded by `-f pulse`, mixed by `amix`, into the same codecs.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pepys.bench import heard
from pepys.bench.figures import Figure, spread
from pepys.bench.plan import Bench
from pepys.bench.processes import family_seconds
from pepys.bench.recorders import Place, cpu_over, playing, recording, settle_s
from pepys.bench.sound_played import CYCLE_S, conversation, looping, quiet_room
from pepys.bench.started import Started
from pepys.demo.child import program
from pepys.demo.servers import MIC_SINK, NULL_SINK, SoundServer, XServer
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_S

CPU_BAR: Final = 3.0
SILENCE_BAR: Final = 1.0
BYTES_BAR_MB: Final = 25.0
_SOUND: Final = ["--no-video", "--shots", "off", "--audio", "both"]
_BOTH: Final = ["--shots", "off", "--audio", "both"]
_PICTURES: Final = ["--shots", "off", "--audio", "off"]
_HOUR_S: Final = 3600
_MB: Final = 1e6


@dataclass(slots=True)
class Spent:
    """CPU of a core in percent, one a run; by the name of the program for pepys."""

    pepys: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)


def cpu(bench: Bench) -> list[Figure]:
    """Loud noise in both devices: recorder and what it starts, against ffmpeg; and with pictures less without sound."""
    with _servers() as env, playing(env, bench.folder):
        spent = _compare(bench, env, "noise in both devices")
        more = []
        for number in range(bench.runs):
            bench.say(f"a still screen with and without sound: run {number + 1} of {bench.runs}")
            with_sound = _pepys(bench, env, _BOTH)
            more.append(sum(with_sound.values()) - sum(_pepys(bench, env, _PICTURES).values()))
    what = "CPU of two tracks, mix and encoders, noise in both"
    return [
        _percent("cpu", "noise", "cpu_core", what, spent, CPU_BAR),
        _ratio("cpu", "noise", "the same, of ffmpeg's", spent),
        Figure(
            "cpu", "noise", "cpu_more", "a still screen with sound, less the same without", statistics.median(more),
            "% of a core", min(more), max(more),
        ),
    ]  # fmt: skip


def silence(bench: Bench) -> list[Figure]:
    """Nothing to be heard: digital silence, and the noise of a quiet room at the microphone."""
    figures = []
    with _servers() as env:
        spent = _compare(bench, env, "digital silence")
        figures += [
            _percent("silence", "digital", "cpu_core", "CPU while nothing plays", spent, SILENCE_BAR),
            _ratio("silence", "digital", "the same, of ffmpeg's", spent),
        ]
    with _servers() as env, looping(quiet_room(), env, bench.folder):
        spent = _compare(bench, env, "a quiet room")
        figures += [
            _percent("silence", "room", "cpu_core", "CPU with room noise at -60 dBFS", spent, SILENCE_BAR),
            _ratio("silence", "room", "the same, of ffmpeg's", spent),
        ]
    return figures


def volume(bench: Bench) -> list[Figure]:
    """Bytes of sound an hour, 30 % speech each way; whole cycles of a conversation, two at least."""
    seconds = CYCLE_S * max(2, round(bench.seconds / CYCLE_S))
    bench.say(f"a conversation, for {seconds} s")
    with _servers() as env, looping(conversation(), env, bench.folder):
        place = bench.place(env)
        peer = bench.file("peer")
        peer.mkdir()
        with recording(place, _BOTH), _ffmpeg(peer, env):
            # Two seconds more, so that the last fragment of what is counted is written.
            bench.clock.sleep_ns(int((settle_s(seconds) + seconds + 2) * NS_PER_S))
        size = sum(file.stat().st_size for file in peer.iterdir() if file.suffix != ".log")
    begin_ns = int(settle_s(seconds) * NS_PER_S)
    told = heard.stored(place.open_store(), place.session(), begin_ns, begin_ns + seconds * NS_PER_S)
    hourly = _HOUR_S / seconds / _MB
    parts = {**told.tracks, "the playback stream's": told.playback}
    peer_hourly = size * _HOUR_S / (seconds + settle_s(seconds) + 2) / _MB
    total = sum(parts.values()) * hourly
    said = ", ".join(f"{name} {value * hourly:.1f}" for name, value in parts.items())
    return [
        Figure(
            "bytes", "speech", "bytes_an_hour", "bytes of sound an hour at 30 % speech", total, "MB", bar=BYTES_BAR_MB,
            detail={**parts, "seconds": seconds}, said=f"{said}; extrapolated from {seconds} s",
        ),
        Figure(
            "bytes", "speech", "bytes_ratio", "the same, of ffmpeg's at its own bit rates", total / peer_hourly,
            said=f"ffmpeg {peer_hourly:.1f} MB",
        ),
    ]  # fmt: skip


@contextmanager
def _servers() -> Iterator[dict[str, str]]:
    with XServer(1280, 720) as display, SoundServer() as sound:
        yield {**display.env, **sound.env}


def _compare(bench: Bench, env: Mapping[str, str], words: str) -> Spent:
    spent = Spent()
    for number in range(bench.runs):
        bench.say(f"{words}: run {number + 1} of {bench.runs}")
        parts = _pepys(bench, env, _SOUND)
        spent.parts.append(parts)
        spent.pepys.append(sum(parts.values()))
        folder = bench.file("peer")
        folder.mkdir()
        with _ffmpeg(folder, env) as child:
            spent.peer.append(100 * cpu_over(child, bench.seconds, bench.clock) / bench.seconds)
    return spent


def _pepys(bench: Bench, env: Mapping[str, str], words: Sequence[str]) -> dict[str, float]:
    """Percent of a core by program: the recorder and all that it started, without the host."""
    place = bench.place(env)
    with recording(place, words) as host:
        bench.clock.sleep_ns(int(settle_s(bench.seconds) * NS_PER_S))
        before, begun_ns = _recorder_seconds(place), bench.clock.now_ns()
        bench.clock.sleep_ns(int(bench.seconds * NS_PER_S))
        after, passed_ns = _recorder_seconds(place), bench.clock.now_ns() - begun_ns
        host.check()
    return {name: 100 * (spent - before.get(name, 0.0)) * NS_PER_S / passed_ns for name, spent in after.items()}


def _recorder_seconds(place: Place) -> dict[str, float]:
    runs = place.recorders()
    if len(runs) != 1:
        raise DeviceMissing("the recorder is gone", "see the recorder's log")
    return family_seconds(runs[0].pid)


def _ffmpeg(folder: Path, env: Mapping[str, str]) -> AbstractContextManager[Started]:
    ffmpeg = program("ffmpeg", "ffmpeg")
    argv = [ffmpeg, "-nostdin", "-v", "error"]
    for device in (f"{MIC_SINK}.monitor", f"{NULL_SINK}.monitor"):
        argv += ["-f", "pulse", "-i", device]
    graph = "[0:a]pan=mono|c0=c0,asplit[mic][one];[1:a]asplit[system][two];[one][two]amix=inputs=2[mix]"
    argv += ["-filter_complex", graph]
    argv += ["-map", "[mic]", "-c:a", "libopus", "-b:a", "32k", "-y", str(folder / "mic.ogg")]
    argv += ["-map", "[system]", "-c:a", "libopus", "-b:a", "64k", "-y", str(folder / "system.ogg")]
    argv += ["-map", "[mix]", "-c:a", "aac", "-b:a", "96k", "-y", str(folder / "mix.aac")]
    return Started(argv, folder / "ffmpeg.log", env=env)


def _percent(measure: str, load: str, name: str, what: str, spent: Spent, bar: float) -> Figure:
    names = sorted({name for parts in spent.parts for name in parts})
    middle = {name: statistics.median([parts.get(name, 0.0) for parts in spent.parts]) for name in names}
    said = ", ".join(f"{name} {value:.2f}" for name, value in middle.items())
    return Figure(
        measure, load, name, what, statistics.median(spent.pepys), "% of a core", min(spent.pepys), max(spent.pepys),
        bar, detail={"runs": spent.parts}, said=said,
    )  # fmt: skip


def _ratio(measure: str, load: str, what: str, spent: Spent) -> Figure:
    return Figure(
        measure, load, "cpu_ratio", what, statistics.median(spent.pepys) / statistics.median(spent.peer),
        detail={"pepys": spent.pepys, "ffmpeg": spent.peer}, said=f"ffmpeg {spread(spent.peer, '.2f')} % of a core",
    )  # fmt: skip
