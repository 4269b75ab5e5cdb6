"""Changes to a session beside its recording: edits by the user, artifacts by enrichment. Both move the head.

Edits are an append-only log for each device; the fold applies the logs of all devices in the order of their wall time.
A log begins with an entry that names its session, so that no two sessions ever share its blob. One that does not open
is neither replaced nor forgotten: the device goes on in another one.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pepys.errors import Damaged, NotFound, PepysError
from pepys.model.manifest import (
    LATEST_NS,
    ArtifactRef,
    Edit,
    Head,
    Manifest,
    decode_edits,
    encode_edits,
    encode_manifest,
)
from pepys.store.chunks import encode_json
from pepys.store.head_blobs import own
from pepys.store.head_merge import log_of
from pepys.store.removals import EDIT, drop_list, listed_sessions, read_list, write_list
from pepys.store.store import Store
from pepys.store.trigger import reach

_LOG = logging.getLogger(__name__)
Change = tuple[str, dict[str, Any]]


def first_edit(session: str, wall_ns: int) -> Edit:
    """The entry with which a log begins."""
    return Edit(0, wall_ns, "log", {"session": session})


def apply_edit(store: Store, session: str, *changes: Change) -> Head:
    """Append changes, each `(op, values)`, to this device's edit log, durably.

    Args:
        store: where.
        session: whose log.
        changes: `("set", {"field", "value"})`, `("tag", {"value"})`, `("untag", {"value"})`,
            `("note", {"id", "at_ns", "text", "kind"})`; all or none of them happen.

    Raises:
        NotFound: no such session, or it was deleted.
        StorageProblem: it cannot be written.
    """
    now_ns = store.clock.wall_ns()

    def change(current: Manifest) -> Manifest:
        _refuse_deleted(current)
        device, log = _own_log(store, current)
        log = log or (first_edit(session, now_ns),)
        at_ns, first = _place(store, current, now_ns, log[-1])
        added = tuple(Edit(first + index, at_ns, op, values) for index, (op, values) in enumerate(changes))
        data = encode_edits((*log, *added))
        changed = replace(current, edits={**current.edits, device: store.blobs.id_of(data)})
        _list(store, changed)
        store.blobs.put(data, twice=True)
        return changed

    with store.heads.lock(session):
        # Its list would be written over, and its blobs forgotten.
        _finish(store, session)
        try:
            return store.heads.update_locked(session, change)
        finally:
            # What cannot be freed now stays on the list.
            with contextlib.suppress(PepysError, OSError):
                _finish(store, session)


def _place(store: Store, current: Manifest, now_ns: int, last: Edit) -> tuple[int, int]:
    """Wall time and counter that put a change behind all that are known.

    Those of other devices, too, whose clocks may be ahead; and those of one tick of the clock, or from before it
    stepped back. At the end of the numbers, where only hostile logs are, it may come before them.
    """
    known = [edit for log in current.edits.values() for edit in log_of(log, store.blobs.read) or ()]
    theirs = max((edit.wall_ns for edit in known if edit != last), default=0)
    at_ns = max(now_ns, last.wall_ns, min(theirs + 1, LATEST_NS))
    beside = max((edit.counter for edit in known if edit.wall_ns == at_ns), default=0)
    return at_ns, max(last.counter, min(beside, LATEST_NS // 2)) + 1


def finish_edits(store: Store) -> None:
    """Free what edits that were cut short left: logs and manifests that came not to be in force, or no longer are.

    What cannot be freed now stays on its list, and is told in the log.
    """
    for session in listed_sessions(store, EDIT):
        try:
            with store.heads.lock(session):
                _finish(store, session)
        except (PepysError, OSError) as error:
            _LOG.warning("what an edit of session %s left is kept: %s", session, error)


def _list(store: Store, changed: Manifest) -> None:
    """Name what an edit makes and what it may replace, durably: a kill leaves nothing that no list tells."""
    known = {store.blobs.id_of(encode_manifest(changed)), *changed.edits.values()}
    with contextlib.suppress(Damaged, NotFound):  # of another device, perhaps; what it leads to then stays
        known |= own(store, changed.session)
    write_list(store, changed.session, EDIT, sorted(known))
    reach("edit.listed")


def _finish(store: Store, session: str) -> None:
    """Delete what the list names and no head leads to, then the list; the caller holds the session's lock."""
    blobs = read_list(store, session, EDIT)
    if blobs is None:
        return
    # A log and a manifest are their session's own, as they name it: nobody else can refer to them.
    with store.blobs.deleting():
        kept = own(store, session)
        for blob in blobs:
            if blob not in kept:
                store.blobs.delete(blob)
                reach("edit.freed")
        store.blobs.settle(blob for blob in blobs if blob not in kept)
    drop_list(store, session, EDIT)


def add_artifacts(store: Store, session: str, artifacts: Iterable[tuple[ArtifactRef, dict[str, Any]]]) -> Head:
    """Store what stages made and refer to it, all with one move of the head; what it cost goes to the ledger first.

    Args:
        store: where.
        session: whose artifacts.
        artifacts: each with its content; the reference's own `blob` is filled in, and a reference with an empty
            content (a failed unit) keeps none. It replaces the one of the same stage and unit.

    Raises:
        NotFound: no such session, or it was deleted.
        Damaged: it cost something, and the ledger is damaged.
        StorageProblem: it cannot be written.
    """
    encoded = []
    for ref, content in artifacts:
        _note_cost(store, session, ref)
        encoded.append((ref, encode_json(content) if content else b""))

    def change(current: Manifest) -> Manifest:
        # Nothing is stored of a session that was deleted; nor is it deleted meanwhile, under the lock.
        _refuse_deleted(current)
        stored = (replace(ref, blob=store.blobs.put(data) if data else "") for ref, data in encoded)
        fresh = {(ref.stage, ref.unit): ref for ref in stored}
        kept = (ref for ref in current.artifacts if (ref.stage, ref.unit) not in fresh)
        return replace(current, artifacts=(*kept, *fresh.values()))

    return store.heads.update(session, change)


def _own_log(store: Store, current: Manifest) -> tuple[str, tuple[Edit, ...]]:
    """This device's log, and under which name the manifest has it: the first of them that opens, or is not there yet.

    One that does not open stays in its place, where a backup may bring it back; then it is applied again.
    """
    device, number = store.keys.device_id, 0
    while True:
        name = f"{device}.{number}" if number else device
        if name not in current.edits:
            return name, ()
        try:
            return name, decode_edits(store.blobs.read(current.edits[name]))
        except (Damaged, NotFound, ValueError):
            number += 1


def _note_cost(store: Store, session: str, ref: ArtifactRef) -> None:
    """Note in the ledger what an artifact cost, before it is kept: the money is spent, whatever becomes of it."""
    if not ref.cost_nanos:
        return
    from pepys.store.ledger import Ledger

    body = {"stage": ref.stage, "unit": ref.unit, "key": ref.key, "engine": ref.engine}
    Ledger(store).append("spend", session, ref.cost_nanos, body)


def _refuse_deleted(current: Manifest) -> None:
    if current.state == "deleted":
        raise NotFound(f"session {current.session} was deleted", "pepys list shows what there is")
