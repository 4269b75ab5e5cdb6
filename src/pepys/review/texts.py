"""What enrichment made of a session, in order of time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pepys.errors import Damaged
from pepys.model.artifacts import (
    ScreenText,
    Summary,
    Utterance,
    screen_text_from_json,
    summary_from_json,
    utterance_from_json,
)
from pepys.review.outlines import shown_in, starts_in
from pepys.store.chunks import decode_json, decompress, json_object


class AnyTexts(Protocol):
    """The texts of a session, as `Texts` has them; who gives them may read them only when they are asked for."""

    @property
    def transcript(self) -> Sequence[Utterance]:
        """Turns of speech of all tracks, in order."""

    @property
    def screen(self) -> Mapping[str, ScreenText]:
        """The text of each shot that has any, by the shot's blob."""

    @property
    def summary(self) -> Summary | None:
        """The latest summary."""

    @property
    def starts_ms(self) -> Sequence[int]:
        """Where each turn of speech begins, in any order."""

    @property
    def shown(self) -> Collection[str]:
        """The shots that have text."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a session.

    Attributes:
        transcript: turns of speech of all tracks, in order.
        screen: the text of each shot that has any, by the shot's blob.
        summary: the latest summary.
    """

    transcript: tuple[Utterance, ...] = ()
    screen: Mapping[str, ScreenText] = field(default_factory=dict)
    summary: Summary | None = None

    @property
    def starts_ms(self) -> list[int]:
        """Where each turn of speech begins."""
        return [turn.start_ms for turn in self.transcript]

    @property
    def shown(self) -> Collection[str]:
        """The shots that have text."""
        return self.screen.keys()


def read_texts(artifacts: Iterable[tuple[str, Iterable[Mapping[str, Any]]]]) -> Texts:
    """Put artifacts together.

    Args:
        artifacts: `(stage, items)` of each, oldest first; stages that this version does not know are passed over.
    """
    turns: list[Utterance] = []
    screen: dict[str, ScreenText] = {}
    summary: Summary | None = None
    for stage, items in artifacts:
        for item in items:
            value = dict(item)
            if stage == "transcript":
                turns.append(utterance_from_json(value))
            elif stage == "screen_text":
                text = screen_text_from_json(value)
                if text.lines:
                    screen[text.shot] = text
            elif stage == "summary":
                summary = summary_from_json(value)
    turns.sort(key=lambda turn: (turn.start_ms, turn.track))
    return Texts(tuple(turns), screen, summary)


class StoredTexts:
    """The texts of a session, of which only an outline and the summary are read at first.

    An overview needs no more, and an hour of words takes 25 ms to parse. What is kept until then is the artifacts as
    they are stored, a third of their text. Safe in several threads.
    """

    def __init__(self, artifacts: Iterable[tuple[str, bytes]]) -> None:
        """Take in artifacts.

        Args:
            artifacts: `(stage, compressed content)` of each, oldest first.

        Raises:
            Damaged: one is no artifact. One whose outline reads but whose words do not is found when they are read.
        """
        self._lock = threading.Lock()
        self._stored = list(artifacts)
        self._whole: Texts | None = None
        self._starts: list[int] = []
        self._shown: set[str] = set()
        self._summary: Summary | None = None
        with _damages():
            for stage, data in self._stored:
                self._outline(stage, decompress(data))

    def _outline(self, stage: str, text: bytes) -> None:
        starts = starts_in(text) if stage == "transcript" else []
        shown = shown_in(text) if stage == "screen_text" else []
        if starts is None or shown is None or stage not in ("transcript", "screen_text"):
            one = read_texts([(stage, json_object(text)["items"])])
            starts, shown = one.starts_ms, list(one.shown)
            self._summary = one.summary or self._summary
        self._starts += starts
        self._shown.update(shown)

    @property
    def transcript(self) -> tuple[Utterance, ...]:
        """Turns of speech of all tracks, in order."""
        return self._read().transcript

    @property
    def screen(self) -> Mapping[str, ScreenText]:
        """The text of each shot that has any, by the shot's blob."""
        return self._read().screen

    @property
    def summary(self) -> Summary | None:
        """The latest summary."""
        return self._summary

    @property
    def starts_ms(self) -> list[int]:
        """Where each turn of speech begins."""
        return self._starts

    @property
    def shown(self) -> Collection[str]:
        """The shots that have text."""
        return self._shown

    def _read(self) -> Texts:
        with self._lock, _damages():
            if self._whole is None:
                self._whole = read_texts((stage, decode_json(data)["items"]) for stage, data in self._stored)
                self._stored = []
            return self._whole


@contextlib.contextmanager
def _damages() -> Iterator[None]:
    """Tell of what is no artifact, or one of another shape, as of any damage."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Damaged(f"an artifact of the session is of another shape: {error}", "run pepys enrich again") from error
