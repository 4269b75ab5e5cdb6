"""Group commit under interrupts: whoever is interrupted, at whatever line, the others go on."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from pepys.errors import StorageProblem
from pepys.model.events import Event, NoteAdded
from pepys.store import commit
from pepys.store.commit import GroupCommit
from tests.waiting import wait_until


def note(name: str) -> NoteAdded:
    return NoteAdded(name, 0, "")


class Interrupt(BaseException):
    """What Ctrl-C raises, at a chosen line."""


def interrupted_at(nth: int) -> tuple[bool, bool]:
    """Interrupt a caller at the `nth` line that it runs in `commit`; whether it came to that, and another then goes on.

    Left out is where a `with` begins and ends: no interrupt comes between the lock and that.
    """
    lines = Path(commit.__file__).read_text(encoding="utf-8").splitlines()
    hits = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal hits
        if frame.f_code.co_filename != commit.__file__:
            return None
        if event == "line" and not lines[frame.f_lineno - 1].strip().startswith("with "):
            hits += 1
            if hits == nth:
                raise Interrupt
        return trace

    entered, go, followed = threading.Event(), threading.Event(), threading.Semaphore(0)

    def write(batch: tuple[Event, ...]) -> None:
        if not entered.is_set():
            entered.set()
            assert go.wait(10)

    group = GroupCommit(write)

    def caller() -> None:
        sys.settrace(trace)
        try:
            group.commit((note("interrupted"),))
        except Interrupt:
            pass
        finally:
            sys.settrace(None)

    def follower() -> None:
        with contextlib.suppress(StorageProblem):
            group.commit((note("follower"),))
        followed.release()

    first = threading.Thread(target=caller, daemon=True)
    first.start()
    wait_until(lambda: entered.is_set() or not first.is_alive(), 10)
    others = [threading.Thread(target=follower, daemon=True) for _ in range(3)]
    for other in others:
        other.start()
    if entered.is_set() and first.is_alive():
        wait_until(lambda: len(group._queue) == 3, 10)
    go.set()
    entered.set()
    return hits >= nth, all(followed.acquire(timeout=2) for _ in others)


def test_an_interrupt_leaves_nobody_waiting() -> None:
    """Catches threads that wait for ever for one that was interrupted while it led: nobody leads after it."""
    stuck, nth, come = [], 0, True
    while come:
        nth += 1
        come, went_on = interrupted_at(nth)
        if not went_on:
            stuck.append(nth)
    assert not stuck and nth > 15
