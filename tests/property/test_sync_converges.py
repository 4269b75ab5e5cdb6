"""Two devices edit, enrich, delete and sync in any order: in the end they show the same, and no edit is lost."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepys.clock import FakeClock
from pepys.errors import NotFound
from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.store.adapters.memory import MemoryAdapter
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.reader import load, session_ids
from pepys.store.remove import remove
from pepys.store.store import Store
from tests.stored_session import SECOND, WALL_NS, Recording, transcript
from tests.synced_homes import another_home, first_home, shown, whole

STORED = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["tag", "tag", "name", "note", "enrich", "delete", "push", "push", "pull", "pull"]),
        st.integers(0, 1),
    ),
    max_size=14,
)


class Told:
    """What each device was told: it must be true of both in the end."""

    def __init__(self) -> None:
        self.tags: dict[str, set[str]] = {}
        self.notes: dict[str, set[str]] = {}
        self.deleted: set[str] = set()


def do(store: Store, what: str, session: str, number: int, told: Told) -> None:
    """One thing that a user does on one device; of a session that is not there, nothing."""
    with contextlib.suppress(NotFound):
        if what == "tag":
            apply_edit(store, session, ("tag", {"value": f"t{number}"}))
            told.tags.setdefault(session, set()).add(f"t{number}")
        elif what == "name":
            apply_edit(store, session, ("set", {"field": "name", "value": f"name {number}"}))
        elif what == "note":
            values = {"id": f"n{number}", "at_ns": number, "text": f"note {number}", "kind": "note"}
            apply_edit(store, session, ("note", values))
            told.notes.setdefault(session, set()).add(f"n{number}")
        elif what == "enrich":
            add_artifacts(store, session, [transcript(f"words {number}", 1000 * (1 + number % 2))])
        elif what == "delete":
            remove(store, session)
            told.deleted.add(session)


@STORED
@given(steps=STEPS)
def test_two_devices_that_do_what_they_like_end_with_the_same(steps: list[tuple[int, str, int]]) -> None:
    """Catches a merge that depends on who came first, an edit that is overwritten, a deletion that is undone."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        clock = FakeClock(wall_ns=WALL_NS)
        here = first_home(Path(folder) / "here", clock)
        there = another_home(Path(folder) / "there", here, clock)
        homes, remote, told = (here, there), MemoryAdapter(), Told()
        sessions = []
        for number in range(2):
            recording = Recording.begin(homes[number], f"Day {number}", wall_ns=WALL_NS + number * SECOND)
            recording.segment(1)
            sessions.append(recording.end())
        # Each knows a log of the other, which then goes on in both places.
        for store in (here, there, here):
            push(store, remote)
            pull(store, remote)
        for store in (here, there, here):
            for session in sessions:
                do(store, "tag", session, 99, told)
            pull(store, remote)
            push(store, remote)
        for number, (who, what, which) in enumerate(steps):
            clock.advance(SECOND)
            if what == "push":
                push(homes[who], remote)
            elif what == "pull":
                assert not pull(homes[who], remote).left
            else:
                do(homes[who], what, sessions[which], number, told)
        for store in (*homes, *homes):
            pull(store, remote)
            push(store, remote)
        for store in homes:
            assert session_ids(store) == sessions and whole(store)
            for session in sessions:
                view = load(store, session)
                if session in told.deleted:
                    assert view.state == "deleted"
                    continue
                assert view.state == "completed" and told.tags.get(session, set()) <= set(view.tags)
                assert told.notes.get(session, set()) <= {note.id for note in view.notes}
                assert shown(here, session) == shown(there, session)
        assert (pull(here, remote).sessions, push(here, remote).sessions) == (0, 0), "and then nothing moves any more"
