"""A recorder for the kill tests: two tracks, pauses, shots and notes; it tells each thing once it is acknowledged.

What it tells goes through a pipe that outlives it: a line is there before the next call of the store begins, so that
the lines of a killed process are exactly what it could have told its user.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, Final

from pepys.limits import FRAGMENT_NS
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.store.blob_writer import BlobWriter
from pepys.store.store import Store
from pepys.store.writer import SessionWriter
from tests.stored_session import WALL_NS, content

Tell = Callable[..., None]
TRACKS: Final = {"video": 70_000, "audio.mic": 3_000}
"""Each track with the bytes of one fragment: of the first, more than one sealed frame."""


def teller(pipe: int) -> Tell:
    """Tells words to whoever reads the pipe, each line with one call to the system."""

    def tell(kind: str, *words: Any) -> None:
        os.write(pipe, json.dumps([kind, *words]).encode() + b"\n")

    return tell


def untold(kind: str, *words: Any) -> None:
    """Tells nobody."""


class Diary:
    """Writes one session as a recorder does: media first, then the events, then the group commit, then it tells."""

    def __init__(self, writer: SessionWriter, tell: Tell = untold) -> None:
        self.writer = writer
        self.session = writer.session
        self.at_ns = 0
        self.span = -1
        self.segment = 0
        self._tell = tell
        self._fresh: list[ev.Event] = []
        self._media: dict[str, tuple[BlobWriter, list[tuple[int, int, int, int]]]] = {}

    @classmethod
    def begin(cls, store: Store, tell: Tell = untold, wall_ns: int = WALL_NS, name: str = "A day") -> Diary:
        """Begin a session and its first span."""
        session = new_session_id(wall_ns)
        writer = SessionWriter.create(store, ev.SessionStarted(session, name, wall_ns, store.keys.device_id))
        tell("session", session)
        diary = cls(writer, tell)
        diary.begin_span()
        return diary

    @classmethod
    def resume(cls, store: Store, session: str, tell: Tell = untold) -> Diary:
        """Go on with an interrupted session, in a span of its own."""
        diary = cls(SessionWriter.resume(store, session), tell)
        view = diary.writer.view
        assert view is not None
        diary.at_ns = view.end_ns + FRAGMENT_NS
        diary.span = max((span.span for span in view.spans), default=-1)
        diary.segment = 1 + max((one.n for track in view.tracks for one in track.segments), default=-1)
        diary.begin_span()
        return diary

    def say(self, *events: ev.Event) -> None:
        """Append events, not yet acknowledged."""
        self.writer.append(*events)
        self._fresh.extend(events)

    def commit(self) -> None:
        """The group commit: what was said is durable, and told."""
        self.writer.sync()
        for event in self._fresh:
            self._tell("event", self.session, ev.encode(event).decode())
        self._fresh.clear()

    def head(self) -> None:
        """Move the events so far into a chunk, and tell how far the head is."""
        self.writer.seal()
        self._tell("head", self.session, self.writer.store.heads.read(self.session).sequence)

    def begin_span(self) -> None:
        """Begin a span here, with an init of each track."""
        self.span += 1
        self.say(ev.SpanStarted(self.span, self.at_ns, self.at_ns, "boot", self.at_ns, WALL_NS))
        for track in TRACKS:
            init = self.writer.put(f"init of {track}".encode())
            self.say(
                ev.TrackStarted(track, track.partition(".")[0], "somewhere", "codec"),
                ev.InitWritten(track, self.span, init, "video/mp4"),
            )
        self.commit()

    def pause(self) -> None:
        """End the span, rest for a moment, begin the next one."""
        self.say(ev.SpanEnded(self.span, self.at_ns, self.at_ns), ev.GapNoted(self.at_ns, None, "paused"))
        self.commit()
        start_ns, self.at_ns = self.at_ns, self.at_ns + 5 * FRAGMENT_NS
        self.say(ev.GapNoted(start_ns, self.at_ns, "paused"))
        self.begin_span()

    def open(self) -> None:
        """Begin the next segment of every track."""
        for track in TRACKS:
            media = self.writer.open_segment(track, self.segment)
            self._media[track] = media, []
            self.say(ev.SegmentOpened(track, self.segment, self.span, media.name))

    def fragments(self, count: int = 1) -> None:
        """So many durable fragments of every track."""
        for _ in range(count):
            for track, (media, written) in self._media.items():
                data = content(track, self.segment, len(written), TRACKS[track])
                offset = media.append(data)
                media.sync()
                written.append((offset, len(data), self.at_ns, FRAGMENT_NS))
                self.say(
                    ev.FragmentWritten(
                        track, self.segment, offset, len(data), self.at_ns, FRAGMENT_NS, self.at_ns
                    )
                )  # fmt: skip
                self.commit()
            self.at_ns += FRAGMENT_NS

    def seal(self) -> None:
        """End the segment of every track."""
        for track, (media, written) in self._media.items():
            length, first = media.offset, written[0][2]
            blob = media.seal()
            duration = FRAGMENT_NS * len(written)
            self.say(
                ev.SegmentSealed(
                    track, self.segment, self.span, blob, length, first, duration, first, tuple(written)
                )
            )  # fmt: skip
            self.commit()
        self._media.clear()
        self.segment += 1

    def segments(self, fragments: int = 1) -> None:
        """A whole segment of every track."""
        self.open()
        self.fragments(fragments)
        self.seal()

    def shot(self, picture: bytes = b"a picture") -> str:
        """A durable screenshot; its blob."""
        blob = self.writer.put(picture)
        self.say(ev.ShotTaken(self.at_ns, blob, 64, 36))
        self.commit()
        return blob

    def note(self, text: str) -> None:
        """A durable note; its id is its text."""
        self.say(ev.NoteAdded(text, self.at_ns, text))
        self.commit()

    def end(self) -> str:
        """End the session in order."""
        self.say(ev.SpanEnded(self.span, self.at_ns, self.at_ns))
        self.writer.end(self.at_ns)
        self._tell("state", self.session, "completed")
        return self.session

    def die(self) -> str:
        """Let go of every file as a killed process does."""
        for media, _ in self._media.values():
            media.close()
        self.writer.close()
        return self.session
