"""`verify` finds every kind of damage and says whose it is; and finds nothing in a store that is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys.errors import NotFound
from pepys.limits import FRAGMENT_NS
from pepys.model.ids import new_session_id
from pepys.store.database import open_database
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.reader import load
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.stored_session import SECOND, WALL_NS, Recording, complete_session, make_store, screen_text


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def session(store: Store) -> str:
    session = complete_session(store)
    add_artifacts(store, session, [screen_text(load(store, session).shots[0].blob, "text")])
    apply_edit(store, session, ("tag", {"value": "t"}))
    return session


def path_of(store: Store, blob: str) -> Path:
    return store.path / "blobs" / blob[3:5] / blob[5:7] / blob


def test_a_whole_store_has_no_damage(store: Store, session: str) -> None:
    steps: list[tuple[int, int]] = []
    report = verify(store, progress=lambda done, total: steps.append((done, total)))
    assert report.damages == () and report.sessions == 1
    assert report.blobs == len(steps) and steps[-1][0] == report.blobs
    assert report.bytes > 280_000


@pytest.mark.parametrize("how", ["flipped", "cut", "missing", "swapped"])
def test_every_blob_is_proven(store: Store, session: str, how: str) -> None:
    for blob in [blob for blob in store.blobs.ids() if blob != store.heads.read(session).previous]:
        path = path_of(store, blob)
        whole = path.read_bytes()
        if how == "missing":
            path.unlink()
        elif how == "swapped":
            path.write_bytes(path_of(store, store.blobs.put(b"another")).read_bytes())
        else:
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if how == "flipped" else whole[:-1])
        damages = verify(store, session).damages
        assert damages and {damage.session for damage in damages} == {session}
        path.write_bytes(whole)
    assert verify(store).damages == ()


def test_damage_is_placed_on_track_and_time(store: Store, session: str) -> None:
    track = load(store, session).track("video")
    assert track is not None
    segment = track.segments[1]
    path_of(store, segment.blob).unlink()
    (damage,) = verify(store).damages
    assert (damage.track, damage.start_ns, damage.end_ns) == (
        "video", segment.at_ns, segment.at_ns + segment.duration_ns,
    )  # fmt: skip
    assert damage.blob == segment.blob


def test_a_shared_blob_is_damage_of_each_session(store: Store, session: str) -> None:
    other = complete_session(store, wall_ns=WALL_NS + SECOND)
    path_of(store, load(store, session).shots[0].blob).unlink()
    assert {damage.session for damage in verify(store).damages} == {session, other}
    assert {damage.session for damage in verify(store, other).damages} == {other}


def test_a_recording_under_way_is_proven_too(store: Store) -> None:
    recording = Recording.begin(store)
    recording.segment()
    recording.open_segment()
    recording.fragment()
    assert verify(store).damages == ()
    path = store.path / "blobs" / "open" / f"{recording.session}-video-1"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    (damage,) = verify(store).damages
    assert (damage.track, damage.what) == ("video", "open segment 1")
    recording.die()


def test_an_ended_session_with_a_segment_that_has_no_name_is_damaged(store: Store) -> None:
    recording = Recording.begin(store)
    recording.segment()
    recording.open_segment()
    recording.fragment()
    session = recording.end()
    (damage,) = verify(store).damages
    assert (damage.session, damage.track, damage.what) == (session, "video", "segment 1")
    assert damage.start_ns == 2 * FRAGMENT_NS and damage.end_ns == 3 * FRAGMENT_NS


def test_a_damaged_record_of_a_journal_is_told(store: Store) -> None:
    recording = Recording.begin(store)
    recording.note("one")
    at = store.journal_path(recording.session).stat().st_size
    recording.note("two")
    recording.note("three")
    path = store.journal_path(recording.session)
    data = bytearray(path.read_bytes())
    data[at + 10] ^= 1
    path.write_bytes(data)
    (damage,) = verify(store).damages
    assert damage.what == "journal" and str(at) in damage.problem
    recording.die()


def test_unreferenced_blobs_are_counted_and_are_no_damage(store: Store, session: str) -> None:
    before = verify(store).unreferenced
    store.blobs.put(b"nobody's")
    report = verify(store)
    assert report.damages == () and report.unreferenced == before + 1 and report.unreferenced_bytes > 0


def test_the_ledger_is_proven(store: Store) -> None:
    open_database(store, "ledger").close()
    assert verify(store).damages == ()
    store.database_path("ledger").write_bytes(b"not a database" * 1000)
    assert [damage.what for damage in verify(store).damages] == ["ledger"]


def test_no_such_session(store: Store, session: str) -> None:
    with pytest.raises(NotFound):
        verify(store, new_session_id(7))
