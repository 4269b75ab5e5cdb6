"""What tells of other blobs lies twice: one flipped bit in a home costs at most the piece of media that it hit.

Catches: a chunk, a manifest or an edit log that is stored once, so that a bit of some hundred bytes takes hours of film
out of reach; a copy that nobody reads, proves, mends or deletes; a home of before that is told as damaged for having
none.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.clock import FakeClock
from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.model.events import SegmentSealed
from pepys.move.export import export
from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.review.overview import overview
from pepys.review.rows import Extras
from pepys.review.shelf import Shelf
from pepys.review.texts import Texts
from pepys.sessions.queries import Library, search_sessions, show_session
from pepys.store.adapters.memory import MemoryAdapter
from pepys.store.disk import Disk
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.merging import merge_chunks
from pepys.store.reader import events, load
from pepys.store.rebuild import rebuild
from pepys.store.remove import remove
from pepys.store.sealed_blobs import SealedBlobs
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from tests.disk_flips import readable
from tests.stored_session import WALL_NS, Recording, blob_files, flip, screen_text
from tests.synced_homes import another_home


@dataclass
class Home:
    """A session of several chunks that were merged, with an edit and an artifact, in a made."""

    folder: Path
    store: Store
    session: str

    def roots(self) -> dict[str, str]:
        """What tells of other blobs, by what it is."""
        head, current = self.store.heads.manifest(self.session)
        logs = {f"edits {device}": blob for device, blob in current.edits.items()}
        return {"manifest": head.manifest, "chunk": current.chunks[0].blob, **logs}

    def told(self) -> dict[str, Any]:
        """What the commands tell of it."""
        words = self.folder / "words.json"
        words.unlink(missing_ok=True)
        export(self.store, load(self.store, self.session), words)
        with Library(self.store) as library:
            shown = show_session(library, self.session)
            shown.pop("bytes_on_disk")  # of a file that is gone none
            found = search_sessions(library, "importance")
        first = overview(Shelf(self.store).session(self.session), Texts(), Extras())
        return {"show": shown, "search": found, "export": words.read_bytes(), "overview": first}


@pytest.fixture
def made(home: Path, tmp_path: Path) -> Home:
    store = open_store(home, clock=FakeClock(wall_ns=WALL_NS))
    recording = Recording.begin(store, "Two")
    recording.segment()
    recording.writer.seal()
    recording.shot()
    recording.note("a note of importance")
    recording.segment()
    session = recording.end()
    merge_chunks(store, session)
    add_artifacts(store, session, [screen_text(load(store, session).shots[0].blob, "text")])
    apply_edit(store, session, ("tag", {"value": "kept"}), ("set", {"field": "name", "value": "Renamed"}))
    return Home(tmp_path, store, session)


def test_what_tells_of_others_lies_twice(made: Home) -> None:
    """Media, inits, shots and artifacts once: those are what takes the room."""
    roots = set(made.roots().values())
    previous = made.store.heads.read(made.session).previous
    for blob in made.store.blobs.ids():
        assert len(blob_files(made.store, blob)) == (2 if blob in roots | {previous} else 1)


def test_one_bit_in_any_file_costs_at_most_its_piece(made: Home) -> None:
    """In each file in turn. Catches all that a bit in it takes away besides."""
    could, told, roots = readable(made.store), made.told(), set(made.roots().values())
    folders = ("blobs", "heads", "keys")
    files = [path for name in folders for path in (made.store.path / name).rglob("*") if path.is_file()]
    assert len(files) > 15
    for path in files:
        whole = path.read_bytes()
        flip(path, min(60, len(whole) - 1))
        lost = could - readable(made.store)
        if path.parent.parent.parent.name != "blobs" or path.name.removesuffix(".copy") in roots:
            assert not lost and made.told() == told, path
        else:
            assert len({kind for _, kind, _ in lost}) <= 1, path
            segments = {which.partition("/")[0] for _, kind, which in lost if kind == "fragment"}
            assert len(segments) <= 1, path
        path.write_bytes(whole)
    assert readable(made.store) == could


@pytest.mark.parametrize("how", ["flipped", "missing", "folder"])
def test_half_of_a_pair_is_told_and_mended(made: Home, how: str) -> None:
    """Catches damage that nobody names until the other half goes too. Only a copy that is gone is no damage."""
    told = made.told()
    for blob, half in [(blob, half) for blob in made.roots().values() for half in (0, 1)]:
        path = blob_files(made.store, blob)[half]
        if how == "flipped":
            flip(path, 60)
        else:
            path.unlink()
        if how == "folder":
            path.mkdir()
        assert made.told() == told
        damages = verify(made.store).damages
        if how == "missing" and half:
            assert damages == ()
        else:
            (damage,) = damages
            assert (damage.session, damage.blob) == (made.session, blob)
            assert str(path) in damage.problem and damage.problem.endswith("another copy is whole")
            assert "pepys rebuild" in damage.remedy
        if how == "folder":
            assert f"mv {path} ~/" in damages[0].remedy and rebuild(made.store).restored == ()
            path.rmdir()
        assert rebuild(made.store).restored == (() if half and how != "flipped" else (path,))
        assert path.is_file() and verify(made.store).damages == ()


def test_the_commands_tell_and_mend_it(made: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches an exit code that a script takes for whole, and a remedy that does not help."""
    flip(blob_files(made.store, made.roots()["chunk"])[0], 60)
    assert main(["verify"]) == 6
    assert "run pepys rebuild" in capsys.readouterr().err
    assert main(["rebuild"]) == 0
    assert "restored from its copy" in capsys.readouterr().err
    assert main(["verify"]) == 0


def test_neither_half_opens(made: Home) -> None:
    """Catches a rebuild that puts one damaged half in the other's place, and words that promise a whole copy."""
    for path in blob_files(made.store, made.roots()["chunk"]):
        flip(path, 60)
    with pytest.raises(Damaged):
        made.store.blobs.read(made.roots()["chunk"])
    before = [path.read_bytes() for path in blob_files(made.store, made.roots()["chunk"])]
    assert all("copy is whole" not in damage.problem for damage in verify(made.store).damages)
    assert rebuild(made.store).restored == ()
    assert [path.read_bytes() for path in blob_files(made.store, made.roots()["chunk"])] == before


def test_a_home_of_before_is_whole_and_rebuild_gives_it_copies(made: Home) -> None:
    """Catches a version that calls every session of an older one damaged."""
    for path in (made.store.path / "blobs").rglob("*.copy"):
        path.unlink()
    assert verify(made.store).damages == ()
    assert rebuild(made.store).restored == ()
    assert {len(blob_files(made.store, blob)) for blob in made.roots().values()} == {2}


class Sick(Disk):
    """A disk on which some files cannot be read, or get no name."""

    def __init__(self) -> None:
        self.unread: set[Path] = set()
        self.unnamed = ""

    def open(self, path: str | Path, flags: int) -> int:
        if Path(path) in self.unread:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().open(path, flags)

    def replace(self, source: Path, target: Path) -> None:
        if self.unnamed and target.name.startswith("b3-") and target.name.endswith(self.unnamed):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().replace(source, target)


def test_a_sector_that_cannot_be_read_is_told_and_mended(made: Home) -> None:
    """Catches a fallback for wrong bytes alone: a worn disk answers with an error."""
    disk = Sick()
    path = blob_files(made.store, made.roots()["chunk"])[0]
    disk.unread = {path}
    store = Store(made.store.path, made.store.keys, made.store.clock, disk=disk)
    assert load(store, made.session) == load(made.store, made.session)
    (damage,) = verify(store).damages
    assert "cannot be read" in damage.problem
    assert rebuild(store).restored == (path,)


@pytest.mark.parametrize("which", [".copy", ""])
def test_a_full_disk_keeps_neither(made: Home, which: str) -> None:
    """Catches copies that fill up a full disk, one more with each try."""
    disk = Sick()
    store = Store(made.store.path, made.store.keys, made.store.clock, disk=disk)
    disk.unnamed = which or store.blobs.id_of(b"tells of others")[-8:]
    with pytest.raises(StorageProblem):
        store.blobs.put(b"tells of others", twice=True)
    assert blob_files(store, store.blobs.id_of(b"tells of others")) == []
    assert not store.blobs.exists(store.blobs.id_of(b"tells of others"))


def test_a_pair_is_one_blob(made: Home) -> None:
    """Catches a copy that is counted or swept as a blob of its own, or stays when its blob goes."""
    blobs = made.store.blobs
    before = list(blobs.ids())
    blob = blobs.put(b"tells of others", twice=True)
    files = blob_files(made.store, blob)
    assert len(files) == 2 and sorted([*before, blob]) == list(blobs.ids())
    assert blobs.disk_bytes(blob) == 2 * blobs.file_bytes(blob) == sum(path.stat().st_size for path in files)
    assert verify(made.store).unreferenced == 1
    files[0].unlink()
    # What a kill between the two names leaves is seen, read and freed as a blob.
    assert blob in set(blobs.ids()) and blobs.exists(blob) and blobs.size(blob) == len(b"tells of others")
    assert blobs.read_range(blob, 6, 2) == b"of" and not SealedBlobs(made.store).exists(blob)
    assert blobs.put(b"tells of others", twice=True) == blob and files[0].is_file()
    size = blobs.disk_bytes(blob)
    assert blobs.delete(blob) == size and blob_files(made.store, blob) == [] and list(blobs.ids()) == before
    with pytest.raises(NotFound):
        blobs.read(blob)


def test_a_removal_leaves_no_copy(made: Home) -> None:
    """Catches the name of a deleted session, or its notes, that stay in a copy."""
    remove(made.store, made.session)
    head, tombstone = made.store.heads.manifest(made.session)
    files = [path for blob in (head.manifest, *tombstone.edits.values()) for path in blob_files(made.store, blob)]
    assert len(files) == 4
    assert sorted(path for path in (made.store.path / "blobs").rglob("b3-*")) == sorted(files)


def test_what_a_pull_brings_lies_twice(made: Home, tmp_path: Path) -> None:
    """Catches a home that was brought from a remote, and is worth a copy less than the one that was pushed."""
    there, remote = another_home(tmp_path / "there", made.store), MemoryAdapter()
    # One half that is damaged keeps nothing from being brought.
    flip(blob_files(made.store, made.roots()["chunk"])[0], 60)
    assert not push(made.store, remote).left and not pull(there, remote).left
    assert not [held.name for held in remote.names("") if held.name.endswith(".copy")]
    assert verify(there).damages == ()
    for blob in made.roots().values():
        assert len(blob_files(there, blob)) == 2
    media = [event.blob for event in events(there, made.session) if isinstance(event, SegmentSealed)]
    assert media and all(len(blob_files(there, blob)) == 1 for blob in media)
