"""Sessions of an hour as a recorder leaves them, without the media: what a catalog is made of.

Chunks, manifests, heads and artifacts are real and each session's own; the segments' and shots' blobs are names of
which no file is there. Nothing is synced while they are made, as nobody needs them after a power cut.
"""

from __future__ import annotations

import base64
import random
from functools import cache
from pathlib import Path
from typing import Any, Final

from pepys.limits import FRAGMENT_NS, NS_PER_S
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.model.manifest import ArtifactRef, ChunkRef, Manifest
from pepys.store.chunks import encode_json, pack, store_chunks
from pepys.store.disk import Disk
from pepys.store.store import Store, open_store

BEGUN_NS: Final = 1_750_000_000 * NS_PER_S
_HOUR_S: Final = 3600
_CHUNK_S: Final = 300
_SEGMENT_S: Final = 60
_SHOT_S: Final = 30
_TURN_S: Final = 8
_LINES: Final = 30
_UNIT_S: Final = 120
_LEVELS: Final = base64.b64encode(bytes(range(20))).decode()
_TRACKS: Final = (("video", "video"), ("audio.mic", "sound"), ("audio.system", "sound"))


class Unsynced(Disk):
    """A disk that is told to keep nothing."""

    def sync_data(self, fd: int) -> None:
        """Leave it to the system."""

    def sync_folder(self, folder: Path) -> None:
        """Leave it to the system."""


def make_home(folder: Path) -> Store:
    """An empty home for sessions like these."""
    return open_store(folder / "home", config_dir=folder / "config", disk=Unsynced())


def put_session(store: Store, number: int, *, seconds: int = _HOUR_S, text: bool = False) -> str:
    """Put the session of this number into a home.

    Args:
        store: the home, of `make_home`.
        number: which; the later the higher.
        seconds: how long it is; 0 for one that only has a beginning.
        text: whether it has text of its shots and of what was said.
    """
    chance = random.Random(number)
    begun_ns = BEGUN_NS + number * _HOUR_S * NS_PER_S
    session = new_session_id(begun_ns)
    name, tags = f"Session {number}", (f"tag {number % 20}", "work")
    first: list[ev.Event] = [
        ev.SessionStarted(session, name, begun_ns, store.keys.device_id, tags),
        ev.SpanStarted(0, 0, 0, "boot", 0, begun_ns),
        *(ev.TrackStarted(track, kind, "made up") for track, kind in _TRACKS),
    ]
    chunks, end = store_chunks(store.blobs, session, 0, len(first), first), len(first)
    for start in range(0, seconds, _CHUNK_S):
        lines = [*(ev.encode(event) for event in _stretch(chance, start)), *_levels(start)]
        blob = store.blobs.put(pack(session, [b"\n".join(lines)]), twice=True)
        chunks += (ChunkRef(blob, end, end + len(lines)),)
        end += len(lines)
    last: list[ev.Event] = [
        ev.SpanEnded(0, seconds * NS_PER_S, seconds * NS_PER_S), ev.SessionEnded(seconds * NS_PER_S)
    ]  # fmt: skip
    chunks += store_chunks(store.blobs, session, end, end + len(last), last)
    artifacts = _texts(store, chance, number, seconds) if text else ()
    whole = Manifest(session, "completed", name, begun_ns, chunks, end + len(last), artifacts)
    store.heads.update(session, lambda _: whole, Manifest(session, "recording", name, begun_ns))
    return session


def _stretch(chance: random.Random, start: int) -> list[ev.Event]:
    """Five minutes of segments, shots, windows and input."""
    events: list[ev.Event] = []
    for at in range(start, start + _CHUNK_S):
        at_ns = at * NS_PER_S
        if at % _SEGMENT_S == 0:
            count = _SEGMENT_S * NS_PER_S // FRAGMENT_NS
            fragments = tuple((n * 9000, 9000, at_ns + n * FRAGMENT_NS, FRAGMENT_NS) for n in range(count))
            for track, _ in _TRACKS:
                length = count * 9000
                events.append(ev.SegmentSealed(
                    track, at // _SEGMENT_S, 0, _blob(chance), length, at_ns, _SEGMENT_S * NS_PER_S, at_ns, fragments
                ))  # fmt: skip
        if at % _SHOT_S == 0:
            events.append(ev.ShotTaken(at_ns, _blob_of_shot(start, at), 1920, 1080, False, 90_000, "change", "XTerm"))
        if at % 15 == 0:
            events.append(ev.FocusChanged(at_ns, f"App {chance.randrange(12)}", f"window {chance.random()}"))
        if at % 10 == 0:
            events.append(ev.InputCounted(at_ns, 10 * NS_PER_S, chance.randrange(80), 3, 4, 5))
    return events


@cache
def _levels(start: int) -> tuple[bytes, ...]:
    """The levels of five minutes: most of the events, and the same in each session so that they are made once."""
    return tuple(
        ev.encode(ev.LevelsNoted(track, at * NS_PER_S, _LEVELS, _LEVELS, 0))
        for at in range(start, start + _CHUNK_S)
        for track, kind in _TRACKS
        if kind == "sound"
    )


def _texts(store: Store, chance: random.Random, number: int, seconds: int) -> tuple[ArtifactRef, ...]:
    """A screenful of words a shot, and somebody who speaks without a pause."""
    units: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for at in range(0, seconds, _SHOT_S):
        lines = [
            {"text": _words(chance, 8), "x": 0.1, "y": n / _LINES, "w": 0.8, "h": 1 / _LINES} for n in range(_LINES)
        ]
        item: dict[str, Any] = {"shot": _blob_of_shot(at - at % _CHUNK_S, at), "lines": lines}
        units.setdefault(("screen_text", f"batch {at // _UNIT_S}"), []).append(item)
    for at in range(0, seconds, _TURN_S):
        words = _words(chance, 20).split()
        timed = [
            {"word": word, "start_ms": at * 1000 + 300 * n, "end_ms": at * 1000 + 300 * n + 300}
            for n, word in enumerate(words)
        ]
        item = {"track": "audio.mic", "start_ms": at * 1000, "end_ms": at * 1000 + 6000, "text": " ".join(words)}
        units.setdefault(("transcript", f"at {at // _UNIT_S}"), []).append({**item, "words": timed})
    refs = []
    for (stage, unit), items in units.items():
        blob = store.blobs.put(encode_json({"stage": stage, "unit": unit, "items": items}))
        refs.append(ArtifactRef(stage, unit, f"{number} {unit}", blob, "made up"))
    return tuple(refs)


def _words(chance: random.Random, count: int) -> str:
    """Made-up words, the first ones of the list far more often than the last."""
    return " ".join(f"{_STEMS[int(chance.paretovariate(1)) % len(_STEMS)]}{chance.randrange(40)}" for _ in range(count))


def _blob(chance: random.Random) -> str:
    return f"b3-{chance.getrandbits(256):064x}"


def _blob_of_shot(start: int, at: int) -> str:
    return f"b3-{start * 7919 + at:064x}"


_STEMS: Final = tuple(
    a + b + c
    for a in ("con", "re", "mar", "se", "in", "pro")
    for b in ("ta", "mi", "lo", "ve")
    for c in ("n", "ring", "s")
)
