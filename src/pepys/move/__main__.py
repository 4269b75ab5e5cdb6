"""The one-shot media child: moves a session's stored packets into one file. Here, and not in the command, is PyAV.

Answers in lines of JSON on stdout: `{"share"}` while it works, then `{"done": true, "missing": [...]}` or `{"error"}`.
A segment that does not open is left out and told in `missing`: the rest of the session is worth having.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pepys.errors import AtRemote, Damaged, NotFound, PepysError, StorageProblem
from pepys.limits import NS_PER_MS
from pepys.media.remux import Span, write_mp4, write_wav
from pepys.model.session import Segment, Session, Track
from pepys.move.parts import Part
from pepys.store import reader
from pepys.store.ahead import ahead
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


class _Source:
    """What the file is made of, and what of it is lost."""

    def __init__(self, store: Store, session: Session, meter: _Meter) -> None:
        self._store, self._session, self._meter = store, session, meter
        self.missing: dict[tuple[str, int], dict[str, Any]] = {}
        self.segments = 0
        self._away: AtRemote | None = None

    def spans(self, parts: Sequence[Part]) -> list[Span]:
        """The spans of a line, each segment read when it is asked for."""
        return [span for part in parts if (span := self._span(*part)) is not None]

    def _span(self, name: str, number: int) -> Span | None:
        track = self._session.track(name)
        init = next((init for init in track.inits if init.span == number), None) if track else None
        if track is None or init is None:
            return None
        segments = [segment for segment in track.segments if segment.span == number]
        try:
            header = self._store.media.read(self._session.id, init.blob)
        except (AtRemote, Damaged, NotFound) as error:
            # Nothing of the span can be read without it.
            for segment in segments:
                self._lost(track, segment, error)
            return None
        return Span(header, self._fragments(track, segments))

    def _fragments(self, track: Track, segments: list[Segment]) -> Iterator[bytes]:
        # The next ones are read and proven while this one is written.
        for segment, found in zip(segments, ahead(segments, partial(self._read, track)), strict=True):
            if isinstance(found, PepysError):
                self._lost(track, segment, found)
            else:
                self.segments += 1
                yield found
            self._meter.add(segment.bytes)

    def _read(self, track: Track, segment: Segment) -> bytes | PepysError:
        try:
            return _segment(self._store, self._session, track, segment)
        except (AtRemote, Damaged, NotFound) as error:
            return error

    def _lost(self, track: Track, segment: Segment, error: PepysError) -> None:
        if isinstance(error, AtRemote):
            self._away = error
        self.missing[track.track, segment.n] = {
            "track": track.track, "start_ms": segment.at_ns // NS_PER_MS,
            "end_ms": (segment.at_ns + segment.duration_ns) // NS_PER_MS, "problem": error.message,
        }  # fmt: skip

    def check(self) -> None:
        """See that anything was there.

        Raises:
            AtRemote: nothing was, and some of it lies at a remote.
            Damaged: nothing was.
        """
        if self.missing and not self.segments:
            if self._away is not None:
                raise self._away
            problem = next(iter(self.missing.values()))["problem"]
            raise Damaged(f"nothing of it can be read: {problem}", "pepys verify tells what is lost")


def main(arguments: list[str]) -> int:
    """Do the one order; the exit status is the error's."""
    try:
        store, order = receive(arguments)
        session = reader.load(store, order["session"])
        source = _Source(store, session, _Meter(_size(session, order["lines"]), _say))
        with Path(order["to"]).open("wb") as target:
            lines = [source.spans(parts) for parts in order["lines"]]
            if order["format"] == "wav":
                write_wav(lines, target)
            elif lines[0]:
                write_mp4(lines[0], target)
            source.check()
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
    _say({"done": True, "missing": sorted(source.missing.values(), key=lambda lost: (lost["start_ms"], lost["track"]))})
    return 0


def _size(session: Session, lines: Sequence[Sequence[Part]]) -> int:
    parts = {(name, span) for line in lines for name, span in line}
    return sum(part.bytes for track in session.tracks for part in track.segments if (track.track, part.span) in parts)


def _segment(store: Store, session: Session, track: Track, segment: Segment) -> bytes:
    """A segment's bytes; one that grows while its session is recorded as far as it is durable."""
    if not segment.blob:
        try:
            return store.blobs.read_open(segment.name, 0, segment.bytes)
        except NotFound:
            # Sealed meanwhile: its name is known by now.
            fresh = reader.load(store, session.id).track(track.track)
            segment = next((part for part in fresh.segments if part.n == segment.n), segment) if fresh else segment
    return store.media.read(session.id, segment.blob)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
