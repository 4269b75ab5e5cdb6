"""Heads of other devices: as they lie here, byte for byte, and put beside the own one when a sync brings them.

Invariants: a head that is put only moves forward; all it leads to and is here stays until it counts; what has a name
opened under this store's key as a head of that session.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

from pepys.errors import Busy, Damaged, NotFound, StorageProblem
from pepys.model.ids import is_device_id, is_session_id
from pepys.store.files import remove_file, replace_file, storage_errors
from pepys.store.head_files import COPY
from pepys.store.store import Store

TAKING: Final = ".taking"
"""Lies in the folder of a session's heads while its first one is being brought: its manifest comes before it."""


def begin_taking(store: Store, session: str) -> None:
    """Note that a session's first head is being brought; `take_head` ends it."""
    if not sealed_heads(store, session):
        replace_file(store.path / "heads" / session / TAKING, b"", "head.taking", store.disk)


def is_being_taken(store: Store, session: str) -> bool:
    """Whether a first head was being brought, perhaps by somebody who was killed."""
    return store.disk.exists(store.path / "heads" / session / TAKING)


def sealed_heads(store: Store, session: str) -> dict[str, bytes]:
    """The bytes of each device's head; its copy's where it does not open, and none where neither does.

    Raises:
        StorageProblem: they cannot be read.
    """
    folder = store.path / "heads" / session
    if not is_session_id(session) or not store.disk.is_folder(folder):
        return {}
    with storage_errors(folder):
        devices = {name.removesuffix(COPY) for name in store.disk.listing(folder)}
    found: dict[str, bytes] = {}
    for device in filter(is_device_id, sorted(devices)):
        for name in (device + COPY, device):
            with contextlib.suppress(FileNotFoundError, Damaged), storage_errors(folder / name):
                data = store.disk.read(folder / name)
                store.heads.opened(session, data)
                found[device] = data
    return found


def take_head(store: Store, session: str, device: str, data: bytes, blobs: Iterable[str]) -> bool:
    """Put another device's head beside the own one, byte for byte; only ever forward.

    Args:
        store: where.
        session: whose head.
        device: whose head of it.
        data: the sealed bytes, as that device wrote them.
        blobs: what the head leads to and is here: none of it is deleted before the head counts.

    Returns:
        Whether it was further than the one that was here.

    Raises:
        Busy: the session is being recorded here, or what was recorded last is not recovered: that would lose its place.
        NotFound: one of the blobs is gone meanwhile.
        Damaged: the bytes are no head of this session.
        StorageProblem: it cannot be written.
    """
    if not is_device_id(device):
        raise NotFound(f"{device[:80]!r} is no device", "its name has 13 characters")
    new = store.heads.opened(session, data)
    path = store.path / "heads" / session / device
    with store.heads.lock(session):
        # Whoever resumes a session holds this lock until its journal is there.
        if store.has_journal(session):
            raise Busy(f"session {session} is being recorded here", "pull it when it has ended")
        here = sealed_heads(store, session).get(device)
        if here is not None and store.heads.opened(session, here).sequence >= new.sequence:
            return False
        with store.blobs.referring([new.manifest, *blobs]):
            replace_file(path, data, "head", store.disk)
            copy = path.with_name(device + COPY)
            try:
                replace_file(copy, data, "head.copy", store.disk)
            except StorageProblem:
                # The head has moved and that counts; a copy that stayed behind it would be worse than none.
                with contextlib.suppress(StorageProblem):
                    remove_file(copy, store.disk)
        remove_file(path.with_name(TAKING), store.disk)
    return True
