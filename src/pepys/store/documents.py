"""What of a session can be searched: its screen text, transcript, notes, title and summary, each with its time.

Pure: from a session and its artifacts to documents. A text on the screen is one document for each stretch of shots
that show it; a turn of speech, a note, the title and the summary are one each.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from pepys.limits import NS_PER_MS
from pepys.model.artifacts import Summary, summary_from_json
from pepys.model.session import Session
from pepys.store.query import clean_text

_WRONG: Final = (AttributeError, KeyError, TypeError, ValueError)
"""What reading an item of another shape raises. Items are read as JSON gives them: an hour has ten thousand words."""
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


class _Apps:
    """The applications that were in front, by time; nothing of an excluded one."""

    def __init__(self, session: Session) -> None:
        self._focus = sorted((one for one in session.focus if one.end_ns > one.start_ns), key=lambda one: one.start_ns)
        self._starts = [focus.start_ns for focus in self._focus]

    def at(self, at_ns: int) -> str:
        """The one at that time."""
        index = bisect_right(self._starts, at_ns) - 1
        if index < 0:
            return ""
        focus = self._focus[index]
        return "" if focus.excluded or at_ns >= focus.end_ns else focus.app


def documents(session: Session, artifacts: Iterable[Artifact]) -> Iterator[Document]:
    """The documents of a session; `artifacts` are `(stage, content)`. What has not the expected shape is left out."""
    contents, apps = list(artifacts), _Apps(session)
    yield from _own(session, apps)
    for stage, content in contents:
        for item in _items(content):
            try:
                if stage == "transcript":
                    yield _spoken(item, apps)
                elif stage == "summary":
                    summary = summary_from_json(item)
                    text = "\n".join((summary.title, summary.text, *summary.points))
                    yield Document("summary", 0, session.end_ns, clean_text(text))
            except _WRONG:
                continue
    yield from _on_screen(session, _screen_texts(contents), apps)


def summary_line(artifacts: Iterable[Artifact]) -> str:
    """One line that tells what the session was about, if a summary was made."""
    for stage, content in artifacts:
        if stage == "summary":
            for item in _items(content):
                try:
                    summary: Summary = summary_from_json(item)
                except _WRONG:
                    continue
                return " ".join((summary.text or summary.title).split())
    return ""


def _items(content: dict[str, Any]) -> list[Any]:
    found = content.get("items")
    return found if isinstance(found, list) else []


def _own(session: Session, apps: _Apps) -> Iterator[Document]:
    described = "\n".join(part for part in (session.name, session.description, session.category) if part)
    title = clean_text("\n".join((described, " ".join(session.tags))) if session.tags else described)
    if title.strip():
        yield Document("title", 0, session.end_ns, title)
    for note in session.notes:
        yield Document("note", note.at_ns, note.at_ns, clean_text(note.text), apps.at(note.at_ns))


def _spoken(item: dict[str, Any], apps: _Apps) -> Document:
    text, parts, at = clean_text(item["text"]), [], 0
    for word in item.get("words", ()):
        found = text.find(clean_text(word["word"]).strip(), at)
        if found >= 0:
            parts.append((found, word["start_ms"], word["end_ms"]))
            at = found + 1
    start_ns, end_ns = int(item["start_ms"] * NS_PER_MS), int(item["end_ms"] * NS_PER_MS)
    return Document("transcript", start_ns, end_ns, text, apps.at(start_ns), tuple(parts))


_Lines = tuple[str, tuple[tuple[float, ...], ...]]


def _screen_texts(artifacts: Iterable[Artifact]) -> dict[str, _Lines]:
    """Of each shot's blob the lines of its text, joined, and their boxes."""
    found: dict[str, _Lines] = {}
    for stage, content in artifacts:
        for item in _items(content) if stage == "screen_text" else ():
            try:
                lines = item["lines"]
                text = "\n".join([clean_text(line["text"]).replace("\n", " ") for line in lines])
                found[item["shot"]] = text, tuple([(line["x"], line["y"], line["w"], line["h"]) for line in lines])
            except _WRONG:
                continue
    return found


def _on_screen(session: Session, texts: dict[str, _Lines], apps: _Apps) -> Iterator[Document]:
    """One document for each run of shots of one picture; it ends where the next run, a gap or the session does."""
    ends = sorted(span.end_ns for span in session.spans)
    shots = sorted(session.shots, key=lambda shot: shot.at_ns)
    runs = [(blob, [shot.at_ns for shot in run]) for blob, run in groupby(shots, key=lambda shot: shot.blob)]
    for index, (blob, times) in enumerate(runs):
        text, boxes = texts.get(blob, ("", ()))
        if not boxes:
            continue
        following = runs[index + 1][1][0] if index + 1 < len(runs) else session.end_ns
        inside = next((end for end in ends if end >= times[-1]), following)
        end = max(times[-1], min(following, inside))
        yield Document("screen_text", times[0], end, text, apps.at(times[0]), boxes, blob)


def parts_json(document: Document) -> str:
    """The parts as the catalog keeps them."""
    return json.dumps(document.parts, separators=(",", ":")) if document.parts else ""
