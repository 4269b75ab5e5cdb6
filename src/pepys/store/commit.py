"""Group commit: callers that ask for durability at the same time share one sync of the disk.

Of those that wait one leads: it writes what all of them brought, in the order in which they came, makes it durable and
tells each. Who comes meanwhile waits for the next turn, which one of them leads. Nobody is told that something is
durable unless it is: everybody counts as refused until his events were written. An error reaches every caller whose
events were part of that turn and are not durable; of those nothing counts. At most one entry a waiting thread is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pepys.errors import PepysError, StorageProblem
from pepys.model.events import Event

Write = Callable[[tuple[Event, ...]], None]
"""Writes events and makes them durable, all of them or none."""


class _Waiting:
    """One caller: what it brought, and what it is told; whose turn it leads, and who leads after it."""

    __slots__ = ("done", "error", "events", "following", "leads", "turn")

    def __init__(self, events: tuple[Event, ...]) -> None:
        self.events = events
        self.error: BaseException | None = StorageProblem("the event was not written", "give it again")
        self.leads = False
        self.turn: list[_Waiting] = []
        self.following: _Waiting | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def wake(self) -> None:
        """End its waiting, if it does wait."""
        if self.done.locked():
            self.done.release()


class GroupCommit:
    """Turns of writing, for any number of threads."""

    def __init__(self, write: Write) -> None:
        """`write` is called by one thread at a time."""
        self._write = write
        self._lock = threading.Lock()
        self._queue: list[_Waiting] = []
        self._led = False

    def commit(self, events: tuple[Event, ...]) -> None:
        """Return when the events are durable, together with those of others.

        Raises:
            StorageProblem: they are not, and do not count.
            ValueError: one of them cannot be written at all; those of others are not concerned.
        """
        mine = _Waiting(events)
        try:
            with self._lock:
                self._queue.append(mine)
                mine.leads = not self._led
                self._led = True
            if not mine.leads:
                mine.done.acquire()
            if mine.leads:
                self._lead(mine)
        finally:
            self._finish(mine)
        if mine.error is not None:
            raise mine.error

    def _lead(self, mine: _Waiting) -> None:
        """One turn: everything that waits now."""
        try:
            with self._lock:
                mine.turn, self._queue = self._queue, []
            self._serve(mine.turn)
        except BaseException as problem:
            for one in mine.turn:
                if one.error is not None:
                    one.error = _told(problem)
            if not isinstance(problem, Exception):
                # An interrupt is this thread's, whatever became of its events.
                raise
            mine.error = problem

    def _finish(self, mine: _Waiting) -> None:
        """Leave nobody waiting for this thread: an interrupt may come between any two steps, also of this."""
        try:
            self._let_go(mine)
        except BaseException:
            self._let_go(mine)
            raise

    def _let_go(self, mine: _Waiting) -> None:
        """Let the next one lead, if this one does, and tell those of its turn. Done twice it does the same."""
        with self._lock:
            if mine in self._queue:
                self._queue.remove(mine)
            if mine.leads:
                mine.following = self._queue[0] if self._queue else None
                if mine.following is not None:
                    mine.following.leads = True
                self._led = mine.following is not None
                mine.leads = False
        # The disk is kept busy first.
        if mine.following is not None:
            mine.following.wake()
        for one in mine.turn:
            if one is not mine:
                one.wake()

    def _serve(self, turn: list[_Waiting]) -> None:
        try:
            self._write(tuple(event for one in turn for event in one.events))
        except ValueError:
            # Nothing was written. What becomes of each one's, only who brought it is told.
            for one in turn:
                try:
                    self._write(one.events)
                except Exception as error:  # noqa: BLE001 - it is raised in the thread of its caller
                    one.error = error
                else:
                    one.error = None
        else:
            for one in turn:
                one.error = None


def _told(problem: BaseException) -> StorageProblem:
    """An error for another thread: each raises one of its own."""
    if isinstance(problem, PepysError):
        return StorageProblem(problem.message, problem.remedy)
    if isinstance(problem, Exception):
        return StorageProblem(f"the event was not written: {problem}", "give it again")
    return StorageProblem("the program is being ended: nobody knows whether the event was written", "look, then retry")
