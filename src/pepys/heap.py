"""What a process that runs for hours tells the C allocator: keep little, give back what is free.

glibc gives each thread an arena of its own that is never emptied into another, and takes larger and larger blocks into
its heap once such blocks were freed: a picture of 8 MB that was needed once stays for the life of the process. Here
there is one arena, large blocks are mapped and unmapped each for itself, and what starting up left free goes back.
Other systems and other C libraries are left alone. Which processes are meant is the callers' to say.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from functools import cache
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_LARGE: Final = 1 << 20
"""More than any coded frame, less than any picture of a screen: frames are never mapped one by one."""


def keep_small() -> bool:
    """Have the allocator keep little; before threads are started. Whether there is one that listens."""
    library = _glibc()
    if library is None:
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _LARGE))
    return all([library.mallopt(name, value) for name, value in settings])


def give_back() -> None:
    """Collect garbage and give free pages back to the system; takes some tens of milliseconds."""
    gc.collect()
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return None  # musl has neither arenas nor thresholds
    library.malloc_trim.argtypes = [ctypes.c_size_t]
    return library
