"""Waveforms: the levels of a session's sound tracks, folded once and reduced to what a page can draw.

Made of level events only: nobody decodes sound to draw it. A lane holds a byte a block of 50 ms, in runs, so that a
long pause costs nothing. A live session's lanes grow by what its journal grew; a finished one's are folded once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pepys.errors import NotFound, Usage
from pepys.limits import NS_PER_MS
from pepys.model.events import Event, LevelsNoted
from pepys.model.manifest import ChunkRef
from pepys.model.session import Session
from pepys.model.sound_levels import BLOCK_NS, Ranges, joined, unpack, voiced_blocks
from pepys.review.timespan import ms, wall_ns
from pepys.store.journal_reader import JournalReader
from pepys.store.reader import levels, live_pieces, manifest, only_levels
from pepys.store.store import Store

_BLOCK_MS: Final = BLOCK_NS // NS_PER_MS
_HOLE_BLOCKS: Final = 200
"""A hole up to this long is filled with zeros; a longer one begins another run."""


@dataclass(slots=True)
class _Run:
    """Blocks without a long hole; `first` is the number of the first on the session's axis."""

    first: int
    peaks: bytearray = field(default_factory=bytearray)
    loudness: bytearray = field(default_factory=bytearray)


class Lane:
    """The levels of one track."""

    def __init__(self) -> None:
        self.voice: Ranges = []
        self._runs: list[_Run] = []

    def add(self, event: LevelsNoted) -> None:
        """Take a second; one that was taken already changes nothing."""
        try:
            found = unpack(event)
        except ValueError:
            return
        block = (event.at_ns + BLOCK_NS // 2) // BLOCK_NS
        run = self._run(block)
        at, count = block - run.first, len(found.peaks)
        for kept, fresh in ((run.peaks, found.peaks), (run.loudness, found.loudness)):
            kept.extend(bytes(max(0, at - len(kept))))
            kept[at : at + count] = bytes(map(max, kept[at : at + count], fresh)) + fresh[len(kept) - at :]
        spoken = [
            (event.at_ns + first * BLOCK_NS, event.at_ns + end * BLOCK_NS)
            for first, end in voiced_blocks(found.voice, count)
        ]
        if spoken:
            last = self.voice[-1:]
            self.voice[-1:] = joined((*last, *spoken))

    def reduced(self, first: int, step: int, count: int) -> tuple[list[int], list[int]]:
        """The largest peak and loudness in each of `count` steps of `step` blocks from block `first` on."""
        told = [0] * count, [0] * count
        for run in self._runs:
            for values, kept in zip(told, (run.peaks, run.loudness), strict=True):
                begin = max(0, (run.first - first) // step)
                end = min(count, -(-(run.first + len(kept) - first) // step))
                for place in range(begin, end):
                    at = first + place * step - run.first
                    part = kept[max(0, at) : max(0, at + step)]
                    if part:
                        values[place] = max(values[place], max(part))
        return told

    def _run(self, block: int) -> _Run:
        run = self._runs[-1] if self._runs else None
        if run is None or not run.first <= block <= run.first + len(run.peaks) + _HOLE_BLOCKS:
            # One that was taken already lies in an earlier run.
            run = next((r for r in self._runs if r.first <= block < r.first + len(r.peaks)), None)
        if run is None:
            run = _Run(block)
            self._runs.append(run)
        return run


class LevelLanes:
    """The lanes of one session; not thread-safe."""

    def __init__(self, store: Store, session: str) -> None:
        self.tracks: dict[str, Lane] = {}
        self._store = store
        self._id = session
        self._reader: JournalReader | None = None
        self._chunks: tuple[ChunkRef, ...] | None = None

    def refresh(self) -> None:
        """Take what is new.

        Raises:
            NotFound: the session is gone.
            Damaged: a part of it does not open.
        """
        try:
            if self._reader is None or not self._reader.is_current():
                self._start()
            else:
                self._take(event for _, event in self._reader.read())
        except NotFound:
            # The journal ended: everything is in chunks.
            self._reader = None
            chunks = manifest(self._store, self._id).chunks
            if chunks != self._chunks:
                self._take(levels(self._store, self._id))
                self._chunks = chunks

    def _start(self) -> None:
        journal = self._store.journal_path(self._id)
        if not journal.exists():
            raise NotFound(f"session {self._id} has no journal", "it is not being recorded")
        # Chunks may be merged meanwhile.
        pieces, self._reader = live_pieces(self._store, self._id, only_levels)
        self._take(pieces.events)
        self._chunks = None

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, LevelsNoted):
                self.tracks.setdefault(event.track, Lane()).add(event)


def peaks(
    lanes: LevelLanes, session: Session, track: str | None, from_ms: int, to_ms: int | None, points: int
) -> dict[str, Any]:
    """The waveforms between two times of the session's axis, `pepys.web.shapes_review.Peaks`.

    Steps begin at multiples of their length, so that a page that moves on draws the same picture.

    Args:
        lanes: the session's levels.
        session: the session.
        track: one track; None for all that have levels.
        from_ms: where to begin.
        to_ms: where to end; None for the end of the session.
        points: at most as many steps.

    Raises:
        Usage: the end lies before the beginning.
    """
    until_ms = ms(wall_ns(session)) if to_ms is None else to_ms
    if to_ms is not None and to_ms < from_ms:
        raise Usage("the end lies before the beginning", "give from <= to")
    begin, end = from_ms // _BLOCK_MS, -(-until_ms // _BLOCK_MS)
    step = max(1, -(-(end - begin) // points))
    while step > 1 and -(-end // step) - begin // step > points:
        step += 1
    first = begin // step
    count = min(points, max(0, -(-end // step) - first))
    names = [name for name in _names(lanes, session) if track in (None, name)]
    told = []
    for name in names:
        high, loud = lanes.tracks[name].reduced(first * step, step, count)
        told.append(
            {
                "track": name, "start_ms": first * step * _BLOCK_MS, "step_ms": step * _BLOCK_MS,
                "peaks": high, "loudness": loud,
                "voice": _voice(lanes.tracks[name].voice, from_ms, until_ms, step * _BLOCK_MS),
            }
        )  # fmt: skip
    return {"tracks": told}


def _names(lanes: LevelLanes, session: Session) -> list[str]:
    order = [track.track for track in session.tracks if track.track in lanes.tracks]
    return order + sorted(set(lanes.tracks) - set(order))


def _voice(voice: Ranges, from_ms: int, to_ms: int, step_ms: int) -> list[list[int]]:
    """What lies between, in milliseconds; pauses shorter than a step cannot be drawn and are left out."""
    inside = [
        (max(start, from_ms * NS_PER_MS), min(end, to_ms * NS_PER_MS))
        for start, end in voice
        if start < to_ms * NS_PER_MS and end > from_ms * NS_PER_MS
    ]
    return [[ms(start), ms(end)] for start, end in joined(inside, step_ms * NS_PER_MS)]
