"""What the C allocator keeps: looked at in fresh processes, because a setting holds for the life of one."""

from __future__ import annotations

import subprocess
import sys

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


def test_garbage_is_collected_and_given_back() -> None:
    script = """
from pepys import heap
class Ring:
    def __init__(self):
        self.itself, self.bytes = self, [bytes(1000) for _ in range(20_000)]
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
heap.give_back()
before = resident()
Ring()
held = resident()
heap.give_back()
print(held - before > 15 << 20, resident() - before < 3 << 20)
"""
    assert _run(script, "").split() == ["True", "True"]
