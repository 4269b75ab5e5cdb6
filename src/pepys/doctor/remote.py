"""Check of the remote in the settings: whether it answers, and whether a store lies there."""

from __future__ import annotations

from collections.abc import Iterator

from pepys.config import remote_address
from pepys.doctor.findings import Finding, less, missing, ok
from pepys.errors import NotFound, PepysError, StorageProblem
from pepys.remote_limits import BEHIND_READ_S, REMOTE_CONNECT_S


def remote() -> Iterator[Finding]:
    """Whether film, sound and shots that lie at the remote could be had; recording and editing never need it."""
    try:
        address = remote_address()
        if not address:
            yield ok("remote", "none is set")
            return
        _ask(address)
        yield ok("remote", f"{address} answers")
    except NotFound:
        yield ok("remote", f"{address} answers; no store lies there yet, pepys sync push begins one")
    except StorageProblem as error:
        told = "what was left there cannot be seen now, all else is here"
        yield less("remote", f"{error.message}; {told}", error.remedy)
    except PepysError as error:
        yield missing("remote", error.message, error.remedy)


def _ask(address: str) -> None:
    """Ask for the file that names the store.

    Raises:
        NotFound: it is not there.
        PepysError: the remote cannot be used.
    """
    from pepys.store.adapters.opening import open_remote
    from pepys.store.adapters.retrying import Patience
    from pepys.store.adapters.timeouts import Timeouts

    timeouts = Timeouts(REMOTE_CONNECT_S, BEHIND_READ_S, BEHIND_READ_S)
    adapter = open_remote(address, patience=Patience(tries=1), timeouts=timeouts)
    try:
        adapter.size("pepys.json")
    finally:
        adapter.close()
