"""The gate in front of the playback stream's encoder: what is faint and not to be heard becomes digital silence.

Why: an encoder of AAC costs as much for the noise of a room as for speech, in bytes and in CPU, and the playback stream
is a mix of tracks that keep their own sound whole. An own node: libavfilter's gates follow a level, and neither know
what is to be heard nor end in exact zeros at a frame's border.

Invariants: as many frames come out as go in, in order; a frame that is heard or is not faint comes out unchanged; the
fade-in lies in the frame before, so that no beginning is cut. For that, a frame of silence is held back until the next
one is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pepys.media.sound_effort import loudest_of

Pcm = NDArray[np.int16]

FAINT_PEAK: Final = 512
"""Of 32768: -36 dBFS. The noise of a room stays below."""
LOUD_SAMPLES: Final = 48_000
"""What was not faint keeps the gate open for a second: noise around the border must not flutter."""


def faint(block: Pcm) -> bool:
    """Whether no sample of a block is louder than the noise of a room."""
    return loudest_of(block) <= FAINT_PEAK


class FaintGate:
    """Passes frames on, silence in place of those that are faint and not heard."""

    def __init__(self, frame: int, channels: int) -> None:
        ramp = (1 - np.cos(np.linspace(0, np.pi, frame))) / 2
        self._rising: NDArray[np.float32] = ramp.astype(np.float32).reshape(-1, 1)
        self._zeros: Pcm = np.zeros((frame, channels), np.int16)
        self._held: Pcm | None = None
        self._open = False
        self._loud_left = 0

    def passed(self, block: Pcm, heard: bool) -> Iterator[tuple[Pcm, bool]]:
        """The frames that are decided when this one comes, and whether they are heard."""
        self._loud_left = max(0, self._loud_left - len(block))
        if not heard and not faint(block):
            self._loud_left = LOUD_SAMPLES
        opens = heard or self._loud_left > 0
        yield from self._release(opens)
        if opens:
            self._open = True
            yield block, heard
        else:
            self._held = block.copy()

    @property
    def shut(self) -> bool:
        """Whether silence comes out for the frame that is held, and for each faint one that is not heard."""
        return self._held is not None and not self._open and not self._loud_left

    def hold(self, block: Pcm) -> None:
        """The last of such frames, instead of handing each over."""
        self._held = block.copy()

    def end(self) -> Iterator[tuple[Pcm, bool]]:
        """The frame that is held back."""
        yield from self._release(False)

    def _release(self, opens: bool) -> Iterator[tuple[Pcm, bool]]:
        held, self._held = self._held, None
        if held is None:
            return
        if self._open and opens:
            yield held, False
        elif self._open:
            yield _scaled(held, self._rising[::-1]), False
        elif opens:
            yield _scaled(held, self._rising), False
        else:
            yield self._zeros, False
        self._open = False


def _scaled(block: Pcm, ramp: NDArray[np.float32]) -> Pcm:
    scaled: NDArray[np.float32] = np.rint(block * ramp)
    return scaled.astype(np.int16)
