"""Where pictures are encoded: in a thread of their own, which yields to others, or at once.

Owns that thread. Invariants: one picture is encoded at a time, and whoever gave it must not touch it before it is done;
the thread alone is nicer than the rest of the recorder, by `limits.ENCODER_NICE`: capture, sound and writing keep their
turn on a busy machine. What is encoded, and when, is left to `video`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Protocol

from pepys import limits

Job = Callable[[], bytes]


class Encoding(Protocol):
    """Runs one job at a time."""

    def give(self, job: Job) -> None:
        """Begin a job; the one before was taken."""
        ...

    def take(self, *, wait: bool) -> bytes | None:
        """What the job came to, once; None while it runs, unless it is waited for, and where none was given.

        Raises:
            Exception: what the job raised.
        """
        ...

    def close(self) -> None:
        """Let go; a job under way is finished and forgotten."""
        ...


class AtOnce:
    """Runs a job when it is given: for whoever has no loop."""

    def __init__(self) -> None:
        self._done: bytes | Exception | None = None

    def give(self, job: Job) -> None:
        """Run it."""
        self._done = _run(job)

    def take(self, *, wait: bool) -> bytes | None:
        """What it came to."""
        done, self._done = self._done, None
        if isinstance(done, Exception):
            raise done
        return done

    def close(self) -> None:
        """Nothing is kept."""
        self._done = None


class InThread:
    """Runs jobs in a thread that begins with the first one."""

    def __init__(self, told: Callable[[], None]) -> None:
        """Take who is told, in that thread, that a job is done."""
        self._told = told
        self._changed = threading.Condition()
        self._job: Job | None = None
        self._done: bytes | Exception | None = None
        self._over = False
        self._thread: threading.Thread | None = None

    def give(self, job: Job) -> None:
        """Begin it."""
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._serve, name="encoder", daemon=True)
                thread.start()  # where no thread can be had, none is waited for
                self._thread = thread
            self._job = job
            self._changed.notify_all()

    def take(self, *, wait: bool) -> bytes | None:
        """What it came to, once it is done."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._job is None)
            done, self._done = self._done, None
        if isinstance(done, Exception):
            raise done
        return done

    def close(self) -> None:
        """End the thread after the job under way."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._job is None)
            self._done = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # a sandbox may forbid it; pictures come at the usual priority then
            _be_nicer()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._job is not None or self._over)
                job = self._job
            if job is None:
                return
            done = _run(job)
            with self._changed:
                self._done, self._job = done, None
                self._changed.notify_all()
            try:
                self._told()
            except Exception:  # noqa: BLE001 - the job is done; whoever takes it without being told still gets it
                traceback.print_exc()


def _run(job: Job) -> bytes | Exception:
    try:
        return job()
    except Exception as error:  # noqa: BLE001 - raised again by `take`, where somebody can act on it
        return error


def _be_nicer() -> None:
    """Let this thread alone yield to others; where the system knows processes only, nothing is changed."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(now + limits.ENCODER_NICE, 19))
