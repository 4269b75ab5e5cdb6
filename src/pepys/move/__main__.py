"""The one-shot media child: moves a session's stored packets into one file. Here, and not in the command, is PyAV.

Answers in lines of JSON on stdout: `{"share"}` while it works, then `{"done": true}` or `{"error"}`.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pepys.errors import Damaged, NotFound, PepysError, StorageProblem
from pepys.media.remux import Span, write_mp4, write_wav
from pepys.model.session import Segment, Session, Track
from pepys.store import reader
from pepys.store.handover import receive
from pepys.store.store import Store

STEPS = 100
"""Reports of progress in one export, at most."""


class _Meter:
    """Counts bytes read and reports each hundredth."""

    def __init__(self, total: int, say: Callable[[dict[str, Any]], None]) -> None:
        self._total = max(1, total)
        self._say = say
        self._seen = self._told = 0

    def add(self, size: int) -> None:
        self._seen += size
        step = min(STEPS, self._seen * STEPS // self._total)
        if step > self._told:
            self._told = step
            self._say({"share": step / STEPS})


def main(arguments: list[str]) -> int:
    """Do the one order; the exit status is the error's."""
    try:
        store, order = receive(arguments)
        session = reader.load(store, order["session"])
        tracks = [track for track in session.tracks if track.track in order["tracks"]]
        meter = _Meter(sum(track.bytes for track in tracks), _say)
        with Path(order["to"]).open("wb") as target:
            if order["format"] == "mp4":
                write_mp4(list(_spans(store, session, tracks[0], meter)), target)
            else:
                write_wav([_spans(store, session, track, meter) for track in tracks], target)
            target.flush()
            os.fsync(target.fileno())
    except PepysError as error:
        _say({"error": error.to_json()})
        return error.exit_code
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        told = f"the file cannot be written: {error.strerror or error}"
        problem = StorageProblem(told, "free some space, or choose another folder" if full else "choose another folder")
        _say({"error": problem.to_json()})
        return problem.exit_code
    _say({"done": True})
    return 0


def _spans(store: Store, session: Session, track: Track, meter: _Meter) -> Iterator[Span]:
    """The track's spans in order, each segment read when it is asked for."""
    for init in track.inits:
        segments = [segment for segment in track.segments if segment.span == init.span]
        if segments:
            yield Span(store.blobs.read(init.blob), _fragments(store, session, track, segments, meter))


def _fragments(store: Store, session: Session, track: Track, segments: list[Segment], meter: _Meter) -> Iterator[bytes]:
    for segment in segments:
        data = _segment(store, session, track, segment)
        yield data
        meter.add(len(data))


def _segment(store: Store, session: Session, track: Track, segment: Segment) -> bytes:
    """A segment's bytes; one that grows while its session is recorded as far as it is durable."""
    if not segment.blob:
        try:
            return store.blobs.read_open(segment.name, 0, segment.bytes)
        except NotFound:
            # Sealed meanwhile: its name is known by now.
            fresh = reader.load(store, session.id).track(track.track)
            segment = next((part for part in fresh.segments if part.n == segment.n), segment) if fresh else segment
    try:
        return store.blobs.read(segment.blob)
    except NotFound as error:
        raise Damaged(
            f"a segment of {track.track} is missing: {error.message}", "pepys verify tells what is lost"
        ) from error


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
