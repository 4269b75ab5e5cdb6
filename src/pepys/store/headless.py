"""Sessions whose heads were deleted from outside: what is left of them among the blobs that nothing refers to.

`rm` leaves a tombstone, and a kill leaves the head of before or a journal: a manifest whose session has neither lost
them to somebody's hands, or to a cloud folder that brought only a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Final

from pepys.errors import Damaged, NotFound
from pepys.limits import MANIFEST_BYTES
from pepys.model.manifest import decode_manifest
from pepys.store.store import Store

_BEGINNING: Final = b'{"artifacts":'


def headless(store: Store, blobs: Iterable[str], known: Set[str]) -> list[str]:
    """The sessions that are in none of `known`, and of which one of `blobs` is a manifest; oldest first.

    Only what begins as a manifest does is read whole.
    """
    found = set()
    for blob in blobs:
        try:
            if store.blobs.file_bytes(blob) <= MANIFEST_BYTES and _begins(store, blob):
                manifest = decode_manifest(store.blobs.read(blob))
                if manifest.state != "deleted":
                    found.add(manifest.session)
        except (Damaged, NotFound, ValueError):
            continue  # what does not open tells nothing
    return sorted(found - known)


def _begins(store: Store, blob: str) -> bool:
    return store.blobs.read_range(blob, 0, len(_BEGINNING)) == _BEGINNING
