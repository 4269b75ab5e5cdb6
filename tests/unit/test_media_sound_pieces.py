"""Long blocks of sound go through filters in pieces: nothing that is heard shows it, and memory does not."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from pepys import limits
from pepys.media.resample import AsyncResampler, Conformer
from pepys.media.sound_filters import Filters, mix_of
from pepys.model.sound_graph import Shape

_STEREO = Shape(48_000, 2)
_MEMORY = """
import numpy as np
from pepys import heap
from pepys.media.resample import AsyncResampler, Conformer
from pepys.media.sound_filters import Filters, mix_of
from pepys.model.sound_graph import Shape
from pepys.record.memory import resident_bytes
heap.keep_small()
stereo = Shape(48_000, 2)
mix, bent = Filters("mix", mix_of(2), [stereo, stereo], stereo, wide=True), AsyncResampler(2)
other = Conformer(44_100, 2, 2)
sound = np.random.default_rng(5).integers(-9_000, 9_000, (5 * 48_000, 2), dtype=np.int16)
def push(pcm):
    mix.push(pcm, pcm)
    bent.push(pcm)
    other.push(pcm)
for at in range(0, 48_000, 4_800):
    push(sound[at : at + 4_800])
heap.trim()
before = resident_bytes()
push(sound)
heap.trim()
print(resident_bytes() - before)
"""


def test_a_long_block_once_costs_no_memory_for_ever() -> None:
    """Catches 40 MB that five seconds at once leave in three filters: each keeps buffers for the longest it took."""
    done = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 3_000_000


def test_long_and_short_blocks_sound_the_same() -> None:
    rng = np.random.default_rng(6)
    sound = rng.integers(-9_000, 9_000, (3 * limits.SOUND_PIECE + 77, 2), dtype=np.int16)
    parts = np.split(sound, [1, 1_000, limits.SOUND_PIECE, 2 * limits.SOUND_PIECE + 5])

    for make in (Conformer, lambda *_: AsyncResampler(2)):
        one, many = make(44_100, 2, 2), make(44_100, 2, 2)
        whole = np.concatenate([one.push(sound), one.end()])
        assert np.array_equal(whole, np.concatenate([*map(many.push, parts), many.end()]))

    one_mix, many_mix = (Filters("mix", mix_of(2), [_STEREO, _STEREO], _STEREO) for _ in range(2))
    summed = np.concatenate([one_mix.push(sound, sound), one_mix.end()])
    assert np.array_equal(summed, np.concatenate([*(many_mix.push(part, part) for part in parts), many_mix.end()]))
    assert np.array_equal(summed, np.clip(sound.astype(np.int32) * 2, -32_768, 32_767))
