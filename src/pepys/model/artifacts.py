"""What the stages of enrichment produce, as data.

Each artifact is stored as compressed JSON. Times are axis milliseconds: a reader shows them and seeks to them; they
are never added up.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


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


def utterance_from_json(value: dict[str, Any]) -> Utterance:
    """Read an utterance; raises TypeError or KeyError where the shape is another."""
    return Utterance(**{**value, "words": tuple(Word(**word) for word in value["words"])})


def screen_text_from_json(value: dict[str, Any]) -> ScreenText:
    """Read the text of a shot; raises TypeError or KeyError where the shape is another."""
    return ScreenText(value["shot"], tuple(TextLine(**line) for line in value["lines"]))


def summary_from_json(value: dict[str, Any]) -> Summary:
    """Read a summary; raises TypeError or KeyError where the shape is another."""
    return Summary(value["title"], value["text"], tuple(value["points"]))


def to_json(artifact: Utterance | ScreenText | Summary) -> dict[str, Any]:
    """The JSON object of an artifact's part."""
    return asdict(artifact)
