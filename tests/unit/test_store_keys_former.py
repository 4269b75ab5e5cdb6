"""Former master keys, homes of two names, and keys brought back in an interrupted change: nobody is locked out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pepys import limits
from pepys.errors import Busy, KeyProblem
from pepys.store import key_master, key_passphrase
from pepys.store.files import locked
from pepys.store.key_change import Changed, Imported, change_master, import_key
from pepys.store.key_check import copies
from pepys.store.key_former import Master, Rank, former_lines, former_path, formers_of, keep_former
from pepys.store.key_homes import homes_path, known
from pepys.store.key_master import Kind, master_key_path, next_key_path, read_kept
from pepys.store.key_ring import ring_get
from pepys.store.keys import StoreKeys, open_keys
from pepys.store.store import open_store
from pepys.store.verify import verify
from tests.stored_session import Recording, complete_session, make_store, reopen
from tests.unit.test_store_keys_change import killed_at, points_of, states

OLD, NEW = "four old words here", "four new words here"
HALF = "change.wrap.copy.durable:1"
"""One of two homes is moved."""


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test gave as a passphrase, or was given, is not there for the next."""
    monkeypatch.setattr(key_passphrase, "_given", [])
    monkeypatch.setattr(key_master, "_got", {})


def change(folder: Path, to: Kind | None = None, words: str = NEW, *, forget: bool = False) -> Changed:
    return change_master(folder / "home", folder / "config", to, lambda: words, forget_former=forget)


def opened(folder: Path, home: str = "home") -> StoreKeys:
    return open_keys(folder / home, folder / "config", create=False)


def master(folder: Path) -> bytes:
    kept = read_kept(master_key_path(folder / "config"))
    assert kept is not None
    return kept.secret()


def two_homes(folder: Path) -> dict[str, StoreKeys]:
    stores = {name: open_store(folder / name, config_dir=folder / "config") for name in ("home", "other")}
    for store in stores.values():
        store.blobs.put(b"what proves a store key")
    return {name: store.keys for name, store in stores.items()}


def copied(pattern: Path, folder: Path) -> None:
    """A machine of its own with the same homes and keys."""
    shutil.copytree(pattern, folder)
    path = homes_path(folder / "config")
    path.write_text(path.read_text().replace(str(pattern), str(folder)))


# --- one home by two names


def test_a_home_of_two_names_is_changed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a change that waits for ever for a lock that it holds itself."""
    monkeypatch.setattr(limits, "KEY_CHANGE_LOCK_S", 0.1)
    make_store(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "home")
    (tmp_path / "sub").mkdir()
    for name in (link, tmp_path / "sub" / ".." / "home"):
        open_keys(name, tmp_path / "config", create=False)
    assert known(tmp_path / "config") == [tmp_path / "home"]
    # A list of an earlier version, or one that was edited.
    homes_path(tmp_path / "config").write_text(f"{link}\n{tmp_path}/sub/../home\n{tmp_path}/home\n")
    assert change(tmp_path).homes == (tmp_path / "home",)
    # As by a bind mount, which no path tells: the folder of keys is the same one.
    alias = tmp_path / "alias"
    alias.mkdir()
    (alias / "keys").symlink_to(tmp_path / "home" / "keys")
    (alias / "locks").symlink_to(tmp_path / "home" / "locks")
    homes_path(tmp_path / "config").write_text(f"{alias}\n{tmp_path}/home\n")
    assert len(change(tmp_path).homes) == 1 and states(tmp_path) == {"opens"}


@pytest.mark.parametrize("lock", ["home/locks/keys.lock", "config/master.key.lock"])
def test_a_lock_that_is_held_ends_the_change_and_nothing_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(limits, "KEY_CHANGE_LOCK_S", 0.1)
    make_store(tmp_path)
    before = master(tmp_path)
    with locked(tmp_path / lock), pytest.raises(Busy, match="another process holds"):
        change(tmp_path)
    assert not next_key_path(tmp_path / "config").exists() and master(tmp_path) == before
    assert reopen(tmp_path).notices == ()


def test_homes_are_locked_in_one_order_by_whoever_changes_a_key_of_theirs(tmp_path: Path) -> None:
    """Catches two config folders that share homes, each waiting for what the other holds."""
    keys = two_homes(tmp_path)
    second = tmp_path / "second"
    for name in ("other", "home"):
        import_key(tmp_path / name, second, keys[name].store_key)
    for _ in range(2):
        # A change tells the homes in the order in which it locked them.
        first = change(tmp_path).homes
        assert first == change_master(tmp_path / "other", second, None, lambda: NEW).homes
    for name, config in ((name, config) for name in keys for config in (tmp_path / "config", second)):
        assert open_keys(tmp_path / name, config, create=False).store_key == keys[name].store_key


# --- former master keys


def test_a_backup_of_before_the_change_opens_and_is_moved(tmp_path: Path) -> None:
    """Catches a change that makes every earlier backup, and each home that it was not told of, a heap of noise."""
    store = make_store(tmp_path)
    complete_session(store)
    Recording.begin(store).die()
    shutil.copytree(tmp_path / "home", tmp_path / "backup")
    for _ in range(3):
        change(tmp_path)
    keys = opened(tmp_path, "backup")
    assert keys.store_key == store.keys.store_key and "moved to the present one" in keys.hints[0] and not keys.notices
    assert states(tmp_path, "backup") == {"opens"} and opened(tmp_path, "backup").hints == ()
    assert tmp_path / "backup" in known(tmp_path / "config")
    assert verify(open_store(tmp_path / "backup", config_dir=tmp_path / "config")).damages == ()


def test_a_home_of_a_former_key_is_moved_by_the_next_change_too(tmp_path: Path) -> None:
    keys = two_homes(tmp_path)
    shutil.move(tmp_path / "other", tmp_path / "away")
    change_master(tmp_path / "home", tmp_path / "config", None, lambda: NEW, frozenset([tmp_path / "other"]))
    shutil.move(tmp_path / "away", tmp_path / "other")
    homes_path(tmp_path / "config").write_text(f"{tmp_path / 'other'}\n")
    assert len(change(tmp_path, forget=True).homes) == 2 and former_lines(tmp_path / "config") == []
    assert opened(tmp_path, "other").store_key == keys["other"].store_key


def test_former_keys_are_forgotten_on_request(tmp_path: Path) -> None:
    """Catches a key that leaked and still opens what is put in the home's place."""
    make_store(tmp_path)
    shutil.copytree(tmp_path / "home", tmp_path / "backup")
    change(tmp_path)
    assert formers_of(tmp_path / "config", master(tmp_path))
    change(tmp_path, forget=True)
    assert not former_path(tmp_path / "config").exists()
    with pytest.raises(KeyProblem, match="is not the one that"):
        opened(tmp_path, "backup")


def test_former_keys_stand_nowhere_in_plain_and_are_bounded(tmp_path: Path) -> None:
    """Catches a file key that is left readable beside a passphrase, and a file that grows for ever."""
    make_store(tmp_path)
    keys = []
    for _ in range(limits.FORMER_KEYS + 2):
        keys.append(master(tmp_path))
        change(tmp_path)
    kept = formers_of(tmp_path / "config", master(tmp_path))
    assert kept == keys[::-1][: limits.FORMER_KEYS]
    assert former_path(tmp_path / "config").stat().st_mode & 0o77 == 0
    keys.append(master(tmp_path))
    change(tmp_path, Kind.PASSPHRASE)
    files = [path.read_bytes() for path in (tmp_path / "config").iterdir() if path.is_file()]
    assert not [key for key in [*keys, master(tmp_path)] for data in files if key in data or key.hex().encode() in data]
    assert formers_of(tmp_path / "config", master(tmp_path))[0] == keys[-1]


@pytest.mark.parametrize(
    "lines", ["", "\xff\n", "pepys-former-key-1\n", "pepys-former-key-1 00\n", "pepys-other-key-1 00"]
)
def test_a_damaged_file_of_former_keys_costs_only_them(tmp_path: Path, lines: str) -> None:
    make_store(tmp_path)
    change(tmp_path)
    whole = former_lines(tmp_path / "config")
    former_path(tmp_path / "config").write_text(lines, encoding="latin-1")
    assert reopen(tmp_path).notices == () and formers_of(tmp_path / "config", master(tmp_path)) == []
    former_path(tmp_path / "config").write_text(f"{lines}\n" + "\n".join(whole), encoding="latin-1")
    assert len(formers_of(tmp_path / "config", master(tmp_path))) == 1


# --- a change that was interrupted


@pytest.mark.parametrize(("point", "given"), [(HALF, OLD), (HALF, NEW), ("key.moved:1", OLD)])
def test_between_two_passphrases_either_opens_and_ends_the_change(tmp_path: Path, point: str, given: str) -> None:
    """Catches a server without a terminal that neither passphrase lets in, nor go on."""
    keys = two_homes(tmp_path)
    change(tmp_path, Kind.PASSPHRASE, OLD)
    assert killed_at(point, lambda: change(tmp_path, None, NEW))
    key_master._got.clear()
    key_passphrase._given[:] = [given]
    for name in keys:
        assert (
            opened(tmp_path, name).store_key == keys[name].store_key and "under way" in opened(tmp_path, name).hints[0]
        )
    assert verify(reopen(tmp_path)).damages == (), "nothing is damaged"
    key_master._got.clear()
    assert change(tmp_path, None, NEW).ended_another
    key_master._got.clear()
    key_passphrase._given[:] = [NEW]
    for name in keys:
        found = opened(tmp_path, name)
        assert found.store_key == keys[name].store_key and found.hints == ()


@pytest.mark.parametrize("name", ["home", "other"])
def test_a_new_master_key_on_top_of_an_interrupted_change_loses_no_home(tmp_path: Path, name: str) -> None:
    """Catches the only key of the homes that had been moved, thrown away with the line of the interrupted change."""
    pattern = tmp_path / "pattern"
    keys = two_homes(pattern)
    change(pattern)
    formers = formers_of(pattern / "config", master(pattern))
    assert killed_at(HALF, lambda: change(pattern))
    lines = {path.read_bytes() for path in (master_key_path(pattern / "config"), next_key_path(pattern / "config"))}

    def bring_back(folder: Path) -> Imported:
        return import_key(folder / name, folder / "config", keys[name].store_key, new_master=True)

    def all_open(folder: Path) -> bool:
        return all(opened(folder, home).store_key == keys[home].store_key for home in keys)

    copied(pattern, tmp_path / "counted")
    points = points_of(lambda: bring_back(tmp_path / "counted"))
    assert {"master.aside.durable:2", "master.former.durable:1", "master.durable:1"} <= set(points)
    for number, point in enumerate(point for point in points if point.startswith(("master.", "wrap", "home.unlink"))):
        folder = tmp_path / str(number)
        copied(pattern, folder)
        assert killed_at(point, lambda folder=folder: bring_back(folder)), point
        assert all_open(folder), point
        done = bring_back(folder)
        assert all_open(folder) and not next_key_path(folder / "config").exists(), point
        assert lines <= {path.read_bytes() for path in (folder / "config").glob("master.key.aside-*")}, point
        assert done.set_aside and set(formers) <= set(formers_of(folder / "config", master(folder))), point
        change(folder)
        assert states(folder) >= {"opens"} and all_open(folder), point
        shutil.rmtree(folder)


def test_a_key_that_cannot_be_got_is_set_aside_and_opens_again_when_put_back(tmp_path: Path) -> None:
    """Catches a former key that goes for good with a passphrase that was not at hand."""
    keys = two_homes(tmp_path)
    change(tmp_path, Kind.PASSPHRASE, OLD)
    key_master._got.clear()
    key_passphrase._given[:] = [NEW]
    done = import_key(tmp_path / "home", tmp_path / "config", keys["home"].store_key, new_master=True)
    assert opened(tmp_path).store_key == keys["home"].store_key
    with pytest.raises(KeyProblem):
        opened(tmp_path, "other")
    done.set_aside[0].replace(master_key_path(tmp_path / "config"))
    key_passphrase._given[:] = [OLD]
    assert opened(tmp_path, "other").store_key == keys["other"].store_key


def test_a_next_key_that_no_change_makes_is_not_tried(tmp_path: Path) -> None:
    """Catches a line left by a kill: homes would be moved to a key whose own line was never written."""
    make_store(tmp_path)
    assert killed_at("master.written:1", lambda: change(tmp_path))
    stray = former_lines(tmp_path / "config")
    assert any(line.startswith("pepys-next-key-1 ") for line in stray)
    change(tmp_path)
    assert reopen(tmp_path).notices == () and states(tmp_path) == {"opens"}
    assert not any(line.startswith("pepys-next") for line in former_lines(tmp_path / "config"))
    # Of another next key, as when a version that knew no such lines began the change.
    present = master(tmp_path)
    assert killed_at("change.wrap.durable:1", lambda: change(tmp_path))
    keep_former(tmp_path / "config", present, [], Master(Rank.NEXT, bytes(32), "00000000"))
    assert change(tmp_path).ended_another
    assert reopen(tmp_path).notices == () and states(tmp_path) == {"opens"}


# --- children


def test_the_keyring_s_child_runs_nothing_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a download in whose folder `pepys list` is run, and which is handed the master key."""
    for name in ("json", "keyring", "pepys"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    with pytest.raises(KeyProblem):
        ring_get("no such name")
    assert not (tmp_path / "ran").exists()


# --- what lies in the place of a key


@pytest.mark.parametrize("name", ["master.key", "master.key.new", "master.key.former", "homes"])
def test_a_pipe_or_a_folder_in_the_place_of_a_file_makes_nobody_wait(tmp_path: Path, name: str) -> None:
    """Catches a command that hangs on a pipe that nobody writes to, or ends in words for programmers."""
    make_store(tmp_path)
    path = tmp_path / "config" / name
    for put in (os.mkfifo, os.mkdir):
        shutil.rmtree(tmp_path / "config")
        make_store(tmp_path / "elsewhere")
        shutil.copytree(tmp_path / "elsewhere" / "config", tmp_path / "config")
        path.unlink(missing_ok=True)
        put(path)
        with pytest.raises(
            KeyProblem, match="is no file" if name in {"master.key", "master.key.new"} else "is not the one"
        ):
            opened(tmp_path)
        shutil.rmtree(tmp_path / "elsewhere")


def test_the_line_of_a_newer_version_is_not_called_damaged(tmp_path: Path) -> None:
    """Catches a good key that is set aside because this pepys is too old for it."""
    make_store(tmp_path)
    master_key_path(tmp_path / "config").write_text("pepys-master-key-9 hardware 0 0\n")
    with pytest.raises(KeyProblem, match="of a newer pepys: pepys-master-key-9") as told:
        opened(tmp_path)
    assert "update pepys" in told.value.remedy


def test_copies_that_no_key_tries_are_not_called_another_key_s(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    first, second = sorted((store.path / "keys").iterdir())
    second.write_bytes(b"")
    assert [copy.state for copy in copies(store.path, None)] == ["whole", "damaged"]
    first.unlink()
    assert [copy.state for copy in copies(store.path, None)] == ["missing", "damaged"]
