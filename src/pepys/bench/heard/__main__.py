"""`python -m pepys.bench.heard FD`: decodes the sound of one session and answers in one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, TypeVar

import numpy as np

from pepys.bench.film.__main__ import pictures
from pepys.bench.sound_signal import Mark, Samples, click, find_beeps, find_clicks, quiet_stretches, read_marks
from pepys.errors import NotFound, PepysError
from pepys.limits import NS_PER_S
from pepys.media.fmp4 import SoundConfig, TrackHeader, TrackRun, parse_fragments, parse_init
from pepys.media.sound import SoundDecoder
from pepys.model.events import SpanEnded, SpanStarted
from pepys.model.session import Track
from pepys.store import reader
from pepys.store.handover import receive
from pepys.store.store import Store

_Found = TypeVar("_Found", int, Mark)

_PIECE_S: Final = 30
_SHARED_S: Final = 1
_BRIGHT: Final = 140
_HALF: Final = 8


@dataclass(slots=True)
class Sound:
    """One span's sound: its place, its samples mixed down to one channel, and what its packets declare."""

    span: int
    media_ns: int
    rate: int
    pcm: Samples
    declared: int = 0
    holes: int = 0


def spans(store: Store, order: dict[str, Any]) -> dict[str, Any]:
    """Every track that has segments of sound alone, span by span."""
    started, ended = _bounds(store, order["session"])
    told = []
    for track in reader.load(store, order["session"]).tracks:
        if track.track == "video" or not track.segments or track.kind == "shots":
            continue
        for sound in _decoded(store, track):
            anchor = started[sound.span]
            told.append({
                "track": track.track, "span": sound.span, "at_ns": anchor.at_ns, "boot_ns": anchor.boot_ns,
                "end_ns": ended.get(sound.span, anchor.at_ns + len(sound.pcm) * NS_PER_S // sound.rate),
                "samples": len(sound.pcm), "declared": sound.declared, "holes": sound.holes,
                "marks": [(mark.position, mark.number) for mark in _pieces(sound.pcm, read_marks, _moved_mark)],
                "quiet": quiet_stretches(sound.pcm),
            })  # fmt: skip
    return {"spans": told}


def find(store: Store, order: dict[str, Any]) -> dict[str, Any]:
    """When each click or beep of a track begins."""
    track = reader.load(store, order["session"]).track(order["track"])
    if track is None:
        raise NotFound(f"session {order['session']} has no {order['track']}", "see the recorder's log")
    started, _ = _bounds(store, order["session"])
    shape = click()

    def look(pcm: Samples) -> list[int]:
        return find_clicks(pcm, shape) if order["what"] == "click" else find_beeps(pcm)

    found: list[int] = []
    for sound in _decoded(store, track):
        anchor = started[sound.span]
        first_ns = anchor.boot_ns + sound.media_ns - anchor.media_ns
        found += [
            first_ns + at * NS_PER_S // sound.rate for at in _pieces(sound.pcm, look, lambda at, offset: at + offset)
        ]
    return {"found": found}


def flashes(store: Store, order: dict[str, Any]) -> dict[str, Any]:
    """When the picture becomes bright at a place."""
    x, y = int(order["x"]), int(order["y"])
    found: list[int] = []
    bright = True
    for at_ns, picture in pictures(store, order["session"]):
        now = float(picture.luma[y - _HALF : y + _HALF, x - _HALF : x + _HALF].mean()) > _BRIGHT
        if now and not bright:
            found.append(at_ns)
        bright = now
    return {"found": found}


def volume(store: Store, order: dict[str, Any]) -> dict[str, Any]:
    """Bytes of sound between two media times."""
    begin_ns, end_ns = int(order["begin_ns"]), int(order["end_ns"])
    tracks: dict[str, int] = {}
    playback = 0
    for track in reader.load(store, order["session"]).tracks:
        if track.track == "video":
            for _, header, run in _runs(store, track):
                if begin_ns <= run.decode_time * NS_PER_S // header.timescale < end_ns:
                    playback += sum(len(sample.data) for sample in run.samples)
        elif track.track.startswith("audio."):
            parts = [part for segment in track.segments for part in segment.fragments]
            tracks[track.track] = sum(length for _, length, at, _ in parts if begin_ns <= at < end_ns)
    return {"tracks": tracks, "playback": playback}


def _decoded(store: Store, track: Track) -> Iterator[Sound]:
    """A track's sound, one span at a time."""
    for span, runs in groupby(_runs(store, track), key=lambda each: each[0]):
        yield _decoded_span(span, [(header, run) for _, header, run in runs])


def _decoded_span(span: int, runs: list[tuple[TrackHeader, TrackRun]]) -> Sound:
    header, first = runs[0]
    assert isinstance(header.config, SoundConfig)
    decoder, expected = SoundDecoder(header.config), first.decode_time
    blocks: list[Samples] = []
    sound = Sound(span, first.decode_time * NS_PER_S // header.timescale, header.timescale, np.zeros(0, np.int16))
    for _, run in runs:
        if run.decode_time != expected:
            sound.holes += 1
            blocks.append(np.zeros(max(0, run.decode_time - expected), np.int16))
        for sample in run.samples:
            decoded = decoder.decode(sample.data)[: sample.duration].mean(axis=1)
            blocks.append(np.clip(np.round(decoded * 32768), -32768, 32767).astype(np.int16))
            sound.declared += sample.duration
        expected = run.decode_time + sum(sample.duration for sample in run.samples)
    sound.pcm = np.concatenate(blocks)
    return sound


def _runs(store: Store, track: Track) -> Iterator[tuple[int, TrackHeader, TrackRun]]:
    """The runs of a track's sound, in order, each with its span and header."""
    for init in track.inits:
        headers = parse_init(store.blobs.read(init.blob))
        header = next((each for each in headers if isinstance(each.config, SoundConfig)), None)
        if header is None:
            continue
        for segment in track.segments:
            if segment.span == init.span:
                for run in parse_fragments(store.blobs.read(segment.blob)):
                    if run.track_id == header.track_id:
                        yield init.span, header, run


def _bounds(store: Store, session: str) -> tuple[dict[int, SpanStarted], dict[int, int]]:
    """The anchor of each span, and where each ended on the axis."""
    started: dict[int, SpanStarted] = {}
    ended: dict[int, int] = {}
    for event in reader.events(store, session):
        if isinstance(event, SpanStarted):
            started[event.span] = event
        elif isinstance(event, SpanEnded):
            ended[event.span] = event.at_ns
    return started, ended


def _pieces(
    pcm: Samples, look: Callable[[Samples], list[_Found]], moved: Callable[[_Found, int], _Found]
) -> list[_Found]:
    """Look at long sound in pieces that share a second; what lies in the shared part is found once."""
    size, shared = _PIECE_S * 48_000, _SHARED_S * 48_000
    found: list[_Found] = []
    for begin in range(0, max(1, len(pcm) - shared), size - shared):
        piece = pcm[begin : begin + size]
        first, last = begin == 0, begin + size >= len(pcm)
        for each in look(piece):
            at = each.position if isinstance(each, Mark) else each
            if (first or at >= shared // 2) and (last or at < size - shared // 2):
                found.append(moved(each, begin))
        if last:
            break
    return found


def _moved_mark(mark: Mark, offset: int) -> Mark:
    return Mark(mark.position + offset, mark.number)


_ORDERS: Final = {"spans": spans, "find": find, "flashes": flashes, "bytes": volume}


def main(arguments: list[str]) -> int:
    """Do the one order; the exit status is the error's."""
    try:
        store, order = receive(arguments)
        told = _ORDERS[order["do"]](store, order)
    except PepysError as error:
        sys.stdout.write(json.dumps({"error": error.to_json()}) + "\n")
        return error.exit_code
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
