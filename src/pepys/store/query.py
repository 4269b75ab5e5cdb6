"""The words of a search: parsing them, and finding them again in a text to mark them.

A query is words (all of them must be found), `"a phrase"` and `prefix*`. A word is found as a whole or, from three
characters on, as any part; of CJK, two characters are enough. Any string is a query: what makes no sense finds nothing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from pepys.limits import QUERY_CHARS, QUERY_TERMS

_TOKEN: Final = re.compile(r'"([^"]*)"?|(\S+)')
# Radicals, kana, bopomofo, unified ideographs of all planes, hangul, compatibility ideographs.
_CJK: Final = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
_PART_CHARS: Final = 3


@dataclass(frozen=True, slots=True)
class Term:
    """One thing to find."""

    text: str
    phrase: bool = False
    prefix: bool = False

    @property
    def words(self) -> str:
        """As a query of the index of whole words; empty where that one cannot serve."""
        if self._symbols and len(self.text) >= _PART_CHARS and not self.phrase:
            # `c++` is not the word `c`: only the index of parts knows its signs.
            return ""
        return _quoted(self.text) + ("*" if self.prefix else "")

    @property
    def grams(self) -> str:
        """As a query of the index of parts; empty where that one cannot serve."""
        # CJK has no spaces: what begins a word there is any part of the text.
        whole_words = self.phrase or (self.prefix and not self._cjk)
        return "" if whole_words or len(self.text) < _PART_CHARS else _quoted(self.text)

    @property
    def pairs(self) -> str:
        """As a query of the index of CJK pairs, which two characters need; empty where that one cannot serve."""
        return _quoted(self.text) if self._cjk and len(self.text) == 2 else ""

    @property
    def pattern(self) -> str:
        """As a regular expression over folded text."""
        folded = fold(self.text)
        if self.phrase:
            return r"\W+".join(re.escape(word) for word in re.findall(r"\w+", folded)) or re.escape(folded)
        if self.grams or self.pairs:
            return re.escape(folded)
        if self.prefix:
            return r"\b" + re.escape(folded)
        # Too short to be found as a part of something.
        return rf"(?<!\w){re.escape(folded)}(?!\w)"

    @property
    def _cjk(self) -> bool:
        return _CJK.fullmatch(self.text) is not None

    @property
    def _symbols(self) -> bool:
        return re.search(r"[^\w]", self.text) is not None


def parse(query: str) -> tuple[Term, ...]:
    """The terms of a query; at most the first `QUERY_TERMS` of the first `QUERY_CHARS` characters."""
    clean = "".join(char if char.isprintable() else " " for char in clean_text(query)[:QUERY_CHARS])
    terms = []
    for phrase, word in _TOKEN.findall(clean):
        text = " ".join(phrase.split())
        if text:
            terms.append(Term(text, phrase=" " in text))
        prefix = word.endswith("*") and bool(word.rstrip("*"))
        if word:
            terms.append(Term(word.rstrip("*") if prefix else word, prefix=prefix))
    return tuple(dict.fromkeys(terms))[:QUERY_TERMS]


def clean_text(text: str) -> str:
    """Text as it is indexed and looked for: composed, without what no database takes."""
    if text.isascii() and "\0" not in text:
        return text
    valid = text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
    return unicodedata.normalize("NFC", valid)


def bigrams(text: str) -> str:
    """The pairs of neighbouring CJK characters in a text, as words."""
    if text.isascii():
        return ""
    pairs = (run[at : at + 2] for run in _CJK.findall(text) for at in range(len(run) - 1))
    return " ".join(pairs)


def fold(text: str) -> str:
    """Without case and accents, each character in its place, so that offsets stay what they are."""
    if text.isascii():
        return text.lower()
    return "".join(unicodedata.normalize("NFD", char)[0].lower()[:1] or char for char in text)


def marks(terms: tuple[Term, ...], text: str) -> list[tuple[int, int]]:
    """Where the terms stand in `text`: offsets, in order, not overlapping."""
    folded = fold(text)
    found = sorted(match.span() for term in terms for match in re.finditer(term.pattern, folded))
    merged: list[tuple[int, int]] = []
    for start, end in found:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged


def _quoted(text: str) -> str:
    """A string of the index's query language: nothing in it is an operator."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
