"""CPU of pepys against ffmpeg's x11grab, in turn on one display: the same load, the same rate, the same machine.

The order of a run is pepys, ffmpeg, pepys with sound: what else the machine does meets all alike, and only their ratio
is held to a bar. ffmpeg records pictures alone and is measured once a run, for both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pepys.bench.figures import Figure, compared
from pepys.bench.load import FILM, LARGE, LOADS, TERMINAL, WINDOWS, Load, shown
from pepys.bench.monitors import find_window, split_monitors
from pepys.bench.plan import Bench
from pepys.bench.recorders import cpu_over, peer, peer_of_windows, playing, recording, silent, with_sound
from pepys.demo.servers import SoundServer, WindowManager, XServer

BARS: Final = {"idle": 0.03, "typing": 0.12, "scroll": 0.6, "motion": 0.6}
SOUND_BARS: Final = {"idle": 0.08, "typing": 0.18, "scroll": 0.7, "motion": 0.7}
_FULL_HD: Final = (1920, 1080)
_RATE: Final = 30


@dataclass(slots=True)
class Spent:
    """CPU seconds, one a run."""

    silent: list[float] = field(default_factory=list)
    ffmpeg: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)


def cpu(bench: Bench, loads: Sequence[str], measures: Sequence[str]) -> list[Figure]:
    """The ratios at 1080p30, for each load without and with sound, as `measures` asks (`cpu`, `sound`)."""
    figures: list[Figure] = []
    for name in loads:
        load = LOADS[name]
        spent = _spent(bench, load, measures)
        if "cpu" in measures:
            what = f"{load.words}: CPU of ffmpeg's"
            figures.append(compared(spent.silent, spent.ffmpeg, "cpu", name, what, BARS.get(name)))
        if "sound" in measures:
            what = f"{load.words}, with sound: CPU of ffmpeg's"
            figures.append(compared(spent.sound, spent.ffmpeg, "sound", name, what, SOUND_BARS.get(name)))
    return figures


def _spent(bench: Bench, load: Load, measures: Sequence[str]) -> Spent:
    spent = Spent()
    with contextlib.ExitStack() as around:
        display = around.enter_context(XServer(*_FULL_HD))
        around.enter_context(WindowManager(display.env))
        heard = dict(display.env)
        if "sound" in measures:
            heard |= around.enter_context(SoundServer()).env
        around.enter_context(shown(load, display.env, bench.folder))
        for number in range(bench.runs):
            bench.say(f"{load.words}: run {number + 1} of {bench.runs}")
            if "cpu" in measures:
                spent.silent.append(_pepys(bench, display.env, silent([])))
            with peer(bench.file("peer.mp4"), display.env, _FULL_HD, _RATE) as child:
                spent.ffmpeg.append(cpu_over(child, bench.seconds, bench.clock))
            if "sound" in measures:
                with playing(heard, bench.folder):
                    spent.sound.append(_pepys(bench, heard, with_sound([])))
    return spent


def large(bench: Bench) -> list[Figure]:
    """2160p at 60 pictures a second."""
    size = (3840, 2160)
    mine, other = [], []
    with XServer(*size) as display, WindowManager(display.env), shown(LARGE, display.env, bench.folder):
        for number in range(bench.runs):
            bench.say(f"{LARGE.words}: run {number + 1} of {bench.runs}")
            mine.append(_pepys(bench, display.env, silent(["--quality", "ultra", "--fps", "60"])))
            with peer(bench.file("peer.mp4"), display.env, size, 60) as child:
                other.append(cpu_over(child, bench.seconds, bench.clock))
    return [compared(mine, other, "large", "large", f"{LARGE.words}: CPU of ffmpeg's", None)]


def monitors(bench: Bench) -> list[Figure]:
    """Two monitors side by side in one picture, motion on one of them; ffmpeg records both as one screen."""
    load = LOADS["motion"]
    mine, other = [], []
    with XServer(3840, 1080) as display, WindowManager(display.env):
        split_monitors(display.env, {"left": (0, 0, 1920, 1080), "right": (1920, 0, 1920, 1080)})
        with shown(load, display.env, bench.folder):
            for number in range(bench.runs):
                bench.say(f"two monitors: run {number + 1} of {bench.runs}")
                words = ["--monitor", "left", "--monitor", "right", "--layout", "grid:2", "--quality", "ultra"]
                mine.append(_pepys(bench, display.env, silent([*words, "--fps", str(_RATE)])))
                with peer(bench.file("peer.mp4"), display.env, (3840, 1080), _RATE) as child:
                    other.append(cpu_over(child, bench.seconds, bench.clock))
    what = "two monitors of 1920x1080 as a grid, 1280x720 motion on one: CPU of ffmpeg's"
    return [compared(mine, other, "monitors", "motion", what, None)]


def windows(bench: Bench) -> list[Figure]:
    """Two windows, one in the corner of the other; ffmpeg does the same with a filter."""
    mine, other = [], []
    with XServer(*_FULL_HD) as display, WindowManager(display.env), shown(WINDOWS, display.env, bench.folder):
        ids = (find_window(display.env, FILM), find_window(display.env, TERMINAL))
        for number in range(bench.runs):
            bench.say(f"picture in picture: run {number + 1} of {bench.runs}")
            words = ["--window", FILM, "--window", TERMINAL, "--layout", "pip:bottom-right:medium"]
            mine.append(_pepys(bench, display.env, silent(words)))
            with peer_of_windows(bench.file("peer.mp4"), display.env, ids, _RATE) as child:
                other.append(cpu_over(child, bench.seconds, bench.clock))
    what = "picture in picture of two windows, motion and typing: CPU of ffmpeg's"
    return [compared(mine, other, "windows", "windows", what, None)]


def _pepys(bench: Bench, env: Mapping[str, str], words: Sequence[str]) -> float:
    with recording(bench.place(env), words) as host:
        return cpu_over(host, bench.seconds, bench.clock)
