"""Changes to a session beside its recording: edits by the user, artifacts by enrichment. Both move the head.

Edits are an append-only log for each device; the fold applies the logs of all devices in the order of their wall time.
A log begins with an entry that names its session, so that no two sessions ever share its blob. One that does not open
is neither replaced nor forgotten: the device goes on in another one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pepys.errors import Damaged, NotFound
from pepys.model.manifest import ArtifactRef, Edit, Head, Manifest, decode_edits, encode_edits
from pepys.store.chunks import encode_json
from pepys.store.store import Store

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
    replaced: list[str] = []

    def change(current: Manifest) -> Manifest:
        _refuse_deleted(current)
        device, log = _own_log(store, current)
        old = current.edits.get(device)
        log = log or (first_edit(session, now_ns),)
        # Two changes within one tick of the clock, or after it stepped back, still apply in the order they were made.
        at_ns = max(now_ns, log[-1].wall_ns)
        first = log[-1].counter + 1
        added = tuple(Edit(first + index, at_ns, op, values) for index, (op, values) in enumerate(changes))
        blob = store.blobs.put(encode_edits((*log, *added)))
        if old and old != blob:
            replaced.append(old)
        return replace(current, edits={**current.edits, device: blob})

    head = store.heads.update(session, change)
    for old in replaced:
        # A log is its session's own: what replaced it holds all of it. A kill before this leaves it, unreferenced.
        store.blobs.delete(old)
    return head


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
    stored = []
    for ref, content in artifacts:
        _note_cost(store, session, ref)
        stored.append((replace(ref, blob=store.blobs.put(encode_json(content)) if content else ""), content))
    fresh = {(ref.stage, ref.unit): ref for ref, _ in stored}

    def change(current: Manifest) -> Manifest:
        _refuse_deleted(current)
        for ref, content in stored:
            if ref.blob and not store.blobs.exists(ref.blob):
                # A removal freed it between the two steps.
                store.blobs.put(encode_json(content))
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
