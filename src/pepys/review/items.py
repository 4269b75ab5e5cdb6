"""The items of one bucket, by column: an array for each field.

A bucket is five minutes long. An item belongs to the bucket in which it begins. Columns cost a third of the bytes that
objects cost, and a page can index them without making thousands of objects.
"""

from __future__ import annotations

from typing import Any

from pepys import limits
from pepys.model.session import Session
from pepys.review.texts import AnyTexts
from pepys.review.timespan import ms, wall_ns

_TEXT_CHARS = 4_000


def items(session: Session, texts: AnyTexts, bucket: int) -> dict[str, Any]:
    """The items of one bucket, `pepys.web.shapes_review.Items`; a bucket past the end is empty."""
    from_ms, to_ms = bucket * limits.BUCKET_MS, (bucket + 1) * limits.BUCKET_MS
    return {
        "bucket": bucket,
        "shots": _shots(session, from_ms, to_ms),
        "transcript": _transcript(texts, from_ms, to_ms),
        "screen_text": _screen_text(session, texts, from_ms, to_ms),
    }


def _shots(session: Session, from_ms: int, to_ms: int) -> dict[str, list[Any]]:
    seen: set[str] = set()
    at_ms: list[int] = []
    ids: list[str] = []
    distinct: list[bool] = []
    triggers: list[str] = []
    for shot in session.shots:
        new = shot.blob not in seen
        seen.add(shot.blob)
        if from_ms <= ms(shot.at_ns) < to_ms:
            at_ms.append(ms(shot.at_ns))
            ids.append(shot.blob)
            distinct.append(new)
            triggers.append(shot.trigger)
    return {"at_ms": at_ms, "id": ids, "distinct": distinct, "trigger": triggers}


def _transcript(texts: AnyTexts, from_ms: int, to_ms: int) -> dict[str, list[Any]]:
    turns = [turn for turn in texts.transcript if from_ms <= turn.start_ms < to_ms]
    return {
        "track": [turn.track for turn in turns],
        "start_ms": [turn.start_ms for turn in turns],
        "end_ms": [turn.end_ms for turn in turns],
        "text": [turn.text for turn in turns],
        "words": [[[word.word, word.start_ms, word.end_ms] for word in turn.words] for turn in turns],
    }


def _screen_text(session: Session, texts: AnyTexts, from_ms: int, to_ms: int) -> dict[str, list[Any]]:
    """Text stands from its shot until a shot shows something else; the end of the span ends it too."""
    columns: dict[str, list[Any]] = {"at_ms": [], "end_ms": [], "shot": [], "text": []}
    shots = session.shots
    index = 0
    while index < len(shots):
        first = shots[index]
        following = index + 1
        while following < len(shots) and shots[following].blob == first.blob:
            following += 1
        index = following
        text = texts.screen.get(first.blob)
        at_ms = ms(first.at_ns)
        if text is None or not from_ms <= at_ms < to_ms:
            continue
        end_ns = shots[following].at_ns if following < len(shots) else wall_ns(session)
        columns["at_ms"].append(at_ms)
        columns["end_ms"].append(max(at_ms, ms(end_ns)))
        columns["shot"].append(first.blob)
        columns["text"].append(text.text[:_TEXT_CHARS])
    return columns
