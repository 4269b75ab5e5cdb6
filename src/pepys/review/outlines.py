"""What an overview needs of an artifact's text, found in its bytes without parsing them.

Artifacts are written by `pepys.store.chunks.encode_json`: keys sorted, no spaces. In such bytes an unescaped quote
ends a text, so that a key between quotes behind a comma or brace is a key and never a part of a text. Anything that is
not of the exact form that is expected gives None: who asks then parses it.
"""

from __future__ import annotations

import itertools
import re
from typing import Final

_BEGIN: Final = b'{"items":['
_END: Final = re.compile(rb'\],"stage":"[a-z_]+","unit":"(?:[^"\\]|\\.)*"\}')
_TURN: Final = re.compile(rb'\{"end_ms":-?\d{1,18},"start_ms":(-?\d{1,18})')
_TURN_BEGIN: Final = b'{"end_ms":'
_TEXT: Final = b',"text":"'
_WORDS: Final = b',"words":['
_LINES: Final = b'{"lines":['
_SHOT: Final = b'],"shot":"'


def starts_in(text: bytes) -> list[int] | None:
    """The `start_ms` of each item of a transcript; None where its form is another."""
    # Splitting at bytes is several times as fast as a regular expression over all of them.
    *before, _ = text.split(_TEXT)
    if not _is_artifact(text) or len(before) != text.count(_WORDS):
        return None
    found = [_TURN.fullmatch(part, max(0, part.rfind(_TURN_BEGIN))) for part in before]
    return [int(turn[1]) for turn in found if turn] if all(found) else None


def shown_in(text: bytes) -> list[str] | None:
    """The `shot` of each item of screen text that has a line; None where its form is another."""
    parts = text.split(_SHOT)
    if not _is_artifact(text) or len(parts) - 1 != text.count(_LINES):
        return None
    found = []
    for before, after in itertools.pairwise(parts):
        shot = after[: after.find(b'"')]
        if b"\\" in shot or not before.endswith((b"}", _LINES)):
            return None
        if not before.endswith(_LINES):
            found.append(shot.decode())
    return found


def _is_artifact(text: bytes) -> bool:
    at = text.rfind(b'],"stage":"')
    return text.startswith(_BEGIN) and at > 0 and _END.fullmatch(text, at) is not None
