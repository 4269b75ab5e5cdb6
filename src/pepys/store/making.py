"""`python -m pepys.store.making FD`: a process that makes or migrates the databases of a store, and ends.

That happens once in the life of a home or a version, by SQLAlchemy, which takes 13 MB for as long as its process runs:
one that runs for hours has this one do it. What is not made here is made by whoever needs it first.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from pepys import limits
from pepys.config import catalog_url
from pepys.errors import Damaged, PepysError, StorageProblem
from pepys.store.database import DatabaseError, open_database, outdated
from pepys.store.handover import receive, start_child
from pepys.store.store import Store

_NAMES: Final = ("catalog", "work")


def make_missing(store: Store) -> bool:
    """Have a process make what is missing or older, and wait for it; whether all is there. Blocks."""
    # A catalog on a server is not asked for here: no start waits for one.
    names = [name for name in _NAMES if not (name == "catalog" and catalog_url()) and outdated(store, name)]
    if not names:
        return True
    try:
        child = start_child("pepys.store.making", store, {"names": names})
    except StorageProblem:
        return False
    try:
        return child.wait(limits.CHILD_S) == 0
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return False


def main(arguments: list[str]) -> int:
    """Make what was asked for; the exit status."""
    try:
        store, order = receive(arguments)
        for name in order["names"]:
            open_database(store, name).close()
    except PepysError as error:
        return error.exit_code
    except DatabaseError:
        return Damaged.exit_code  # whoever needs it makes it anew, or tells
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
