"""What the heads of all devices lead to in a session, the manifests before the last included.

Read for two reasons: to know what may be freed, where everything must open or nobody can tell; and to know what is
still told of a session whose newest manifest does not open. The caller of the first holds the session's lock.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from pepys.errors import Damaged, NewerFormat, NotFound
from pepys.model.manifest import Head, Manifest, decode_manifest
from pepys.store.head_files import COPY
from pepys.store.heads_taken import sealed_heads
from pepys.store.references import Reference
from pepys.store.store import Store


def own(store: Store, session: str) -> set[str]:
    """The blobs that the heads lead to and that no other session can refer to: manifests and edit logs.

    Raises:
        Damaged: a head or a manifest does not open, so that nobody can tell.
    """
    heads = sealed_heads(store, session)
    if unknown := {path.name.removesuffix(COPY) for path in store.heads.damaged(session)} - set(heads):
        raise Damaged(f"a head of session {session} does not open: {min(unknown)}", "restore it from a backup")
    found = set[str]()
    for data in heads.values():
        found |= store.heads.led_to(store.heads.opened(session, data))
    return found


def beside(store: Store, head: Head, current: Manifest) -> list[Reference]:
    """What the heads lead to beside the furthest one and what it says, of a session that is not deleted.

    That is the manifests of other devices, of which each may know what no other does, and those before the last, with
    their logs. One that is gone, of a head that tells of no edits, is left out: earlier versions freed it when another
    device had gone on with it.
    """
    try:
        heads = store.heads.every(head.session) if current.state != "deleted" else []
    except (Damaged, NotFound):
        return []
    others = {one.manifest for one in heads if one.edits or store.blobs.exists(one.manifest)} - {head.manifest}
    told = others | {head.manifest, *current.edits.values()}
    earlier = set[str]()
    for one in heads:
        with contextlib.suppress(Damaged):
            earlier |= store.heads.led_to(one)
    return [
        *(Reference(blob, "manifest of another device's head", twice=True) for blob in sorted(others)),
        *(
            Reference(blob, "what was edited before the last time", twice=True)
            for blob in sorted(earlier - told)
            if store.blobs.exists(blob)
        ),
    ]


def before(store: Store, session: str) -> list[Manifest]:
    """The manifests that open of those that the heads name; their edits are those that the head itself tells of.

    Raises:
        Damaged: what lies in the place of the heads is no folder.
    """
    found = []
    for data in sealed_heads(store, session).values():
        head = store.heads.opened(session, data)
        for blob in filter(None, (head.manifest, head.previous)):
            with contextlib.suppress(Damaged, NotFound):
                known = _manifest(store, head, blob)
                found.append(replace(known, edits={**known.edits, **head.edits}))
    return found


def _manifest(store: Store, head: Head, blob: str) -> Manifest:
    try:
        found = decode_manifest(store.blobs.read(blob))
    except NewerFormat as error:
        raise error.about(f"session {head.session}") from error
    except ValueError as error:
        raise Damaged(f"a manifest of session {head.session}: {error}", "restore it from a backup") from error
    if found.session != head.session:
        raise Damaged(f"a manifest of session {head.session} is another session's", "restore it from a backup")
    return found
