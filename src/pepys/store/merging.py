"""Merging a session's small chunks into few, so that a long recording stays a handful of blobs.

A recording seals a chunk every few minutes; when a dozen have come together, and when the session ends or is
recovered, neighbours are packed into one. Only chunks that bear the session's name (`chunks.owner`) are touched: no
other session can refer to those, so that the replaced ones may go at once.

Invariants: a list of the blobs concerned (`removing/SESSION.chunks`) is durable before the first new one; the head
moves on before the first old one goes; of what a kill or an error leaves, everything on the list that no manifest names
is deleted by the session's next merge or by `finish_merges`. Whoever touches the list holds the lock of the session's
merges, from before it is read until it is gone; and what the manifest names is read, and the rest deleted, while no
head can be replaced: so nothing goes that a head names, whoever else is at it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from pepys.errors import Damaged, NotFound, PepysError
from pepys.limits import CHUNK_MERGED_BYTES, CHUNK_MERGED_PLAIN_BYTES
from pepys.model.manifest import ChunkRef, Manifest
from pepys.store.chunks import decompress, owner, pack, read_chunk
from pepys.store.files import locked
from pepys.store.journal import journal_locked
from pepys.store.removals import MERGE, drop_list, listed_sessions, read_list, write_list
from pepys.store.store import Store
from pepys.store.trigger import reach

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbours that become one chunk."""

    old: tuple[ChunkRef, ...]
    data: bytes

    def ref(self, blob: str) -> ChunkRef:
        """The chunk in their place."""
        return ChunkRef(blob, self.old[0].first, self.old[-1].end)


def merge_chunks(store: Store, session: str, least: int = 2) -> bool:
    """Pack what is small; returns whether anything was.

    Args:
        store: where.
        session: whose chunks.
        least: nothing is done for fewer small chunks than these.

    Raises:
        NotFound: no such session.
        StorageProblem: it cannot be written; the session is as it was.
        Damaged: a chunk does not open; the session is as it was.
    """
    current = store.heads.manifest(session)[1]
    if sum(_is_small(store, chunk) for chunk in current.chunks) < least:
        return False
    with _merging(store, session):
        # Its list would be written over, and its blobs forgotten.
        _finish(store, session)
        current = store.heads.manifest(session)[1]
        runs = list(_runs(store, current))
        if not runs:
            return False
        try:
            _exchange(store, session, runs)
        except (PepysError, OSError):
            # A disk that is full gets back at once what was stored in vain.
            with contextlib.suppress(PepysError, OSError):
                _finish(store, session)
            raise
        _finish(store, session)
    return True


def merge_if_possible(store: Store, session: str, least: int = 2) -> None:
    """`merge_chunks` for who has better to do: what fails is told in the log and can wait, nothing is lost without."""
    try:
        merge_chunks(store, session, least)
    except (PepysError, OSError, ValueError, AssertionError) as error:
        _LOG.warning("the chunks of session %s are not merged: %s: %s", session, type(error).__name__, error)


def finish_merges(store: Store) -> int:
    """Free what merges that were cut short left; returns the bytes freed. Those of living recorders are left alone.

    What cannot be freed now stays on its list, and is told in the log.
    """
    freed = 0
    try:
        sessions = listed_sessions(store, MERGE)
    except PepysError as error:
        _LOG.warning("the lists of merges are not looked at: %s", error)
        return 0
    for session in sessions:
        # A session that does not open keeps its blobs; `verify` tells of it.
        try:
            if not journal_locked(store.journal_path(session), disk=store.disk):
                with _merging(store, session):
                    freed += _finish(store, session)
        except (PepysError, OSError) as error:
            _LOG.warning("what a merge of session %s left is kept: %s", session, error)
    return freed


def _merging(store: Store, session: str) -> AbstractContextManager[None]:
    """The lock of a session's merges: held for all of one, beside that of its heads, which goes on moving."""
    return locked(store.path / "locks" / f"{session}.merge.lock", disk=store.disk)


def _exchange(store: Store, session: str, runs: list[_Run]) -> None:
    """List, store, move the head."""
    new = {store.blobs.id_of(run.data): run for run in runs}
    old = {chunk.blob for run in runs for chunk in run.old} - set(new)
    write_list(store, session, MERGE, sorted({*old, *new}))
    reach("merge.listed")
    for run in runs:
        store.blobs.put(run.data, twice=True)
    reach("merge.stored")
    replaced = {run.old: run.ref(blob) for blob, run in new.items()}
    store.heads.update(session, lambda now: replace(now, chunks=_exchanged(now.chunks, replaced)))
    reach("merge.moved")


def _finish(store: Store, session: str) -> int:
    """Delete what the list names and no manifest does, then the list; the caller holds the lock of the merges."""
    blobs = read_list(store, session, MERGE)
    if blobs is None:
        return 0
    freed = 0
    # A head that moves meanwhile would find its blobs gone: it moves before or after, and then finds them missing.
    with store.blobs.deleting():
        kept = {chunk.blob for chunk in store.heads.manifest(session)[1].chunks}
        for blob in blobs:
            if blob not in kept:
                freed += store.blobs.delete(blob)
                reach("merge.freed")
        store.blobs.settle(blob for blob in blobs if blob not in kept)
    drop_list(store, session, MERGE)
    return freed


def _runs(store: Store, current: Manifest) -> Iterator[_Run]:
    """Neighbours that are small and the session's own, as many together as a merged chunk may hold."""
    old: list[ChunkRef] = []
    texts: list[bytes] = []
    packed = plain = 0
    for chunk in current.chunks:
        text = _own_text(store, current.session, chunk)
        size = store.blobs.file_bytes(chunk.blob)
        full = packed + size > CHUNK_MERGED_BYTES or plain + len(text or b"") > CHUNK_MERGED_PLAIN_BYTES
        if text is None or full:
            if len(old) > 1:
                yield _Run(tuple(old), pack(current.session, texts))
            old, texts, packed, plain = [], [], 0, 0
        if text is not None:
            old.append(chunk)
            texts.append(text)
            packed, plain = packed + size, plain + len(text)
    if len(old) > 1:
        yield _Run(tuple(old), pack(current.session, texts))


def _own_text(store: Store, session: str, chunk: ChunkRef) -> bytes | None:
    """What a small chunk of this session says.

    None of a large one, of one that another session may share, and of one that holds what is no event: in a larger one
    it would be closer to more of them.
    """
    if not _is_small(store, chunk):
        return None
    try:
        data = store.blobs.read(chunk.blob)
        text = decompress(data)
    except (NotFound, ValueError) as error:
        raise Damaged(f"a chunk of session {session}: {error}", "pepys verify tells what is damaged") from error
    return text if owner(text) == session and read_chunk(data).refused is None else None


def _is_small(store: Store, chunk: ChunkRef) -> bool:
    # A merged chunk that is nearly full is left alone, rather than written again for little.
    return store.blobs.file_bytes(chunk.blob) < CHUNK_MERGED_BYTES // 2


def _exchanged(chunks: tuple[ChunkRef, ...], replaced: dict[tuple[ChunkRef, ...], ChunkRef]) -> tuple[ChunkRef, ...]:
    """The chunks with each run that is still there exchanged for its one."""
    for old, new in replaced.items():
        at = next((n for n, chunk in enumerate(chunks) if chunk == old[0]), None)
        if at is not None and chunks[at : at + len(old)] == old:
            chunks = (*chunks[:at], new, *chunks[at + len(old) :])
    return chunks
