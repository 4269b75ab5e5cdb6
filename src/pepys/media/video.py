"""H.264 for screens: one encoder a span, fed with a persistent picture.

Owns the encoder's settings and the way from its byte stream to what MP4 holds. Invariants: one access unit comes out
for each picture that goes in, at once; an IDR stands only where one was asked for. Constant quantiser, because rate
control by CRF searches a half-size copy of every frame and spends bytes on pictures that did not change. A picture in
which nothing changed is not encoded at all: `h264_skip` writes it; of one in which little changed the rest is not
looked at: `h264_hint`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from random import Random
from typing import Final

import av
import numpy as np
from av.video.frame import PictureType

from pepys.limits import NS_PER_S
from pepys.media.avc_profile import high_fields
from pepys.media.colour import Picture
from pepys.media.fmp4_init import VIDEO_TIMESCALE, VideoConfig
from pepys.media.frame import tell_colours, wrap
from pepys.media.h264_hint import OPTION, Area, ChangeHint, attach
from pepys.media.h264_skip import skip_writer

DEFAULT_QP: Final = 25
"""39 dB of luma on dense coloured text, and more elsewhere."""

_SPS, _PPS, _DELIMITER = 7, 8, 9
_START = b"\0\0\1"
_UNSEEN_BYTES = 60
"""More than a picture of 64x64 without changes takes, less than one changed macroblock of noise."""
# I frames are coded 3 steps finer by default: ipratio=1 saves a sixth of each key frame. Screens move by whole pixels:
# subme=0 loses nothing and spares each frame its half-pixel planes (3.5 -> 2.2 ms where nothing changed). umh follows
# scroll steps that ultrafast's own search codes anew (6 instead of 72 kB); parts of a macroblock that move apart (p8x8)
# spare a third of what scrolled text takes, and a range of no more than 24 pixels pays for them (docs/decisions/0002).
# Rounding instead of cutting small coefficients off (deadzones 8 and 6 for 21 and 11) and chroma two steps coarser give
# text 1 to 2 dB of luma for fewer bytes: docs/decisions/0003.
_X264 = (
    "ipratio=1:me=umh:merange=24:subme=0:partitions=p8x8:keyint=infinite:scenecut=0"
    ":deadzone-inter=8:deadzone-intra=6:chroma-qp-offset=2"
)


class H264Encoder:
    """x264, ultrafast and without latency, one thread."""

    name = "x264"

    def __init__(self, width: int, height: int, fps: int, *, qp: int = DEFAULT_QP, hints: bool | None = None) -> None:
        """Open an encoder.

        Args:
            width: of the pictures, even.
            height: likewise.
            fps: most pictures a second.
            qp: the quantiser.
            hints: whether it is told what changed; None where that is known to work.
        """
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = width, height, "nv12"
        context.time_base, context.framerate = Fraction(1, VIDEO_TIMESCALE), Fraction(fps)
        context.thread_count = 1
        context.gop_size = 2**30
        tell_colours(context)
        context.flags |= av.codec.context.Flags.global_header
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "qp": str(qp),
            "forced-idr": "1",
            "x264-params": _X264,
            OPTION: "1",
        }
        context.open()
        self._hints = OPTION not in context.options and (hints_work() if hints is None else hints)
        self._hint: ChangeHint | None = None
        self._context = context
        self._frame: av.VideoFrame | None = None
        self._picture: Picture | None = None
        self._strange = True
        sets = bytes(context.extradata or b"")
        self.config = VideoConfig(width, height, decoder_configuration(sets))
        self._skips = skip_writer(*_parameter_units(sets))

    def encode(self, picture: Picture, pts_ns: int, key: bool, changed: Sequence[Area] | None = None) -> bytes:
        """Encode the picture as it stands; returns length-prefixed NAL units.

        The picture may be overwritten as soon as this returns: x264 has copied it.

        Args:
            picture: what to encode.
            pts_ns: its time, which must rise.
            key: whether it is a key frame.
            changed: all that was written since the last picture, to spare looking at the rest; None for anything.
        """
        frame = self._wrap(picture)
        if self._hint is not None:
            self._hint.tell(None if self._strange else changed)
            self._strange = False
        frame.pts = pts_ns * VIDEO_TIMESCALE // NS_PER_S
        frame.pict_type = PictureType.I if key else PictureType.NONE
        (packet,) = self._context.encode(frame)
        if packet.is_keyframe != key:
            raise RuntimeError("x264 set a key frame of its own will")
        units = _coded_units(bytes(packet))
        if self._skips is not None:
            units = [self._skips.renumber(unit) for unit in units]
        return _with_lengths(units)

    def repeat(self, pts_ns: int) -> bytes:
        """The picture that was encoded last once more: the answer is what `encode` would give where nothing changed.

        Whoever calls answers for it that no pixel of that picture was written since; `pts_ns` must rise.

        Raises:
            ValueError: nothing was encoded yet.
        """
        if self._picture is None:
            raise ValueError("there is no picture to repeat")
        if self._skips is None:
            return self.encode(self._picture, pts_ns, False)
        return _with_lengths([self._skips.repeat()])

    def close(self) -> None:
        """Let go of the encoder; what it was given has come out already."""
        self._frame = self._picture = self._hint = None
        del self._context

    def _wrap(self, picture: Picture) -> av.VideoFrame:
        if self._frame is None or self._picture is not picture:
            self._frame = wrap(picture)
            self._frame.time_base = self._context.time_base
            self._hint = attach(self._frame, picture) if self._hints else None
            # Of another picture than the last nobody told what changed.
            self._strange = True
            self._picture = picture
        return self._frame


@cache
def hints_work() -> bool:
    """Whether x264 here codes what it is told of, and nothing else: tried once a process on a picture of 64x64."""
    encoder, picture = H264Encoder(64, 64, 30, hints=True), Picture(64, 64)
    # Not numpy's own random numbers: their library takes 2 MB for as long as the recorder runs.
    noise = 16 + np.frombuffer(Random(1).randbytes(256), np.uint8).reshape(16, 16) % 219
    sizes = [len(encoder.encode(picture, 0, True))]
    if encoder._hint is None:
        return False
    places: list[list[Area]] = [[], [(0, 0, 16, 16)], [], [(0, 0, 16, 16), (32, 32, 16, 16)], []]
    for number, (at, places_told) in enumerate(zip((0, 0, 32, 32, 0), places, strict=True)):
        picture.luma[at : at + 16, at : at + 16] = noise[:: 1 - 2 * (number % 2)]
        sizes.append(len(encoder.encode(picture, (number + 1) * NS_PER_S, False, places_told)))
    encoder.close()
    return max(sizes[1], sizes[3], sizes[5]) < _UNSEEN_BYTES < min(sizes[2], sizes[4])


def nal_units(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes."""
    return [unit for piece in stream.split(_START)[1:] if (unit := piece.rstrip(b"\0"))]


def length_prefixed(stream: bytes) -> bytes:
    """An Annex B byte stream as MP4 holds it: four bytes of length before each unit, no delimiters."""
    return _with_lengths(_coded_units(stream))


def _coded_units(stream: bytes) -> list[bytes]:
    return [unit for unit in nal_units(stream) if unit[0] & 31 != _DELIMITER]


def _with_lengths(units: list[bytes]) -> bytes:
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
    sequence, picture = _parameter_units(extradata)
    head = struct.pack(">B3sBBH", 1, sequence[1:4], 0xFC | 3, 0xE0 | 1, len(sequence))
    return head + sequence + struct.pack(">BH", 1, len(picture)) + picture + high_fields(sequence)


def _parameter_units(extradata: bytes) -> tuple[bytes, bytes]:
    units = nal_units(extradata)
    (sequence,) = [unit for unit in units if unit[0] & 31 == _SPS]
    (picture,) = [unit for unit in units if unit[0] & 31 == _PPS]
    return sequence, picture
