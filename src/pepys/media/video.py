"""H.264 for screens: one encoder a span, fed with a persistent picture.

Owns the encoder's settings and the way from its byte stream to what MP4 holds. Invariants: one access unit comes out
for each picture that goes in, at once; an IDR stands only where one was asked for. Constant quantiser, because rate
control by CRF searches a half-size copy of every frame and spends bytes on pictures that did not change.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Final

import av
from av.video.frame import PictureType

from pepys.limits import NS_PER_S
from pepys.media.colour import Picture
from pepys.media.fmp4_init import VIDEO_TIMESCALE, VideoConfig

DEFAULT_QP: Final = 24
"""About 38 to 40 dB of luma on dense coloured text, and more elsewhere."""

_SPS, _PPS, _DELIMITER = 7, 8, 9
_START = b"\0\0\1"
# I frames are coded 3 steps finer by default: ipratio=1 saves a sixth of each key frame. Screens move by whole pixels:
# subme=0 loses nothing and spares each frame its half-pixel planes (3.5 -> 2.2 ms where nothing changed). umh with a
# long range follows scroll steps of a hundred pixels, which ultrafast's own search codes anew (88 instead of 710 kB).
_X264 = "ipratio=1:me=umh:merange=128:subme=0:keyint=infinite:scenecut=0"
_HIGH_PROFILES = frozenset((100, 110, 122, 144, 244))

# BT.601 is what both converters write; the screen's primaries and transfer are those of sRGB.
_LIMITED, _MATRIX_601, _PRIMARIES_709, _TRANSFER_SRGB = 1, 6, 1, 13


class H264Encoder:
    """x264, ultrafast and without latency, one thread."""

    def __init__(self, width: int, height: int, fps: int, *, qp: int = DEFAULT_QP) -> None:
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = width, height, "nv12"
        context.time_base, context.framerate = Fraction(1, VIDEO_TIMESCALE), Fraction(fps)
        context.thread_count = 1
        context.gop_size = 2**30
        context.color_range, context.colorspace = _LIMITED, _MATRIX_601
        context.color_primaries, context.color_trc = _PRIMARIES_709, _TRANSFER_SRGB
        context.flags |= av.codec.context.Flags.global_header
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "qp": str(qp),
            "forced-idr": "1",
            "x264-params": _X264,
        }
        context.open()
        self._context = context
        self._frame: av.VideoFrame | None = None
        self._picture: Picture | None = None
        self.config = VideoConfig(width, height, decoder_configuration(bytes(context.extradata or b"")))

    def encode(self, picture: Picture, pts_ns: int, key: bool) -> bytes:
        """Encode the picture as it stands; `pts_ns` must rise. Returns length-prefixed NAL units.

        The picture may be overwritten as soon as this returns: x264 has copied it.
        """
        frame = self._wrap(picture)
        frame.pts = pts_ns * VIDEO_TIMESCALE // NS_PER_S
        frame.pict_type = PictureType.I if key else PictureType.NONE
        (packet,) = self._context.encode(frame)
        if packet.is_keyframe != key:
            raise RuntimeError("x264 set a key frame of its own will")
        return length_prefixed(bytes(packet))

    def close(self) -> None:
        """Let go of the encoder; what it was given has come out already."""
        self._frame = self._picture = None
        del self._context

    def _wrap(self, picture: Picture) -> av.VideoFrame:
        if self._frame is None or self._picture is not picture:
            self._frame = av.VideoFrame.from_numpy_buffer(picture.array, format="nv12")
            self._frame.time_base = self._context.time_base
            self._picture = picture
        return self._frame


def nal_units(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes."""
    return [unit for piece in stream.split(_START)[1:] if (unit := piece.rstrip(b"\0"))]


def length_prefixed(stream: bytes) -> bytes:
    """An Annex B byte stream as MP4 holds it: four bytes of length before each unit, no delimiters."""
    units = (unit for unit in nal_units(stream) if unit[0] & 31 != _DELIMITER)
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def parameter_sets(avcc: bytes) -> bytes:
    """The sequence and picture parameter sets of a decoder configuration, length-prefixed."""
    sets, at = b"", 5
    for mask in (31, 255):
        count, at = avcc[at] & mask, at + 1
        for _ in range(count):
            (length,) = struct.unpack_from(">H", avcc, at)
            unit = avcc[at + 2 : at + 2 + length]
            sets += struct.pack(">I", length) + unit
            at += 2 + length
    return sets


def decoder_configuration(extradata: bytes) -> bytes:
    """The AVCDecoderConfigurationRecord for an encoder's Annex B parameter sets (ISO/IEC 14496-15, 5.3.3)."""
    units = nal_units(extradata)
    (sequence,) = [unit for unit in units if unit[0] & 31 == _SPS]
    (picture,) = [unit for unit in units if unit[0] & 31 == _PPS]
    if sequence[1] in _HIGH_PROFILES:
        raise ValueError("high profiles need more fields than are written here")
    head = struct.pack(">B3sBB", 1, sequence[1:4], 0xFC | 3, 0xE0 | 1)
    return head + struct.pack(">H", len(sequence)) + sequence + struct.pack(">BH", 1, len(picture)) + picture
