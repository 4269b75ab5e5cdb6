"""`pepys record` on a disk that fills, freezes or is pulled out: one clear line, exit 5; the next command goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.record import wire
from pepys.sessions.control import orphans
from tests.disks import MIB, SmallDisk, small_disk
from tests.waiting import wait_until

_FILM = ("--source", "pattern:testsrc2=size=160x120:rate=15", "--audio", "off", "--shots", "off")


class Foreground:
    """`pepys record` on a disk of its own."""

    def __init__(self, disk: SmallDisk, home: Path) -> None:
        self.disk, self._env = disk, {**os.environ, "PEPYS_HOME": str(home)}
        self.process = subprocess.Popen(
            self._argv("record", "disk", *_FILM),
            env=self._env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _argv(self, *words: str) -> list[str]:
        return [*self.disk.enter, sys.executable, "-m", "pepys", *words]

    def begin(self, *words: str) -> Callable[[], Any]:
        """Begin another command; call what is given for what it tells."""
        argv = self._argv(*words, "--json")
        process = subprocess.Popen(argv, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def told() -> Any:
            out, err = process.communicate(timeout=30)
            assert process.returncode == 0, err
            return json.loads(out)

        return told

    def until_recorded(self, milliseconds: int) -> int:
        """Wait until so much is recorded; the recorder's process."""
        found = wait_until(lambda: orphans(self.disk.home), 15, "a recorder")
        assert isinstance(found, list)
        client = wire.connect(found[0].socket)
        wait_until(lambda: client.call("status")["recorded_ms"] >= milliseconds, 15, "a recording")
        client.close()
        return int(found[0].pid)

    def ends(self, *words: str) -> None:
        """It ended by itself, with one line that says why."""
        _, told = self.process.communicate(timeout=20)
        assert self.process.returncode == 5, told
        last = told.strip().splitlines()[-1]
        assert last.startswith("pepys: ") and any(word in last for word in words) and "Traceback" not in told, told


def test_disks_that_fail_under_a_recording(short_folder: Path, home: Path) -> None:
    reserve = limits.DISK_RESERVE_BYTES
    with ExitStack() as stack:

        def begin(name: str) -> Foreground:
            place = short_folder / name
            disk = stack.enter_context(small_disk(place, reserve + 64 * MIB))
            foreground = Foreground(disk, place)
            stack.callback(foreground.process.wait, 20)
            stack.callback(foreground.process.kill)
            return foreground

        full, frozen, pulled = begin("full"), begin("frozen"), begin("pulled")
        harms: list[tuple[Foreground, Callable[[int], None]]] = [
            (full, lambda pid: full.disk.fill(pid, reserve - MIB)),
            (frozen, frozen.disk.make_read_only),
            (pulled, lambda _pid: pulled.disk.take_away()),
        ]
        for foreground, harm in harms:
            harm(foreground.until_recorded(1_700))
        full.ends("kept in reserve", "No space left")
        frozen.ends("is read-only now", "Read-only file system")
        pulled.ends("another folder is in the place", "cannot be read")
        for foreground in (full, frozen, pulled):
            foreground.disk.mend()
        # They recover what was left, each on a disk of its own and thus side by side.
        for listed in [foreground.begin("list") for foreground in (full, frozen, pulled)]:
            (session,) = listed()
            assert session["state"] in {"completed", "interrupted"} and session["duration_ms"] >= 700
        for verified in [foreground.begin("verify") for foreground in (full, frozen, pulled)]:
            assert verified()["ok"] is True
