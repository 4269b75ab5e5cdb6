"""A home whose ledger has some entries, and what `verify` says of a ledger; for its tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pepys.store.ledger import Ledger
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.stored_session import make_store, reopen

ENTRIES = 8
CUT = "missing at the end: it was cut off, or an older copy was put back"


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home whose ledger has some entries; copied, never changed."""
    folder = tmp_path_factory.mktemp("written")
    ledger = Ledger(make_store(folder))
    for number in range(ENTRIES):
        ledger.append("spend", f"session {number % 2}", 10 + number, {"stage": "summary"})
    return folder


@pytest.fixture
def kept(written: Path, tmp_path: Path) -> Store:
    """A store of one's own with those entries."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return reopen(tmp_path)


def told(store: Store) -> list[str]:
    """What `verify` says of the ledger; the rest of the home is sound."""
    damages = verify(store).damages
    assert {damage.what for damage in damages} <= {"ledger"}
    return [damage.problem for damage in damages]
