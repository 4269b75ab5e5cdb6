"""H.264 by a graphics driver, behind the same port as x264.

Owns what each driver is told so that it behaves as the recorder needs: constant quantiser, no picture held back, no
frames that refer forward, key frames where they are asked for. Drivers differ and err: what comes out is checked, and
every fault is `EncoderFailed`. Whether a driver is trusted at all is left to `encoders`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
from av.codec.codec import UnknownCodecError
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from pepys.limits import NS_PER_S
from pepys.media.colour import Picture
from pepys.media.fmp4_init import VIDEO_TIMESCALE, VideoConfig
from pepys.media.frame import tell_colours, wrap
from pepys.media.h264_hint import Area
from pepys.media.video import decoder_configuration, nal_units

_SLICE, _IDR, _SUPPLEMENT = 1, 5, 6
# libavcodec scales quantisers by this where they pass as `global_quality`.
_LAMBDA = 118
# As long as every driver takes it: one of them holds the distance of key frames in 16 bits.
_LONGEST_GROUP = 65_535
# What PyAV raises for a driver's error, for arguments it refuses, and for a kind of device that is not there.
_FAULTS = (av.FFmpegError, OSError, ValueError, RuntimeError)


class EncoderFailed(Exception):
    """A driver's encoder did not do what it was asked; x264 can take over with a new span."""


@dataclass(frozen=True, slots=True)
class Driver:
    """One way to encode outside x264.

    Attributes:
        codec: libavcodec's name of the encoder.
        nodes: patterns of device files, one of which must exist.
        device: the kind of device that pictures are uploaded to; None where the encoder does that itself.
        options: from the quantiser to the encoder's options.
    """

    codec: str
    nodes: tuple[str, ...]
    device: str | None
    options: Callable[[int], dict[str, str]]


def _vaapi(qp: int) -> dict[str, str]:
    return {"rc_mode": "CQP", "qp": str(qp), "async_depth": "1", "bf": "0", "sei": "0", "profile": "high"}


def _nvenc(qp: int) -> dict[str, str]:
    return {
        "preset": "p3", "tune": "ull", "rc": "constqp", "qp": str(qp), "delay": "0", "zerolatency": "1", "bf": "0",
        "forced-idr": "1", "rc-lookahead": "0", "no-scenecut": "1", "profile": "high",
    }  # fmt: skip


def _qsv(qp: int) -> dict[str, str]:
    return {
        "preset": "veryfast", "flags": "+qscale+global_header", "global_quality": str(qp * _LAMBDA), "bf": "0",
        "i_qfactor": "1", "i_qoffset": "0", "async_depth": "1", "forced_idr": "1", "look_ahead": "0", "profile": "high",
    }  # fmt: skip


DRIVERS: Final = (
    Driver("h264_vaapi", ("/dev/dri/renderD*",), "vaapi", _vaapi),
    Driver("h264_nvenc", ("/dev/nvidia0",), None, _nvenc),
    Driver("h264_qsv", ("/dev/dri/renderD*",), None, _qsv),
)
"""Those that are tried, the one that costs the processor least first."""


class DriverEncoder:
    """An encoder of libavcodec other than x264; satisfies the `VideoEncoder` port."""

    def __init__(self, driver: Driver, width: int, height: int, fps: int, *, qp: int) -> None:
        """Open the encoder.

        Raises:
            EncoderFailed: there is no such encoder, or it does not open.
        """
        self.name = driver.codec
        try:
            self._context = _open(driver, width, height, fps, qp)
            avcc = decoder_configuration(bytes(self._context.extradata or b""))
        except _FAULTS as error:
            raise EncoderFailed(f"{driver.codec} does not open: {_words(error)}") from error
        self._picture: Picture | None = None
        self._frame: av.VideoFrame | None = None
        self.config = VideoConfig(width, height, avcc)

    def encode(self, picture: Picture, pts_ns: int, key: bool, changed: Sequence[Area] | None = None) -> bytes:
        """Encode the picture as it stands; returns length-prefixed NAL units.

        Args:
            picture: what to encode.
            pts_ns: its time, which must rise.
            key: whether it is a key frame.
            changed: what was written since the last picture; drivers look at everything.

        Raises:
            EncoderFailed: the driver gave an error, kept the picture back, or set no key frame where one was asked.
        """
        del changed
        if self._frame is None or self._picture is not picture:
            self._frame = wrap(picture)
            self._frame.time_base = Fraction(1, VIDEO_TIMESCALE)
            self._picture = picture
        self._frame.pts = pts_ns * VIDEO_TIMESCALE // NS_PER_S
        self._frame.pict_type = PictureType.I if key else PictureType.NONE
        try:
            packets = self._context.encode(self._frame)
        except _FAULTS as error:
            raise EncoderFailed(f"{self.name} does not encode: {_words(error)}") from error
        if len(packets) != 1:
            raise EncoderFailed(f"{self.name} gave {len(packets)} packets for one picture")
        return self._unit(bytes(packets[0]), key)

    def repeat(self, pts_ns: int) -> bytes:
        """The picture of the last `encode` once more, at a later time.

        Raises:
            EncoderFailed: as `encode`.
        """
        if self._picture is None:
            raise ValueError("nothing was encoded that could be repeated")
        return self.encode(self._picture, pts_ns, False)

    def close(self) -> None:
        """Let go of the encoder; what it was given has come out already."""
        self._frame = self._picture = None
        del self._context

    def _unit(self, stream: bytes, key: bool) -> bytes:
        # The sample entry `avc1` keeps parameter sets out of the samples; delimiters and filler say nothing there.
        units = [unit for unit in nal_units(stream) if _SLICE <= unit[0] & 31 <= _SUPPLEMENT]
        kinds = {unit[0] & 31 for unit in units}
        if key and _IDR not in kinds:
            raise EncoderFailed(f"{self.name} set no key frame where one was asked for")
        if not kinds & {_SLICE, _IDR}:
            raise EncoderFailed(f"{self.name} gave a packet without a picture")
        return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def _open(driver: Driver, width: int, height: int, fps: int, qp: int) -> VideoCodecContext:
    device = HWAccel(driver.device) if driver.device else None
    context = av.CodecContext.create(driver.codec, "w", device)
    if not isinstance(context, VideoCodecContext):
        raise ValueError("it encodes no pictures")
    context.width, context.height, context.pix_fmt = width, height, "nv12"
    context.time_base, context.framerate = Fraction(1, VIDEO_TIMESCALE), Fraction(fps)
    context.gop_size, context.max_b_frames, context.thread_count = _LONGEST_GROUP, 0, 1
    tell_colours(context)
    context.flags |= av.codec.context.Flags.global_header
    context.options = driver.options(qp)
    context.open()
    return context


def _words(error: Exception) -> str:
    """The error in a few words: PyAV's own texts repeat every option."""
    if isinstance(error, UnknownCodecError):
        return "PyAV was built without it"
    told = str(error.strerror if isinstance(error, av.FFmpegError | OSError) else error)
    return " ".join(told.split())[:120] or type(error).__name__
