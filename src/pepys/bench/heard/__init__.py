"""Listening to a recording: what a child is asked, and what it answers. The decoder runs in the child alone.

All times are on CLOCK_BOOTTIME, mapped back by the spans' own anchors.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from pepys.bench.sound_signal import Mark
from pepys.errors import PepysError, from_json
from pepys.store.handover import start_child
from pepys.store.store import Store

_MODULE = "pepys.bench.heard"


@dataclass(frozen=True, slots=True)
class Heard:
    """The sound of one track in one span, decoded.

    Attributes:
        track: the track.
        span: the span's number.
        at_ns: where the span begins on the session's axis.
        boot_ns: the same on CLOCK_BOOTTIME.
        end_ns: where the span ended on the axis; its last sound where it was killed.
        samples: how many samples were decoded.
        declared: how many its packets say they hold.
        holes: how often a fragment does not begin where the last one ended.
        marks: the steps of a counting tone that are heard.
        quiet: from and up to which sample nothing is heard.
    """

    track: str
    span: int
    at_ns: int
    boot_ns: int
    end_ns: int
    samples: int
    declared: int
    holes: int
    marks: tuple[Mark, ...]
    quiet: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes of a recording's sound: of each track's segments, and of the AAC within the playback stream."""

    tracks: dict[str, int]
    playback: int


def listen(store: Store, session: str) -> list[Heard]:
    """Decode every span of every track of sound that has segments.

    Raises:
        PepysError: it cannot be read.
    """
    told = _ask(store, {"do": "spans", "session": session})
    return [
        Heard(**{**span, "marks": tuple(Mark(*mark) for mark in span["marks"]),
                 "quiet": tuple((begin, end) for begin, end in span["quiet"])})
        for span in told["spans"]
    ]  # fmt: skip


def find(store: Store, session: str, track: str, what: str) -> list[int]:
    """When each `click` or `beep` begins in a track (`video`: the sound of the playback stream).

    Raises:
        PepysError: it cannot be read.
    """
    found: list[int] = _ask(store, {"do": "find", "session": session, "track": track, "what": what})["found"]
    return found


def flashes(store: Store, session: str, x: int, y: int) -> list[int]:
    """When each flash begins in the pictures: the time of the first bright one at (x, y) after dark ones.

    Raises:
        PepysError: the pictures cannot be read.
    """
    found: list[int] = _ask(store, {"do": "flashes", "session": session, "x": x, "y": y})["found"]
    return found


def stored(store: Store, session: str, begin_ns: int, end_ns: int) -> Stored:
    """The bytes of sound whose media time lies between two times.

    Raises:
        PepysError: it cannot be read.
    """
    told = _ask(store, {"do": "bytes", "session": session, "begin_ns": begin_ns, "end_ns": end_ns})
    return Stored(told["tracks"], told["playback"])


def _ask(store: Store, order: dict[str, Any]) -> dict[str, Any]:
    child = start_child(_MODULE, store, order, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, printed = child.communicate()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        last = printed.decode(errors="replace").strip().splitlines()[-1:] or [f"status {child.returncode}"]
        raise PepysError(f"the recording could not be heard: {last[0]}", "measure again") from None
    if "error" in told:
        raise from_json(told["error"])
    return told
