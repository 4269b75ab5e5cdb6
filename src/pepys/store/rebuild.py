"""Making the catalog anew from heads, journals and blobs. Ledger and jobs are not touched.

Damaged heads are restored from their copies first, where those are whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pepys.errors import StorageProblem
from pepys.store.catalog import Catalog
from pepys.store.store import Store


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a catalog made anew holds.

    Attributes:
        sessions: how many it lists.
        unread: of which of them a part did not open, with what that was.
        restored: the heads, and copies of heads, that were damaged and are whole again.
    """

    sessions: int
    unread: dict[str, str]
    restored: tuple[Path, ...]


def rebuild(store: Store, progress: Callable[[int, int], None] | None = None) -> Rebuilt:
    """Restore damaged heads, empty the catalog and index every session.

    Args:
        store: whose catalog.
        progress: told `(done, total)` of the sessions.

    Returns:
        What it then lists, and what could not be read.

    Raises:
        StorageProblem: the home cannot be written.
    """
    if not store.writable:
        raise StorageProblem(f"{store.path} cannot be written", "make it writable for you; reading works without")
    restored = [path for session in store.heads.sessions() for path in store.heads.mend(session)]
    with Catalog(store) as catalog:
        catalog.clear()
        catalog.refresh(progress)
        return Rebuilt(catalog.count(), dict(catalog.unread), tuple(restored))
