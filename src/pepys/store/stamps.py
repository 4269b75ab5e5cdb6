"""What moved in a home, from what the file system tells of it: no file is opened.

A *glance* is the time of the last change of the folder that a session's heads lie in: heads are only ever replaced, so
that a head that moved moves it. One call a session, where a *stamp*, of every head and the journal, takes five. Where
only some sessions count, the others' names do: of a thousand folders these are two calls.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Set
from typing import Final

from pepys.limits import NS_PER_S
from pepys.model.ids import is_session_id
from pepys.store.files import storage_errors
from pepys.store.head_files import HeadStamp
from pepys.store.journal import journal_locked
from pepys.store.store import Store

Moved = dict[str, str | None]
Same = list[tuple[int, str, str]]
LOOK_CLOSER: Final = 0
_SETTLED_NS: Final = 2 * NS_PER_S


def glances(store: Store, known: dict[str, int], among: Set[str] | None = None) -> dict[str, int]:
    """The glance of every session that has heads.

    Args:
        store: the home.
        known: the glances of before, by ids that need no proof that they are some.
        among: of the others, the glance of before is given again; None asks for every session's.
    """
    heads = store.path / "heads"
    try:
        with storage_errors(heads):
            if among is None:
                found = store.disk.stats(heads)
                return {name: seen.st_mtime_ns for name, seen in found if name in known or is_session_id(name)}
            names = store.disk.listing(heads)
    except FileNotFoundError:
        return {}
    given = {name: known.get(name, LOOK_CLOSER) for name in names if name in known or is_session_id(name)}
    for name in among & given.keys():
        with contextlib.suppress(FileNotFoundError):
            given[name] = store.disk.stat(heads / name).st_mtime_ns
    return given


def settled(store: Store, glance: int) -> bool:
    """Whether a glance can be told from the one after the next change: file systems count time in steps."""
    return store.clock.wall_ns() - glance > _SETTLED_NS


def stamp(store: Store, session: str, journals: dict[str, int]) -> str | None:
    """What tells this version of a session from any other; None where nothing is left of it.

    Args:
        store: whose.
        session: which.
        journals: the bytes of the journals there are, as `Store.journal_sizes` gives them.
    """
    heads, size = store.heads.stamp(session), journals.get(session)
    return None if heads == HeadStamp(()) and size is None else _text(store, session, heads, size)


def compare(
    store: Store, known: dict[str, int], stamp_of: Callable[[str], tuple[str] | None], among: Set[str] | None = None
) -> tuple[Moved, Same]:
    """What moved since it was indexed.

    Args:
        store: the home.
        known: the glance of every session that is indexed.
        stamp_of: the stamp that one was indexed at, as a row.
        among: of the others only those count that are new, gone or being recorded; None looks at all.

    Returns:
        The sessions that moved, newest first, with their stamps, None for one that is gone; and those that had to be
        looked at closely but had not moved, as `(glance, session, stamp)`, where the glance can be trusted from now on.
    """
    journals, seen = store.journal_sizes(), glances(store, known, among)
    closer = {session for session, _ in seen.items() ^ known.items()} | journals.keys()
    looked_at = known.keys() if among is None else among & known.keys()
    closer |= {session for session in looked_at if known[session] == LOOK_CLOSER}
    moved: Moved = {}
    same: Same = []
    for session in sorted(closer, reverse=True):
        now, row = stamp(store, session, journals), stamp_of(session)
        if (now,) != row and (now is not None or row is not None):
            moved[session] = now
        elif now is not None and session in seen and session not in journals and settled(store, seen[session]):
            same.append((seen[session], session, now))
    return moved, same


def _text(store: Store, session: str, heads: HeadStamp, size: int | None) -> str:
    # That a recorder died moves neither file, but frees the lock.
    live = None if size is None else journal_locked(store.journal_path(session))
    return json.dumps((heads.files, size, live), separators=(",", ":"))
