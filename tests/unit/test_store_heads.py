"""Heads, edits and artifacts: read, change, replace, by many at once, with nothing lost and little left over."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pepys.errors import Damaged, NotFound
from pepys.model.ids import new_session_id
from pepys.model.manifest import ChunkRef
from pepys.store.disk import Disk
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.reader import load, load_artifact, manifest
from pepys.store.remove import remove
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.stored_session import (
    Recording,
    complete_session,
    damage_heads,
    flip,
    make_store,
    reopen,
    screen_text,
    transcript,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def in_children(count: int, work: Callable[[int], None]) -> None:
    """Run `work(n)` in processes at once; all must succeed."""
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            try:
                work(number)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * count


def test_edits_by_many_processes_are_all_kept(store: Store, tmp_path: Path) -> None:
    session = complete_session(store)

    def edit(number: int) -> None:
        mine = reopen(tmp_path)
        for n in range(5):
            apply_edit(mine, session, ("tag", {"value": f"{number}-{n}"}))

    in_children(4, edit)
    assert sorted(load(store, session).tags) == sorted(f"{a}-{b}" for a in range(4) for b in range(5))
    assert verify(store).damages == ()


def test_a_recording_is_edited_and_enriched_while_it_goes_on(store: Store) -> None:
    recording = Recording.begin(store, tags=("first",))
    shot = recording.shot()
    apply_edit(store, recording.session, ("set", {"field": "name", "value": "Renamed"}), ("untag", {"value": "first"}))
    recording.writer.seal()
    add_artifacts(store, recording.session, [screen_text(shot, "hello"), transcript("good day")])
    recording.segment()
    view = load(store, recording.end())
    assert (view.name, view.tags) == ("Renamed", ())
    assert [ref.stage for ref in view.artifacts] == ["screen_text", "transcript"]
    assert load_artifact(store, view.artifacts[1])["items"][0]["text"] == "good day"


def test_a_second_artifact_of_a_unit_replaces_the_first(store: Store) -> None:
    session = complete_session(store)
    add_artifacts(store, session, [screen_text("s", "one"), screen_text("t", "other")])
    add_artifacts(store, session, [screen_text("s", "two")])
    found = {
        ref.unit: load_artifact(store, ref)["items"][0]["lines"][0]["text"]
        for ref in manifest(store, session).artifacts
    }
    assert found == {"s": "two", "t": "other"}


def test_the_same_change_moves_no_head(store: Store) -> None:
    session = complete_session(store)
    head = store.heads.read(session)
    assert store.heads.update(session, lambda current: current) == head
    assert store.heads.read(session) == head


def test_superseded_manifests_and_edit_logs_do_not_pile_up(store: Store) -> None:
    session = complete_session(store)
    apply_edit(store, session, ("tag", {"value": "0"}))
    before = len(list(store.blobs.ids()))
    for number in range(1, 10):
        apply_edit(store, session, ("tag", {"value": str(number)}))
    assert len(list(store.blobs.ids())) <= before + 1


def test_a_head_names_only_blobs_that_are_there(store: Store) -> None:
    session = complete_session(store)
    head = store.heads.read(session)
    missing = ChunkRef("b3-" + "0" * 64, 0, 1)
    with pytest.raises(NotFound):
        store.heads.update(session, lambda current: replace(current, chunks=(*current.chunks, missing)))
    assert store.heads.read(session) == head


def test_a_change_that_fails_changes_nothing(store: Store) -> None:
    session = complete_session(store)
    head = store.heads.read(session)

    def fail(current: object) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.heads.update(session, fail)
    assert store.heads.read(session) == head


def test_of_two_devices_the_furthest_head_counts(store: Store) -> None:
    session = complete_session(store)
    folder = store.path / "heads" / session
    old = (folder / store.keys.device_id).read_bytes()
    apply_edit(store, session, ("tag", {"value": "newer"}))
    (folder / "zzzzzzzzzzzzz").write_bytes(old)
    assert load(store, session).tags == ("newer",)


def test_a_damaged_head_is_told(store: Store) -> None:
    session = complete_session(store)
    damage_heads(store, session)
    with pytest.raises(Damaged, match=session):
        load(store, session)
    assert [(damage.session, damage.what) for damage in verify(store).damages] == [(session, "head")]


def test_one_flipped_byte_loses_no_head(store: Store) -> None:
    session = complete_session(store, "Kept")
    apply_edit(store, session, ("tag", {"value": "one"}))
    path = store.path / "heads" / session / store.keys.device_id
    copy = path.with_name(f"{path.name}.copy")
    for damaged in (path, copy):
        whole, before = damaged.read_bytes(), load(store, session)
        flip(damaged, 40)
        assert load(store, session) == before
        assert [(damage.session, damage.what) for damage in verify(store).damages] == [(session, "head")]
        assert str(damaged) in verify(store, session).damages[0].problem
        apply_edit(store, session, ("tag", {"value": damaged.name}))
        assert verify(store).damages == ()
        assert path.read_bytes() == copy.read_bytes() != whole
    path.unlink()
    assert load(store, session).name == "Kept"
    assert store.heads.mend(session) == []
    assert path.read_bytes() == copy.read_bytes()


class NoCopies(Disk):
    """A disk that is full as soon as a head's copy gets its name."""

    def replace(self, source: Path, target: Path) -> None:
        if target.name.endswith(".copy") and "heads" in target.parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().replace(source, target)


def test_a_copy_that_cannot_follow_its_head_goes(store: Store) -> None:
    session = complete_session(store)
    apply_edit(Store(store.path, store.keys, store.clock, disk=NoCopies()), session, ("tag", {"value": "moved"}))
    assert load(store, session).tags == ("moved",)
    assert [path.name for path in (store.path / "heads" / session).iterdir()] == [store.keys.device_id]


def test_a_head_of_another_session_does_not_open(store: Store) -> None:
    first, second = complete_session(store), complete_session(store)
    data = (store.path / "heads" / first / store.keys.device_id).read_bytes()
    for path in (store.path / "heads" / second).iterdir():
        path.write_bytes(data)
    with pytest.raises(Damaged):
        load(store, second)


@pytest.mark.parametrize("session", ["", "..", "../keys", "x" * 26, pytest.param(new_session_id(5), id="unknown")])
def test_no_such_session(store: Store, session: str) -> None:
    with pytest.raises(NotFound):
        load(store, session)
    with pytest.raises(NotFound):
        apply_edit(store, session, ("tag", {"value": "x"}))


def test_a_deleted_session_is_not_edited(store: Store) -> None:
    session = complete_session(store)
    remove(store, session)
    with pytest.raises(NotFound):
        apply_edit(store, session, ("tag", {"value": "x"}))
    with pytest.raises(NotFound):
        add_artifacts(store, session, [screen_text("s", "one")])
