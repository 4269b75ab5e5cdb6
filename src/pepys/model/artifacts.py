"""What the stages of enrichment produce, as data.

Each artifact is stored as compressed JSON. Times are axis milliseconds: a reader shows them and seeks to them; they
are never added up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

_END_MS: Final = 2**43
"""In nanoseconds it is still what a column of a database holds; 278 years."""


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word."""

    word: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn of speech on one track."""

    track: str
    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text on a shot; the box is in shares (0 to 1) of the shot's width and height."""

    text: str
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class ScreenText:
    """The text on one distinct shot, named by its blob."""

    shot: str
    lines: tuple[TextLine, ...] = ()

    @property
    def text(self) -> str:
        """All lines, one a line."""
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True)
class Summary:
    """A title and a short text made of the session's own sentences, with the main points."""

    title: str
    text: str
    points: tuple[str, ...] = ()


def utterance_from_json(value: Any) -> Utterance:
    """Read an utterance.

    Raises:
        ValueError: the shape is another.
    """
    with _shaped("an utterance"):
        words = tuple(
            Word(_text(word["word"]), _number(word["start_ms"]), _number(word["end_ms"])) for word in value["words"]
        )
        return Utterance(
            _text(value["track"]), _number(value["start_ms"]), _number(value["end_ms"]), _text(value["text"]), words
        )


def screen_text_from_json(value: Any) -> ScreenText:
    """Read the text of a shot.

    Raises:
        ValueError: the shape is another.
    """
    with _shaped("the text of a shot"):
        lines = (TextLine(_text(line["text"]), *(_share(line[side]) for side in "xywh")) for line in value["lines"])
        return ScreenText(_text(value["shot"]), tuple(lines))


def summary_from_json(value: Any) -> Summary:
    """Read a summary.

    Raises:
        ValueError: the shape is another.
    """
    with _shaped("a summary"):
        return Summary(_text(value["title"]), _text(value["text"]), tuple(map(_text, value["points"])))


@contextlib.contextmanager
def _shaped(what: str) -> Iterator[None]:
    try:
        yield
    except (TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"it is not {what}: {error}") from error


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"{str(value)[:40]!r} is no text")
    value.encode()  # half of a surrogate pair: UnicodeEncodeError is a ValueError
    return value


def _number(value: Any) -> int:
    if isinstance(value, int | float) and -_END_MS < value < _END_MS and value == int(value):
        return int(value)
    raise TypeError(f"{str(value)[:40]!r} is no time")


def _share(value: Any) -> float:
    if isinstance(value, int | float) and abs(value) < _END_MS:
        return value
    raise TypeError(f"{str(value)[:40]!r} is no share")


def to_json(artifact: Utterance | ScreenText | Summary) -> dict[str, Any]:
    """The JSON object of an artifact's part."""
    return asdict(artifact)
