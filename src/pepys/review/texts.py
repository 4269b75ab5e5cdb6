"""What enrichment made of a session, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pepys.model.artifacts import (
    ScreenText,
    Summary,
    Utterance,
    screen_text_from_json,
    summary_from_json,
    utterance_from_json,
)


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
