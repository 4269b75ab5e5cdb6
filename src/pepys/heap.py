"""What a process that runs for hours does to stay small: the C allocator keeps little, and what is not used goes back.

glibc gives each thread an arena of its own that is never emptied into another, and takes larger and larger blocks into
its heap once such blocks were freed: a picture of 8 MB that was needed once stays for the life of the process. Here
there is one arena, large blocks are mapped and unmapped each for itself, and what starting up left free goes back.
Libraries are mapped in large steps, and most of what is read of them is read once, while they load: that goes as well.
What is freed between blocks that stay is kept by the C library as it is, page by page, and such gaps become more for
hours; `trim` gives their pages back.
Other systems and other C libraries are left alone. Which processes are meant is the callers' to say.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_DONT_NEED: Final = 4
_MAPPING: Final = re.compile(r"[0-9a-f]+-[0-9a-f]+ ")
_FILE: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-[x-]p [0-9a-f]+ [0-9a-f:]+ [1-9]\d* +/(?!dev/)")
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
    """After starting up: give back what is free, and let go of code and tables that only starting up needed.

    Takes some milliseconds. What is needed again of code comes back from the system's cache, page by page.
    """
    library = _glibc()
    if library is not None:
        trim()
        for begin, size in _clean_files(Path("/proc/self/smaps")):
            library.madvise(begin, size, _DONT_NEED)


def trim() -> None:
    """Now and then, for as long as the process runs: give back the pages of free memory, those between blocks too.

    Takes half a millisecond for a heap of 20 MB, during which no other thread gets memory.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _clean_files(smaps: Path) -> Iterator[tuple[int, int]]:
    """Mappings of files, as (begin, size), that are read-only and hold no page that was ever written to.

    Nothing is lost with pages of such a mapping: each is as the file has it, and stays so.
    """
    begin = end = 0
    try:
        lines = smaps.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        if found := _FILE.match(line):
            begin, end = int(found[1], 16), int(found[2], 16)
        elif _MAPPING.match(line):
            begin = end = 0
        elif end and line.startswith("Anonymous:"):
            if line.split()[1] == "0":
                yield begin, end - begin
            begin = end = 0


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return None  # musl has neither arenas nor thresholds
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    library.malloc_trim.argtypes = [ctypes.c_size_t]
    return library
