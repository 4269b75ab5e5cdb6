"""Push and pull between two homes: what comes, in which order, what is left out, and what nothing may undo."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from pepys.errors import KeyProblem, NotFound, StorageProblem, Usage
from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.store.adapters.around import Around
from pepys.store.adapters.faulty import Faulty
from pepys.store.adapters.memory import MemoryAdapter
from pepys.store.blob_port import BlobAdapter
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.reader import load, session_ids
from pepys.store.remove import remove
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.stored_session import SECOND, WALL_NS, Recording, blob_files, complete_session, flip, transcript
from tests.synced_homes import another_home, first_home, shown, sync, whole


@pytest.fixture
def remote() -> MemoryAdapter:
    return MemoryAdapter()


@pytest.fixture
def here(tmp_path: Path) -> Store:
    return first_home(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path, here: Store) -> Store:
    return another_home(tmp_path / "there", here)


def blob_path(store: Store, blob: str) -> Path:
    return store.path / "blobs" / blob[3:5] / blob[5:7] / blob


def segments(store: Store, session: str) -> list[Any]:
    return [segment for track in load(store, session).tracks for segment in track.segments]


def test_all_sessions_come_to_another_home_byte_for_byte(here: Store, there: Store, remote: MemoryAdapter) -> None:
    """Catches a piece that is not brought, or is sealed anew: what is equal would be stored twice."""
    sessions = [complete_session(here, f"Day {n}", tags=("t",), wall_ns=WALL_NS + n * SECOND) for n in range(3)]
    add_artifacts(here, sessions[0], [transcript("words that were spoken")])
    pushed = push(here, remote)
    assert (pushed.sessions, pushed.skipped, pushed.left) == (3, 0, [])
    pulled = pull(there, remote)
    assert (pulled.sessions, pulled.blobs, pulled.bytes) == (3, pushed.blobs, pushed.bytes)
    for session in sessions:
        assert shown(there, session) == shown(here, session)
    for blob in there.blobs.ids():
        assert blob_path(there, blob).read_bytes() == blob_path(here, blob).read_bytes()
    assert whole(there)
    again = pull(there, remote), push(there, remote), push(here, remote)
    assert [(one.sessions, one.blobs, one.skipped) for one in again] == [(0, 0, 3)] * 3


class _Ordered(Around):
    """Notes the order in which files get their names."""

    def __init__(self, inner: BlobAdapter) -> None:
        super().__init__(inner)
        self.named: list[str] = []

    def _do(self, kind: str, name: str, call: Any) -> Any:
        made = call()
        if kind in {"put", "replace"}:
            self.named.append(name)
        return made


def test_blobs_come_first_then_the_manifest_then_the_head(here: Store, remote: MemoryAdapter) -> None:
    """Catches a head, or a manifest, that is there before what it names: a push that is cut off leaves it dangling."""
    ordered = _Ordered(remote)
    session = complete_session(here)
    push(here, ordered)
    manifest = here.heads.read(session).manifest
    assert ordered.named[0] == "pepys.json"
    assert [name.endswith(manifest) for name in ordered.named].index(True) == len(ordered.named) - 2 > 3
    assert ordered.named[-1].startswith(f"heads/{session}/")


def test_changes_of_two_devices_are_put_together(here: Store, there: Store, remote: MemoryAdapter) -> None:
    """Catches an edit that is lost because the other device edited too, or was further."""
    session = complete_session(here)
    push(here, remote)
    pull(there, remote)
    for n in range(4):
        apply_edit(there, session, ("tag", {"value": f"there {n}"}))
    apply_edit(here, session, ("tag", {"value": "here"}))
    add_artifacts(here, session, [transcript("heard here")])
    sync(here, remote)
    sync(there, remote)
    sync(here, remote)
    assert shown(here, session) == shown(there, session)
    assert {"here", "there 0", "there 3"} <= set(load(here, session).tags)
    assert [ref.stage for ref in load(there, session).artifacts] == ["transcript"]
    assert whole(here) and whole(there)


def test_a_recording_that_goes_on_is_not_hidden_by_edits_of_an_older_state(
    here: Store, there: Store, remote: MemoryAdapter
) -> None:
    """Catches a device that only tagged half a session, often enough to be further, and hides the other half."""
    recording = Recording.begin(here)
    recording.segment()
    session = recording.die()
    from pepys.store.recover import recover
    from pepys.store.writer import SessionWriter

    recover(here, session)
    push(here, remote)
    pull(there, remote)
    for n in range(9):
        apply_edit(there, session, ("tag", {"value": f"t{n}"}))
    going = Recording(SessionWriter.resume(here, session))
    going.at_ns, going.span, going._segment = 10 * SECOND, 1, 5
    going.begin_span()
    going.segment()
    going.end()
    sync(here, remote), sync(there, remote), sync(here, remote)
    for store in (here, there):
        assert load(store, session).state == "completed"
        assert len(segments(store, session)) == 2
        assert len(load(store, session).tags) == 9


def test_a_deleted_session_is_deleted_everywhere_and_stays_so(here: Store, there: Store, remote: MemoryAdapter) -> None:
    """Catches a session that another device's push brings back, and blobs that nobody frees."""
    kept, gone = (complete_session(here, f"Day {n}", wall_ns=WALL_NS + n * SECOND) for n in range(2))
    shot = Recording.begin(here, wall_ns=WALL_NS + 3 * SECOND)
    shot.shot(b"only in the deleted one")
    alone = shot.end()
    push(here, remote)
    sync(there, remote)
    apply_edit(there, gone, ("tag", {"value": "kept by me"}))
    remove(here, gone), remove(here, alone)
    pushed = push(here, remote)
    assert pushed.deleted == 2 and pushed.unnamed_blobs
    # Who does not know of it does not bring it back.
    refused = push(there, remote)
    assert {left.session for left in refused.left} == {gone, alone} and "deleted" in refused.left[0].reason
    before = sum(1 for _ in there.blobs.ids())
    assert pull(there, remote).deleted == 2
    assert sum(1 for _ in there.blobs.ids()) < before
    sync(there, remote), sync(here, remote)
    for store in (here, there):
        assert load(store, gone).state == load(store, alone).state == "deleted"
        assert load(store, kept).state == "completed" and whole(store)


def test_a_session_that_is_being_recorded_is_left(here: Store, there: Store, remote: MemoryAdapter) -> None:
    """Catches half a session at the remote, whose open media no other device can read."""
    recording = Recording.begin(here)
    recording.segment()
    done = complete_session(here, wall_ns=WALL_NS + SECOND)
    result = push(here, remote)
    assert [(left.session, left.damaged) for left in result.left] == [(recording.session, False)]
    assert "being recorded" in result.left[0].reason and result.sessions == 1
    assert pull(there, remote).sessions == 1 and session_ids(there) == [done]
    recording.end()
    assert not push(here, remote).left


def test_media_can_stay_and_come_later(here: Store, there: Store, remote: MemoryAdapter) -> None:
    """Catches a session without media that the next pull takes for whole."""
    session = complete_session(here)
    push(here, remote)
    result = pull(there, remote, with_media=False)
    assert (result.sessions, result.left, result.media_blobs) == (1, [], 4)
    assert load(there, session).notes and not any(there.blobs.exists(s.blob) for s in segments(there, session))
    assert not push(there, remote).left, "what is at the remote need not be here"
    assert pull(there, remote).blobs == 4
    assert shown(there, session) == shown(here, session) and whole(there)


def test_one_session_can_be_asked_for(here: Store, there: Store, remote: MemoryAdapter) -> None:
    """Catches a prefix that is taken for another session's, and `last` that is the oldest."""
    first, second = (complete_session(here, f"Day {n}", wall_ns=WALL_NS + n * 3600 * SECOND) for n in range(2))
    assert push(here, remote, [first]).sessions == 1
    with pytest.raises(NotFound):
        pull(there, remote, [second])
    push(here, remote)
    assert pull(there, remote, ["last"]).sessions == 1 and session_ids(there) == [second]
    assert pull(there, remote, [first[:10]]).sessions == 1
    for wrong, kind in (("01", Usage), ("nothing", NotFound), ("../..", NotFound), ("", NotFound)):
        with pytest.raises(kind):
            pull(there, remote, [wrong])


def test_stores_never_mix(here: Store, tmp_path: Path, remote: MemoryAdapter) -> None:
    """Catches two stores in one bucket, whose heads nobody opens any more."""
    complete_session(here)
    push(here, remote)
    stranger = first_home(tmp_path / "stranger")
    complete_session(stranger)
    for move in (push, pull):
        with pytest.raises(KeyProblem, match="another store"):
            move(stranger, remote)
    with pytest.raises(NotFound, match="no pepys store"):
        pull(here, MemoryAdapter())
    other = MemoryAdapter()
    other.put("keys/something.wrap", b"a home")
    with pytest.raises(Usage, match="home"):
        push(here, other)


def test_a_newer_format_is_refused(here: Store, remote: MemoryAdapter) -> None:
    """Catches an older pepys that writes into what it does not understand."""
    complete_session(here)
    push(here, remote)
    data, version = remote.read_version("pepys.json")
    remote.replace("pepys.json", json.dumps({**json.loads(data), "format": 2}).encode(), version)
    for move in (push, pull):
        with pytest.raises(StorageProblem, match="format 2; this pepys reads up to 1"):
            move(here, remote)


def test_what_another_copy_of_this_home_did_is_not_lost(
    here: Store, tmp_path: Path, there: Store, remote: MemoryAdapter
) -> None:
    """Catches the head of a device that is written over by a copy of its home, with all that was edited there."""
    session = complete_session(here)
    push(here, remote)
    for name in ("home", "config"):
        shutil.copytree(tmp_path / "here" / name, tmp_path / "copy" / name)
    copy = first_home(tmp_path / "copy")
    assert copy.keys.device_id == here.keys.device_id
    for n in range(3):
        apply_edit(copy, session, ("tag", {"value": f"copy {n}"}))
    apply_edit(here, session, ("tag", {"value": "here"}))
    push(copy, remote)
    assert "pull first" in push(here, remote).left[0].reason
    sync(here, remote), sync(copy, remote), sync(there, remote), sync(here, remote)
    assert {"here", "copy 0", "copy 2"} <= set(load(here, session).tags)
    assert shown(here, session) == shown(copy, session) == shown(there, session)


def test_a_home_put_back_to_an_older_state_catches_up(here: Store, tmp_path: Path, remote: MemoryAdapter) -> None:
    """Catches a restored home that pushes its old head, or takes itself for a fork."""
    session = complete_session(here)
    push(here, remote)
    for name in ("home", "config"):
        shutil.copytree(tmp_path / "here" / name, tmp_path / "old" / name)
    apply_edit(here, session, ("tag", {"value": "newer"}))
    push(here, remote)
    old = first_home(tmp_path / "old")
    assert push(old, remote).sessions == 0, "it knows less: nothing moves"
    assert pull(old, remote).sessions == 1
    assert load(old, session).tags == ("newer",) and old.heads.devices(session) == {here.keys.device_id}


def test_pushes_at_once_lose_nothing(here: Store, there: Store, remote: MemoryAdapter) -> None:
    """Catches a head that goes back when two processes of one home push while a third edits."""
    sessions = [complete_session(here, f"Day {n}", wall_ns=WALL_NS + n * SECOND) for n in range(3)]
    problems: list[Exception] = []

    def work(number: int) -> None:
        try:
            for n in range(4):
                apply_edit(here, sessions[n % 3], ("tag", {"value": f"{number}.{n}"}))
                push(here, remote)
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    sync(here, remote), sync(there, remote)
    for session in sessions:
        assert shown(there, session) == shown(here, session)
    assert sum(len(load(there, session).tags) for session in sessions) == 12


@pytest.mark.parametrize("script", ["l", ".l", "......l", ".......l", "........l", "t", "....5", "..........t"])
def test_a_fault_ends_a_push_and_the_next_one_goes_on(
    here: Store, there: Store, remote: MemoryAdapter, script: str
) -> None:
    """Catches a remote that is left dangling where a call failed, or did its work though its answer was lost."""
    session = complete_session(here)
    try:
        push(here, Faulty(remote, script))
    except StorageProblem:
        if remote_has_head(remote, session):
            pull(there, remote)
            assert whole(there)
    assert not push(here, remote).left
    pull(there, Faulty(remote, ""))
    assert shown(there, session) == shown(here, session) and whole(there)


def remote_has_head(remote: BlobAdapter, session: str) -> bool:
    return next(remote.names(f"heads/{session}/"), None) is not None


def test_what_is_damaged_here_is_not_pushed(here: Store, there: Store, remote: MemoryAdapter) -> None:
    """Catches a damaged blob that takes a whole one's place in the backup, and one that keeps the rest from coming."""
    session = complete_session(here)
    bad = segments(here, session)[1]
    flip(blob_path(here, bad.blob), 300)
    result = push(here, remote)
    assert result.damaged and result.left_count == 1 and "damaged here" in result.left[0].reason
    assert (result.left[0].session, result.left[0].track, result.left[0].what) == (session, "video", "segment 1")
    assert result.left[0].start_ns == bad.at_ns
    assert remote_has_head(remote, session)
    pulled = pull(there, remote)
    assert [left.what for left in pulled.left] == ["segment 1"] and "missing" in pulled.left[0].reason
    assert there.blobs.exists(segments(there, session)[0].blob)


@pytest.mark.parametrize("alone", [True, False])
def test_a_pull_brings_a_manifest_that_does_not_open_here(tmp_path: Path, alone: bool) -> None:
    """Catches a pull that takes a file for whole because it is there: the session stays damaged beside its remedy."""
    here, remote = first_home(tmp_path / "a"), MemoryAdapter()
    session = complete_session(here)
    apply_edit(here, session, ("tag", {"value": "here"}))
    push(here, remote)
    own = here.heads.read(session).manifest
    if not alone:
        there = another_home(tmp_path / "b", here)
        pull(there, remote)
        for value in "xyz":
            apply_edit(there, session, ("tag", {"value": value}))
        push(there, remote)
        pull(here, remote)
    before = shown(here, session)
    for path in blob_files(here, own):
        flip(path, -1)
    assert verify(here).damages
    assert not pull(here, remote).left
    assert shown(here, session) == before
    assert whole(here)
