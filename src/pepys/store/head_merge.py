"""What several devices know of one session, as one manifest.

Owns the rule by which the manifests of all devices' heads become one. Invariants: the result depends on the manifests
and on the order of their heads, not on the device that asks, so that all who have the same heads see the same session;
one that was built upon another (its head is further, nothing of the other is missing in it) gives itself; nothing that
one device edited is lost because another one edited too; nothing undoes a deletion.

What was recorded comes from the manifest that holds the most events: a device that merely edits what another one still
records knows fewer. Two devices that both went on with one interrupted session cannot be made one: `head_chain` tells
them apart, and no sync brings them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pepys.errors import Damaged, NotFound
from pepys.model.manifest import ArtifactRef, Edit, Head, Manifest, decode_edits

Read = Callable[[str], bytes]
"""Reads a blob; NotFound and Damaged as `BlobStore.read`."""


def joined(found: Sequence[tuple[Head, Manifest]], read: Read) -> tuple[Head, Manifest]:
    """The head to go on from, and the manifest of all.

    Args:
        found: heads with their manifests, the furthest last.
        read: reads edit logs, where two devices name different versions of one.
    """
    *_, (head, last) = found
    for other, known in reversed(found):
        if known.state == "deleted":
            return other, known
    # Of the same events those that were merged: the chunks before may be gone.
    _, content = max(
        (((known.next_event, -len(known.chunks), at), known) for at, (_, known) in enumerate(found)),
        key=lambda item: item[0],
    )
    made = replace(content, artifacts=_artifacts(found), edits=_edits(found, read))
    return head, last if made == last else made


def _artifacts(found: Sequence[tuple[Head, Manifest]]) -> tuple[ArtifactRef, ...]:
    """Of each unit of work what the furthest head has of it, in that one's order; then what only others have."""
    known: dict[tuple[str, str], ArtifactRef] = {}
    for _, manifest in reversed(found):
        for ref in manifest.artifacts:
            known.setdefault((ref.stage, ref.unit), ref)
    return tuple(known.values())


def _edits(found: Sequence[tuple[Head, Manifest]], read: Read) -> dict[str, str]:
    """Of each device the log that goes furthest.

    Two of which neither holds the other come from two copies of one home: both are kept, one under another name.
    """
    edits: dict[str, str] = {}
    for _, manifest in reversed(found):
        for device, blob in manifest.edits.items():
            known = edits.get(device, blob)
            edits[device] = longer(known, blob, read)
            rest = known if edits[device] == blob else blob
            if rest != edits[device] and not begins(edits[device], rest, read):
                edits[f"{device}.{rest[3:11]}"] = rest
    return edits


def longer(one: str, other: str, read: Read) -> str:
    """Of two versions of a device's edit log the one that goes further; one that is gone was gone on with."""
    if one == other:
        return one
    lengths = {blob: len(log_of(blob, read) or ()) for blob in (one, other)}
    return max((one, other), key=lambda blob: (lengths[blob], blob))


def begins(whole: str, part: str, read: Read) -> bool:
    """Whether one edit log holds all that another one does; nobody can tell of one that does not open: then it does."""
    if whole == part:
        return True
    logs = log_of(whole, read), log_of(part, read)
    return logs[1] is None or (logs[0] is not None and logs[0][: len(logs[1])] == logs[1])


def log_of(blob: str, read: Read) -> tuple[Edit, ...] | None:
    """An edit log; None where it does not open."""
    try:
        return decode_edits(read(blob))
    except (NotFound, Damaged, ValueError):
        return None


def holds(whole: Manifest, part: Manifest, read: Read) -> bool:
    """Whether one manifest knows all that another one does: its events, its edits, and that it was deleted."""
    if "deleted" in {whole.state, part.state}:
        return whole.state == "deleted"
    if part.next_event > whole.next_event:
        return False
    known = set(whole.edits.values())
    return all(
        blob in known or (device in whole.edits and begins(whole.edits[device], blob, read))
        for device, blob in part.edits.items()
    )
