"""Making the catalog anew from heads, journals and blobs. Ledger and jobs are not touched."""

from __future__ import annotations

from collections.abc import Callable

from pepys.errors import StorageProblem
from pepys.store.catalog import Catalog
from pepys.store.store import Store


def rebuild(store: Store, progress: Callable[[int, int], None] | None = None) -> int:
    """Empty the catalog and index every session.

    Args:
        store: whose catalog.
        progress: told `(done, total)` of the sessions.

    Returns:
        How many sessions it then lists.

    Raises:
        StorageProblem: the home cannot be written.
    """
    if not store.writable:
        raise StorageProblem(f"{store.path} cannot be written", "make it writable for you; reading works without")
    with Catalog(store) as catalog:
        catalog.clear()
        catalog.refresh(progress)
        return catalog.count()
