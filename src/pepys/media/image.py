"""Pictures without loss: shots as WebP, thumbnails as PNG; what a picture is, its own bytes say.

Arrays are BGRA of shape (height, width, 4), as screens give them; the fourth byte means nothing and comes back as 255.
Why WebP, and at which effort: docs/decisions/0004.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any, Final

import av
import av.codec
import numpy as np
from numpy.typing import NDArray

from pepys.errors import Damaged

Pixels = NDArray[np.uint8]

_WEBP: Final = "libwebp"
_WEBP_SIDE_MAX: Final = 16_383
# Quality is the effort here: above 75 repeated glyphs are found however far up they stand. Level 1 knows palettes, with
# which it needs little memory; where there are too many colours for one it saves a fifth and costs 22 MB more memory
# than level 0, which a recorder cannot spare.
_WITH_PALETTE: Final = {"lossless": "1", "compression_level": "1", "quality": "80"}
_WITHOUT: Final = {"lossless": "1", "compression_level": "0", "quality": "100"}
_PALETTE: Final = 256
_SLOT_BITS: Final = 15
_ROWS_AT_ONCE: Final = 64
_SPREAD: Final = 0x9E3779B1


def encode_shot(bgra: Pixels) -> bytes:
    """The picture as a lossless WebP file; as PNG where WebP cannot hold it, or PyAV came without libwebp.

    Writes 255 into the fourth byte of every pixel of `bgra`.
    """
    if shot_codec() == "png" or max(bgra.shape[:2]) > _WEBP_SIDE_MAX:
        return encode_png(bgra)
    bgra[:, :, 3] = 255
    bgra = np.ascontiguousarray(bgra)
    # The array's own memory, not a copy: a shot is among the largest things a recorder ever holds.
    frame = av.VideoFrame.from_numpy_buffer(bgra, format="bgra")
    return _encoded(_WEBP, frame, _WITH_PALETTE if _few_colours(bgra) else _WITHOUT)


def _few_colours(bgra: Pixels) -> bool:
    """Whether a palette can hold the colours: they are counted by hash, so that it takes 10 ms and no memory."""
    seen = np.zeros(1 << _SLOT_BITS, np.bool_)
    pixels = bgra.reshape(bgra.shape[0], -1).view(np.uint32)
    for row in range(0, len(pixels), _ROWS_AT_ONCE):
        seen[(pixels[row : row + _ROWS_AT_ONCE] * np.uint32(_SPREAD)) >> np.uint32(32 - _SLOT_BITS)] = True
        if np.count_nonzero(seen) > _PALETTE:
            return False
    return True


@cache
def shot_codec() -> str:
    """What shots are stored as: `webp`, or `png` where PyAV came without libwebp."""
    return "webp" if _WEBP in av.codec.codecs_available else "png"


def encode_png(bgra: Pixels) -> bytes:
    """The picture as a PNG file of 24 bits a pixel."""
    return _encoded("png", av.VideoFrame.from_ndarray(np.ascontiguousarray(bgra[:, :, 2::-1]), format="rgb24"), {})


def decode_picture(data: bytes) -> Pixels:
    """The BGRA picture in a WebP or PNG file.

    Raises:
        Damaged: it is none.
    """
    context: Any = av.CodecContext.create("webp" if data[:4] == b"RIFF" else "png", "r")
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except av.FFmpegError as error:
        raise Damaged(f"not a readable picture: {error.strerror}") from error
    if not frames:
        raise Damaged("not a readable picture: it ends too early")
    pixels: Pixels = frames[0].to_ndarray(format="bgra")
    pixels[:, :, 3] = 255
    return pixels


def _encoded(codec: str, frame: av.VideoFrame, options: dict[str, str]) -> bytes:
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base, context.thread_count, context.options = Fraction(1), 1, options
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
