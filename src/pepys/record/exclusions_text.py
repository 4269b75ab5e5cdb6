"""One spelling of a text, so that patterns and names are compared as people see them. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# What takes no place on a screen: controls, joiners, marks of direction, selectors of variants, fillers, tags.
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_GLOB: Final = re.compile(r"(\[!?\]?[^\]]*\]|[*?])", re.DOTALL)
_SPECIAL: Final = re.compile(r"[*?\[]")


def plain(text: str) -> str:
    """The text without what cannot be seen, in one form and one case."""
    if not text.isascii():
        # Case folding may undo the form, and what is invisible may stand between a letter and its accent.
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
        # Turkish has an i with and one without a dot, in both cases; case folding knows only ours.
        text = unicodedata.normalize("NFKC", text).replace("i\u0307", "i").replace("\u0131", "i")
    return _INVISIBLE.sub("", text).casefold()


def plain_glob(pattern: str) -> str:
    """A shell glob for texts that are `plain`; a character that only becomes a wildcard by that stays a character."""
    parts = _GLOB.split(pattern)
    # Every second part is a wildcard as it was written.
    return "".join(plain(part) if n % 2 else _SPECIAL.sub(_literal, plain(part)) for n, part in enumerate(parts))


def _literal(match: re.Match[str]) -> str:
    return f"[{match[0]}]"
