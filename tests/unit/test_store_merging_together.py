"""Merges of one session by several processes: whatever their steps meet, no chunk that is named is deleted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pepys.model.events import NoteAdded
from pepys.store.reader import load, manifest
from pepys.store.recover import recover
from pepys.store.removals import MERGE, write_list
from pepys.store.verify import verify
from tests.stored_session import Recording, make_store

ROOT = Path(__file__).parents[2]
OTHER = """
import sys
from pathlib import Path
from pepys.store import merging
from pepys.store.disk import Disk
from pepys.store.store import open_store

def meet(word):
    print(word, flush=True)
    sys.stdin.readline()

class Telling(Disk):
    def lock(self, fd, *, shared=False, wait=True):
        if super().lock(fd, shared=shared, wait=False):
            return True
        if wait:
            print("waits", flush=True)
        return wait and super().lock(fd, shared=shared)

def free(path, *, disk):
    meet("asked")
    return False

store = open_store(Path(sys.argv[1]), create=False, config_dir=Path(sys.argv[2]), disk=Telling())
read = store.heads.manifest

def slow(session):
    found = read(session)
    meet("read")
    return found

store.heads.manifest = slow
merging.journal_locked = free
merging.finish_merges(store)
print("finished", flush=True)
"""


def test_a_finish_beside_a_recovery_deletes_nothing_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch the loss of a whole session: the other process takes the new chunk for one of a dead merge."""
    store = make_store(tmp_path)
    recording = Recording.begin(store)
    for number in range(3):
        recording.writer.append(NoteAdded(str(number), number, str(number)))
        recording.writer.seal()
    session = recording.die()
    write_list(store, session, MERGE, [])
    argv = [sys.executable, "-c", OTHER, str(store.path), str(tmp_path / "config")]
    with subprocess.Popen(argv, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None and other.stdout is not None

        def go_on() -> None:
            assert other.stdin is not None
            other.stdin.write("\n")
            other.stdin.flush()

        assert other.stdout.readline() == "asked\n"
        met = []

        def reach(point: str) -> None:
            assert other.stdout is not None
            if point == "merge.stored":
                go_on()
                met.append(other.stdout.readline())
            elif point == "merge.moved" and met == ["read\n"]:
                go_on()
                assert other.stdout.readline() == "finished\n"

        monkeypatch.setattr("pepys.store.merging.reach", reach)
        recover(store, session)
        for _ in range(3):
            if other.poll() is None:
                go_on()
        other.communicate(timeout=30)
    assert other.returncode == 0
    assert [note.text for note in load(store, session).notes] == ["0", "1", "2"]
    assert len(manifest(store, session).chunks) == 1
    assert (verify(store).damages, verify(store).unreferenced) == ((), 0)
    assert met == ["waits\n"]
