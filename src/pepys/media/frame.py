"""The persistent picture as libavcodec takes it, without a copy.

PyAV's own way for NumPy arrays (`from_numpy_buffer`) rounds the height of NV12 down to a multiple of four: a screen of
1050 rows would be read with its chroma in the wrong place and scaled on the way. DLPack passes both planes as they are.
"""

from __future__ import annotations

import av
from av.video.codeccontext import VideoCodecContext

from pepys.media.colour import Picture

# BT.601 is what both converters write; the screen's primaries and transfer are those of sRGB.
_LIMITED, _MATRIX_601, _PRIMARIES_709, _TRANSFER_SRGB = 1, 6, 1, 13


def wrap(picture: Picture) -> av.VideoFrame:
    """A frame that shows the picture's own memory; it keeps that memory alive."""
    return av.VideoFrame.from_dlpack((picture.luma, picture.chroma), format="nv12")


def tell_colours(context: VideoCodecContext) -> None:
    """Make an encoder write what the picture's numbers mean."""
    context.color_range, context.colorspace = _LIMITED, _MATRIX_601
    context.color_primaries, context.color_trc = _PRIMARIES_709, _TRANSFER_SRGB
