"""`python -m pepys.bench.film FD`: looks into one film and answers in one JSON object.

Times are mapped back to CLOCK_BOOTTIME by the spans' own anchors, as anybody would who compares a recording with
another clock.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pepys.bench.counter import read_number
from pepys.bench.film import Mapped, parse_windows
from pepys.errors import NotFound, PepysError
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.media.fmp4 import VideoConfig, parse_fragments, parse_init
from pepys.media.pcm import Span
from pepys.media.playback_pictures import Plane, StoredPicture, decode_pictures
from pepys.model.events import SpanEnded, SpanStarted
from pepys.store import reader
from pepys.store.handover import receive
from pepys.store.store import Store

_HALF: Final = 6
_BLUE, _RED, _NEAR = 202, 222, 24
"""Magenta in BT.601, limited range."""
_BLACK: Final = 40
_SPOT_PIXELS: Final = 16
_AFTER_NS: Final = 60 * NS_PER_MS


def pictures(store: Store, session: str) -> Iterator[tuple[int, StoredPicture]]:
    """The film's pictures, each with its time on CLOCK_BOOTTIME.

    Raises:
        NotFound: the session has no film.
    """
    started = {event.span: event for event in reader.events(store, session) if isinstance(event, SpanStarted)}
    for number, span in _spans(store, session):
        anchor = started[number]
        for picture in decode_pictures([span]):
            yield anchor.boot_ns + picture.media_ns - anchor.media_ns, picture


def numbers(store: Store, order: dict[str, Any]) -> dict[str, Any]:
    """What number each picture shows."""
    points = [(int(x), int(y)) for x, y in order["points"]]
    found = [
        (at_ns, read_number([_brightness(picture.luma, x, y) for x, y in points]))
        for at_ns, picture in pictures(store, order["session"])
    ]
    begun_ns, ended_ns = _bounds(store, order["session"])
    return {"pictures": found, "begun_ns": begun_ns, "ended_ns": ended_ns}


def windows(store: Store, order: dict[str, Any]) -> dict[str, Any]:
    """Which windows show their colour in any picture, and which show black in their place."""
    with Path(order["log"]).open(encoding="ascii") as log:
        mapped = parse_windows(list(log))
    leaked: set[int] = set()
    covered: set[int] = set()
    count = 0
    for at_ns, picture in pictures(store, order["session"]):
        count += 1
        if _is_magenta(picture):
            # Whichever was shown last before the picture: what it leaves behind counts as its own.
            leaked |= {max((n for n, each in enumerate(mapped) if each.begun_ns <= at_ns + _AFTER_NS), default=0)}
        covered |= {n for n, each in enumerate(mapped) if _is_covered(each, at_ns, picture)}
    return {"pictures": count, "leaked": sorted(leaked), "covered": sorted(covered)}


def keys(store: Store, order: dict[str, Any]) -> dict[str, Any]:
    """How many bytes the key frames of a stretch of the film take."""
    total = 0
    for _, span in _spans(store, order["session"]):
        films = {track.track_id: track for track in parse_init(span.init) if isinstance(track.config, VideoConfig)}
        for data in span.fragments:
            for run in parse_fragments(data):
                if run.track_id not in films:
                    continue
                at = run.decode_time
                for sample in run.samples:
                    at_ns = at * NS_PER_S // films[run.track_id].timescale
                    if sample.key and order["begin_ns"] <= at_ns < order["end_ns"]:
                        total += len(sample.data)
                    at += sample.duration
    return {"bytes": total}


def _spans(store: Store, session: str) -> Iterator[tuple[int, Span]]:
    track = reader.load(store, session).track("video")
    if track is None or not track.segments:
        raise NotFound(f"session {session} has no film", "see the recorder's log")
    for init in track.inits:
        parts = (store.blobs.read(segment.blob) for segment in track.segments if segment.span == init.span)
        yield init.span, Span(store.blobs.read(init.blob), parts)


def _bounds(store: Store, session: str) -> tuple[int, int]:
    """When recording began and ended, on CLOCK_BOOTTIME."""
    begun, ended = 0, 0
    for event in reader.events(store, session):
        if isinstance(event, SpanStarted):
            begun = begun or event.boot_ns
            offset = event.boot_ns - event.at_ns
        elif isinstance(event, SpanEnded):
            ended = event.at_ns + offset
    return begun, ended


def _brightness(luma: Plane, x: int, y: int) -> float:
    return float(luma[y - _HALF : y + _HALF, x - _HALF : x + _HALF].mean())


def _is_magenta(picture: StoredPicture) -> bool:
    near = abs(picture.blue.astype("int16") - _BLUE) < _NEAR
    near &= abs(picture.red.astype("int16") - _RED) < _NEAR
    return int(near.sum()) > _SPOT_PIXELS


def _is_covered(window: Mapped, at_ns: int, picture: StoredPicture) -> bool:
    if not window.begun_ns <= at_ns <= window.ended_ns:
        return False
    return _brightness(picture.luma, window.x + window.width // 2, window.y + window.height // 2) < _BLACK


_ORDERS: Final = {"numbers": numbers, "windows": windows, "keys": keys}


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
