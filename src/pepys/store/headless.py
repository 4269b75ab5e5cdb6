"""Sessions whose heads were deleted from outside: what is left of them among the blobs that nothing refers to.

`rm` leaves a tombstone, and a kill leaves the head of before or a journal: a manifest whose session has neither lost
them to somebody's hands, or to a cloud folder that brought only a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Final

from pepys.errors import Damaged, NotFound
from pepys.limits import MANIFEST_BYTES
from pepys.model.manifest import Manifest, decode_manifest
from pepys.store.heads_taken import is_being_taken
from pepys.store.reader import read_root
from pepys.store.store import Store

_BEGINNING: Final = b'{"artifacts":'


def headless(store: Store, blobs: Iterable[str], known: Set[str]) -> list[str]:
    """The sessions that are in none of `known`, and of which one of `blobs` is a manifest; oldest first.

    Only what begins as a manifest does is read whole.
    """
    found = {manifest.session for _, manifest in manifests(store, blobs) if manifest.state != "deleted"}
    return sorted(one for one in found - known if not _opens(store, one) and not is_being_taken(store, one))


def manifests(store: Store, blobs: Iterable[str]) -> Iterator[tuple[str, Manifest]]:
    """Those of `blobs` that are manifests, and open."""
    for blob in blobs:
        try:
            if store.blobs.file_bytes(blob) <= MANIFEST_BYTES and _begins(store, blob):
                yield blob, decode_manifest(store.blobs.read(blob))
        except (Damaged, NotFound, ValueError):
            continue  # what does not open tells nothing


def _opens(store: Store, session: str) -> bool:
    """Whether the session began, or was brought, while others were looked at."""
    try:
        read_root(store, session)
    except (Damaged, NotFound):
        return False
    return True


def _begins(store: Store, blob: str) -> bool:
    return store.blobs.read_range(blob, 0, len(_BEGINNING)) == _BEGINNING
