"""Work beside what is being written: in a thread of its own, that dies with its process."""

from __future__ import annotations

import threading
from collections.abc import Callable


def beside(name: str, work: Callable[[], None]) -> threading.Thread | None:
    """Do it in a thread, which is returned; in this one where the system starts no more threads."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        work()
        return None
    return thread
