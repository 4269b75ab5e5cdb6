"""Changes of the master key: every home of it goes along, a kill anywhere leaves homes that open, records go on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pepys.errors import KeyProblem, NotFound, PepysError, StorageProblem
from pepys.limits import PASSPHRASE_MEMORY_MAX_KIB
from pepys.store import key_master, key_passphrase, trigger
from pepys.store.blobs import BlobStore
from pepys.store.database import make_database
from pepys.store.key_change import Changed, change_master, import_key
from pepys.store.key_check import copies
from pepys.store.key_homes import homes_path, known
from pepys.store.key_master import Kind, master_key_path, next_key_path, read_kept
from pepys.store.key_wrapping import is_whole, read_journal, unwrap
from pepys.store.keys import StoreKeys, open_keys
from pepys.store.store import open_store
from pepys.store.verify import verify
from tests.stored_session import Recording, complete_session, make_store, reopen

WORDS = "four random words here"


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test gave as a passphrase, or was given, is not there for the next."""
    monkeypatch.setattr(key_passphrase, "_given", [])
    monkeypatch.setattr(key_master, "_got", {})


def change(folder: Path, to: Kind | None = None, *leave: Path) -> Changed:
    return change_master(folder / "home", folder / "config", to, lambda: WORDS, frozenset(leave))


def states(folder: Path, home: str = "home") -> set[str]:
    """The states of all copies of a home, under the master key in force."""
    kept = read_kept(master_key_path(folder / "config"))
    assert kept is not None
    return {copy.state for copy in copies(folder / home, kept.secret())}


def killed_at(point: str, act: Callable[[], object]) -> bool:
    """Run `act` in a child that is killed at a point; whether it came to it."""
    child = os.fork()
    if child == 0:
        trigger.aim(point)
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, -9}, f"{point}: exit {code}"
    return code == -9


def test_another_master_key_opens_and_the_former_one_does_not(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    complete_session(store)
    path = master_key_path(tmp_path / "config")
    former = path.read_bytes()
    done = change(tmp_path)
    assert done.homes == (tmp_path / "home",) and not done.ended_another and done.kept.kind is Kind.FILE
    assert path.read_bytes() != former and path.stat().st_mode & 0o777 == 0o600
    again = reopen(tmp_path)
    assert (again.keys.store_key, again.keys.device_id) == (store.keys.store_key, store.keys.device_id)
    assert again.notices == () and verify(again).damages == () and states(tmp_path) == {"opens"}
    path.write_bytes(former)
    with pytest.raises(KeyProblem, match="is not the one that"):
        reopen(tmp_path)


def test_a_recording_goes_on_and_its_journal_is_moved_too(tmp_path: Path) -> None:
    """Catches a third copy that only a former master key opens, in journals begun before and after the change."""
    store = make_store(tmp_path)
    recording = Recording.begin(store)
    recording.segment()
    change(tmp_path)
    recording.segment()
    second = Recording.begin(store)
    second.segment()
    kept = read_kept(master_key_path(tmp_path / "config"))
    assert kept is not None
    for session in (recording.session, second.session):
        assert unwrap(kept.secret(), read_journal(store.journal_path(session))) == store.keys.store_key
    for path in (store.path / "keys").iterdir():
        path.write_bytes(b"gone")
    again = reopen(tmp_path)
    assert again.keys.store_key == store.keys.store_key and len(again.notices) == 2
    recording.die()
    second.die()


def test_every_home_of_the_key_goes_along(tmp_path: Path) -> None:
    """Catches a change that locks the user out of the homes that it was not told of."""
    make_store(tmp_path)
    other = open_store(tmp_path / "other", config_dir=tmp_path / "config")
    assert set(known(tmp_path / "config")) == {tmp_path / "home", tmp_path / "other"}
    assert len(change(tmp_path).homes) == 2
    again = open_keys(tmp_path / "other", tmp_path / "config", create=False)
    assert again.store_key == other.keys.store_key


def test_a_home_of_a_time_without_a_list_is_known_once_it_was_opened(tmp_path: Path) -> None:
    make_store(tmp_path)
    homes_path(tmp_path / "config").unlink()
    reopen(tmp_path)
    assert known(tmp_path / "config") == [tmp_path / "home"]


def test_a_home_that_is_away_stops_the_change_unless_it_is_left(tmp_path: Path) -> None:
    make_store(tmp_path)
    away = tmp_path / "away"
    open_store(away, config_dir=tmp_path / "config")
    shutil.move(away, tmp_path / "disk")
    before = master_key_path(tmp_path / "config").read_bytes()
    with pytest.raises(NotFound, match="is not there") as told:
        change(tmp_path)
    assert f"--leave {away}" in told.value.remedy
    assert master_key_path(tmp_path / "config").read_bytes() == before
    assert change(tmp_path, None, away).homes == (tmp_path / "home",)
    assert known(tmp_path / "config") == [tmp_path / "home"]


def points_of(act: Callable[[], object]) -> list[str]:
    """Every point that is reached, each time that it is."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        trigger.aim("*")
        act()
        os.write(writing, "\n".join(f"{name} {count}" for name, count in trigger.seen.items()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="ascii") as told:
        counted = [line.split() for line in told]
    assert os.waitpid(child, 0)[1] == 0
    return [f"{name}:{n}" for name, count in counted for n in range(1, int(count) + 1)]


@pytest.mark.parametrize("to", [None, Kind.PASSPHRASE])
def test_killed_anywhere_the_homes_open_and_the_next_change_ends_it(tmp_path: Path, to: Kind | None) -> None:
    """Catches a step in the wrong order: a master key that goes before the last wrapping has moved away from it."""
    key_passphrase._given[:] = [WORDS]
    pattern = tmp_path / "pattern"
    store = make_store(pattern)
    Recording.begin(store).die()
    other = open_store(pattern / "other", config_dir=pattern / "config")
    known_to = homes_path(pattern / "config").read_text()

    def begin(folder: Path) -> None:
        shutil.copytree(pattern, folder)
        homes_path(folder / "config").write_text(known_to.replace(str(pattern), str(folder)))

    begin(tmp_path / "counted")
    points = points_of(lambda: change(tmp_path / "counted", to))
    assert {"master.written:1", "change.wrap.durable:2", "change.wrap.copy.durable:2", "key.moved:1"} <= set(points)
    assert {"change.journal:1", "master.changed.renamed:1", "master.changed.durable:1"} <= set(points)
    # Under a passphrase only the line differs. The disk's own steps lie beside the named ones, but for the last.
    named = [point for point in points if point.startswith(("master.", "change.", "key.", "home.unlink"))]
    tried = named if to is None else ["change.wrap.durable:2"]
    for number, point in enumerate(tried):
        folder = tmp_path / str(number)
        begin(folder)
        assert killed_at(point, lambda folder=folder: change(folder, to)), point
        for home, keys in (("home", store.keys), ("other", other.keys)):
            found = open_keys(folder / home, folder / "config", create=False)
            assert (found.store_key, found.device_id) == (keys.store_key, keys.device_id), point
        done = change(folder, to)
        assert len(done.homes) == 2 and not next_key_path(folder / "config").exists(), point
        assert states(folder) == states(folder, "other") == {"opens"}, point
        again = open_keys(folder / "home", folder / "config", create=False)
        assert again.notices == again.hints == (), point
        shutil.rmtree(folder)


def test_opening_beside_a_change_never_fails_and_never_takes_back(tmp_path: Path) -> None:
    """Catches a reader that saw the former key and then restores the former wrapping over the new one."""
    store = make_store(tmp_path)
    openers = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                while not (tmp_path / "done").exists():
                    open_keys(tmp_path / "home", tmp_path / "config", create=False)
                os._exit(0)
            finally:
                os._exit(1)
        openers.append(child)
    for _ in range(25):
        change(tmp_path)
    (tmp_path / "done").touch()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in openers] == [0, 0]
    assert reopen(tmp_path).keys.store_key == store.keys.store_key and states(tmp_path) == {"opens"}


def test_a_passphrase_keeps_no_key_in_any_file(tmp_path: Path) -> None:
    make_store(tmp_path)
    change(tmp_path, Kind.PASSPHRASE)
    kept = read_kept(master_key_path(tmp_path / "config"))
    assert kept is not None and kept.kind is Kind.PASSPHRASE
    secret = kept.secret()
    key_master._got.clear()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes() and secret.hex().encode() not in path.read_bytes(), path
            assert WORDS.encode() not in path.read_bytes()
    key_passphrase._given[:] = ["four other words here"]
    with pytest.raises(KeyProblem, match="passphrase does not open") as told:
        reopen(tmp_path)
    assert told.value.exit_code == 4
    key_passphrase._given[:] = [WORDS]
    assert verify(reopen(tmp_path)).damages == ()
    # Back in a file, with another master key.
    assert change(tmp_path, Kind.FILE).kept.kind is Kind.FILE
    assert reopen(tmp_path).notices == () and states(tmp_path) == {"opens"}


@pytest.mark.parametrize(
    ("place", "value"),
    [(4, str(PASSPHRASE_MEMORY_MAX_KIB * 2)), (4, "1024"), (5, "1000000"), (5, "0"), (6, "255"), (6, "-1")],
)
def test_hostile_costs_of_a_passphrase_are_not_paid(tmp_path: Path, place: int, value: str) -> None:
    """Catches a key file that makes every command take all memory or hours, or a guess at the passphrase cheap."""
    make_store(tmp_path)
    change(tmp_path, Kind.PASSPHRASE)
    path = master_key_path(tmp_path / "config")
    words = path.read_text().split()[:-1]
    words[place] = value
    path.write_text(" ".join([*words, key_master._line_sum(tuple(words))]) + "\n")
    key_passphrase._given[:] = [WORDS]
    with pytest.raises(KeyProblem, match="damaged or is no master key"):
        reopen(tmp_path)


def test_a_recovery_code_opens_a_home_whose_master_key_is_lost(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    complete_session(store)
    shutil.rmtree(tmp_path / "config")
    done = import_key(tmp_path / "home", tmp_path / "config", store.keys.store_key)
    assert not done.opened_before and done.set_aside == ()
    again = reopen(tmp_path)
    assert again.keys.store_key == store.keys.store_key and again.keys.device_id != store.keys.device_id
    assert verify(again).damages == ()
    assert import_key(tmp_path / "home", tmp_path / "config", store.keys.store_key).opened_before


def test_it_also_opens_one_whose_wrappings_are_all_damaged(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    complete_session(store)
    for path in (store.path / "keys").iterdir():
        path.write_bytes(b"gone")
    done = import_key(tmp_path / "home", tmp_path / "config", store.keys.store_key)
    assert done.keys.device_id == store.keys.device_id
    assert verify(reopen(tmp_path)).damages == ()


def forms(folder: Path) -> dict[str, Callable[[], None]]:
    """Homes that hold only one kind of thing by which a store key is proven."""
    store = make_store(folder)

    def heads_alone() -> None:
        complete_session(store)
        shutil.rmtree(store.path / "blobs")

    def blobs_alone() -> None:
        BlobStore(store.path, store.keys).put(b"only a blob")

    return {
        "heads": heads_alone,
        "journals": lambda: Recording.begin(store).die(),
        "blobs": blobs_alone,
        "databases": lambda: make_database(store, "ledger"),
    }


@pytest.mark.parametrize("form", ["heads", "journals", "blobs", "databases"])
def test_the_code_of_another_store_is_refused_and_changes_nothing(tmp_path: Path, form: str) -> None:
    """Catches a home with two store keys, of which each opens half."""
    forms(tmp_path)[form]()
    other = make_store(tmp_path / "another").keys.store_key
    for lost in (False, True):
        if lost:
            shutil.rmtree(tmp_path / "config")
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(KeyProblem, match="of another store"):
            import_key(tmp_path / "home", tmp_path / "config", other)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_home_that_holds_nothing_yet_takes_no_other_key(tmp_path: Path) -> None:
    """Catches a second store key in a home that is only empty so far: what each records the other could not read."""
    make_store(tmp_path)
    other = make_store(tmp_path / "another").keys.store_key
    with pytest.raises(KeyProblem, match="of another store"):
        import_key(tmp_path / "home", tmp_path / "config", other)
    shutil.rmtree(tmp_path / "config")
    with pytest.raises(KeyProblem, match="holds nothing that a key could open"):
        import_key(tmp_path / "home", tmp_path / "config", other)
    assert len(list((tmp_path / "home" / "keys").iterdir())) == 2 and not (tmp_path / "config").exists()


def test_a_second_machine_joins_with_the_same_store_key(tmp_path: Path) -> None:
    store = make_store(tmp_path / "first")
    import_key(tmp_path / "second" / "home", tmp_path / "second" / "config", store.keys.store_key)
    joined = reopen(tmp_path / "second")
    assert joined.keys.store_key == store.keys.store_key and joined.keys.device_id != store.keys.device_id
    assert joined.keys.fingerprint() == store.keys.fingerprint()
    assert joined.blobs.put(b"the same") == store.blobs.put(b"the same")


@pytest.mark.parametrize("line", [b"\xff garbage", b"pepys-master-key-1 00 00\n", b"", b"pepys-master-key-2 a b c\n"])
def test_a_master_key_that_cannot_be_got_is_set_aside_on_request(tmp_path: Path, line: bytes) -> None:
    store = make_store(tmp_path)
    complete_session(store)
    path = master_key_path(tmp_path / "config")
    path.write_bytes(line)
    with pytest.raises(KeyProblem, match="damaged or is no master key"):
        import_key(tmp_path / "home", tmp_path / "config", store.keys.store_key)
    done = import_key(tmp_path / "home", tmp_path / "config", store.keys.store_key, new_master=True)
    assert [path.read_bytes() for path in done.set_aside] == [line]
    assert reopen(tmp_path).keys.store_key == store.keys.store_key


def test_a_home_of_another_user_is_told(tmp_path: Path) -> None:
    """Catches a traceback, or "disk failed", where somebody else's folder is named."""
    make_store(tmp_path)
    if os.geteuid() == 0:
        for path in (tmp_path / "home", tmp_path / "home" / "keys"):
            os.chown(path, 54321, 54321)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                tmp_path.chmod(0o755)
                for parent in tmp_path.parents[:3]:
                    parent.chmod(0o755)
                os.setuid(54322)
                open_keys(tmp_path / "home", tmp_path / "config", create=False)
            except PepysError as error:
                os.write(writing, f"{error.exit_code} {error}".encode())
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading) as told:
            assert told.read() == f"4 the home {tmp_path / 'home'} belongs to the user of id 54321, who keeps it closed"
    # Its files may be readable, as for root: then the key is the wrong one, and whose home it is is told.
    (tmp_path / "home").chmod(0o700)
    make_store(tmp_path / "mine")
    if os.geteuid() == 0:
        with pytest.raises(KeyProblem, match="belongs to the user of id 54321"):
            open_keys(tmp_path / "home", tmp_path / "mine" / "config", create=False)
    else:
        (tmp_path / "home").chmod(0o000)
        with pytest.raises(StorageProblem):
            open_keys(tmp_path / "home", tmp_path / "config", create=False)
        (tmp_path / "home").chmod(0o700)


def test_a_wrapping_of_any_bytes_is_no_key(tmp_path: Path) -> None:
    keys = make_store(tmp_path).keys
    assert is_whole(keys.wrapping)
    for at in range(len(keys.wrapping)):
        bent = keys.wrapping[:at] + bytes((keys.wrapping[at] ^ 1,)) + keys.wrapping[at + 1 :]
        assert not is_whole(bent)
    assert StoreKeys.from_bytes(keys.to_bytes()).wrapping == keys.wrapping
