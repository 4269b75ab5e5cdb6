"""What is still known of a session whose current manifest does not open: what its manifests before it say.

For reading alone: nobody records, edits or frees anything on the word of an older manifest. Of the manifests that open
(of other devices, and those before the last) the one that knows the most events counts; chunks that a later one
replaced are passed over, as are events that only it knew.
"""

from __future__ import annotations

from dataclasses import replace

from pepys.errors import ODD, Damaged, NotFound
from pepys.model.projection import project
from pepys.model.session import Session, Unread
from pepys.store.head_blobs import before
from pepys.store.pieces import Pieces, read_edits
from pepys.store.reader import load, no_levels
from pepys.store.store import Store

DAMAGED = "damaged"
"""The state of such a session, in rows and in what is told of it."""


def load_if_possible(store: Store, session: str) -> Session:
    """`load`; of a session that is damaged as a whole what an earlier manifest tells, in the state `damaged`.

    Raises:
        NotFound: no such session.
        Damaged: none of its manifests opens.
    """
    try:
        return load(store, session)
    except Damaged:
        found = earlier(store, session)
        if found is None:
            raise
        return found


def earlier(store: Store, session: str) -> Session | None:
    """The session as an earlier manifest tells it; None where none opens."""
    known = [manifest for manifest in before(store, session) if manifest.state != "deleted"]
    if not known:
        return None
    current = max(known, key=lambda manifest: manifest.next_event)
    pieces = Pieces(store, current, no_levels, lambda: False)
    pieces.read_chunks()
    pieces.read_journal()
    try:
        edits, untold = read_edits(store, current, lambda: False)
    except (Damaged, NotFound):
        edits, untold = (), ()
    try:
        view = project(current, pieces.events, edits)
    except ODD:
        return None
    since = Unread("manifest", current.next_event, start_ns=view.end_ns)
    return replace(view, state=DAMAGED, unread=(since, *pieces.unread, *untold, *view.unread))
