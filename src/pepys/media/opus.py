"""Opus by libopus itself, called through its public C interface: the library that PyAV brings, or the system's.

Why not PyAV's encoder: it takes no new bit rate once it runs, wants floats, and costs two frames of Python for each.
Owns finding the library, its calls, and the proof that it does what is expected of it: before it is used, a known sound
is encoded and decoded again by PyAV. Where there is no such library, or it does not prove itself, `make_coder` gives
PyAV's encoder, which holds one bit rate.

Only CELT is used (the application "restricted low delay", public since libopus 1.0): it costs a third of what SILK
does, changes its rate from packet to packet without a seam, and delays by 120 samples.

Invariants: a packet stands for exactly `FRAME` samples; the sound that comes out is `LEAD` samples later than what went
in. Counting and cutting is `sound`'s work.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

RATE: Final = 48_000
FRAME: Final = 2_880
"""Samples of a packet: 60 ms, three frames of Opus. A packet costs four bytes beside its own."""
_FEW_BITS: Final = 8_000
"""Bits a second up to which effort changes nothing that is heard: it would be a third of the CPU."""
LEAD: Final = 120
"""Samples by which CELT delays at `RATE`."""
COMPLEXITY: Final = 2

_SYSTEM: Final = {"darwin": ("libopus.0.dylib",), "win32": ("opus.dll", "libopus-0.dll")}
_SYSTEM_ELSEWHERE: Final = ("libopus.so.0",)
_LOW_DELAY: Final = 2051
_SET_BIT_RATE, _SET_VBR, _SET_COMPLEXITY, _SET_CHANNELS, _GET_LOOKAHEAD = 4002, 4006, 4010, 4022, 4027
_AUTO: Final = -1000
_PACKET_BYTES: Final = 3 * 1275 + 7
_PROOF_FRAMES: Final = 6
_PROOF_ERROR: Final = 0.2
"""Of the loudness of what was encoded; a codec that is off by a sample in forty is beyond."""

Pcm = NDArray[np.int16]


class Coder(Protocol):
    """Turns frames of samples into packets."""

    def encode(self, block: Pcm) -> bytes:
        """The packet of `FRAME` samples of shape (FRAME, channels), in order of C."""

    def steer(self, bit_rate: int, mono: bool) -> None:
        """From the next packet on: bits a second, and whether both channels are coded as one."""


class LibraryError(RuntimeError):
    """libopus refuses a call."""


class LibopusCoder:
    """An encoder of libopus. Freed with the object."""

    def __init__(self, library: ctypes.CDLL, channels: int, bit_rate: int) -> None:
        self._library, self._channels = library, channels
        code = ctypes.c_int()
        self._state = ctypes.c_void_p(library.opus_encoder_create(RATE, channels, _LOW_DELAY, ctypes.byref(code)))
        if code.value or not self._state:
            raise LibraryError(f"libopus makes no encoder: {code.value}")
        weakref.finalize(self, library.opus_encoder_destroy, self._state)
        self._packet = ctypes.create_string_buffer(_PACKET_BYTES)
        self._set = (0, False)
        self._control(_SET_VBR, 1)
        self.steer(bit_rate, False)

    @property
    def lead(self) -> int:
        """Samples by which it delays, as it says itself."""
        value = ctypes.c_int32()
        self._checked(self._library.opus_encoder_ctl(self._state, _GET_LOOKAHEAD, ctypes.byref(value)))
        return value.value

    def encode(self, block: Pcm) -> bytes:
        """See `Coder`."""
        if block.shape != (FRAME, self._channels) or block.dtype != np.int16 or not block.flags.c_contiguous:
            raise ValueError(f"not a frame of Opus: {block.shape} {block.dtype}")
        size = self._library.opus_encode(self._state, block.ctypes.data, FRAME, self._packet, _PACKET_BYTES)
        return ctypes.string_at(self._packet, self._checked(size))

    def steer(self, bit_rate: int, mono: bool) -> None:
        """See `Coder`."""
        rate, one = self._set
        if bit_rate != rate:
            self._control(_SET_BIT_RATE, bit_rate)
            self._control(_SET_COMPLEXITY, COMPLEXITY if bit_rate > _FEW_BITS else 0)
        if mono != one and self._channels > 1:
            self._control(_SET_CHANNELS, 1 if mono else _AUTO)
        self._set = (bit_rate, mono)

    def _control(self, request: int, value: int) -> None:
        self._checked(self._library.opus_encoder_ctl(self._state, request, ctypes.c_int32(value)))

    def _checked(self, answer: int) -> int:
        if answer < 0:
            raise LibraryError(f"libopus refuses: {answer}")
        return answer


class PyavCoder:
    """PyAV's encoder: the same sound at one bit rate, silence included."""

    def __init__(self, channels: int, bit_rate: int) -> None:
        context = av.CodecContext.create("libopus", "w")
        assert isinstance(context, AudioCodecContext)
        self._layout = "mono" if channels == 1 else "stereo"
        context.sample_rate, context.format, context.layout = RATE, "s16", self._layout
        context.bit_rate, context.time_base, context.thread_count = bit_rate, Fraction(1, RATE), 1
        context.options = {
            "frame_duration": str(FRAME * 1000 // RATE),
            "compression_level": str(COMPLEXITY),
            "application": "lowdelay",
        }
        context.open()
        self._context, self._fed = context, 0

    def encode(self, block: Pcm) -> bytes:
        """See `Coder`."""
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._fed, Fraction(1, RATE)
        self._fed += len(block)
        (packet,) = self._context.encode(frame)
        return bytes(packet)

    def steer(self, bit_rate: int, mono: bool) -> None:
        """Nothing: the wrapper has no way to it."""


def make_coder(channels: int, bit_rate: int) -> Coder:
    """The encoder of this machine: libopus where it proves itself, else PyAV's."""
    library = proven()
    return LibopusCoder(library, channels, bit_rate) if library is not None else PyavCoder(channels, bit_rate)


@cache
def proven() -> ctypes.CDLL | None:
    """The first libopus that proves itself, for the life of the process."""
    for name in _places():
        try:
            library = _declared(ctypes.CDLL(name))
            if _proves(library):
                return library
        except (OSError, AttributeError, LibraryError, av.FFmpegError):
            continue  # not there, not the library it is called, or it does not do what it should: the next one
    return None


def _places() -> list[str]:
    package = Path(av.__file__).parent
    beside = [
        str(path)
        for folder in (package.parent / "av.libs", package / ".dylibs")
        for path in sorted(folder.glob("*opus*"))
        if path.name.removeprefix("lib").startswith("opus") and "opusfile" not in path.name
    ]
    return [*beside, *_SYSTEM.get(sys.platform, _SYSTEM_ELSEWHERE)]


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    create, control, encode = library.opus_encoder_create, library.opus_encoder_ctl, library.opus_encode
    create.argtypes = [ctypes.c_int32, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    create.restype = ctypes.c_void_p
    # The fixed arguments alone: what follows them is passed as a variadic function wants it.
    control.argtypes, control.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_int
    encode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int32]
    encode.restype = ctypes.c_int32
    library.opus_encoder_destroy.argtypes, library.opus_encoder_destroy.restype = [ctypes.c_void_p], None
    return library


def _proves(library: ctypes.CDLL) -> bool:
    """Whether a sound comes back where it was, through changes of rate and of channels."""
    at = np.arange(_PROOF_FRAMES * FRAME) / RATE
    left = np.sin(2 * np.pi * (300 * at + 900 * at**2)) * 8_000
    sound = np.stack((left, left / 2), axis=1).astype(np.int16)
    coder = LibopusCoder(library, 2, 64_000)
    if coder.lead != LEAD:
        return False
    blocks: list[NDArray[Any]] = []
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate, decoder.layout = RATE, "stereo"
    for number in range(_PROOF_FRAMES):
        # Low at first: what is compared is what comes after.
        coder.steer(6_000 if number < 2 else 64_000, number < 2)
        packet = coder.encode(sound[number * FRAME : (number + 1) * FRAME])
        blocks += [frame.to_ndarray().reshape(-1, 2) for frame in decoder.decode(av.Packet(packet))]
    heard: NDArray[Any] = np.concatenate(blocks)
    if len(heard) != len(sound):
        return False
    scale = 1 if heard.dtype == np.int16 else 32_768
    begin = 3 * FRAME
    error = heard[begin + LEAD :].astype(np.float64) * scale - sound[begin:-LEAD]
    return bool(np.sqrt(np.mean(error**2)) <= _PROOF_ERROR * np.sqrt(np.mean(sound[begin:].astype(np.float64) ** 2)))
