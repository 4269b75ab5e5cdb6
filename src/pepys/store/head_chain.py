"""Whether what two devices recorded of a session is one recording, of which one of them knows more.

Two devices can go on with one interrupted session. Then neither chain of events is the beginning of the other, nothing
can make one of them, and taking either would hide what the other acknowledged: whoever brings heads together asks here
first. Invariants: the answer does not depend on how events were packed (a merge leaves out what a sealed segment
replaced), and chunks that both name are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from pepys.errors import Damaged
from pepys.model.manifest import ChunkRef, Manifest
from pepys.store.chunks import recorded_lines
from pepys.store.head_merge import Read

TWO_RECORDINGS: Final = (
    "it was gone on with on two devices, and their recordings cannot become one: each device keeps its own; "
    "pepys export there makes a file of it (pepys rm deletes both)"
)


def is_one_recording(one: Manifest, other: Manifest, read: Read) -> bool:
    """Whether the events of one are all that the other knows, or their beginning. A deleted session has none.

    Args:
        one: a manifest of a session.
        other: another one of it.
        read: the content of a blob; NotFound and Damaged as `BlobStore.read`.

    Raises:
        NotFound, Damaged: a chunk that only one of them names cannot be read, so that nobody can tell.
    """
    if "deleted" in {one.state, other.state}:
        return True
    part, whole = sorted((one, other), key=lambda manifest: manifest.next_event)
    same = sum(1 for _ in _shared(part.chunks, whole.chunks))
    rest = part.chunks[same:]
    if not rest:
        return True
    for known, beside in zip_longest(_lines(rest, read), _lines(whole.chunks[same:], read)):
        if known is None:
            return True
        if known != beside:
            return False
    return True


def _shared(one: Sequence[ChunkRef], other: Sequence[ChunkRef]) -> Iterator[ChunkRef]:
    for known, beside in zip(one, other, strict=False):
        if known != beside:
            return
        yield known


def _lines(chunks: Sequence[ChunkRef], read: Read) -> Iterator[bytes]:
    for chunk in chunks:
        try:
            yield from recorded_lines(read(chunk.blob))
        except ValueError as error:
            raise Damaged(f"the blob {chunk.blob} is no chunk: {error}", "restore it from a backup") from error
