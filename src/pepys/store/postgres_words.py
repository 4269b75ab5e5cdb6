"""Text as PostgreSQL's index keeps it: folded and cut into words exactly as FTS5 does it, so that both find the same.

What a character becomes is asked of FTS5's own tokenizers, once for each that occurs: both treat a text character by
character. PostgreSQL's own parsers and dictionaries are not used; what they do depends on the server's locale.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from pepys.store import database
from pepys.store.query import bigrams

_LEXEME_BYTES: Final = 2046  # longer ones are refused
_VECTOR_BYTES: Final = 1 << 20
_LEXEME_COST: Final = 8  # beside its bytes: its entry, the count of its positions and what they are aligned by
_POSITION: Final = 16_383  # what comes after has this one
_POSITIONS: Final = 255  # of one lexeme; what comes after is left out


@dataclass(frozen=True, slots=True)
class Searchable:
    """What is kept of a document beside its text.

    Attributes:
        folded: the text without case and accents, for finding parts of words.
        words: its words, as a `tsvector`; of a very long text those that fit, from its beginning.
        spoken: the words, with a space around each, where `words` does not tell the place of every one; else None.
        pairs: the pairs of neighbouring CJK characters; None without any.
    """

    folded: str
    words: str
    spoken: str | None
    pairs: list[str] | None


def searchable(text: str) -> Searchable:
    """What to keep of a text that `clean_text` made."""
    found = words(text)
    vector, exact = _vector(found)
    pairs = sorted(set(words(bigrams(text))))
    return Searchable(parts(text), vector, None if exact else spaced(found), pairs or None)


def words(text: str) -> list[str]:
    """The words of a text, folded, as `unicode61 remove_diacritics 2` finds them."""
    return text.translate(_WORDS).split()


def parts(text: str) -> str:
    """A text, folded, as `trigram remove_diacritics 1` looks at it."""
    return text.translate(_PARTS)


def fits(found: list[str]) -> bool:
    """Whether words can be asked for; longer ones are found as parts of a text alone."""
    return all(len(word.encode()) <= _LEXEME_BYTES for word in found)


def spaced(found: list[str]) -> str:
    """Words with one space around each."""
    return f" {' '.join(found)} "


def phrase(found: list[str], *, prefix: bool) -> str:
    """A `tsquery` of words that follow each other; of the last, its beginning is enough with `prefix`."""
    lexemes = [_quoted(word) for word in found]
    return f"({' <-> '.join(lexemes)}{':*' if prefix else ''})"


def together(found: list[str], *, prefix: bool) -> str:
    """A `tsquery` of words that are all there, wherever; `phrase` is never true where this one is not."""
    lexemes = [_quoted(word) for word in found]
    return f"({' & '.join(lexemes)}{':*' if prefix else ''})"


def _vector(found: list[str]) -> tuple[str, bool]:
    """Words as the text of a `tsvector`, and whether each is in it at its place."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    exact, size = len(found) <= _POSITION, 0
    for place, word in enumerate(found, 1):
        known = places.get(word)
        cost = 2 if known else len(word.encode()) + _LEXEME_COST
        if known and len(known) >= _POSITIONS:
            exact = False
        elif size + cost > _VECTOR_BYTES:
            exact = False
            break
        else:
            size += cost
            places[word].append(min(place, _POSITION))
    text = " ".join(f"{_quoted(word)}:{','.join(map(str, at))}" for word, at in places.items())
    return text, exact


def _quoted(word: str) -> str:
    """A lexeme in a `tsvector` or `tsquery`; of one that does not fit, its beginning."""
    if len(word) * 4 > _LEXEME_BYTES:
        word = word.encode()[:_LEXEME_BYTES].decode("utf-8", "ignore")
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


class _Folding(dict[int, str]):
    """What each character becomes, for `str.translate`: another one, nothing, or a space that parts words."""

    def __init__(self, tokenizer: str, context: str) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._context = context
        self._lock = threading.Lock()
        self._asked: database.Connection | None = None

    def __missing__(self, code: int) -> str:
        with self._lock:
            self[code] = found = self._ask(chr(code))
        return found

    def _ask(self, char: str) -> str:
        """What of a character is left where it stands in (or, of the index of parts, after) two others."""
        if self._asked is None:
            self._asked = database.connect_memory()
            self._asked.execute(f"CREATE VIRTUAL TABLE seen USING fts5(x, content='', tokenize='{self._tokenizer}')")
            self._asked.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(seen, 'instance')")
        before, after = self._context.split("?")
        self._asked.execute("INSERT INTO seen(rowid, x) VALUES (1, ?)", (before + char + after,))
        try:
            found = [term for (term,) in self._asked.execute("SELECT term FROM terms")]
        finally:
            self._asked.execute("INSERT INTO seen(seen) VALUES ('delete-all')")
        if not found:
            return ""
        return found[0][len(before) : len(found[0]) - len(after)] if len(found) == 1 else " "


_WORDS: Final = _Folding("unicode61 remove_diacritics 2", "x?y")
_PARTS: Final = _Folding("trigram remove_diacritics 1", "xy?")
