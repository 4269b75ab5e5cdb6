"""Sealed chunks of events and other compressed JSON: zstd, bounded when it is opened.

A chunk holds the events of one stretch of the journal, one JSON object a line. Events that a later one of the same
stretch replaces (the fragments of a sealed segment) are left out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import zstandard

from pepys.limits import UNPACKED_BYTES
from pepys.model.events import Event, FragmentWritten, SegmentOpened, SegmentSealed, decode, encode

_LEVEL: Final = 3
_PIECE_BYTES: Final = 1 << 20


def compress(data: bytes) -> bytes:
    """One zstd frame."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(data)


def decompress(data: bytes) -> bytes:
    """Undo `compress`.

    Raises:
        ValueError: no whole zstd frame, or one that unpacks to more than the limit.
    """
    pieces, size = [], 0
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=False) as stream:
            while piece := stream.read(_PIECE_BYTES):
                size += len(piece)
                if size > UNPACKED_BYTES:
                    raise ValueError(f"it unpacks to more than {UNPACKED_BYTES} bytes")
                pieces.append(piece)
    except zstandard.ZstdError as error:
        raise ValueError(f"no zstd frame: {error}") from error
    return b"".join(pieces)


def encode_chunk(events: Iterable[Event]) -> bytes:
    """Write events as a chunk, leaving out what a sealed segment among them replaces."""
    listed = list(events)
    sealed = {(event.track, event.segment) for event in listed if isinstance(event, SegmentSealed)}
    kept = (
        event
        for event in listed
        if not (isinstance(event, FragmentWritten | SegmentOpened) and (event.track, event.segment) in sealed)
    )
    return compress(b"".join(encode(event) + b"\n" for event in kept))


def decode_chunk(data: bytes, wanted: Callable[[bytes], bool] | None = None) -> Iterator[Event]:
    """Read a chunk.

    Args:
        data: the chunk.
        wanted: asked for each event, as bytes, before it is decoded; None for all of them.

    Raises:
        ValueError: it is no chunk.
    """
    lines: Iterable[bytes] = decompress(data).split(b"\n")
    for line in lines if wanted is None else filter(wanted, lines):
        if line:
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
