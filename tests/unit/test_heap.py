"""What the C allocator keeps: looked at in fresh processes, because a setting holds for the life of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pepys import heap

_ARENAS = """
import ctypes, sys, threading
from pepys import heap
assert sys.argv[1] == "as it is" or heap.keep_small()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = [ctypes.c_size_t]
together = threading.Barrier(4)
def work():
    for _ in range(100):
        library.malloc(1000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
library.malloc_info(0, ctypes.c_void_p.in_dll(library, "stdout"))
library.fflush(None)
"""

_LARGE = """
import ctypes, sys
from pepys import heap
assert sys.argv[1] == "as it is" or heap.keep_small()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = library.free.argtypes = [ctypes.c_size_t]
SIZE = 8 << 20
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
library.free(library.malloc(SIZE))  # glibc takes such blocks into its heap from here on
before = resident()
picture = library.malloc(SIZE)
ctypes.memset(picture, 1, SIZE)
kept = library.malloc(100_000)
ctypes.memset(kept, 1, 100_000)
library.free(picture)
print(resident() - before)
"""


def _run(script: str, how: str) -> str:
    done = subprocess.run([sys.executable, "-c", script, how], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_threads_share_one_arena() -> None:
    assert _run(_ARENAS, "kept small").count("<heap nr=") == 1
    assert _run(_ARENAS, "as it is").count("<heap nr=") > 1


def test_a_large_block_goes_back_to_the_system_when_it_is_freed() -> None:
    assert int(_run(_LARGE, "kept small")) < 1 << 20
    assert int(_run(_LARGE, "as it is")) > 7 << 20


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    heap._glibc.cache_clear()
    monkeypatch.setattr(heap.sys, "platform", "darwin")
    try:
        assert not heap.keep_small()
        heap.give_back()
    finally:
        heap._glibc.cache_clear()


def test_what_is_free_below_something_that_is_not_goes_back() -> None:
    script = """
import ctypes
from pepys import heap
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = library.free.argtypes = [ctypes.c_size_t]
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
heap.give_back()
before = resident()
blocks = [library.malloc(20_000) for _ in range(1000)]
for block in blocks:
    ctypes.memset(block, 1, 20_000)
for block in blocks[:-1]:
    library.free(block)
held = resident()
heap.give_back()
print(held - before > 15 << 20, resident() - before < 3 << 20)
"""
    assert _run(script, "").split() == ["True", "True"]


_SMAPS = """\
55d0a000-55d0b000 r-xp 00001000 08:01 17                         /usr/bin/python3 (deleted)
Size:                  4 kB
Anonymous:             0 kB
55d0b000-55d0c000 r--p 00002000 08:01 17                         /usr/bin/python3
Anonymous:             4 kB
55d0c000-55d0d000 rw-p 00003000 08:01 17                         /usr/bin/python3
Anonymous:             0 kB
55d0d000-55d0e000 r--p 00000000 00:00 0
Anonymous:             0 kB
55d0e000-55d10000 r--p 00000000 08:01 18                         /usr/lib/a library.so
Anonymous:             0 kB
55d10000-55d11000 r--s 00000000 08:01 19                         /usr/lib/table
Anonymous:             0 kB
55d11000-55d12000 r--p 00000000 08:01 20                         /dev/dri/card0
Anonymous:             0 kB
55d12000-55d13000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
"""


def test_only_what_a_file_holds_unchanged_is_let_go_of(tmp_path: Path) -> None:
    smaps = tmp_path / "smaps"
    smaps.write_text(_SMAPS)
    assert list(heap._clean_files(smaps)) == [(0x55D0A000, 0x1000), (0x55D0E000, 0x2000)]
    assert list(heap._clean_files(tmp_path / "missing")) == []


def test_code_that_only_loading_needed_goes_and_comes_back() -> None:
    script = """
import av, numpy
from pepys import heap
def of_files():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssFile"))
before = of_files()
heap.give_back()
left = of_files()
assert numpy.linalg.det(numpy.eye(3)) == 1.0 and av.CodecContext.create("libx264", "w")
print(left < before / 2, before)
"""
    told = _run(script, "").split()
    assert told[0] == "True", told
