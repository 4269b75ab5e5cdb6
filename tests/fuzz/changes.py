"""Hostile changes to bytes that the store wrote: what a parser meets when somebody with the keys wants to do harm.

Where the bytes are JSON, or lines of it, a value is exchanged for one that hurts, taken out, doubled or wrapped;
elsewhere bits flip, pieces are cut, doubled or filled. Owned by the fuzzers here; the same for atheris and Hypothesis.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

MOST_BYTES: Final = 1 << 16
HOSTILE: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 1.5, -0.0, 1e308,
    float("nan"), float("inf"), "", "x", "../../../x", "/etc/passwd", "\0", "\ud800x", "\x1b]0;x\x07", "x" * 300,
    "b3-" + "0" * 64, "b3-../../x", "0" * 26, "video", "recording", "completed", "deleted", "AAAA", "%", "'",
    [], [[]], {}, {"": None}, [None], ["x"], [0, 1, 2, 3], [[0, 1, 2, 3]], [[1, 2]], [[2**62, 2**62, 0, 0]],
    [["x", "y", "z", "a"]], [[-1, -1, -1, -1]], {"nodes": [{"kind": "gain"}]}, {"nodes": 1}, {"nodes": [None]},
)  # fmt: skip
"""Values of every JSON kind, among them those that meet a path, a column, a size or a loop badly."""
_PLAIN_CHANGES: Final = 4


def changed(data: bytes, random: Random, most: int = MOST_BYTES) -> bytes:
    """Change bytes at one or a few places; what is a choice is drawn from `random`."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = _line_changed(data, random) if random.random() < 0.7 else _bytes_changed(data, random)
    return data[:most]


def _line_changed(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    try:
        value = json.loads(lines[at])
    except (ValueError, RecursionError):
        return _bytes_changed(data, random)
    kind = random.randrange(8)
    if kind == 0:
        lines.insert(random.randrange(len(lines) + 1), lines[at])
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        lines[at] = b'{"x":' * random.choice((10, 2000)) + lines[at]
    else:
        lines[at] = json.dumps(_value_changed(value, random), separators=(",", ":")).encode()
    return b"\n".join(lines)


def _value_changed(value: Any, random: Random) -> Any:
    """The value with one thing in it changed."""
    places: list[tuple[Any, Any]] = []
    _places(value, places)
    if not places or random.random() < 0.02:
        return random.choice(HOSTILE)
    holder, key = random.choice(places)
    if isinstance(holder, dict) and random.random() < 0.1:
        del holder[key]
    elif isinstance(holder[key], int) and random.random() < 0.3:
        holder[key] += random.choice((-1, 1, -holder[key], holder[key], 2**40))
    elif isinstance(holder[key], list) and random.random() < 0.3:
        holder[key] = holder[key] * random.choice((2, 50))
    else:
        holder[key] = random.choice(HOSTILE)
    return value


def _places(value: Any, found: list[tuple[Any, Any]], depth: int = 0) -> None:
    if depth > 20:
        return
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found.append((value, key))
        _places(value[key], found, depth + 1)


def _bytes_changed(data: bytes, random: Random) -> bytes:
    changed = bytearray(data or b"\0")
    at, length = random.randrange(len(changed)), random.choice((1, 4, 8, 21, 64, 1000))
    kind = random.randrange(_PLAIN_CHANGES)
    if kind == 0:
        changed[at] ^= 1 << random.randrange(8)
    elif kind == 1:
        del changed[at : at + length]
    elif kind == 2:
        changed[at:at] = changed[at : at + length]
    else:
        changed[at : at + length] = random.choice((b"\0", b"\xff", b"\x80", b"\n", b"[")) * length
    return bytes(changed)
