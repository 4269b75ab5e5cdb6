"""AAC-LC by FFmpeg's encoder, with its fast coder: a third of the CPU of the usual one.

Owns the steering of its rate, which FFmpeg reads anew for each frame, one frame of floats that is filled again and
again, and the options that keep the process alive: together with the fast coder, constant quality and the search for
mid and side both end it by an assertion on some sounds (FFmpeg 8; docs/decisions/0006). Intensity stereo does not, and
spares what is the same in both channels as well.

Invariants: one packet a frame of `FRAME` samples, one frame late; the packet that only carries the overlap in front of
the first sample is dropped.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

FRAME: Final = 1024
"""Samples of a packet."""

_OPTIONS: Final = {"aac_coder": "fast", "aac_ms": "0", "aac_tns": "0"}
_CUTOFF_HZ: Final = 10_000
"""Left to itself FFmpeg cuts at 5 kHz where 50 kb/s are to do for two channels; what is left sounds dull."""
_WHOLE_BAND: Final = 80_000
"""Bits a second from which FFmpeg's own cutoff is above that."""
_SCALE: Final = np.float32(1 / 32768)


class AacCoder:
    """Turns frames of samples into packets."""

    def __init__(self, rate: int, channels: int, bit_rate: int) -> None:
        context = av.CodecContext.create("aac", "w")
        assert isinstance(context, AudioCodecContext)
        layout = {1: "mono", 2: "stereo"}[channels]
        context.sample_rate, context.format, context.layout = rate, "fltp", layout
        context.bit_rate, context.time_base, context.thread_count = bit_rate, Fraction(1, rate), 1
        context.flags |= av.codec.context.Flags.global_header
        context.options = dict(_OPTIONS)
        if bit_rate < _WHOLE_BAND:
            context.options["cutoff"] = str(_CUTOFF_HZ)
        context.open()
        self.extradata = bytes(context.extradata or b"")
        self._context, self._bit_rate, self._fed = context, bit_rate, 0
        self._frame = av.AudioFrame(format="fltp", layout=layout, samples=FRAME)
        self._frame.sample_rate, self._frame.time_base = rate, context.time_base
        planes: Any = self._frame.planes  # buffers that can be written to, which their types do not say
        self._planes = [np.frombuffer(plane, np.float32)[:FRAME] for plane in planes]
        self._first = True

    def encode(self, block: NDArray[np.int16]) -> list[bytes]:
        """What comes out when a frame goes in, of shape (FRAME, channels)."""
        for channel, plane in enumerate(self._planes):
            np.multiply(block[:, channel], _SCALE, out=plane)
        self._frame.pts = self._fed
        self._fed += FRAME
        return self._kept(self._context.encode(self._frame))

    def steer(self, bit_rate: int) -> None:
        """Bits a second from the next frame on."""
        if bit_rate != self._bit_rate:
            self._context.bit_rate = self._bit_rate = bit_rate

    def end(self) -> list[bytes]:
        """What the encoder still holds. Ends it."""
        return self._kept(self._context.encode(None))

    def _kept(self, packets: list[Any]) -> list[bytes]:
        whole = [bytes(packet) for packet in packets]
        if self._first and whole:
            self._first = False
            return whole[1:]
        return whole
