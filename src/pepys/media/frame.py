"""The persistent picture as libavcodec takes it, without a copy.

PyAV's own way for NumPy arrays (`from_numpy_buffer`) rounds the height of NV12 down to a multiple of four: a screen of
1050 rows would be read with its chroma in the wrong place and scaled on the way. DLPack passes both planes as they are.
"""

from __future__ import annotations

import av

from pepys.media.colour import Picture


def wrap(picture: Picture) -> av.VideoFrame:
    """A frame that shows the picture's own memory; it keeps that memory alive."""
    return av.VideoFrame.from_dlpack((picture.luma, picture.chroma), format="nv12")
