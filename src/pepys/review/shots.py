"""One shot of a session, what kind of picture it is, and the text on it."""

from __future__ import annotations

from typing import Any

from pepys.errors import NotFound
from pepys.model.session import Session, Shot
from pepys.review.texts import AnyTexts


def find_shot(session: Session, shot_id: str) -> Shot:
    """The shot of that id in this session; a blob that is no shot of it is not served.

    Raises:
        NotFound: the session has no such shot.
    """
    found = next((shot for shot in session.shots if shot.blob == shot_id), None)
    if found is None:
        raise NotFound("the session has no shot of that id", "take ids from items or search")
    return found


def shot_type(data: bytes) -> str:
    """The media type of a shot, told by its first bytes: PNG until WebP came, and where WebP cannot hold it."""
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else "image/png"


def shot_text(shot: Shot, texts: AnyTexts) -> dict[str, Any]:
    """The lines on a shot; boxes are shares of its width and height."""
    text = texts.screen.get(shot.blob)
    return {
        "width": shot.width,
        "height": shot.height,
        "lines": [
            {"text": line.text, "x": line.x, "y": line.y, "w": line.w, "h": line.h}
            for line in (text.lines if text else ())
        ],
    }
