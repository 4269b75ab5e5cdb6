"""What of a session can be searched: its screen text, transcript, notes, title and summary, each with its time.

Pure: from a session and its artifacts to documents. A text on the screen is one document for each stretch of shots
that show it; a turn of speech, a note, the title and the summary are one each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pepys.limits import NS_PER_MS
from pepys.model.artifacts import ScreenText, Summary, screen_text_from_json, summary_from_json, utterance_from_json
from pepys.model.session import Session
from pepys.store.query import clean_text

KINDS = ("screen_text", "transcript", "note", "title", "summary")


@dataclass(frozen=True, slots=True)
class Document:
    """One searchable text.

    Attributes:
        at_ns: axis time when it began to be there; `end_ns` when something else was.
        parts: for screen text `[x, y, w, h]` of each line of `text`; for speech `[offset, start_ms, end_ms]` of each
            word; else empty.
        shot: the blob of the shot that shows it.
    """

    kind: str
    at_ns: int
    end_ns: int
    text: str
    app: str = ""
    parts: tuple[tuple[float, ...], ...] = ()
    shot: str = ""


Artifact = tuple[str, dict[str, Any]]


def documents(session: Session, artifacts: Iterable[Artifact]) -> Iterator[Document]:
    """The documents of a session; `artifacts` are `(stage, content)`. What has not the expected shape is left out."""
    contents = list(artifacts)
    yield from _own(session)
    for stage, content in contents:
        for item in content.get("items", ()):
            try:
                if stage == "transcript":
                    yield _spoken(session, item)
                elif stage == "summary":
                    summary = summary_from_json(item)
                    text = "\n".join((summary.title, summary.text, *summary.points))
                    yield Document("summary", 0, session.end_ns, clean_text(text))
            except (KeyError, TypeError, ValueError):
                continue
    yield from _on_screen(session, _screen_texts(contents))


def summary_line(artifacts: Iterable[Artifact]) -> str:
    """One line that tells what the session was about, if a summary was made."""
    for stage, content in artifacts:
        if stage == "summary":
            for item in content.get("items", ()):
                try:
                    summary: Summary = summary_from_json(item)
                except (KeyError, TypeError):
                    continue
                return " ".join((summary.text or summary.title).split())
    return ""


def _own(session: Session) -> Iterator[Document]:
    described = "\n".join(part for part in (session.name, session.description, session.category) if part)
    title = clean_text("\n".join((described, " ".join(session.tags))) if session.tags else described)
    if title.strip():
        yield Document("title", 0, session.end_ns, title)
    for note in session.notes:
        yield Document("note", note.at_ns, note.at_ns, clean_text(note.text), _app(session, note.at_ns))


def _spoken(session: Session, item: dict[str, Any]) -> Document:
    spoken = utterance_from_json(item)
    text, parts, at = clean_text(spoken.text), [], 0
    for word in spoken.words:
        found = text.find(clean_text(word.word).strip(), at)
        if found >= 0:
            parts.append((found, word.start_ms, word.end_ms))
            at = found + 1
    start_ns = int(spoken.start_ms * NS_PER_MS)
    return Document("transcript", start_ns, int(spoken.end_ms * NS_PER_MS), text, _app(session, start_ns), tuple(parts))


def _screen_texts(artifacts: Iterable[Artifact]) -> dict[str, ScreenText]:
    found = {}
    for stage, content in artifacts:
        for item in content.get("items", ()) if stage == "screen_text" else ():
            try:
                text = screen_text_from_json(item)
            except (KeyError, TypeError):
                continue
            found[text.shot] = text
    return found


def _on_screen(session: Session, texts: dict[str, ScreenText]) -> Iterator[Document]:
    """One document for each run of shots of one picture; it ends where the next run, a gap or the session does."""
    ends = sorted(span.end_ns for span in session.spans)
    shots = sorted(session.shots, key=lambda shot: shot.at_ns)
    runs = [(blob, [shot.at_ns for shot in run]) for blob, run in groupby(shots, key=lambda shot: shot.blob)]
    for index, (blob, times) in enumerate(runs):
        text = texts.get(blob)
        if text is None or not text.lines:
            continue
        following = runs[index + 1][1][0] if index + 1 < len(runs) else session.end_ns
        inside = next((end for end in ends if end >= times[-1]), following)
        lines = [clean_text(line.text).replace("\n", " ") for line in text.lines]
        boxes = tuple((line.x, line.y, line.w, line.h) for line in text.lines)
        end = max(times[-1], min(following, inside))
        yield Document("screen_text", times[0], end, "\n".join(lines), _app(session, times[0]), boxes, blob)


def _app(session: Session, at_ns: int) -> str:
    """The application that was in front; nothing of an excluded one."""
    for focus in session.focus:
        if focus.start_ns <= at_ns < focus.end_ns:
            return "" if focus.excluded else focus.app
    return ""


def parts_json(document: Document) -> str:
    """The parts as the catalog keeps them."""
    return json.dumps(document.parts, separators=(",", ":")) if document.parts else ""
