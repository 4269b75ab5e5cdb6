"""What a sequence parameter set says of its pictures beyond profile and level (ISO/IEC 14496-10, 7.3.2.1.1).

Owns the fields that an AVCDecoderConfigurationRecord repeats for the High profiles and nothing else of the syntax.
"""

from __future__ import annotations

from typing import Final

from pepys.media.h264_skip import Bits

HIGH_PROFILES: Final = frozenset((100, 110, 122, 144, 244))

_ESCAPED = b"\0\0\3"
_HEAD_BYTES = 4  # the unit's type, profile, constraints, level


def high_fields(sequence: bytes) -> bytes:
    """The end of the record for a High profile: chroma format, bit depths, no extensions; nothing for other profiles.

    Args:
        sequence: a sequence parameter set as a NAL unit without start code.

    Raises:
        ValueError: it ends too early.
    """
    if len(sequence) < _HEAD_BYTES:
        raise ValueError("a sequence parameter set without profile and level")
    if sequence[1] not in HIGH_PROFILES:
        return b""
    # Emulation prevention: a 3 after two zeros is no part of the fields.
    bits = Bits(sequence.replace(_ESCAPED, b"\0\0")[_HEAD_BYTES:])
    bits.ue()  # the set's own number
    chroma = bits.ue()
    if chroma == 3:
        bits.u(1)  # whether colour planes are coded apart
    luma_depth, chroma_depth = bits.ue(), bits.ue()
    return bytes((0xFC | chroma & 3, 0xF8 | luma_depth & 7, 0xF8 | chroma_depth & 7, 0))
