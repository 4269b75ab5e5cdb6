"""Sealed chunks of events and other compressed JSON: zstd, bounded when it is opened.

A chunk holds the events of one stretch of the journal, one JSON object a line. Events that a later one of the same
stretch replaces (the fragments of a sealed segment) are left out. The first line names the session, so that no two
sessions share a chunk; chunks of earlier versions have none.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import zstandard

from pepys.limits import CHUNK_PLAIN_BYTES, JOURNAL_RECORD_BYTES, UNPACKED_BYTES
from pepys.model.events import Event, FragmentWritten, SegmentOpened, SegmentSealed, beginning, decode, encode
from pepys.model.manifest import ChunkRef
from pepys.store.blobs import BlobStore

_LEVEL: Final = 3
_PIECE_BYTES: Final = 1 << 20
_LINE_BYTES: Final = 2 * JOURNAL_RECORD_BYTES  # twice what a journal takes
_TOO_MUCH: Final = f"it unpacks to more than {UNPACKED_BYTES} bytes"
_OWNER: Final = b'{"t":"Chunk","session":'
_SEALED: Final = beginning(SegmentSealed)
_GROWING: Final = (beginning(FragmentWritten), beginning(SegmentOpened))


def compress(data: bytes) -> bytes:
    """One zstd frame."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(data)


def decompress(data: bytes) -> bytes:
    """Undo `compress`.

    Raises:
        ValueError: no whole zstd frame, or one that unpacks to more than the limit.
    """
    # Grows in place: a list of pieces would be there once more while they are joined.
    whole = io.BytesIO()
    for piece in _unpacked(data):
        whole.write(piece)
    return whole.getvalue()


def _unpacked(data: bytes) -> Iterator[bytes]:
    """What `decompress` gives, piece by piece: of what is too long, no more than one is there at a time."""
    size = 0
    try:
        if zstandard.frame_content_size(data) > UNPACKED_BYTES:
            raise ValueError(_TOO_MUCH)
        unpacker = zstandard.ZstdDecompressor(max_window_size=UNPACKED_BYTES)
        with unpacker.stream_reader(io.BytesIO(data), read_across_frames=False) as stream:
            while piece := stream.read(_PIECE_BYTES):
                size += len(piece)
                if size > UNPACKED_BYTES:
                    raise ValueError(_TOO_MUCH)
                yield piece
    except zstandard.ZstdError as error:
        raise ValueError(f"no zstd frame: {error}") from error


def _lines(data: bytes) -> Iterator[bytes]:
    """The lines of a chunk; of its text no more is there than a piece and a line.

    Raises:
        ValueError: as `decompress`; or a line is longer than any event can be.
    """
    rest = b""
    for piece in _unpacked(data):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > _LINE_BYTES:
            raise ValueError(f"a line of it is more than {_LINE_BYTES} bytes")
    yield rest


def store_chunks(blobs: BlobStore, session: str, first: int, end: int, events: Sequence[Event]) -> tuple[ChunkRef, ...]:
    """Store events as chunks of a session; none where there are none.

    Args:
        blobs: where.
        session: whose events.
        first: the number of the first event.
        end: the number after the last; where some are missing (a damaged journal) the last chunk stands for them.
        events: the events.

    Raises:
        StorageProblem: the disk refused.
    """
    found: list[ChunkRef] = []
    for count, data in encode_chunks(session, events):
        found.append(ChunkRef(blobs.put(data), first, first + count))
        first += count
    if found and first < end:
        found[-1] = replace(found[-1], end=end)
    return tuple(found)


def encode_chunks(session: str, events: Sequence[Event]) -> Iterator[tuple[int, bytes]]:
    """Write events as chunks, each with how many events it stands for: one, unless they are more than one may hold."""
    replaced = _sealed(events)
    count, size, kept = 0, 0, list[bytes]()
    for event in events:
        line = b"" if _is_replaced(event, replaced) else encode(event) + b"\n"
        if size + len(line) > CHUNK_PLAIN_BYTES and kept:
            yield count, compress(_owner_line(session) + b"".join(kept))
            count, size, kept = 0, 0, []
        count, size = count + 1, size + len(line)
        kept.append(line)
    if count:
        yield count, compress(_owner_line(session) + b"".join(kept))


def encode_chunk(events: Iterable[Event]) -> bytes:
    """Write events as one chunk that bears no session's name, as earlier versions did."""
    listed = list(events)
    replaced = _sealed(listed)
    return compress(b"".join(encode(event) + b"\n" for event in listed if not _is_replaced(event, replaced)))


def pack(session: str, texts: Iterable[bytes]) -> bytes:
    """One chunk of what some neighbouring ones say (unpacked), leaving out what is now replaced.

    Raises:
        ValueError: a line is no event.
    """
    lines = [line for text in texts for line in text.split(b"\n") if line and not line.startswith(_OWNER)]
    places = {_place(decode(line)) for line in lines if line.startswith(_SEALED)}
    kept = (line for line in lines if not (line.startswith(_GROWING) and _place(decode(line)) in places))
    return compress(_owner_line(session) + b"".join(line + b"\n" for line in kept))


def owner(text: bytes) -> str | None:
    """The session whose own a chunk (unpacked) is; None for one of an earlier version, which several may share."""
    first = text.partition(b"\n")[0]
    if not first.startswith(_OWNER):
        return None
    return str(json.loads(first)["session"])


def _owner_line(session: str) -> bytes:
    return _OWNER + json.dumps(session).encode() + b"}\n"


def _sealed(events: Iterable[Event]) -> set[tuple[str, int]]:
    return {(event.track, event.segment) for event in events if isinstance(event, SegmentSealed)}


def _is_replaced(event: Event, sealed: set[tuple[str, int]]) -> bool:
    return isinstance(event, FragmentWritten | SegmentOpened) and (event.track, event.segment) in sealed


def _place(event: Event) -> tuple[str, int]:
    assert isinstance(event, FragmentWritten | SegmentOpened | SegmentSealed)
    return event.track, event.segment


def decode_chunk(data: bytes, wanted: Callable[[bytes], bool] | None = None) -> Iterator[Event]:
    """Read a chunk.

    Args:
        data: the chunk.
        wanted: asked for each event, as bytes, before it is decoded; None for all of them.

    Raises:
        ValueError: it is no chunk.
    """
    lines = _lines(data)
    for line in lines if wanted is None else filter(wanted, lines):
        if line and not line.startswith(_OWNER):
            yield decode(line)


def encode_json(value: dict[str, Any]) -> bytes:
    """Write an artifact."""
    return compress(json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode())


def decode_json(data: bytes) -> dict[str, Any]:
    """Read an artifact.

    Raises:
        ValueError: it is no compressed JSON object.
    """
    try:
        value = json.loads(decompress(data))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value
