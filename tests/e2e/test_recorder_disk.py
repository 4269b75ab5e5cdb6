"""Disks that fill to the last byte or vanish under a recorder: it ends in order, and what was recorded plays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from pepys.errors import StorageProblem
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model.session import Session
from pepys.record.launch import launch
from pepys.store.recover import recover_all
from pepys.store.verify import verify
from tests.disks import SmallDisk, small_disk
from tests.recording import Recording, order, pictures, recording

_FILM = {"sources": ("pattern:testsrc2=size=160x120:rate=15",), "encoder": "x264"}


def kept(run: Recording, at_least_ms: int) -> Session:
    """The session after its recovery: everything until then is there, plays, and is proven."""
    recover_all(run.store)
    view = run.session()
    assert verify(run.store).damages == ()
    assert view.duration_ns >= at_least_ms * NS_PER_MS, "recorded until then"
    track = view.track("video")
    assert track is not None
    played = pictures(run.media(track))
    stored_s = sum(segment.duration_ns for segment in track.segments) / NS_PER_S
    assert played[-1][0] == pytest.approx(stored_s, abs=0.2) and stored_s >= at_least_ms / 1e3 - 0.2
    return view


class Trouble:
    """A recorder whose disk is about to fail."""

    def __init__(self, disk: SmallDisk, run: Recording, harm: Callable[[], object], words: str) -> None:
        self.disk, self.run, self.words = disk, run, words
        run.until_recorded(800)
        self._began_ns = run.store.clock.now_ns()
        harm()

    def check(self) -> None:
        """It told so in one line, ended in order, and what it recorded is there once the disk is."""
        run, code = self.run, StorageProblem.exit_code
        told = run.until_push(5, push="error")["error"]
        assert run.store.clock.now_ns() - self._began_ns < 3 * NS_PER_S
        assert self.words in told["message"] and "\n" not in told["message"]
        assert told["exit_code"] == code and told["remedy"]
        assert run.launched.process.wait(10) == code
        self.disk.mend()
        kept(run, 800)


def test_the_recording_ends_in_order_with_one_clear_line(short_folder: Path, home: Path) -> None:
    with ExitStack() as stack:

        def recorder(name: str, *, plain: bool = False) -> tuple[SmallDisk, Recording]:
            disk = stack.enter_context(small_disk(short_folder / name, plain=plain))
            return disk, stack.enter_context(recording(disk.home, **_FILM))

        full, renamed = recorder("full"), recorder("renamed", plain=True)
        troubles = [
            Trouble(*full, lambda: full[0].fill(full[1].pid), ""),
            Trouble(*renamed, renamed[0].take_away, "No such file or directory"),
        ]
        for trouble in troubles:
            trouble.check()
        left = renamed[1].session()
        assert left.state == "interrupted"
        again = order(renamed[0].home, renamed[1].store, session=left.id, resume=True, **_FILM)
        resumed = launch(again, short_folder / "resumed.log")
        resumed.wait_ready()
        resumed.process.terminate()
        assert resumed.process.wait(10) == 0
        view = renamed[1].session()
        assert view.state == "completed" and len(view.spans) == 2 and verify(renamed[1].store).damages == ()
