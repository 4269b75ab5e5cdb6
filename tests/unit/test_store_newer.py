"""What a later pepys wrote is refused with the version that is needed: it is no damage, and no backup is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pepys.cli import main
from pepys.errors import Damaged, NewerFormat, PepysError, from_json
from pepys.model.events import SegmentSealed
from pepys.store import database as db
from pepys.store.blob_port import blob_name
from pepys.store.ledger import Ledger
from pepys.store.ledger_anchor import anchor_path
from pepys.store.reader import events, load, read_root
from pepys.store.rebuild import rebuild
from pepys.store.recover import recover_all
from pepys.store.removals import REMOVAL, read_list, write_list
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from tests.stored_session import Recording, complete_session, make_store

NEEDED = r"version 2 and needs a newer pepys; this one knows up to 1$"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def make_newer(path: Path) -> None:
    """Put another version into the header that all files of the home have."""
    data = bytearray(path.read_bytes())
    assert data[4] == 1
    data[4] = 2
    path.write_bytes(data)


def heads(store: Store, session: str) -> list[Path]:
    return sorted((store.path / "heads" / session).glob("[!.]*"))


def refused(act: Callable[[], object]) -> NewerFormat:
    with pytest.raises(NewerFormat, match=NEEDED) as told:
        act()
    assert told.value.remedy == "update pepys to one that knows version 2" and told.value.exit_code == 6
    return told.value


def told(store: Store) -> list[str]:
    """What `verify` says; none of it asks for a backup."""
    damages = verify(store).damages
    assert damages and {damage.remedy.split(" to ")[0] for damage in damages} == {"update pepys"}
    return [damage.problem for damage in damages]


def test_a_head(store: Store) -> None:
    """Catches `restore it from a backup`, and an older copy that takes the place of what a later pepys wrote."""
    session = complete_session(store)
    whole = [path.read_bytes() for path in heads(store, session)]
    for path in heads(store, session):
        make_newer(path)
    refused(lambda: load(store, session))
    assert len(told(store)) == 1
    for number, path in enumerate(heads(store, session)):
        path.write_bytes(whole[number])
        left = {path: path.read_bytes() for path in heads(store, session)}
        rebuild(store)
        recover_all(store)
        assert {path: path.read_bytes() for path in heads(store, session)} == left
        make_newer(path)


def test_a_flipped_bit_of_a_version_is_damage(store: Store) -> None:
    """Catches a disk's error that is told as the work of a pepys that does not exist."""
    session = complete_session(store)
    path = heads(store, session)[0]
    data = bytearray(path.read_bytes())
    data[4] ^= 0x40
    path.write_bytes(data)
    assert load(store, session).id == session
    assert store.heads.damaged(session) == [path] and rebuild(store).restored == (path,)


def test_a_blob(store: Store) -> None:
    session = complete_session(store)
    event = next(event for event in events(store, session) if isinstance(event, SegmentSealed))
    make_newer(store.path / blob_name(event.blob))
    error = refused(lambda: store.blobs.read(event.blob))
    assert error.message.startswith(f"the blob {event.blob}: ")
    refused(lambda: store.blobs.read_range(event.blob, 0, 5))
    assert told(store) == [error.message]


def test_a_manifest_s_blob_is_not_passed_over_for_the_one_before(store: Store) -> None:
    session = complete_session(store)
    manifest = store.path / blob_name(read_root(store, session)[0].manifest)
    for path in manifest.parent.glob(f"{manifest.name}*"):
        make_newer(path)
    refused(lambda: load(store, session))
    assert all("needs a newer pepys" in problem for problem in told(store))


def test_a_journal(store: Store) -> None:
    """Catches `is no journal`, and a recovery that deletes it or cuts it."""
    recording = Recording.begin(store)
    recording.segment()
    recording.die()
    path = store.journal_path(recording.session)
    make_newer(path)
    before = path.read_bytes()
    recover_all(store)
    rebuild(store)
    assert path.read_bytes() == before
    assert any("needs a newer pepys" in problem for problem in told(store))


def test_a_ledger_and_its_anchor(store: Store) -> None:
    """Catches an anchor that is replaced, and a ledger that is told as damaged."""
    ledger = Ledger(store)
    for _ in range(2):
        ledger.append("spend", "s", 1)
    whole = anchor_path(store).read_bytes()
    make_newer(anchor_path(store))
    newer = anchor_path(store).read_bytes()
    refused(lambda: ledger.append("spend", "s", 1))
    assert len(told(store)) == 1 and anchor_path(store).read_bytes() == newer
    anchor_path(store).write_bytes(whole)
    with closing(db.open_database(store, "ledger")) as connection:
        connection.execute("PRAGMA user_version = 99")
    for act in (lambda: ledger.append("spend", "s", 1), lambda: ledger.total_nanos("s")):
        with pytest.raises(NewerFormat, match="of version 99 and needs a newer pepys; this one knows up to 3"):
            act()
    (problem,) = told(store)
    assert "version 99" in problem


def test_a_list_of_a_removal(store: Store) -> None:
    session = complete_session(store)
    write_list(store, session, REMOVAL, [])
    make_newer(store.path / "removing" / session)
    refused(lambda: read_list(store, session, REMOVAL))
    assert len(told(store)) == 1


def test_the_command_says_update(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(home)
    session = complete_session(store)
    for path in heads(store, session):
        make_newer(path)
    for words in (["show", session], ["verify"], ["rebuild"]):
        assert main(words) in {6, 9}
        written = capsys.readouterr()
        assert "version 2 and needs a newer pepys" in written.err and "backup" not in written.err, words
        assert words == ["rebuild"] or "update pepys to one that knows version 2" in written.err


def test_the_error_crosses_a_socket() -> None:
    error = NewerFormat.of("the file", 2, 1)
    again = from_json(json.loads(json.dumps(error.to_json())))
    assert type(again) is NewerFormat and isinstance(again, Damaged) and isinstance(again, PepysError)
    assert again.to_json() == error.to_json() and error.code == "newer_format"
