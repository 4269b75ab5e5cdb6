"""`python -m pepys.enrich.asking FD`: a process that asks for a session's enrichment, and ends.

Jobs are SQLAlchemy's, which takes 13 MB for as long as its process runs. A daemon that records all day asks through
this one when a session has ended; the request is durable when it has exited.
"""

from __future__ import annotations

import subprocess
import sys

from pepys import limits
from pepys.enrich.jobs import request
from pepys.errors import PepysError, StorageProblem
from pepys.store.handover import receive, start_child
from pepys.store.store import Store


def request_apart(store: Store, session: str) -> None:
    """Have a process ask for all local stages of a session, and wait until it has. Blocks.

    Raises:
        StorageProblem: it could not be asked for.
    """
    child = start_child("pepys.enrich.asking", store, {"session": session}, stderr=subprocess.PIPE)
    try:
        _, told = child.communicate(timeout=limits.CHILD_S)
    except subprocess.TimeoutExpired:
        child.kill()
        _, told = child.communicate()
    if child.returncode != 0:
        last = told.decode(errors="replace").splitlines()[-1:]
        raise StorageProblem(last[0] if last else "the process that asks for it failed", "run pepys enrich")


def main(arguments: list[str]) -> int:
    """Ask; the exit status."""
    try:
        store, order = receive(arguments)
        request(store, str(order["session"]))
    except PepysError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
