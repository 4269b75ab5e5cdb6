"""Making the catalog anew from heads, journals and blobs: first what lists show, then what can be searched for.

Ledger and jobs are not touched. Damaged heads are restored from their copies first, where those are whole; chunks,
manifests and edit logs, of which readers take either file, after the rows. A kill in the middle leaves a catalog that
the next one to refresh it completes.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pepys.errors import Damaged, StorageProblem
from pepys.store.catalog import Catalog, Progress
from pepys.store.store import Store
from pepys.store.twice import mend


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a catalog made anew holds.

    Attributes:
        sessions: how many it lists.
        unread: of which of them a part did not open, with what that was.
        restored: heads, chunks, manifests and edit logs, or their copies, that were damaged and are whole again.
    """

    sessions: int
    unread: dict[str, str]
    restored: tuple[Path, ...]


class Rebuilding:
    """One making anew, in three steps: `rows`, `copies`, then `text`; a context manager that closes the catalog."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._catalog = Catalog(store, elsewhere=False)
        self._restored: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._catalog.close()

    def rows(self, progress: Progress | None = None) -> int:
        """Restore damaged heads, empty the catalog and make every row; all sessions can then be used.

        Returns:
            How many are listed.

        Raises:
            StorageProblem: the home cannot be written.
        """
        store = self._store
        if not store.writable:
            raise StorageProblem(f"{store.path} cannot be written", "make it writable for you; reading works without")
        for session in store.heads.sessions():
            # What is no folder of heads is listed as damaged; nothing can be restored there.
            with contextlib.suppress(Damaged):
                self._restored.extend(store.heads.mend(session))
        self._catalog.clear()
        self._catalog.refresh_rows(progress)
        return self._catalog.count()

    def copies(self, progress: Progress | None = None) -> None:
        """Restore what lies twice from the file of each pair that is whole; tells of sessions.

        Raises:
            StorageProblem: the home cannot be written.
        """
        self._restored.extend(mend(self._store, progress))

    def text(self, progress: Progress | None = None) -> Rebuilt:
        """Index all text; what the catalog then lists, and what could not be read."""
        self._catalog.refresh_text(progress)
        # What was recorded or edited meanwhile; and what a server lost that was killed and does not sync each commit.
        if self._catalog.refresh_rows():
            self._catalog.refresh_text()
        return Rebuilt(self._catalog.count(), dict(self._catalog.unread), tuple(self._restored))


def rebuild(store: Store) -> Rebuilt:
    """All steps of `Rebuilding`.

    Raises:
        StorageProblem: the home cannot be written.
    """
    with Rebuilding(store) as making:
        making.rows()
        making.copies()
        return making.text()
