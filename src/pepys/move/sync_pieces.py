"""What a session consists of, for who moves it, and moving a few pieces of it at once.

Owns the order in which the blobs of a session are told (those of media as soon as their chunk is read) and the bound on
what is held in memory: so many pieces at once as threads, each at most one blob. The first error that concerns more
than one piece ends all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.model.event_lines import beginning
from pepys.model.events import InitWritten, SegmentSealed, ShotTaken
from pepys.model.manifest import Head, Manifest
from pepys.move.sync_told import Left
from pepys.remote_limits import SYNC_AT_ONCE
from pepys.store.chunks import read_chunk
from pepys.store.references import Reference, event_reference, root_references

_NAMING: Final = tuple(beginning(kind) for kind in (InitWritten, SegmentSealed, ShotTaken))
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


def roots(head: Head, manifest: Manifest) -> list[Reference]:
    """The blobs that the manifest names by itself, each once; the manifest is not among them."""
    found = {one.blob: one for one in root_references(head, manifest) if one.what != "manifest"}
    return list(found.values())


def media(manifest: Manifest, read: Callable[[str], bytes]) -> Iterator[tuple[Reference, int]]:
    """The inits, segments and shots of a session, each once, with the bytes of what they hold as far as that is told.

    A chunk that does not open gives none.

    Args:
        manifest: whose chunks.
        read: the content of a blob; NotFound and Damaged as `BlobStore.read`.
    """
    told: set[str] = set()
    for chunk in manifest.chunks:
        try:
            for event in read_chunk(read(chunk.blob), _names).events:
                found = event_reference(event)
                if found is not None and found.blob not in told:
                    told.add(found.blob)
                    yield found, event.bytes if isinstance(event, SegmentSealed | ShotTaken) else 0
        except (NotFound, Damaged, ValueError):
            continue


def _names(event: bytes) -> bool:
    return event.startswith(_NAMING)


def left_of(session: str, reference: Reference, reason: str, *, damaged: bool = True) -> Left:
    """What is left out of a session, with its track and time."""
    return Left(session, reference.what, reason, damaged, reference.track, reference.start_ns, reference.end_ns)


def bare(error: Damaged | NotFound) -> Damaged | NotFound:
    """The same error without its traceback and cause: they hold what was read, up to 17 MiB for each that is kept."""
    return type(error)(error.message, error.remedy)


class Movers:
    """A few threads; use it with `with`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(SYNC_AT_ONCE, "pepys-sync")
        self._fault: StorageProblem | None = None

    def __enter__(self) -> Movers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def each(self, items: Iterable[_Item], move: Callable[[_Item], _Made]) -> Iterator[_Made]:
        """Move each item; what came of it, in order. No more are begun than there are threads, and as many waiting."""
        waiting: deque[Future[_Made]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(self._move, move, item))
                if len(waiting) >= 2 * SYNC_AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()

    def _move(self, move: Callable[[_Item], _Made], item: _Item) -> _Made:
        """Move one item, unless the remote has failed for another one: it would be tried as often again for this."""
        if self._fault is not None:
            raise self._fault
        try:
            return move(item)
        except StorageProblem as error:
            self._fault = error
            raise
