"""PNG pictures: shots are stored without loss.

Arrays are BGRA of shape (height, width, 4), as screens give them; the fourth byte means nothing and comes back as 255.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from pepys.errors import Damaged

Pixels = NDArray[np.uint8]


def encode_png(bgra: Pixels) -> bytes:
    """The picture as a PNG file of 24 bits a pixel."""
    height, width = bgra.shape[:2]
    context: Any = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt = width, height, "rgb24"
    context.time_base, context.thread_count = Fraction(1), 1
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgra[:, :, 2::-1]), format="rgb24")
    packets = [*context.encode(frame), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def decode_png(data: bytes) -> Pixels:
    """The BGRA picture in a PNG file.

    Raises:
        Damaged: it is none.
    """
    context: Any = av.CodecContext.create("png", "r")
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except av.FFmpegError as error:
        raise Damaged(f"not a readable picture: {error.strerror}") from error
    if not frames:
        raise Damaged("not a readable picture: it ends too early")
    pixels: Pixels = frames[0].to_ndarray(format="bgra")
    pixels[:, :, 3] = 255
    return pixels
