"""A session's words as files: SubRip, WebVTT, plain text, Markdown, JSON.

Subtitles run on the film's time (pauses closed), so that they fit the exported mp4; everything else names times on the
session's own axis. The same session gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from pepys.clock import rfc3339
from pepys.limits import NS_PER_MS
from pepys.model.artifacts import Utterance
from pepys.model.session import Session
from pepys.move.content import Content, as_json, gather
from pepys.store.store import Store

CUE_CHARS: Final = 84
"""Two lines of subtitles."""
LINE_CHARS: Final = 42
LEAST_CUE_MS: Final = 300


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle on the film's time."""

    start_ms: int
    end_ms: int
    track: str
    text: str


def srt(store: Store, session: Session) -> bytes:
    """SubRip; the speaker's track is named where there are several."""
    content = gather(store, session)
    several = len({turn.track for turn in content.transcript}) > 1
    blocks = []
    for number, cue in enumerate(cues(content), 1):
        label = f"{_short(cue.track)}: " if several else ""
        times = f"{_stamp(cue.start_ms, ',')} --> {_stamp(cue.end_ms, ',')}"
        blocks.append(f"{number}\n{times}\n{_wrap(label + cue.text)}\n")
    return "\n".join(blocks).encode("utf-8", "replace")


def vtt(store: Store, session: Session) -> bytes:
    """WebVTT, each cue with its track as voice."""
    blocks = ["WEBVTT\n"]
    for cue in cues(gather(store, session)):
        text = _wrap(cue.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        times = f"{_stamp(cue.start_ms, '.')} --> {_stamp(cue.end_ms, '.')}"
        blocks.append(f"{times}\n<v {_short(cue.track)}>{text}\n")
    return "\n".join(blocks).encode("utf-8", "replace")


def txt(store: Store, session: Session) -> bytes:
    """Plain text: title, summary, then speech and notes in time order."""
    content = gather(store, session)
    lines = [content.title, _facts(session), ""]
    if content.summary and content.summary.text:
        lines += [content.summary.text, ""]
    lines += [f"[{_clock(at_ms)}] {who}: {text}" for at_ms, who, text in _told(content)]
    return ("\n".join(lines).rstrip() + "\n").encode("utf-8", "replace")


def markdown(store: Store, session: Session) -> bytes:
    """Markdown: title, facts, summary, points, notes, transcript."""
    content = gather(store, session)
    lines = [f"# {_plain(content.title)}", "", _facts(session), ""]
    if session.description:
        lines += [session.description, ""]
    if content.summary and content.summary.text:
        lines += ["## Summary", "", _plain(content.summary.text), ""]
        lines += [f"- {_plain(point)}" for point in content.summary.points]
        lines += [""] if content.summary.points else []
    if session.notes:
        lines += ["## Notes", ""]
        lines += [f"- **{_clock(note.at_ns // NS_PER_MS)}** {_plain(note.text)}" for note in session.notes] + [""]
    if content.transcript:
        lines += ["## Transcript", ""]
        for turn in content.transcript:
            lines += [f"**{_clock(turn.start_ms)}** ({_short(turn.track)}) {_plain(turn.text)}", ""]
    return ("\n".join(lines).rstrip() + "\n").encode("utf-8", "replace")


def json_document(store: Store, session: Session) -> bytes:
    """The JSON export."""
    return (json.dumps(as_json(store, session), ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


WRITERS: Final[dict[str, Callable[[Store, Session], bytes]]] = {
    "srt": srt,
    "vtt": vtt,
    "txt": txt,
    "md": markdown,
    "json": json_document,
}


def cues(content: Content) -> Iterator[Cue]:
    """The speech in pieces of two lines, on the film's time, in order."""
    timeline = content.session.timeline

    def film_ms(at_ms: int) -> int:
        return timeline.media_ns(at_ms * NS_PER_MS) // NS_PER_MS

    pieces = [
        (film_ms(start_ms), film_ms(end_ms), turn.track, text)
        for turn in content.transcript
        for start_ms, end_ms, text in _pieces(turn)
    ]
    for start_ms, end_ms, track, text in sorted(pieces):
        yield Cue(start_ms, max(end_ms, start_ms + LEAST_CUE_MS), track, text)


def _pieces(turn: Utterance) -> Iterator[tuple[int, int, str]]:
    """A turn cut at words where it is longer than a cue holds."""
    if len(turn.text) <= CUE_CHARS or not turn.words:
        yield turn.start_ms, turn.end_ms, turn.text
        return
    start_ms = end_ms = turn.words[0].start_ms
    text = ""
    for word in turn.words:
        if text and len(text) + 1 + len(word.word) > CUE_CHARS:
            yield start_ms, end_ms, text
            text, start_ms = "", word.start_ms
        text = f"{text} {word.word}".strip()
        end_ms = word.end_ms
    yield start_ms, end_ms, text


def _told(content: Content) -> list[tuple[int, str, str]]:
    """Speech and notes as (axis ms, who, one line of text), in order."""
    spoken = [(turn.start_ms, _short(turn.track), turn.text) for turn in content.transcript]
    written = [(note.at_ns // NS_PER_MS, note.kind, " ".join(note.text.split())) for note in content.session.notes]
    return sorted(spoken + written, key=lambda told: told[0])


def _facts(session: Session) -> str:
    tags = f", tagged {', '.join(session.tags)}" if session.tags else ""
    return f"{rfc3339(session.started_wall_ns)}, {_clock(session.duration_ns // NS_PER_MS)} recorded{tags}"


def _short(track: str) -> str:
    return track.removeprefix("audio.")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    line = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|" else letter for letter in line)


def _wrap(text: str) -> str:
    """At most two lines where they hold it."""
    line = " ".join(text.split())
    if len(line) <= LINE_CHARS:
        return line
    spaces = [index for index, letter in enumerate(line) if letter == " "]
    if not spaces:
        return line
    middle = min(spaces, key=lambda index: abs(index - len(line) // 2))
    return f"{line[:middle]}\n{line[middle + 1 :]}"


def _stamp(ms: int, point: str) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{rest:03d}"


def _clock(ms: int) -> str:
    seconds = ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
