"""Blobs that lie twice, as what tells of other blobs does: which file of a pair is not whole, and made whole again.

Invariants: a file is replaced only by one that was proven to hold what the name says, atomically, and while nobody
deletes blobs. A blob without a copy is whole: earlier versions made none. Reading takes either file (`blobs`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.store.blob_names import copy_of
from pepys.store.blob_port import blob_name
from pepys.store.files import moved_away, replace_file
from pepys.store.head_blobs import beside
from pepys.store.reader import read_root, session_ids
from pepys.store.references import Reference, root_references
from pepys.store.sealed_blobs import SealedBlobs
from pepys.store.store import Store

Progress = Callable[[int, int], None]


def damaged_half(store: Store, reference: Reference) -> tuple[str, str] | None:
    """What is wrong with one file of a pair whose other one is whole, and what must be done before it is mended.

    None where nothing is wrong, where there is no copy, or where neither is whole. The second is empty for nothing.
    """
    path = store.path / blob_name(reference.blob)
    copy = copy_of(path)
    if not reference.twice or not store.disk.exists(copy):
        return None
    problems = {one: _problem(store, one, reference.blob) for one in (path, copy)}
    wrong = [one for one in (path, copy) if problems[one]]
    if len(wrong) != 1:
        return None
    there = store.disk.exists(wrong[0]) and not store.disk.is_file(wrong[0])
    first = f"move it away ({moved_away(wrong[0])}), then " if there else ""
    return f"{wrong[0]} {problems[wrong[0]]}; another copy is whole", first


def mend(store: Store, progress: Progress | None = None) -> list[Path]:
    """Make what lies twice whole again from the file of each pair that is, and give copies to what has none.

    Args:
        store: where.
        progress: told `(sessions looked at, sessions)`.

    Returns:
        The files that were damaged or missing and are whole again; copies that never were are not told.

    Raises:
        StorageProblem: it cannot be written.
    """
    mended: list[Path] = []
    sessions = session_ids(store)
    for done, session in enumerate(sessions, start=1):
        try:
            head, current = read_root(store, session)
            references = [*root_references(head, current), *beside(store, head, current)]
        except (Damaged, NotFound):
            references = []  # it leads to nothing that could be told
        for reference in references:
            if reference.twice:
                mended.extend(_mend(store, reference.blob))
        if progress:
            progress(done, len(sessions))
    return mended


def _mend(store: Store, blob: str) -> list[Path]:
    path = store.path / blob_name(blob)
    pair = (path, copy_of(path))
    with store.blobs.referring([]):  # nobody deletes it meanwhile
        problems = {one: _problem(store, one, blob) for one in pair}
        whole = [one for one in pair if not problems[one]]
        # A folder is in the way of any file: `verify` tells of it.
        wrong = [one for one in pair if problems[one] and not store.disk.is_folder(one)]
        if len(whole) != 1 or not wrong:
            return []
        never = wrong[0] == pair[1] and not store.disk.exists(pair[1])
        replace_file(wrong[0], store.disk.read(whole[0]), "blob.mended", store.disk)
    return [] if never else wrong


def _problem(store: Store, path: Path, blob: str) -> str:
    """What is wrong with a file; empty for nothing."""
    try:
        SealedBlobs(store).read_file(path, blob)
    except NotFound:
        return "is missing"
    except Damaged:
        return "is damaged" if store.disk.is_file(path) else "is no file"
    except StorageProblem:
        return "cannot be read"
    return ""
