"""What a session says, gathered from its artifacts in time order: the ground of every export in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pepys.clock import rfc3339
from pepys.errors import ODD, Damaged, NewerFormat, odd
from pepys.limits import NS_PER_MS
from pepys.model.artifacts import (
    ScreenText,
    Summary,
    Utterance,
    screen_text_from_json,
    summary_from_json,
    to_json,
    utterance_from_json,
)
from pepys.model.session import Session
from pepys.store.reader import load_artifact
from pepys.store.store import Store


@dataclass(frozen=True, slots=True)
class Shown:
    """A distinct picture's text while it was on screen; times on the session's axis."""

    at_ms: int
    end_ms: int
    text: ScreenText


@dataclass(frozen=True, slots=True)
class Content:
    """The words of a session."""

    session: Session
    summary: Summary | None
    transcript: tuple[Utterance, ...]
    shown: tuple[Shown, ...]

    @property
    def title(self) -> str:
        """The name a person gave, else the title that was made, else the id."""
        made = self.summary.title if self.summary else ""
        return self.session.name or made or self.session.id


def gather(store: Store, session: Session) -> Content:
    """Read the session's artifacts.

    Raises:
        Damaged: an artifact is not what its name says.
    """
    try:
        return _gathered(store, session)
    except NewerFormat:
        raise
    except ODD as error:
        raise Damaged(f"an artifact of session {session.id}: {odd(error)}", "run pepys enrich again") from error


def _gathered(store: Store, session: Session) -> Content:
    items: dict[str, list[dict[str, Any]]] = {}
    for ref in session.artifacts:
        if not ref.error:
            items.setdefault(ref.stage, []).extend(load_artifact(store, ref)["items"])
    transcript = [utterance_from_json(item) for item in items.get("transcript", ())]
    texts = {text.shot: text for text in map(screen_text_from_json, items.get("screen_text", ()))}
    summaries = [summary_from_json(item) for item in items.get("summary", ())]
    return Content(
        session,
        summaries[-1] if summaries else None,
        tuple(sorted(transcript, key=lambda turn: (turn.start_ms, turn.track))),
        _shown(session, texts),
    )


def as_json(store: Store, session: Session) -> dict[str, Any]:
    """The JSON export: words, notes and tags with their times, and the session's facts."""
    content = gather(store, session)
    return {
        "id": session.id,
        "name": session.name,
        "title": content.title,
        "state": session.state,
        "started_at": rfc3339(session.started_wall_ns),
        "duration_ms": session.duration_ns // NS_PER_MS,
        "wall_ms": session.end_ns // NS_PER_MS,
        "description": session.description,
        "category": session.category,
        "summary": content.summary.text if content.summary else "",
        "points": list(content.summary.points) if content.summary else [],
        "chapters": [],
        "transcript": [to_json(turn) for turn in content.transcript],
        "screen_text": [_shown_json(shown) for shown in content.shown],
        "notes": [
            {"at_ms": note.at_ns // NS_PER_MS, "text": note.text, "kind": note.kind, "id": note.id}
            for note in session.notes
        ],
        "tags": list(session.tags),
        "gaps": [
            {"start_ms": gap.start_ns // NS_PER_MS, "end_ms": gap.end_ns // NS_PER_MS, "reason": gap.reason}
            for gap in session.gaps
        ],
        "origin": session.origin,
    }


def _shown_json(shown: Shown) -> dict[str, Any]:
    return {
        "at_ms": shown.at_ms,
        "end_ms": shown.end_ms,
        "text": shown.text.text,
        "boxes": [{"text": line.text, "x": line.x, "y": line.y, "w": line.w, "h": line.h} for line in shown.text.lines],
    }


def _shown(session: Session, texts: dict[str, ScreenText]) -> tuple[Shown, ...]:
    """Each picture from its shot to the next other one, or to the end of its span."""
    shown: list[Shown] = []
    last = ""
    for index, shot in enumerate(session.shots):
        span = next((span for span in session.spans if span.start_ns <= shot.at_ns <= span.end_ns), None)
        following = session.shots[index + 1].at_ns if index + 1 < len(session.shots) else session.end_ns
        end_ms = (min(following, span.end_ns) if span else following) // NS_PER_MS
        if shot.blob == last and shown:
            shown[-1] = Shown(shown[-1].at_ms, end_ms, shown[-1].text)
        elif shot.blob in texts:
            shown.append(Shown(shot.at_ns // NS_PER_MS, end_ms, texts[shot.blob]))
        last = shot.blob if shot.blob in texts else ""
    return tuple(shown)
