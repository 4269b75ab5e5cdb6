"""Pictures are encoded in a thread of their own, one at a time, and nobody draws into what is being encoded."""

from __future__ import annotations

import os
import threading

import pytest

from pepys import limits
from pepys.media.encoders import EncoderFailed
from pepys.record.encoding import InThread


def test_a_job_runs_elsewhere_and_is_taken_once() -> None:
    done, go = threading.Event(), threading.Event()
    encoding = InThread(done.set)
    encoding.give(lambda: (go.wait(5), b"frame")[1])
    assert encoding.take(wait=False) is None
    go.set()
    assert done.wait(5)
    assert encoding.take(wait=False) == b"frame" and encoding.take(wait=True) is None
    encoding.close()


def test_what_a_job_raises_is_raised_where_it_is_taken() -> None:
    encoding = InThread(lambda: None)

    def fails() -> bytes:
        raise EncoderFailed("the driver hung up")

    encoding.give(fails)
    with pytest.raises(EncoderFailed, match="hung up"):
        encoding.take(wait=True)
    encoding.give(lambda: b"again")
    assert encoding.take(wait=True) == b"again"
    encoding.close()


def test_a_thread_that_may_not_be_nicer_encodes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(which: int, who: int, priority: int) -> None:
        raise PermissionError("a sandbox forbids it")

    monkeypatch.setattr("os.setpriority", denied)
    done = threading.Event()
    encoding = InThread(done.set)
    encoding.give(lambda: b"frame")
    assert done.wait(5) and encoding.take(wait=True) == b"frame"
    encoding.close()


def test_who_cannot_be_told_ends_nothing() -> None:
    told = threading.Event()

    def deaf() -> None:
        told.set()
        raise OSError("nobody listens")

    encoding = InThread(deaf)
    encoding.give(lambda: b"one")
    assert told.wait(5) and encoding.take(wait=True) == b"one"
    told.clear()
    encoding.give(lambda: b"two")
    assert told.wait(5) and encoding.take(wait=True) == b"two"
    encoding.close()


def test_the_thread_alone_is_nicer_and_by_two_at_most() -> None:
    seen: list[int] = []
    encoding = InThread(lambda: None)

    def look() -> bytes:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return b""

    encoding.give(look)
    encoding.take(wait=True)
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    encoding.close()
    assert seen[0] - own == limits.ENCODER_NICE <= 2
    assert os.getpriority(os.PRIO_PROCESS, 0) == own
