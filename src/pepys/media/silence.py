"""Digital silence that is known to be silence: looked for once, where a device's block arrives.

Every block of silence is a view of one array of zeros, which takes no memory and is never written to; what leads sound
on asks `is_silence` and need neither copy, convert nor measure it. A view that is cut is still one. Invariant: what is
not marked may be silent all the same, so that nothing but time may hang on the mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pepys import limits

Pcm = NDArray[np.int16]

_ZEROS: Final[Pcm] = np.zeros(4 * limits.SOUND_RATE, np.int16)
_ZEROS.flags.writeable = False


def silence(count: int, channels: int) -> Pcm:
    """Silence of shape (count, channels), which nobody may change; marked while it is no longer than seconds."""
    whole = _ZEROS[: count * channels] if count * channels <= len(_ZEROS) else np.zeros(count * channels, np.int16)
    return whole.reshape(count, channels)


def is_silence(block: NDArray[Any]) -> bool:
    """Whether a block is marked as silence."""
    return block.base is _ZEROS


def joined(blocks: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Blocks of one kind as one, without a copy where there is one only, or silence only."""
    if len(blocks) == 1:
        return blocks[0]
    if all(block.base is _ZEROS for block in blocks):
        return silence(sum(map(len, blocks)), blocks[0].shape[1])
    return np.concatenate(blocks)
