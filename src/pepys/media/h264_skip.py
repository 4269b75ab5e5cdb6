"""Pictures that repeat the one before them, written into an H.264 stream by hand.

Where nothing changed the encoder is not asked: a slice that skips every macroblock says it in a dozen bytes.
Invariants: such a picture decodes to exactly the picture before it; every picture stays a reference, numbered without
holes, so that the encoder's later slices are renumbered by the count of pictures that were put in since the last IDR.
What a stream must be like for that is checked once in its parameter sets; `skip_writer` answers None for any other
stream, whose pictures are then all encoded.
"""

from __future__ import annotations

import re
from typing import Final

_SLICE, _IDR = 1, 5
_REFERENCE_SLICE: Final = 0x41  # nal_ref_idc 2, as x264 marks its own
_PLAIN_PROFILES: Final = frozenset((66, 77, 88))  # their parameter sets have no fields for chroma formats
_SLICE_TYPES: Final = frozenset((0, 2, 5, 7))  # P and I
_ALL_P: Final = 5
_HEADER_BYTES: Final = 24  # more than the fields up to frame_num can take
_ESCAPED = re.compile(rb"\0\0(?=[\0-\3])")


class Bits:
    """Reads the bits of a NAL unit's payload from its first byte on."""

    def __init__(self, payload: bytes) -> None:
        self._value = int.from_bytes(payload)
        self._left = len(payload) * 8
        self.position = 0

    def u(self, count: int) -> int:
        """An unsigned number of `count` bits.

        Raises:
            ValueError: the payload ends before.
        """
        if count > self._left:
            raise ValueError("a NAL unit ends within a field")
        self._left -= count
        self.position += count
        return self._value >> self._left & (1 << count) - 1

    def ue(self) -> int:
        """An unsigned Exp-Golomb number."""
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb number."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -code // 2


class SkipWriter:
    """Puts repeated pictures into the stream of one encoder; made by `skip_writer`."""

    def __init__(self, macroblocks: int, frame_num_bits: int, picture_set: int, deblocking: bool) -> None:
        """For `skip_writer`.

        Args:
            macroblocks: how many a picture has.
            frame_num_bits: the width of a slice's picture number.
            picture_set: the picture parameter set that slices name.
            deblocking: whether slices say how they are deblocked.
        """
        self._bits = frame_num_bits
        self._picture_set = picture_set
        # No override of reference counts, no reordering, no marking; the quantiser as it is, no deblocking; then one
        # run of skipped macroblocks, and the stop bit.
        self._rest = "000" + _se(0) + (_ue(1) if deblocking else "") + _ue(macroblocks) + "1"
        self._inserted = 0
        self._last: int | None = None

    def repeat(self) -> bytes:
        """A NAL unit for the picture before once more.

        Raises:
            ValueError: there is none.
        """
        if self._last is None:
            raise ValueError("there is no picture to repeat")
        self._inserted += 1
        self._last = (self._last + 1) % (1 << self._bits)
        bits = _ue(0) + _ue(_ALL_P) + _ue(self._picture_set) + f"{self._last:0{self._bits}b}" + self._rest
        bits += "0" * (-len(bits) % 8)
        return bytes((_REFERENCE_SLICE,)) + _escape(int(bits, 2).to_bytes(len(bits) // 8))

    def renumber(self, unit: bytes) -> bytes:
        """The encoder's next NAL unit, numbered so as to follow what was put in.

        Raises:
            ValueError: it is a slice of another kind than the parameter sets promise.
        """
        kind = unit[0] & 31
        if kind == _IDR:
            self._inserted, self._last = 0, 0
        if kind != _SLICE:
            return unit
        head = _unescape(unit[1:_HEADER_BYTES])
        at, number = self._frame_num(head)
        self._last = (number + self._inserted) % (1 << self._bits)
        if not self._inserted:
            return unit
        changed = _with_bits(head, at, self._bits, self._last)
        # A unit of some hundred kilobytes is only copied, unless bytes that stand for escapes may come or go.
        if b"\0\0" not in head and b"\0\0" not in changed and changed[-1] == head[-1]:
            return unit[:1] + changed + unit[1 + len(head) :]
        payload = _unescape(unit[1:])
        return unit[:1] + _escape(_with_bits(payload, at, self._bits, self._last))

    def _frame_num(self, payload: bytes) -> tuple[int, int]:
        """Where a slice's picture number begins, in bits, and the number."""
        bits = Bits(payload)
        bits.ue()  # the first macroblock
        if bits.ue() not in _SLICE_TYPES or bits.ue() != self._picture_set:
            raise ValueError("the encoder wrote a slice that cannot be renumbered")
        return bits.position, bits.u(self._bits)


def skip_writer(sequence: bytes, picture: bytes) -> SkipWriter | None:
    """A writer for the stream of these parameter sets (NAL units); None where such pictures cannot be written.

    It takes progressive pictures without CABAC, weights and slice groups, shown in the order in which they are coded,
    with one reference: more would drift apart from what the encoder remembers.
    """
    try:
        bits = Bits(_unescape(sequence[1:]))
        profile, _constraints, _level, number = bits.u(8), bits.u(8), bits.u(8), bits.ue()
        if profile not in _PLAIN_PROFILES:
            return None
        frame_num_bits, order = bits.ue() + 4, bits.ue()
        if order != 2:
            return None
        references, _gaps = bits.ue(), bits.u(1)
        macroblocks, progressive = (bits.ue() + 1) * (bits.ue() + 1), bits.u(1)
        if references != 1 or not progressive:
            return None
        bits = Bits(_unescape(picture[1:]))
        picture_set, named = bits.ue(), bits.ue()
        cabac, _bottom, groups = bits.u(1), bits.u(1), bits.ue()
        if named != number or cabac or groups:
            return None
        first, _second, weighted, _bi = bits.ue(), bits.ue(), bits.u(1), bits.u(2)
        _quantiser = bits.se(), bits.se(), bits.se()
        deblocking, _intra, redundant = bits.u(1), bits.u(1), bits.u(1)
    except ValueError:
        return None
    if first or weighted or redundant:
        return None
    return SkipWriter(macroblocks, frame_num_bits, picture_set, bool(deblocking))


def _ue(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _se(value: int) -> str:
    return _ue(2 * value - 1 if value > 0 else -2 * value)


def _with_bits(payload: bytes, at: int, count: int, value: int) -> bytes:
    """`payload` with `count` bits from bit `at` on replaced; only the bytes around them are looked at."""
    start, end = at // 8, (at + count + 7) // 8
    after = end * 8 - at - count
    mask = (1 << count) - 1 << after
    piece = int.from_bytes(payload[start:end]) & ~mask | value << after
    return payload[:start] + piece.to_bytes(end - start) + payload[end:]


def _unescape(payload: bytes) -> bytes:
    return payload.replace(b"\0\0\3", b"\0\0")


def _escape(payload: bytes) -> bytes:
    return _ESCAPED.sub(b"\0\0\3", payload)
