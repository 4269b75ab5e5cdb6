"""Makes the frozen home of format 1: run once when the format was made, kept to tell what is in it.

    python -m tests.golden.make_format1 FILE.tar

A frozen home is never made again: what matters is that later versions still read what this one wrote.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.remove import remove
from pepys.store.store import Store
from tests.stored_session import SECOND, WALL_NS, Recording, complete_session, make_store, screen_text, transcript


def make(folder: Path) -> None:
    """A completed session with edits and artifacts, one that is still being recorded, and a deleted one."""
    store = make_store(folder)
    _completed(store)
    live = Recording.begin(store, "Left recording", ("crash",), WALL_NS + 100 * SECOND)
    live.note("in a chunk")
    live.writer.seal()
    live.note("in the journal")
    live.open_segment()
    assert live.media is not None
    live.fragment(200)
    live.die()
    with store.journal_path(live.session).open("ab") as journal:
        journal.write(b"\x40\x00\x00\x00torn")
    remove(store, complete_session(store, "Deleted", wall_ns=WALL_NS + 200 * SECOND))


def _completed(store: Store) -> None:
    done = Recording.begin(store, "Frozen session", ("golden",))
    shot = done.shot(b"a shot of format 1")
    done.open_segment()
    done.fragment(300)
    done.fragment(200)
    done.seal_segment()
    done.note("a note of format 1")
    done.end()
    apply_edit(store, done.session, ("set", {"field": "description", "value": "made by format 1"}))
    apply_edit(
        store, done.session,
        ("tag", {"value": "kept"}), ("note", {"id": "later", "at_ns": SECOND, "text": "added later", "kind": "marker"}),
    )  # fmt: skip
    add_artifacts(store, done.session, [screen_text(shot, "frozen zanzibar"), transcript("the frozen word")])


def pack(folder: Path, file: Path) -> None:
    """The files of a home and its config folder in one archive; locks are no content."""
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "lock" not in path.name:
                archive.add(path, str(path.relative_to(folder)), filter=_nobody)


def _nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        make(Path(made))
        pack(Path(made), Path(sys.argv[1]))
