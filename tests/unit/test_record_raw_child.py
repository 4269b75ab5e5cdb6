"""A child that writes samples is read whole, whatever it writes, says or leaves out."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pepys import limits
from pepys.clock import SystemClock
from pepys.record.adapters.raw_child import RawChild
from pepys.record.ports import SoundBlock, SourceEnded
from tests.sound_sources import ending, script, told
from tests.waiting import wait_until

either = pytest.mark.parametrize("threaded", [False, True], ids=["waited", "threaded"])


def heard(source: RawChild) -> tuple[bytes, SourceEnded]:
    """All bytes of the blocks, and the end."""
    data = b""
    with closing(source):
        while True:
            for event in told(source):
                if isinstance(event, SourceEnded):
                    return data, event
                assert len(event.samples)
                data += event.samples.astype("<i2").tobytes()


@either
def test_any_bytes_are_samples_and_parts_of_frames_wait_for_the_rest(threaded: bool) -> None:
    write = "for i in range(0, 4096):\n    out(bytes([i % 256]))\n    i % 512 or time.sleep(0.001)"
    data, ended = heard(script(write, channels=2, threaded=threaded))
    assert data == bytes(range(256)) * 16
    assert (ended.reason, ended.message) == ("device_lost", "the device was closed")


@either
def test_half_a_frame_at_the_end_is_no_frame(threaded: bool) -> None:
    data, ended = heard(script("out(b'abcdefg')\nsys.exit(3)", channels=2, threaded=threaded))
    assert data == b"abcd"
    assert ended.message == "the program that records it ended with status 3; 3 bytes of a torn frame left out"


@either
def test_a_child_that_writes_nothing_ends_with_its_last_line(threaded: bool) -> None:
    say = "sys.stderr.buffer.write(b'first\\n  not \\xff there \\n\\n')\nsys.exit(1)"
    data, ended = heard(script(say, threaded=threaded))
    assert (data, ended.message) == (b"", "not � there")


@either
def test_a_child_that_talks_without_end_is_not_held_up(threaded: bool) -> None:
    talk = "for i in range(3000):\n    sys.stderr.write('x' * 99 + '\\n')\n    out(b'ab')\nsys.stderr.write('done\\n')"
    data, ended = heard(script(talk, threaded=threaded))
    assert (data, ended.message) == (b"ab" * 3000, "done")


@either
def test_a_child_that_closes_its_pipe_and_lives_on_is_over_and_is_ended(threaded: bool) -> None:
    source = script("os.close(1)\ntime.sleep(600)", threaded=threaded)
    with closing(source):
        assert ending(source).reason == "device_lost"
    assert not Path(f"/proc/{source.pid}").exists()
    assert (list(source.poll()), source.fileno()) == ([], -1)
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "sound pipe"], what="its threads' end")


@pytest.mark.quiet
def test_a_child_that_closes_its_pipe_and_lives_on_holds_nobody_up() -> None:
    clock = SystemClock()
    with closing(script("os.close(1)\ntime.sleep(600)")) as source:
        select.select([source.fileno()], [], [], 6)
        longest_ns, ended = 0, False
        while not ended:
            before_ns = clock.now_ns()
            ended = bool(source.poll())
            longest_ns = max(longest_ns, clock.now_ns() - before_ns)
    assert longest_ns < limits.SOUND_CHILD_END_S * limits.NS_PER_S / 2


def test_a_child_that_cannot_be_ended_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SOUND_CHILD_KILL_S", 0.01)
    source = script("time.sleep(600)")
    with monkeypatch.context() as stubborn:
        stubborn.setattr(subprocess.Popen, "kill", lambda child: None)
        source.close()
    assert Path(f"/proc/{source.pid}").exists() and source.fileno() == -1
    os.kill(source.pid, signal.SIGKILL)
    os.waitpid(source.pid, 0)


@either
def test_a_child_that_is_faster_than_its_reader_waits_and_loses_nothing(threaded: bool) -> None:
    write = "for n in range(2000):\n    out(n.to_bytes(2, 'little') * 1000)"
    source = script(write, threaded=threaded)
    assert source.capabilities.holds_ns == limits.SOUND_PIPE_BYTES * limits.NS_PER_S // (2 * limits.SOUND_RATE)
    # What it writes is more than a pipe and this process hold together, so it stands still until somebody reads.
    assert 2 * limits.SOUND_PIPE_BYTES < 2000 * 2000
    data, _ = heard(source)
    assert np.array_equal(np.frombuffer(data, "<u2"), np.repeat(np.arange(2000, dtype=np.uint16), 1000))


def test_a_program_that_is_not_there_is_named() -> None:
    source = RawChild("device", ["/nowhere/program"], 1, SystemClock())
    assert "/nowhere/program" in heard(source)[1].message


def test_what_a_child_says_meanwhile_can_be_asked() -> None:
    with closing(script("out(b'ab'); sys.stderr.write('numbers\\n'); sys.stderr.flush(); time.sleep(600)")) as source:
        assert isinstance(told(source)[0], SoundBlock)
        wait_until(lambda: source.remark == "numbers", what="its words")
