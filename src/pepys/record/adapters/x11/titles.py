"""Texts of X11 properties: UTF-8, Latin-1, and COMPOUND_TEXT, which switches sets of characters in midst of a text.

Pure. Invariant: a text is either read whole or said to be unreadable, for what cannot be read cannot be judged.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_STX: Final = 2
_ESC: Final = 0x1B
_CSI: Final = 0x9B
_NAME_CHARS: Final = 64
_ASCII: Final = "ascii"
_LATIN: Final = "iso8859-1"

# Final bytes of escape sequences, as the registry of ISO 2022 has them.
_SETS_96: Final = {
    0x41: "iso8859-1", 0x42: "iso8859-2", 0x43: "iso8859-3", 0x44: "iso8859-4", 0x46: "iso8859-7", 0x47: "iso8859-6",
    0x48: "iso8859-8", 0x4C: "iso8859-5", 0x4D: "iso8859-9", 0x54: "iso8859-11", 0x56: "iso8859-10",
    0x59: "iso8859-13", 0x5F: "iso8859-14", 0x62: "iso8859-15", 0x66: "iso8859-16",
}  # fmt: skip
_SETS_94: Final = {0x42: _ASCII, 0x4A: "jisx0201", 0x49: "jisx0201"}
_SETS_MANY: Final = {0x41: "gb2312", 0x42: "euc_jp", 0x43: "euc_kr", 0x44: "jisx0212"}
_MULTIBYTE: Final = frozenset(_SETS_MANY.values())
_SEQUENCE: Final = re.compile(rb"\x1b(?:([()\-])([@-~])|\$([()]?)([@-~])|%([G@])|#[ -/][0-~]|(%/)([0-4]))", re.DOTALL)
_DIRECTION: Final = re.compile(rb"\x9b[12]?\]")


class _Unreadable(ValueError):
    """The text uses what is not known here."""


def read_title(raw: bytes, kind: str) -> tuple[str, bool]:
    """The text of a property up to its first end, and whether it was read whole.

    Args:
        raw: the property's bytes.
        kind: the name of its type; what is neither STRING nor COMPOUND_TEXT is UTF-8.
    """
    if kind == "COMPOUND_TEXT":
        try:
            return _compound(raw), True
        except ValueError:
            return raw.decode("latin-1"), False
    raw = raw.split(b"\0", 1)[0]
    try:
        # A text that was cut off in the middle of a character lacks nothing else.
        return codecs.getincrementaldecoder("utf-8")().decode(raw), True
    except UnicodeDecodeError:
        return (raw.decode("latin-1"), True) if kind == "STRING" else (raw.decode("utf-8", "replace"), False)


def _compound(raw: bytes) -> str:
    """COMPOUND_TEXT as the X Consortium's standard of that name has it.

    Raises:
        ValueError: it is broken, or in a set of characters that is not known.
    """
    found: list[str] = []
    left, right, at = _ASCII, _LATIN, 0
    while at < len(raw) and raw[at]:
        if raw[at] == _CSI:
            match = _DIRECTION.match(raw, at)
            if match is None:
                raise _Unreadable
            at = match.end()
        elif raw[at] == _ESC:
            match = _SEQUENCE.match(raw, at)
            if match is None:
                raise _Unreadable
            at = match.end()
            half, final, many, of_many, utf8, segment, _ = match.groups()
            if half is not None:
                name = _known(_SETS_96 if half == b"-" else _SETS_94, final)
                left, right = (name, right) if half == b"(" else (left, name)
            elif of_many is not None:
                name = _known(_SETS_MANY, of_many)
                left, right = (left, name) if many == b")" else (name, right)
            elif utf8 == b"G":
                text, at = _utf8(raw, at)
                found.append(text)
            elif segment is not None:
                text, at = _extended(raw, at)
                found.append(text)
        else:
            end = at
            high = raw[at] >= 0x80
            while end < len(raw) and raw[end] not in (0, _ESC, _CSI) and (raw[end] >= 0x80) == high:
                end += 1
            found.append(_half(raw[at:end], right if high else left))
            at = end
    return "".join(found)


def _known(sets: dict[int, str], final: bytes) -> str:
    name = sets.get(final[0])
    if name is None:
        raise _Unreadable
    return name


def _half(raw: bytes, name: str) -> str:
    """Bytes of one half, in the set that is in force there."""
    if name == _ASCII:
        return bytes(byte & 0x7F for byte in raw).decode("ascii")
    if name not in _MULTIBYTE:
        if name == "jisx0201":
            return raw.decode("shift_jis" if raw[0] >= 0x80 else "ascii")
        return raw.decode(name)
    found: list[str] = []
    # Spaces, tabs and line ends are no part of any set.
    for part in re.split(rb"([\x00-\x20]+)", raw):
        if not part or part[0] <= 0x20:
            found.append(part.decode("ascii"))
            continue
        if len(part) % 2:
            raise _Unreadable
        pairs = bytes(byte | 0x80 for byte in part)
        if name == "jisx0212":
            pairs = b"".join(b"\x8f" + pairs[n : n + 2] for n in range(0, len(pairs), 2))
        found.append(pairs.decode("euc_jp" if name == "jisx0212" else name))
    return "".join(found)


def _utf8(raw: bytes, at: int) -> tuple[str, int]:
    """UTF-8 up to the sequence that ends it."""
    end = raw.find(b"\x1b%@", at)
    text = (raw[at:] if end < 0 else raw[at:end]).split(b"\0", 1)[0]
    return text.decode("utf-8"), len(raw) if end < 0 else end + 3


def _extended(raw: bytes, at: int) -> tuple[str, int]:
    """A segment that names its encoding: two bytes of length, the name, STX, the text."""
    if len(raw) < at + 2 or raw[at] < 0x80 or raw[at + 1] < 0x80:
        raise _Unreadable
    start, end = at + 2, at + 2 + (raw[at] - 0x80) * 128 + raw[at + 1] - 0x80
    stx = raw.find(bytes((_STX,)), start, end)
    if end > len(raw) or stx < 0 or stx - start > _NAME_CHARS:
        raise _Unreadable
    name = raw[start:stx].decode("ascii").lower().removesuffix("-0").replace("microsoft-cp", "cp")
    try:
        return raw[stx + 1 : end].decode(name), end
    except LookupError as error:
        raise _Unreadable from error
