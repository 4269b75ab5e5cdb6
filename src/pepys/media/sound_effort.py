"""How much of its bit rate a frame of sound needs: whether its channels differ, and whether it is a pause.

Both look back, because the rate is not to flutter: what was said of a frame holds for a while. Own measures: an encoder
that is held to a bit rate spends it on the noise between two words too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

SIDE: Final = 1e-4
"""Energy of the difference of two channels, as a part of their sum's, up to which they are the same: -40 dB."""
WIDE_SAMPLES: Final = 48_000
"""Two channels that differed count as different for a second more."""
PAUSE: Final = 1 / 48
"""Of the loudest sample of late, up to which a frame is a pause: -34 dB. The faintest consonants are louder."""
LATE_SAMPLES: Final = 96_000
"""Late is what was in the last two to four seconds."""


class Width:
    """Whether two channels differ."""

    def __init__(self, channels: int) -> None:
        self._stereo = channels == 2
        self._left = 0

    def of(self, block: Pcm) -> bool:
        """Whether they do in this block, or did in the second before; a single channel does not."""
        if not self._stereo:
            return False
        self._left = max(0, self._left - len(block))
        few = block[::4].astype(np.float32)  # a sample in four has the same share of difference and sum
        side, both = few[:, 0] - few[:, 1], few[:, 0] + few[:, 1]
        if float(side @ side) > SIDE * float(both @ both):
            self._left = WIDE_SAMPLES
        return self._left > 0


class Pauses:
    """Whether a frame is far below what was heard of late, however loud or faint that was."""

    def __init__(self) -> None:
        self._now = self._before = self._counted = 0

    def of(self, block: Pcm) -> bool:
        """Whether this block is a pause."""
        loudest = loudest_of(block)
        if self._counted >= LATE_SAMPLES:
            self._before, self._now, self._counted = self._now, 0, 0
        self._counted += len(block)
        self._now = max(self._now, loudest)
        return loudest <= PAUSE * max(self._now, self._before)


def loudest_of(block: Pcm) -> int:
    """The largest sample of a block, of either sign."""
    return max(int(block.max()), -int(block.min()))
