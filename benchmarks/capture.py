"""CPU time of recording a screen: all of pepys' processes against ffmpeg's x11grab, in turn on the same display.

A run counts from some seconds after the recording began, so that start-up is left out. The order is pepys, ffmpeg,
pepys, ffmpeg ...: what else the machine does meets both alike, and only their ratio is held to a bar.
`python -m benchmarks.capture SECONDS RUNS` measures less.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.results import Row, spread, write
from pepys.demo.servers import WindowManager, XServer

SECONDS, RUNS = 60, 5
SETTLE_S = 5
START_S, STOP_S = 30.0, 30.0
BARS = {"idle": 0.05, "typing": 0.2, "motion": 0.8}
_SHOWN = {"idle": "idle desktop", "typing": "typing in a terminal", "motion": "1280x720 motion"}
_TICKS = os.sysconf("SC_CLK_TCK")


def main(seconds: int = SECONDS, runs: int = RUNS) -> bool:
    """Measure and write the rows; True when every bar is held."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="pepys-bench-", dir="/tmp") as folder:
        for load, bar in BARS.items():
            mine, peer = _measure(load, Path(folder), seconds, runs)
            ratio = statistics.median(mine) / statistics.median(peer)
            figure = f"{ratio:.3f} (pepys {spread(mine, '.2f')} s, ffmpeg {spread(peer, '.2f')} s)"
            rows.append(Row(f"{_SHOWN[load]}, CPU of ffmpeg's", figure, f"<= {bar}", ratio <= bar))
    note = (
        f"CPU seconds of all processes in {seconds} s of recording 1920x1080 at 30 frames a second, from"
        f" {SETTLE_S} s after its beginning on; median of {runs} (minimum to maximum). ffmpeg:"
        " `-f x11grab -framerate 30 -c:v libx264 -preset ultrafast -crf 28`; pepys: `record --audio off --shots off`."
    )
    usual = (seconds, runs) == (SECONDS, RUNS)
    command = "make bench ARGS=capture" if usual else f"python -m benchmarks.capture {seconds} {runs}"
    write("capture", command, rows, note)
    return all(row.held is not False for row in rows)


def _measure(load: str, folder: Path, seconds: int, runs: int) -> tuple[list[float], list[float]]:
    mine, peer = [], []
    with XServer() as display, WindowManager(display.env):
        env = {**os.environ, **display.env}
        with _running([sys.executable, "-m", "benchmarks.capture_load", load], env):
            time.sleep(SETTLE_S)
            for number in range(runs):
                home = folder / f"{load}-{number}"
                mine.append(_pepys(home, env, seconds))
                peer.append(_ffmpeg(folder / f"{load}-{number}.mp4", env, seconds))
    return mine, peer


def _pepys(home: Path, env: dict[str, str], seconds: int) -> float:
    own = {**env, "PEPYS_HOME": str(home), "XDG_CONFIG_HOME": str(home.with_suffix(".config"))}
    argv = [sys.executable, "-m", "pepys", "record", "--audio", "off", "--shots", "off", "--display", env["DISPLAY"]]
    with _running(argv, own) as pid:
        # The recorder's run file stands as soon as it records.
        _await(lambda: any((home / "run").glob("*.json")), "pepys to record")
        return _cpu_over(pid, seconds)


def _ffmpeg(target: Path, env: dict[str, str], seconds: int) -> float:
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-f", "x11grab", "-framerate", "30", "-video_size", "1920x1080"]
    argv += ["-i", env["DISPLAY"], "-c:v", "libx264", "-preset", "ultrafast", "-crf", "28", "-y", str(target)]
    with _running(argv, env) as pid:
        _await(target.exists, "ffmpeg to record")
        spent = _cpu_over(pid, seconds)
    target.unlink(missing_ok=True)
    return spent


def _cpu_over(pid: int, seconds: int) -> float:
    """CPU seconds that a process and all below it spend in `seconds`, after settling."""
    time.sleep(SETTLE_S)
    before = _cpu(pid)
    time.sleep(seconds)
    return _cpu(pid) - before


def _cpu(pid: int) -> float:
    """CPU seconds spent so far by a process, its living descendants, and those of them that were waited for."""
    parents: dict[int, int] = {}
    spent: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The program's name stands in brackets and may hold anything; the numbers follow the last of them.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        parents[int(entry.name)] = int(fields[1])
        spent[int(entry.name)] = sum(int(value) for value in fields[11:15])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(spent.get(each, 0) for each in family) / _TICKS


@contextmanager
def _running(argv: list[str], env: dict[str, str]) -> Iterator[int]:
    """A program in a process group of its own, ended in order."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)
        try:
            yield child.pid
            if child.poll() is not None:
                said.seek(0)
                raise SystemExit(f"{argv} ended by itself: {said.read().decode(errors='replace')}")
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGINT)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _await(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {START_S:.0f} s for {what}")
        time.sleep(0.05)


if __name__ == "__main__":
    if shutil.which("ffmpeg") is None:
        raise SystemExit("this benchmark needs ffmpeg and xterm; see the list of system packages for bench")
    raise SystemExit(0 if main(*(int(argument) for argument in sys.argv[1:3])) else 1)
