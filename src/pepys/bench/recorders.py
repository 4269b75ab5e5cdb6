"""The recorders that are compared: pepys as a user starts it, and ffmpeg's x11grab; each in a place of its own.

Nothing of the user's homes, settings or keys is read or written: every recording gets its own folders.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.bench.processes import cpu_seconds
from pepys.bench.started import Started
from pepys.clock import Clock
from pepys.demo.child import program
from pepys.demo.servers import MIC_SINK, NO_BUS, NULL_SINK
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_S
from pepys.modules import module_words
from pepys.record.runfile import RunFile
from pepys.sessions.control import orphans
from pepys.store.store import Store, open_store

SETTLE_S: Final = 5.0
"""CPU is counted from so long after the beginning on: starting up is no part of it."""

_SILENT: Final = ("--audio", "off", "--shots", "off")


@dataclass(frozen=True, slots=True)
class Place:
    """Folders for one recording, and the environment that makes a pepys use them."""

    folder: Path
    env: dict[str, str]

    @property
    def home(self) -> Path:
        """The data folder."""
        return Path(self.env["PEPYS_HOME"])

    def recorders(self) -> list[RunFile]:
        """The recorders that run on it."""
        return orphans(self.home)

    def open_store(self) -> Store:
        """The store that was recorded."""
        return open_store(self.home, create=False, config_dir=Path(self.env["XDG_CONFIG_HOME"]) / "pepys")

    def session(self) -> str:
        """The one session that was recorded.

        Raises:
            DeviceMissing: there is none.
        """
        found = self.open_store().heads.sessions()
        if not found:
            raise DeviceMissing("nothing was recorded", "see the log of the recorder, and pepys doctor")
        return found[-1]


def make_place(folder: Path, env: Mapping[str, str]) -> Place:
    """Make the folders of a recording below `folder`, which must not exist.

    Args:
        folder: where.
        env: names display and sound server.
    """
    names = {
        "HOME": "user", "XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache",
        "XDG_RUNTIME_DIR": "run", "PEPYS_HOME": "home",
    }  # fmt: skip
    folder.mkdir(mode=0o700)
    for name in names.values():
        (folder / name).mkdir(mode=0o700)
    return Place(folder, {**env, **NO_BUS, **{key: str(folder / name) for key, name in names.items()}})


def forget_settings() -> None:
    """Keep what the user set up for pepys through the environment out of this process and all it starts."""
    for name in list(os.environ):
        if name.startswith("PEPYS_"):
            del os.environ[name]


@contextmanager
def recording(place: Place, words: Sequence[str]) -> Iterator[Started]:
    """`pepys record` in the foreground, until the block ends; begins when it records."""
    argv = ["record", "--display", place.env["DISPLAY"], *words]
    with _pepys(place, argv) as host:
        host.wait_ready(lambda: bool(place.recorders()), "pepys record")
        yield host
        host.check()


@contextmanager
def daemon_recording(place: Place, words: Sequence[str]) -> Iterator[Started]:
    """`pepys serve` with a recording under way; begins when it records."""
    with _pepys(place, ["serve", "--port", "0"]) as host:
        host.wait_ready((place.home / "run" / "host.json").exists, "pepys serve")
        command(place, ["start", "--display", place.env["DISPLAY"], *words])
        yield host
        host.check()
        command(place, ["stop"])


def silent(words: Sequence[str]) -> list[str]:
    """The words of a recording of pictures alone."""
    return [*words, *_SILENT]


def with_sound(words: Sequence[str]) -> list[str]:
    """The words of a recording with microphone and system sound."""
    return [*words, "--audio", "both", "--shots", "off"]


@contextmanager
def peer(target: Path, env: Mapping[str, str], size: tuple[int, int], rate: int) -> Iterator[Started]:
    """Record a display with ffmpeg into a file, until the block ends."""
    width, height = size
    grab = ["-f", "x11grab", "-framerate", str(rate), "-video_size", f"{width}x{height}", "-i", env["DISPLAY"]]
    with _ffmpeg(target, env, grab) as child:
        yield child


@contextmanager
def peer_of_windows(target: Path, env: Mapping[str, str], windows: tuple[int, int], rate: int) -> Iterator[Started]:
    """Record two windows with ffmpeg, the second small in the corner of the first."""
    grab = []
    for window in windows:
        grab += ["-f", "x11grab", "-framerate", str(rate), "-window_id", str(window), "-i", env["DISPLAY"]]
    corner = "[1:v]scale=320:240[small];[0:v]crop=trunc(iw/2)*2:trunc(ih/2)*2[main];"
    place = "[main][small]overlay=W-w-20:H-h-20"
    with _ffmpeg(target, env, [*grab, "-filter_complex", corner + place]) as child:
        yield child


def settle_s(seconds: float) -> float:
    """How long a recording of `seconds` is left alone before it is looked at; one for a try settles for less."""
    return min(SETTLE_S, seconds)


def cpu_over(child: Started, seconds: float, clock: Clock) -> float:
    """CPU seconds that a program and all below it spend in `seconds`, after settling.

    Raises:
        DeviceMissing: it ended meanwhile.
    """
    clock.sleep_ns(int(settle_s(seconds) * NS_PER_S))
    before, begun_ns = cpu_seconds(child.pid), clock.now_ns()
    clock.sleep_ns(int(seconds * NS_PER_S))
    spent, passed_ns = cpu_seconds(child.pid) - before, clock.now_ns() - begun_ns
    child.check()
    # Looking through procfs takes its time on a busy machine: what was spent is told for exactly `seconds`.
    return spent * seconds * NS_PER_S / passed_ns


@contextmanager
def playing(env: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Noise that swells and fades, played without pause as microphone and as system sound."""
    ffmpeg, paplay = program("ffmpeg", "ffmpeg"), program("paplay", "pulseaudio-utils")
    sound = folder / "noise.wav"
    made = "anoisesrc=color=pink:amplitude=0.3:duration=30:sample_rate=48000,tremolo=f=0.7:d=0.9"
    argv = [ffmpeg, "-nostdin", "-v", "error", "-f", "lavfi", "-i", made, "-ac", "2", "-y", str(sound)]
    subprocess.run(argv, check=True)
    loop = 'while "$0" --device="$1" "$2"; do :; done'
    with contextlib.ExitStack() as players:
        for sink in (MIC_SINK, NULL_SINK):
            words = ["sh", "-c", loop, paplay, sink, str(sound)]
            players.enter_context(Started(words, folder / f"{sink}.log", env=env))
        yield


@contextmanager
def _pepys(place: Place, words: Sequence[str]) -> Iterator[Started]:
    host = Started.module("pepys", words, place.folder / "log", place.env)
    try:
        yield host
    finally:
        host.stop()
        # A recorder outlives a host that was killed; nothing of a measure may.
        for left in place.recorders():
            with contextlib.suppress(ProcessLookupError):
                _kill(left.pid)


def _kill(pid: int) -> None:
    if sys.platform != "win32":
        os.kill(pid, signal.SIGKILL)


def command(place: Place, words: Sequence[str]) -> str:
    """Call a command of pepys on a place; gives what it wrote.

    Raises:
        DeviceMissing: it failed; the message quotes why.
    """
    argv = module_words("pepys", *words)
    done = subprocess.run(argv, env={**os.environ, **place.env}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeviceMissing(f"pepys {words[0]} failed: {done.stderr.strip()}", "run pepys doctor")
    return done.stdout


@contextmanager
def _ffmpeg(target: Path, env: Mapping[str, str], grab: Sequence[str]) -> Iterator[Started]:
    ffmpeg = program("ffmpeg", "ffmpeg")
    code = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "28", "-y", str(target)]
    argv = [ffmpeg, "-nostdin", "-v", "error", *grab, *code]
    try:
        with Started(argv, target.with_suffix(".log"), env=env) as child:
            child.wait_ready(target.exists, "ffmpeg")
            yield child
            child.check()
    finally:
        target.unlink(missing_ok=True)
