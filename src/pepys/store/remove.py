"""Deleting a session: a tombstone stays, everything else of it goes, except what another session refers to too.

Invariants: once the tombstone's head is durable the session is gone for every reader; nothing comes to it between what
is listed and the tombstone; the list, written before that, names the blobs still to free, so that a kill only delays
them, and goes when they are gone for sure; no blob that a head or a journal refers to is deleted, not even one that a
writer found to be equal to its own a moment ago. A damaged session can be deleted too: a tombstone needs its id alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from pepys.errors import Busy, Damaged, NewerFormat, NotFound, Partial, StorageProblem
from pepys.limits import REUSE_GRACE_NS
from pepys.model.manifest import Edit, Head, Manifest, encode_edits
from pepys.store.behind import forget_kept
from pepys.store.edits import finish_edits, first_edit
from pepys.store.files import remove_file
from pepys.store.heads_taken import sealed_heads
from pepys.store.journal import Journal, journal_locked
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
from pepys.store.removal_room import give_room, is_full, keep_room
from pepys.store.removal_told import told_blobs
from pepys.store.removals import REMOVAL, drop_list, listed_sessions, read_list, write_list
from pepys.store.store import Store
from pepys.store.trigger import reach


def remove(store: Store, session: str) -> int:
    """Delete a session, also one that is damaged: its tombstone needs no more than its id.

    Returns:
        The bytes of disk that were freed.

    Raises:
        Busy: it is being recorded.
        NotFound: there is none of that id, or it was deleted before.
        Partial: it is deleted, but it is damaged, so that nobody can tell all blobs that it had; or another one is, so
            that nobody can tell which that one needs.
    """
    try:
        return _remove(store, session)
    except StorageProblem as error:
        # Who has no room must be able to make some: a list and a tombstone need a little.
        if not is_full(error) or not give_room(store):
            raise
    try:
        return _remove(store, session)
    finally:
        keep_room(store)


def _remove(store: Store, session: str) -> int:
    _current(store, session)
    finish_merges(store)
    finish_edits(store)
    with contextlib.ExitStack() as ending:
        # Nobody edits, enriches or resumes it between what is listed and the tombstone.
        with store.heads.lock(session):
            current = _current(store, session)
            journal = _taken(store, session)
            if journal:
                ending.callback(journal.close)
            whole = _list(store, session)
            _bury(store, session, current)
        reach("remove.buried")
        freed = journal.offset if journal else 0
        _let_go(store, session, journal)
    freed += finish_removal(store, session)
    for unfinished in unfinished_removals(store):
        with contextlib.suppress(Partial, Damaged, NotFound, Busy):
            finish_removal(store, unfinished)
    if not whole:
        told = (
            f"session {session} is deleted, but a part of it was damaged: what only that named is not known, and stays"
        )
        raise Partial(told, "pepys verify counts the blobs that belong to nothing")
    return freed


def _current(store: Store, session: str) -> Manifest | None:
    """The manifest of a session that is to be deleted; None where it does not open."""
    try:
        current = read_root(store, session)[1]
    except NewerFormat:
        raise
    except Damaged:
        return None
    if current.state == "deleted":
        raise NotFound(f"session {session} was deleted already", "pepys list shows what there is")
    return current


def _taken(store: Store, session: str) -> Journal | None:
    """The journal of a dead recorder; None where there is none that opens."""
    path = store.journal_path(session)
    try:
        return Journal.open_for_append(path, store.keys, disk=store.disk) if store.has_journal(session) else None
    except NotFound:
        return None
    except NewerFormat:
        raise
    except Damaged:
        if journal_locked(path, disk=store.disk):
            raise Busy(f"session {session} is being recorded", "stop it first") from None
        return None


def _list(store: Store, session: str) -> bool:
    """Name durably what is to be freed; whether that is all that the session had."""
    blobs, whole = told_blobs(store, session)
    with contextlib.suppress(Damaged):
        blobs.update(read_list(store, session, REMOVAL) or ())
    write_list(store, session, REMOVAL, sorted(blobs))
    return whole


def _let_go(store: Store, session: str, journal: Journal | None) -> None:
    """Delete what of a deleted session is no blob."""
    store.blobs.discard_open(f"{session}-")
    path = store.journal_path(session)
    if journal:
        journal.remove()
    elif store.disk.is_file(path):
        remove_file(path, store.disk)
    store.heads.forget_damaged(session)


def remove_by(store: Store, session: str, bury: Callable[[], object]) -> int:
    """Free what a session had that another device deleted; `bury` puts that device's tombstone in its place.

    Returns:
        The bytes of disk that were freed.

    Raises:
        Busy: it is being recorded here.
        Partial: as `remove`.
    """
    with contextlib.ExitStack() as ending:
        journal = _taken(store, session)
        if journal:
            ending.callback(journal.close)
        _list(store, session)
        bury()
        reach("remove.taken")
        # What came to it until then.
        _list(store, session)
        _let_go(store, session, journal)
    return finish_removal(store, session)


def unfinished_removals(store: Store) -> list[str]:
    """The sessions whose removal was cut short."""
    return listed_sessions(store, REMOVAL)


def finish_removal(store: Store, session: str) -> int:
    """Free the blobs on a removal's list; returns the bytes freed. Repeatable.

    Raises:
        Busy: somebody is at its journal.
        Partial: as `remove`; the list stays.
    """
    blobs = read_list(store, session, REMOVAL)
    if blobs is None:
        return 0
    freed, waiting = 0, list[str]()
    if read_root(store, session)[1].state == "deleted":
        journal = _taken(store, session)
        try:
            _let_go(store, session, journal)
        finally:
            if journal:
                journal.close()
        freed, waiting = _free(store, blobs)
        store.left.forget(session)
    # What the list named must not be back, after a power cut, when the list is gone.
    store.blobs.settle(blob for blob in blobs if not store.blobs.exists(blob))
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
    forget_kept(store.path, store.disk, (blob for blob in blobs if blob not in marked))
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
    """Whether a session is a journal without any event, or a folder without a head: nothing is named by it yet."""
    try:
        reader = JournalReader(store.journal_path(session), store.keys, disk=store.disk)
        return not any(True for _ in reader.read()) and not reader.damaged and reader.next_event == 0
    except NotFound:
        return not sealed_heads(store, session)  # a pull that was cut short made their folder
    except Damaged:
        return False


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


def _bury(store: Store, session: str, current: Manifest | None) -> None:
    """Put the tombstone in the head's place; the caller holds the session's lock."""
    now_ns = store.clock.wall_ns()
    log = encode_edits((first_edit(session, now_ns), Edit(1, now_ns, "delete")))
    edits = {store.keys.device_id: store.blobs.put(log, twice=True)}

    def change(now: Manifest) -> Manifest:
        return replace(now, state="deleted", name="", chunks=(), artifacts=(), journal_offset=0, edits=edits)

    if current is None:
        store.heads.bury_locked(session, change(Manifest(session, "deleted", "", 0)))
    else:
        store.heads.update_locked(session, change, current)
