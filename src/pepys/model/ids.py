"""Ids of sessions and of things inside them.

A session id is 26 characters of Crockford's base32 in lower case: 48 bits of milliseconds since the epoch, then 80
random bits, so that ids sort by the time of their making and can be given as short prefixes.
"""

from __future__ import annotations

import re
import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_SESSION = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
_BLOB = re.compile(r"b3-[0-9a-f]{64}")
_OPEN_CHARS = 200
_SHORT = re.compile(r"[0-9a-hjkmnp-tv-z]{13}")


def new_session_id(wall_ns: int) -> str:
    """Make a session id for a session begun at `wall_ns` (nanoseconds since the epoch)."""
    value = (wall_ns // 1_000_000 & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def began_ns(session: str) -> int:
    """When a session of this id began (nanoseconds since the epoch), as far as a wall time can tell."""
    value = 0
    for char in session:
        value = value << 5 | _ALPHABET.index(char)
    return min((value >> 80) * 1_000_000, 2**63 - 1)


def new_short_id() -> str:
    """Make an id of 13 characters (64 random bits and a bit) for a note, marker or job inside a session."""
    value = secrets.randbits(65)
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(60, -1, -5))


def is_session_id(text: str) -> bool:
    """Whether `text` is a whole session id; safe to use as a file name when true."""
    return _SESSION.fullmatch(text) is not None


def is_device_id(text: str) -> bool:
    """Whether `text` is the whole id of a device; safe to use as a file name when true."""
    return _SHORT.fullmatch(text) is not None


def is_open_name(text: str) -> bool:
    """Whether `text` may name the file of a blob that is being written; safe to use as a file name when true."""
    return 0 < len(text) <= _OPEN_CHARS and text.isascii() and text[0] != "." and not set(text) & set("/\\\0:")


def is_blob_id(text: str) -> bool:
    """Whether `text` is a whole blob id; safe to use as a file name when true."""
    return _BLOB.fullmatch(text) is not None
