"""What a recorder that runs for hours keeps: looked at in fresh processes, of which all memory is known."""

from __future__ import annotations

import subprocess
import sys

_RESIDENT = """
import ctypes, sys
import numpy as np
from pepys import heap, limits
from pepys.record.memory import MemoryWatch, resident_bytes
from pepys.record.near import Gallery
from pepys.record.shelf import Shelf
heap.keep_small()
heap.trim()
"""


def _mb(script: str) -> list[float]:
    """What a script prints: megabytes."""
    argv = [sys.executable, "-c", _RESIDENT + script]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    return [float(word) / 1e6 for word in done.stdout.split()]


def test_gaps_between_what_stays_go_back_within_a_minute() -> None:
    """Catches a recorder that grows by megabytes an hour though nothing leaks: buffers of all lengths leave gaps."""
    held, left = _mb("""
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = library.free.argtypes = [ctypes.c_size_t]
watch = MemoryWatch(0)
watch.look()
before = resident_bytes()
blocks = [library.malloc(20_000 + number % 7 * 3_000) for number in range(1_000)]
for block in blocks:
    ctypes.memset(block, 1, 20_000)
for number, block in enumerate(blocks):
    if number % 10:
        library.free(block)
print(resident_bytes() - before)
for _ in range(limits.MEMORY_TRIM_LOOKS):
    watch.look()
print(resident_bytes() - before)
""")
    assert held > 15
    assert left < held / 4


def test_what_earlier_shots_may_take_is_taken_at_once() -> None:
    """Catches a block that becomes resident as shots come: 5 MB of growth in the first hour of each session."""
    begun, grown = _mb("""
before = resident_bytes()
shelf = Shelf(limits.SHOT_NEAR_BYTES, limits.SHOT_NEAR)
print(resident_bytes() - before)
before = resident_bytes()
for number in range(400):
    shelf.put(b"%d" % number, [b"tiles" * 100, b"pixels" * 5_000])
assert shelf.used > limits.SHOT_NEAR_BYTES - 50_000, shelf.used
print(resident_bytes() - before)
""")
    assert begun > 5
    assert grown < 0.5


def test_shots_that_all_differ_leave_memory_as_it_is() -> None:
    """Catches whatever else the comparison of shots keeps of each: 40 shots of text fill it, 80 more change nothing."""
    (grown,) = _mb("""
screen = np.full((480, 640, 4), 255, np.uint8)
letters = np.random.default_rng(5).integers(0, 2, (3_000, 8, 8), dtype=np.uint8).repeat(4).reshape(3_000, 8, 8, 4) * 255
gallery, watch = Gallery(), MemoryWatch(0)
def shoot(number):
    at = number * 8 % 472
    for column in range(0, 640, 8):
        screen[at : at + 8, column : column + 8] = letters[(number * 80 + column // 8) % 3_000]
    gallery.compare(screen.copy())
    gallery.keep(b"%d" % number)
for number in range(120):
    if number % 40 == 0:
        heap.trim()
    if number == 40:
        before = resident_bytes()
    shoot(number)
heap.trim()
print(resident_bytes() - before)
assert gallery.count > 20, gallery.count
""")
    assert grown < 1
