"""The recorder's one waiting place: descriptors, timers and calls from other threads.

No fixed tick: the loop sleeps until a descriptor is ready or a timer is due, so that a still screen costs nothing.
Timers have names; setting one again moves it. Threads reach the loop only through `post`, whose queue is bounded.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import threading
from collections import deque
from collections.abc import Callable

from pepys import limits
from pepys.clock import Clock
from pepys.record.lags import Lags

Call = Callable[[], None]


class Loop:
    """Runs callbacks one at a time until `stop`; everything but `post` belongs to the thread that calls `run`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lags = Lags()
        self.turned_ns = 0
        """When the last turn was over."""
        self.selector = selectors.DefaultSelector()
        self._timers: dict[str, tuple[int, Call]] = {}
        self._latest: dict[str, int] = {}
        self._posted: deque[Call] = deque()
        self._signals: deque[Call] = deque(maxlen=limits.LOOP_SIGNALS)
        self._room = threading.Semaphore(limits.LOOP_POSTED)
        self._wake_in, self._wake_out = os.pipe()
        if sys.platform != "win32":
            os.set_blocking(self._wake_in, False)
            os.set_blocking(self._wake_out, False)
        self._running = True
        self.selector.register(self._wake_in, selectors.EVENT_READ, self._drain)

    @property
    def wake_fd(self) -> int:
        """A descriptor that wakes the loop when a byte is written to it (for `signal.set_wakeup_fd`)."""
        return self._wake_out

    def add_reader(self, fd: int, call: Call) -> None:
        """Call `call` whenever `fd` is readable or at its end."""
        self.selector.register(fd, selectors.EVENT_READ, lambda _mask: call())

    def remove_reader(self, fd: int) -> None:
        """Watch `fd` no more; an unknown one is passed over."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(fd)

    def set_timer(self, name: str, at_ns: int, call: Call, slack_ns: int = 0) -> None:
        """Call `call` once at `at_ns`; a timer of that name is replaced.

        One with slack wakes nobody before that is over: it is called when something else wakes the loop meanwhile.
        """
        self._timers[name] = (at_ns, call)
        self._latest[name] = at_ns + slack_ns

    def clear_timer(self, name: str) -> None:
        """Forget a timer; an unknown one is passed over."""
        self._timers.pop(name, None)
        self._latest.pop(name, None)

    def post(self, call: Call) -> None:
        """Call `call` soon, in the loop's thread; may be used from any thread and waits while the queue is full."""
        self._room.acquire()
        self._posted.append(call)
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_out, b"\0")

    def post_from_signal(self, call: Call) -> None:
        """Call `call` soon; for a signal handler, which may interrupt anything here. Needs `wake_fd` to be set up."""
        self._signals.append(call)

    def run(self) -> None:
        """Serve until `stop`."""
        while self._running:
            self.turn()

    def turn(self, at_most_ns: int | None = None) -> None:
        """Wait once and serve what is due."""
        now_ns = self.clock.now_ns()
        waits = [max(0, at_ns - now_ns) for at_ns in self._latest.values()]
        if at_most_ns is not None:
            waits.append(at_most_ns)
        timeout = min(waits) / limits.NS_PER_S if waits else None
        ready = self.selector.select(timeout)
        began_ns = self.clock.now_ns()
        for key, mask in ready:
            # An earlier callback of this round may have let go of the descriptor.
            if self.selector.get_map() and key.fd in self.selector.get_map():
                key.data(mask)
        while self._signals:
            self._signals.popleft()()
        while self._posted:
            call = self._posted.popleft()
            self._room.release()
            call()
        now_ns = self.clock.now_ns()
        for name, (at_ns, call) in sorted(self._timers.items(), key=lambda item: item[1][0]):
            if at_ns <= now_ns and self._timers.get(name) == (at_ns, call):
                self.clear_timer(name)
                call()
        self.turned_ns = self.clock.now_ns()
        self.lags.add(self.turned_ns - began_ns)

    def stop(self) -> None:
        """Let `run` return after the callback under way."""
        self._running = False

    def close(self) -> None:
        """Let go of the descriptors."""
        self.selector.close()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _drain(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_in, 4096):
                pass
