"""Sealed chunks of events and other compressed JSON: zstd, bounded when it is opened.

A chunk holds the events of one stretch of the journal, one JSON object a line. Events that a later one of the same
stretch replaces (the fragments of a sealed segment) are left out. The first line names the session, so that no two
sessions share a chunk; chunks of earlier versions have none.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import zstandard

from pepys.limits import CHUNK_PLAIN_BYTES, JOURNAL_RECORD_BYTES, UNPACKED_BYTES
from pepys.model.event_lines import Choice, beginning, decode_lines
from pepys.model.events import Event, FragmentWritten, SegmentOpened, SegmentSealed, decode, encode
from pepys.model.manifest import ChunkRef
from pepys.store.blobs import BlobStore

Wanted = Callable[[bytes], bool]
"""Says of an event, by its bytes, whether it is to be decoded and given."""
_LEVEL: Final = 3
_PIECE_BYTES: Final = 1 << 20
_BLOCK_HEAD: Final = 3
_REPEATED: Final = 1  # a block of one byte, and how often
_CHECKSUM: Final = 4
_LINE_BYTES: Final = 2 * JOURNAL_RECORD_BYTES  # twice what a journal takes
_of_thread: Final = threading.local()
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
        told = zstandard.frame_content_size(data)
        if told > UNPACKED_BYTES:
            raise ValueError(_TOO_MUCH)
        if 0 < told <= _PIECE_BYTES:
            # In one go, by what is there already: making a stream takes longer than unpacking most artifacts.
            yield _unpacker().decompress(data)
            return
        # A stream that ends before its frame does gives what there is, and says nothing.
        _refuse_cut(data)
        unpacker = zstandard.ZstdDecompressor(max_window_size=UNPACKED_BYTES)
        with unpacker.stream_reader(io.BytesIO(data), read_across_frames=False) as stream:
            while piece := stream.read(_PIECE_BYTES):
                size += len(piece)
                if size > UNPACKED_BYTES:
                    raise ValueError(_TOO_MUCH)
                yield piece
    except zstandard.ZstdError as error:
        raise ValueError(f"no zstd frame: {error}") from error


def _refuse_cut(data: bytes) -> None:
    """Walk the blocks of a zstd frame to its end (RFC 8878, 3.1.1): each begins with its length and whether it is last.

    Raises:
        ValueError: the frame is not all there.
    """
    at, last = zstandard.frame_header_size(data), False
    while not last:
        head = int.from_bytes(data[at : at + _BLOCK_HEAD], "little")
        last, kind = bool(head & 1), head >> 1 & 3
        at += _BLOCK_HEAD + (1 if kind == _REPEATED else head >> 3)
        if at > len(data):
            raise ValueError("no zstd frame: it is cut")
    if at + (_CHECKSUM if zstandard.get_frame_parameters(data).has_checksum else 0) > len(data):
        raise ValueError("no zstd frame: it is cut")


def _unpacker() -> zstandard.ZstdDecompressor:
    """This thread's own; only one thread may use one."""
    made = getattr(_of_thread, "unpacker", None)
    if made is None:
        made = _of_thread.unpacker = zstandard.ZstdDecompressor()
    return made


def _lines(data: bytes) -> Iterator[list[bytes]]:
    """The lines of a chunk, many at a time; of its text no more is there than a piece and a line.

    Raises:
        ValueError: as `decompress`; or a line is longer than any event can be.
    """
    rest = b""
    for piece in _unpacked(data):
        *lines, rest = (rest + piece).split(b"\n")
        yield lines
        if len(rest) > _LINE_BYTES:
            raise ValueError(f"a line of it is more than {_LINE_BYTES} bytes")
    yield [rest]


def store_chunks(blobs: BlobStore, session: str, first: int, end: int, events: Sequence[Event]) -> tuple[ChunkRef, ...]:
    """`store_lines` of events that are not encoded yet."""
    return store_lines(blobs, session, first, end, [encode(event) for event in events])


def store_lines(blobs: BlobStore, session: str, first: int, end: int, lines: Sequence[bytes]) -> tuple[ChunkRef, ...]:
    """Store encoded events as chunks of a session; none where there are none.

    Args:
        blobs: where.
        session: whose events.
        first: the number of the first event.
        end: the number after the last; where some are missing (a damaged journal) the last chunk stands for them.
        lines: the events.

    Raises:
        StorageProblem: the disk refused.
    """
    found: list[ChunkRef] = []
    for count, data in pack_lines(session, lines):
        found.append(ChunkRef(blobs.put(data, twice=True), first, first + count))
        first += count
    if found and first < end:
        found[-1] = replace(found[-1], end=end)
    return tuple(found)


def pack_lines(session: str, lines: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Pack encoded events as chunks, each with how many it stands for: one, unless they are more than one may hold."""
    replaced = _replaced(lines)
    count, size, kept = 0, 0, list[bytes]()
    for number, line in enumerate(lines):
        told = b"" if number in replaced else line
        if size + len(told) >= CHUNK_PLAIN_BYTES and kept:
            yield count, compress(_owner_line(session) + b"".join(kept))
            count, size, kept = 0, 0, []
        count += 1
        if told:
            size += len(told) + 1
            kept += (told, b"\n")
    if count:
        yield count, compress(_owner_line(session) + b"".join(kept))


def pack(session: str, texts: Iterable[bytes]) -> bytes:
    """One chunk of what some neighbouring ones say (unpacked), leaving out what is now replaced.

    Raises:
        ValueError: a line is no event.
    """
    lines = [line for text in texts for line in text.split(b"\n") if line and not line.startswith(_OWNER)]
    replaced = _replaced(lines)
    kept = (line for number, line in enumerate(lines) if number not in replaced)
    return compress(_owner_line(session) + b"".join(line + b"\n" for line in kept))


def owner(text: bytes) -> str | None:
    """The session whose own a chunk (unpacked) is; None for one of an earlier version, which several may share."""
    first = text.partition(b"\n")[0]
    if not first.startswith(_OWNER):
        return None
    return str(json.loads(first)["session"])


def _owner_line(session: str) -> bytes:
    return _OWNER + json.dumps(session).encode() + b"}\n"


def _replaced(lines: Sequence[bytes]) -> set[int]:
    """Which lines a sealed segment among them stands for; only what is of segments is looked into."""
    sealed = {_place(decode(line)) for line in lines if line.startswith(_SEALED)}
    if not sealed:
        return set()
    return {number for number, line in enumerate(lines) if line.startswith(_GROWING) and _place(decode(line)) in sealed}


def _place(event: Event) -> tuple[str, int]:
    if not isinstance(event, FragmentWritten | SegmentOpened | SegmentSealed):
        raise ValueError("no event: a line of it tells of two types")
    return event.track, event.segment


def decode_chunk(data: bytes, wanted: Wanted | None = None) -> Iterator[Event]:
    """Read a chunk.

    Args:
        data: the chunk.
        wanted: asked for each event, as bytes, before it is decoded; None for all of them.

    Raises:
        ValueError: it is no chunk, or a line of it is no event.
    """
    for lines in _lines(data):
        yield from decode_lines(_chosen(_told(lines), wanted))


@dataclass(slots=True)
class ReadChunk:
    """What of a chunk opens: a line of it that is no event costs itself alone.

    Attributes:
        events: those that were wanted and opened.
        lines: how many events the chunk has, whatever they are.
        refused: the index of the first line that is no event, and that after the last; None where all are.
        around: how many of `events` come before the first of those, and before or between them.
    """

    events: list[Event] = field(default_factory=list)
    lines: int = 0
    refused: tuple[int, int] | None = None
    around: tuple[int, int] = (0, 0)

    def take(self, lines: list[bytes], wanted: Wanted | None) -> None:
        """Read some more lines."""
        if isinstance(wanted, Choice) and not wanted.inside:
            # Most of an hour is what is left out: it is passed over first, and only the rest is looked at again.
            kept = wanted.of(lines)
            chosen = _told(kept)
            count = len(lines) - len(kept) + len(chosen)
        else:
            told = _told(lines)
            chosen, count = _chosen(told, wanted), len(told)
        bad: list[int] = []
        events = decode_lines(chosen, bad.append)
        if bad:
            told = _told(lines)
            first, last = (_nth(told, wanted, index) for index in (bad[0], bad[-1]))
            before, until = bad[0], bad[-1] + 1 - len(bad)
            if self.refused is None:
                self.refused, self.around = (self.lines + first, 0), (len(self.events) + before, 0)
            self.refused = self.refused[0], self.lines + last + 1
            self.around = self.around[0], len(self.events) + until
        self.events += events
        self.lines += count


def read_chunk(data: bytes, wanted: Wanted | None = None) -> ReadChunk:
    """Read what of a chunk opens.

    Args:
        data: the chunk.
        wanted: as of `decode_chunk`; of what it refuses nobody looks whether it is an event.

    Raises:
        ValueError: it is no chunk.
    """
    found = ReadChunk()
    for lines in _lines(data):
        found.take(lines, wanted)
    return found


def _told(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if line and not line.startswith(_OWNER)]


def _chosen(lines: list[bytes], wanted: Wanted | None) -> list[bytes]:
    if isinstance(wanted, Choice):
        return wanted.of(lines)
    return lines if wanted is None else list(filter(wanted, lines))


def _nth(lines: list[bytes], wanted: Wanted | None, n: int) -> int:
    """The index of the n-th line that is chosen."""
    return n if wanted is None else [index for index, line in enumerate(lines) if wanted(line)][n]


def recorded_lines(data: bytes) -> Iterator[bytes]:
    """The events of a chunk, encoded, without those that a sealed segment may have replaced: the same however packed.

    Raises:
        ValueError: it is no chunk.
    """
    for lines in _lines(data):
        yield from (line for line in lines if line and not line.startswith((_OWNER, *_GROWING)))


def encode_json(value: dict[str, Any]) -> bytes:
    """Write an artifact."""
    return compress(json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode())


def decode_json(data: bytes) -> dict[str, Any]:
    """Read an artifact.

    Raises:
        ValueError: it is no compressed JSON object.
    """
    return json_object(decompress(data))


def json_object(text: bytes) -> dict[str, Any]:
    """Parse an artifact that is unpacked.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value
