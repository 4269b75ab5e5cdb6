"""Keys of a later pepys are refused with the version needed: they are not damaged, set aside or written over."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from pepys.errors import KeyProblem
from pepys.store.key_change import change_master, import_key
from pepys.store.key_check import copies
from pepys.store.key_master import master_key_path
from pepys.store.key_wrapping import pair
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.stored_session import complete_session, make_store, reopen


def newer(wrapping: bytes, more: bytes = b"") -> bytes:
    """A whole wrapping as a later version may write it."""
    body = wrapping[:4] + b"\x07" + wrapping[5:-8] + more
    return body + hashlib.sha256(body).digest()[:8]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = make_store(tmp_path)
    complete_session(store)
    return store


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "locks" not in path.parts}


@pytest.mark.parametrize("more", [b"", b"x" * 500])
def test_a_wrapping_of_a_later_version_is_refused_with_it(store: Store, tmp_path: Path, more: bytes) -> None:
    """Catches `no whole copy of the wrapped key is left`, and a recovery code that is asked for in vain."""
    for path in pair(store.path, store.keys.device_id):
        path.write_bytes(newer(store.keys.wrapping, more))
    before = files(tmp_path)
    acts = (
        lambda: reopen(tmp_path),
        lambda: change_master(store.path, tmp_path / "config", None, str),
        lambda: import_key(store.path, tmp_path / "config", store.keys.store_key),
        lambda: import_key(store.path, tmp_path / "config", store.keys.store_key, new_master=True),
    )
    for act in acts:
        with pytest.raises(KeyProblem, match="wrapping version 7, this one reads version 1") as told:
            act()
        assert told.value.remedy.startswith("update pepys")
    after = {path: data for path, data in files(tmp_path).items() if path.name != "master.key.lock"}
    assert after == {path: data for path, data in before.items() if path.name != "master.key.lock"}
    assert {copy.state for copy in copies(store.path, None)} == {"newer"}


@pytest.mark.parametrize("which", [0, 1])
def test_one_copy_of_a_later_version_is_not_written_over(store: Store, tmp_path: Path, which: int) -> None:
    """Catches a restored copy that destroys what a later pepys wrote, and a change of the key that does."""
    path = pair(store.path, store.keys.device_id)[which]
    path.write_bytes(newer(store.keys.wrapping))
    again = reopen(tmp_path)
    assert again.notices == () and verify(again).damages == ()
    with pytest.raises(KeyProblem, match="newer pepys"):
        change_master(store.path, tmp_path / "config", None, str)
    assert path.read_bytes() == newer(store.keys.wrapping)
    assert not (tmp_path / "config" / "master.key.new").exists()


def test_another_device_of_a_later_version_is_its_own_affair(store: Store, tmp_path: Path) -> None:
    for path in pair(store.path, "0" * 13):
        path.write_bytes(newer(store.keys.wrapping))
    change_master(store.path, tmp_path / "config", None, str)
    assert reopen(tmp_path).notices == () and verify(reopen(tmp_path)).damages == ()


def test_a_master_key_of_a_later_version_is_not_set_aside(store: Store, tmp_path: Path) -> None:
    """Catches `key import --new-master` that puts a good key away because this version does not know it."""
    line = master_key_path(tmp_path / "config")
    line.write_text("pepys-master-key-9 hardware slot 0\n")
    for new_master in (False, True):
        with pytest.raises(KeyProblem, match="newer pepys"):
            import_key(store.path, tmp_path / "config", store.keys.store_key, new_master=new_master)
    assert line.read_text() == "pepys-master-key-9 hardware slot 0\n"
    assert not list((tmp_path / "config").glob("*.aside-*"))
    shutil.rmtree(tmp_path / "config")


def test_damage_is_still_damage(store: Store) -> None:
    """A flipped bit of the version makes no later one: the sum tells."""
    first, _ = pair(store.path, store.keys.device_id)
    data = bytearray(first.read_bytes())
    data[4] ^= 2
    first.write_bytes(data)
    assert copies(store.path, None)[0].state == "damaged"
