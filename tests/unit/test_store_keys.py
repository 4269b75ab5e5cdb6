"""The keys of a store: made once, never overwritten, restored from any whole copy; a wrong key is told from damage."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pepys.errors import Damaged, KeyProblem, NotFound, StorageProblem
from pepys.store.keys import StoreKeys, open_keys
from pepys.store.reader import session_ids
from pepys.store.store import open_store
from pepys.store.verify import verify
from tests.stored_session import Recording, complete_session, make_store, reopen


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_store_has_keys_that_open_it_again(tmp_path: Path) -> None:
    made = make_store(tmp_path)
    again = reopen(tmp_path)
    assert again.keys.store_key == made.keys.store_key
    assert again.keys.device_id == made.keys.device_id
    assert again.notices == ()
    assert stat.S_IMODE((tmp_path / "config" / "master.key").stat().st_mode) == 0o600


def test_keys_for_different_uses_are_different(tmp_path: Path) -> None:
    keys = make_store(tmp_path).keys
    uses = [keys.id_key, keys.blob_key, keys.journal_key, keys.head_key, keys.database_key("catalog")]
    uses += [keys.database_key("work"), bytes.fromhex(keys.api_token()), keys.store_key]
    assert len(set(uses)) == len(uses)
    assert repr(keys.store_key) not in repr(keys)


def test_keys_cross_a_pipe(tmp_path: Path) -> None:
    keys = make_store(tmp_path).keys
    assert StoreKeys.from_bytes(keys.to_bytes()) == keys
    with pytest.raises(KeyProblem):
        StoreKeys.from_bytes(keys.to_bytes()[:-1] + b"?")


@pytest.mark.parametrize("change", ["missing", "another", "garbage"])
def test_a_wrong_master_key_changes_nothing(tmp_path: Path, change: str) -> None:
    complete_session(make_store(tmp_path))
    key = tmp_path / "config" / "master.key"
    if change == "missing":
        key.unlink()
    elif change == "garbage":
        key.write_bytes(b"\xff\x00 not a key")
    else:
        make_store(tmp_path / "other")
        key.write_bytes((tmp_path / "other" / "config" / "master.key").read_bytes())
    before = files(tmp_path)
    with pytest.raises(KeyProblem) as problem:
        reopen(tmp_path, create=True)
    assert problem.value.exit_code == 4
    assert files(tmp_path) == before


@pytest.mark.parametrize("suffix", [".wrap", ".wrap.copy"])
@pytest.mark.parametrize("missing", [True, False])
def test_one_damaged_copy_is_named_and_restored(tmp_path: Path, suffix: str, missing: bool) -> None:
    store = make_store(tmp_path)
    path = store.path / "keys" / f"{store.keys.device_id}{suffix}"
    whole = path.read_bytes()
    path.unlink() if missing else path.write_bytes(whole[:-3] + b"???")
    again = reopen(tmp_path)
    assert again.keys.store_key == store.keys.store_key
    assert [str(path) in notice for notice in again.notices] == [True]
    assert [damage.what for damage in verify(again).damages] == ["key"]
    assert path.read_bytes() == whole
    assert verify(reopen(tmp_path)).damages == ()


def test_both_files_gone_are_restored_from_a_journal(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    recording = Recording.begin(store)
    recording.die()
    for path in (store.path / "keys").iterdir():
        path.write_bytes(b"gone")
    again = reopen(tmp_path)
    assert session_ids(again) == [recording.session]
    assert len(again.notices) == 2


def test_no_whole_copy_left_is_damage(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    complete_session(store)
    for path in (store.path / "keys").iterdir():
        path.write_bytes(b"gone")
    with pytest.raises(Damaged) as problem:
        reopen(tmp_path, create=True)
    assert problem.value.exit_code == 6


def test_a_home_whose_key_folder_is_gone_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    complete_session(store)
    for path in (store.path / "keys").iterdir():
        path.unlink()
    with pytest.raises(Damaged):
        reopen(tmp_path, create=True)


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_store(tmp_path / "none", create=False, config_dir=tmp_path / "config")
    assert not list(tmp_path.iterdir())


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    for home in (tmp_path / "home", tmp_path / "home" / "inside"):
        with pytest.raises(StorageProblem) as problem:
            open_store(home, config_dir=tmp_path / "config")
        assert problem.value.exit_code == 5
        assert problem.value.remedy


def test_two_processes_make_one_store(tmp_path: Path) -> None:
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                open_keys(tmp_path / "home", tmp_path / "config", create=True)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    assert len(list((tmp_path / "home" / "keys").iterdir())) == 2
