"""Checks of where the catalog lies: in the home, or on a PostgreSQL server that answers and can keep it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pepys.config import catalog_url
from pepys.doctor.findings import Finding, missing, ok
from pepys.errors import PepysError
from pepys.store.keys import is_store


def catalog(home: Path) -> Iterator[Finding]:
    """Whether the catalog can be opened where the settings say; on a server it is made there, as any command would."""
    try:
        url = catalog_url()
        if not url:
            yield ok("catalog", "in the home")
            return
        yield ok("catalog", f"on {_reached(home, url)}; who runs that server sees titles, notes and text in the clear")
    except PepysError as error:
        yield missing("catalog", error.message, error.remedy)


def _reached(home: Path, url: str) -> str:
    """Where the server is that was reached.

    Raises:
        PepysError: it does not answer, or cannot keep a catalog.
    """
    from pepys.store.catalog_database import FilePlace
    from pepys.store.catalog_server import ServerPlace
    from pepys.store.postgres import connect
    from pepys.store.store import open_store

    if not is_store(home):
        with contextlib.closing(connect(url, "pepys_none")) as database:
            return database.place
    store = open_store(home, create=False)
    with contextlib.closing(ServerPlace(store, url, FilePlace(store)).open()) as database:
        return f"{database.place}, schema {database.schema}"
