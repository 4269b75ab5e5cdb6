"""Deleting a session: a tombstone stays, everything else of it goes, except what another session refers to too.

Invariants: once the tombstone's head is durable the session is gone for every reader; a list written before it names
the blobs still to free, so that a kill only delays them; no blob that a head or a journal refers to is deleted, not
even one that a writer found to be equal to its own a moment ago.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from pepys.errors import Damaged, NotFound, Partial
from pepys.limits import REUSE_GRACE_NS
from pepys.model.manifest import Edit, Head, Manifest, encode_edits
from pepys.store.edits import first_edit
from pepys.store.journal import Journal
from pepys.store.journal_reader import JournalReader
from pepys.store.merging import finish_merges
from pepys.store.reader import (
    chunk_events,
    journal_events,
    live_sessions,
    no_levels,
    read_root,
    session_ids,
    settled,
)
from pepys.store.references import event_reference, root_references
from pepys.store.removals import REMOVAL, drop_list, listed_sessions, read_list, write_list
from pepys.store.store import Store
from pepys.store.trigger import reach


def remove(store: Store, session: str) -> int:
    """Delete a session.

    Returns:
        The bytes of disk that were freed.

    Raises:
        Busy: it is being recorded.
        NotFound: there is none of that id, or it was deleted before.
        Partial: it is deleted, but another session is damaged, so that nobody can tell which blobs that one needs.
    """
    path = store.journal_path(session)
    head, current = read_root(store, session)
    if current.state == "deleted":
        raise NotFound(f"session {session} was deleted already", "pepys list shows what there is")
    for unfinished in unfinished_removals(store):
        finish_removal(store, unfinished)
    finish_merges(store)
    journal = Journal.open_for_append(path, store.keys, disk=store.disk) if store.has_journal(session) else None
    try:
        blobs = sorted({*_told_blobs(store, session), *([head.previous] if head.previous else [])})
        write_list(store, session, REMOVAL, blobs)
        freed = journal.offset if journal else 0
        _bury(store, session, current)
        reach("remove.buried")
        store.blobs.discard_open(f"{session}-")
        if journal:
            journal.remove()
    finally:
        if journal:
            journal.close()
    return freed + finish_removal(store, session)


def unfinished_removals(store: Store) -> list[str]:
    """The sessions whose removal was cut short."""
    return listed_sessions(store, REMOVAL)


def finish_removal(store: Store, session: str) -> int:
    """Free the blobs on a removal's list; returns the bytes freed. Repeatable.

    Raises:
        Partial: as `remove`; the list stays.
    """
    blobs = read_list(store, session, REMOVAL)
    if blobs is None:
        return 0
    freed, waiting = 0, list[str]()
    if read_root(store, session)[1].state == "deleted":
        freed, waiting = _free(store, blobs)
    if waiting:
        write_list(store, session, REMOVAL, waiting)
    else:
        drop_list(store, session, REMOVAL)
    return freed


def _free(store: Store, blobs: list[str]) -> tuple[int, list[str]]:
    """Delete those that nobody refers to; returns the bytes freed, and the blobs to look at again later."""
    with store.blobs.deleting():
        # A head's writer holds this lock until its reference is durable, so the marking below sees what came before;
        # who refers to one later marks it as used, which the second look sees.
        used = {blob: store.blobs.used_ns(blob) for blob in blobs}
    # A recorder stores first and refers a moment later: what a living one may just have met again must wait.
    young_ns = store.clock.wall_ns() - REUSE_GRACE_NS if live_sessions(store) else None
    marked = _marked(store)
    freed, waiting = 0, list[str]()
    with store.blobs.deleting():
        for blob, at in used.items():
            if at is None or blob in marked or store.blobs.used_ns(blob) != at:
                continue
            if young_ns is not None and at > young_ns:
                waiting.append(blob)
                continue
            freed += store.blobs.delete(blob)
            reach("remove.deleted")
    return freed, waiting


def _marked(store: Store) -> set[str]:
    """Every blob that any head or journal refers to.

    Raises:
        Partial: a session does not open.
    """
    marked: set[str] = set()
    for session in session_ids(store):
        try:
            # Of one that is recorded, chunks may be merged meanwhile.
            marked.update(settled(store, session, lambda head, current: set(_blobs(store, head, current))))
        except (Damaged, NotFound) as error:
            if isinstance(error, NotFound) and _never_began(store, session):
                continue
            raise Partial(
                f"the session is deleted, but its blobs stay: {error.message}",
                "run pepys verify, restore or delete the damaged session; the rest is then freed",
            ) from error
    return marked


def _never_began(store: Store, session: str) -> bool:
    """Whether a session is a journal without any event: its first one was refused, so that nothing can be named."""
    try:
        reader = JournalReader(store.journal_path(session), store.keys, disk=store.disk)
        return not any(True for _ in reader.read()) and not reader.damaged and reader.next_event == 0
    except (Damaged, NotFound):
        return False


def _told_blobs(store: Store, session: str) -> Iterator[str]:
    """The blobs of a session that can still be told."""
    with contextlib.suppress(Damaged, NotFound):
        yield from _blobs(store, *read_root(store, session))


def _blobs(store: Store, head: Head, current: Manifest) -> Iterator[str]:
    """The blobs that a manifest and its events refer to."""
    for reference in root_references(head, current):
        yield reference.blob
    if current.state == "deleted":
        return  # a kill may have left its journal, which keeps nothing any more
    for event in (*chunk_events(store, current, no_levels), *journal_events(store, current, no_levels)):
        found = event_reference(event)
        if found is not None:
            yield found.blob


def _bury(store: Store, session: str, current: Manifest) -> None:
    """Put the tombstone in the head's place."""
    now_ns = store.clock.wall_ns()
    log = encode_edits((first_edit(session, now_ns), Edit(1, now_ns, "delete")))
    device = store.keys.device_id

    def change(now: Manifest) -> Manifest:
        return replace(
            now, state="deleted", name="", chunks=(), artifacts=(), journal_offset=0,
            edits={device: store.blobs.put(log)},
        )  # fmt: skip

    store.heads.update(session, change, current)
