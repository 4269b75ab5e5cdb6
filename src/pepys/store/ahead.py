"""Work on a row of things with the next ones already begun: while one waits for the disk, another is proven.

Sealing, hashing, reading and syncing leave the interpreter free, so that threads of one process do gain from it. Order
is kept, and no more is held than what the threads have in hand: memory does not grow with the row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pepys.limits import AHEAD_THREADS

Given = TypeVar("Given")
Made = TypeVar("Made")


def ahead(given: Iterable[Given], work: Callable[[Given], Made]) -> Iterator[Made]:
    """What `work` makes of each, in order; the next ones are being made meanwhile, in threads.

    What is asked of `given` is asked in the caller's thread. An error of `work` is raised in its place of the row;
    nothing after it is given then. Who stops asking waits for what was begun.
    """
    # Loaded here: most commands never come to it.
    from concurrent.futures import Future, ThreadPoolExecutor

    with ThreadPoolExecutor(AHEAD_THREADS, thread_name_prefix="ahead") as pool:
        begun: deque[Future[Made]] = deque()
        try:
            for one in given:
                begun.append(pool.submit(work, one))
                if len(begun) > AHEAD_THREADS:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
