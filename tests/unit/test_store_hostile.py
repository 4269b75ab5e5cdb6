"""A home that somebody made to hurt: whatever lies in it costs one session or one piece, never the others, nor a hang.

What is written here is sealed with the right keys, so that only its content can be refused; or is no file at all.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pepys.cli import main
from pepys.cli.output import shown
from pepys.errors import Damaged, KeyProblem, StorageProblem
from pepys.limits import UNPACKED_BYTES
from pepys.model.manifest import decode_edits, decode_manifest, encode_manifest
from pepys.sessions.queries import Library, list_sessions, search_sessions, show_session
from pepys.store.catalog import Catalog
from pepys.store.chunks import decode_chunk, decompress
from pepys.store.heads_taken import sealed_heads
from pepys.store.key_change import import_key
from pepys.store.rebuild import rebuild
from pepys.store.recover import recover_all
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from tests.stored_session import SECOND, WALL_NS, blob_files, complete_session, flip, make_store, reopen

pytestmark = pytest.mark.timeout(20)  # who opens a FIFO waits for good


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def alpha(store: Store) -> str:
    return complete_session(store, "alpha")


@pytest.fixture
def beta(store: Store, alpha: str) -> str:
    return complete_session(store, "beta", wall_ns=WALL_NS + 100 * SECOND)


def path_of(store: Store, blob: str) -> Path:
    return store.path / "blobs" / blob[3:5] / blob[5:7] / blob


def plant(store: Store, session: str, data: bytes) -> None:
    """Make `data` the manifest of a session, as one who has the keys and no scruples."""
    folder = store.path / "heads" / session
    head = store.heads.read(session)
    blob = store.blobs.put(data)
    sealed = store.heads._sealed(type(head)(session, head.sequence + 1, blob, head.manifest, head.edits))
    for path in folder.iterdir():
        path.write_bytes(sealed)


def changed(store: Store, session: str, /, **fields: Any) -> bytes:
    value = json.loads(encode_manifest(store.heads.manifest(session)[1]))
    return json.dumps({**value, **fields}).encode()


def chunk(**fields: Any) -> list[dict[str, Any]]:
    return [{"blob": "b3-" + "0" * 64, "first": 0, "end": 1, **fields}]


def artifact(**fields: Any) -> list[dict[str, Any]]:
    return [{"stage": "s", "unit": "u", "key": "k", "blob": "", "engine": "e", **fields}]


HOSTILE: dict[str, dict[str, Any]] = {
    "a blob outside": {"chunks": chunk(blob="b3-../../../../../../etc/passwd")},
    "a blob that is a number": {"chunks": chunk(blob=3)},
    "an edit log outside": {"edits": {"device": "../../x"}},
    "edits that are a list": {"edits": ["x"]},
    "an artifact outside": {"artifacts": artifact(blob="../x")},
    "another session": {"session": "0" * 26},
    "a session outside": {"session": "../../../tmp/evil"},
    "a time out of the world": {"started_wall_ns": 10**30},
    "a negative number": {"next_event": -1},
    "a negative place": {"journal_offset": -5},
    "a fraction": {"next_event": 1.5},
    "a truth for a number": {"next_event": True},
    "a chunk that ends before it begins": {"chunks": chunk(first=5, end=2)},
    "a chunk that is a word": {"chunks": ["x"]},
    "chunks that are a word": {"chunks": "xy"},
    "half a surrogate pair": {"name": "\ud800x"},
    "a name that is a list": {"name": ["x"]},
    "a state of its own": {"state": "\x1b[31m"},
    "seconds that are none": {"artifacts": artifact(seconds=float("nan"))},
    "a newer format": {"format": 2},
    "a format that is a word": {"format": "1"},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_manifest_is_refused(store: Store, alpha: str, what: str) -> None:
    """Catches a field that goes from a manifest into a path, a database or a sum as it stands."""
    plant(store, alpha, changed(store, alpha, **HOSTILE[what]))
    with pytest.raises(Damaged) as told:
        store.heads.manifest(alpha)
    assert alpha in told.value.message
    assert ("newer pepys" in told.value.message) == (what == "a newer format")


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"format":' + b"9" * 5000 + b"}", b"[]", b"1", b"\xff", b"{}"])
def test_what_is_no_manifest_is_said_shortly(data: bytes) -> None:
    """Catches words of the interpreter's that reach the user, such as its recursion depth."""
    with pytest.raises(ValueError) as told:
        decode_manifest(data)
    assert "recursion" not in str(told.value) and len(str(told.value)) < 300
    with pytest.raises(ValueError):
        decode_edits(data)


@pytest.mark.parametrize("what", ["a blob outside", "a session outside", "half a surrogate pair", "a newer format"])
def test_a_hostile_manifest_costs_only_its_session(store: Store, alpha: str, beta: str, what: str) -> None:
    """Catches one session that hides all others from list, show, search, verify or rebuild."""
    plant(store, beta, changed(store, beta, **HOSTILE[what]))
    with Library(store) as library:
        rows = {row["id"]: row for row in list_sessions(library)}
        assert set(rows) == {alpha, beta} and rows[beta]["state"] == "damaged" and rows[alpha]["name"] == "alpha"
        assert search_sessions(library, "note") and show_session(library, alpha)["state"] == "completed"
    damages = verify(store).damages
    assert {damage.session for damage in damages} == {beta}
    assert all(("update pepys" in damage.remedy) == (what == "a newer format") for damage in damages)
    made = rebuild(store)
    assert made.sessions == 2 and set(made.unread) == {beta}


def test_a_damaged_session_is_listed_by_name(
    store: Store, beta: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a list that says `No sessions`, or nothing, of what is damaged."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "xdg").mkdir()
    (tmp_path / "xdg" / "pepys").symlink_to(tmp_path / "config")
    plant(store, beta, changed(store, beta, **HOSTILE["a blob outside"]))
    assert main(["--home", str(store.path), "list"]) == 0
    told = capfd.readouterr()
    assert "alpha" in told.out and "damaged" in told.out and beta in told.err


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = os.getcwd()  # noqa: PTH109 - the path of a socket may not be long
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("s")
        Path("s").rename(path.name)
    finally:
        os.chdir(here)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


NO_FILES = [fifo, unix_socket, Path.mkdir, loop, device]


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize("place", ["blob", "head", "stray", "journal", "ledger"])
def test_what_is_no_file_costs_only_its_piece(
    store: Store, alpha: str, beta: str, place: str, make: Callable[[Path], None]
) -> None:
    """Catches a reader that waits for a FIFO, reads a device without end, or stops everything at a folder."""
    ghost = "0" * 26
    path = {
        "blob": path_of(store, store.heads.manifest(beta)[1].chunks[0].blob),
        "head": store.path / "heads" / beta / store.keys.device_id,
        "stray": store.path / "heads" / beta / "stray",
        "journal": store.journal_path(ghost),
        "ledger": store.database_path("ledger"),
    }[place]
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)
    with Library(store) as library:
        states = {row["id"]: row["state"] for row in list_sessions(library)}
        assert (states[alpha], states[beta]) == ("completed", "completed")
        assert show_session(library, beta)["name"] == "beta" and search_sessions(library, "note")
    damages = verify(store).damages
    assert damages or (make is loop)  # which is as good as none
    expected = {"journal": {ghost}, "ledger": {None}}.get(place, {beta})
    assert {damage.session for damage in damages} <= expected
    recover_all(store)
    assert rebuild(store).sessions >= 2


@pytest.mark.parametrize("make", [fifo, loop, lambda path: path.write_bytes(b"x")])
def test_a_session_folder_that_is_none_is_damaged(
    store: Store, alpha: str, beta: str, make: Callable[[Path], None]
) -> None:
    """Catches a file in the place of a session's folder that stops the list."""
    folder = store.path / "heads" / beta
    shutil.rmtree(folder)
    make(folder)
    with Library(store) as library:
        assert {row["id"]: row["state"] for row in list_sessions(library)} == {alpha: "completed", beta: "damaged"}
    assert beta in {damage.session for damage in verify(store).damages}
    assert rebuild(store).sessions == 2


def test_heads_that_are_no_folder_are_told(store: Store, alpha: str) -> None:
    """Catches a home that looks empty, or a raw error of the system, where the folder of heads is a file."""
    shutil.rmtree(store.path / "heads")
    (store.path / "heads").write_bytes(b"")
    with Library(store) as library, pytest.raises(StorageProblem) as told:
        list_sessions(library)
    assert "heads" in told.value.message and told.value.remedy


@pytest.mark.parametrize("what", ["all", "one", "folder"])
def test_deleted_heads_are_seen(store: Store, alpha: str, beta: str, what: str) -> None:
    """Catches a store that calls itself whole after whole sessions were deleted from outside."""
    heads = store.path / "heads"
    for session in (alpha, beta) if what == "all" else (beta,):
        shutil.rmtree(heads / session)
    if what == "folder":
        shutil.rmtree(heads)
    damages = verify(store).damages
    gone = {beta} if what == "one" else {alpha, beta}
    assert {damage.session for damage in damages} == gone
    assert all("backup" in damage.remedy for damage in damages)


def test_a_whole_store_has_nothing_deleted(store: Store, alpha: str, beta: str) -> None:
    from pepys.store.remove import remove

    remove(store, beta)
    assert verify(store).damages == ()


def test_a_head_that_its_copy_restores_wants_no_backup(store: Store, alpha: str) -> None:
    """Catches the advice to restore a backup where `pepys rebuild` puts things right."""
    (store.path / "heads" / alpha / store.keys.device_id).write_bytes(b"garbage")
    (damage,) = verify(store).damages
    assert "pepys rebuild" in damage.remedy and "backup" not in damage.remedy


@pytest.mark.parametrize("make", [loop, lambda path: path.symlink_to("nowhere"), lambda path: path.write_bytes(b"")])
def test_a_home_that_leads_nowhere_is_told(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Catches a home that is not mounted, or loops, and looks empty."""
    make(tmp_path / "home")
    for home in (tmp_path / "home", tmp_path / "home" / "inner"):
        with pytest.raises(StorageProblem):
            open_store(home, create=False, config_dir=tmp_path / "config")


def test_a_home_that_was_there_and_is_gone_is_told(tmp_path: Path) -> None:
    """Catches `No sessions` of a disk that is not mounted."""
    store = make_store(tmp_path)
    shutil.move(store.path, tmp_path / "elsewhere")
    with pytest.raises(StorageProblem, match="gone"):
        open_store(store.path, create=False, config_dir=tmp_path / "config")


@pytest.mark.parametrize("told", [True, False])
def test_a_bomb_is_refused_before_it_takes_memory(told: bool) -> None:
    """Catches a chunk of 30 kB that takes all memory, whether its header tells its size or not."""
    size = 4 * UNPACKED_BYTES
    if told:
        bomb = zstandard.ZstdCompressor().compress(bytes(size))
    else:
        stream = zstandard.ZstdCompressor().compressobj()
        bomb = b"".join(stream.compress(bytes(1 << 20)) for _ in range(size >> 20)) + stream.flush()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than"):
            list(decode_chunk(bomb))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
        with pytest.raises(ValueError, match="more than"):
            decompress(bomb)
        assert tracemalloc.get_traced_memory()[1] < UNPACKED_BYTES + (16 << 20)
    finally:
        tracemalloc.stop()
    assert UNPACKED_BYTES <= 64 << 20


def test_names_reach_no_terminal_raw(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a name (a window's title, a web page's) that moves the cursor, sets the title or hides other lines."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "xdg").mkdir()
    (tmp_path / "xdg" / "pepys").symlink_to(tmp_path / "config")
    monkeypatch.setenv("COLUMNS", "200")
    session = complete_session(store, "\x00\x1b[31mRED\x1b]0;x\x07\x9b1m\u202eevil")
    for words in (["list"], ["show", session], ["search", "note"], ["rm", "zz\x1b]0;x"]):
        main(["--home", str(store.path), *words])
        told = capfd.readouterr()
        assert not set(told.out + told.err) & {"\x00", "\x1b", "\x07", "\x9b", "\u202e"}, words
        assert "RED" in told.out or words[0] == "rm"
    assert shown("a\tb\nc") == "a\tb\nc" and len(shown("\x1b\x9b\ud800")) == 3
    with Catalog(store) as catalog:
        catalog.refresh()


def renamed(store: Store, session: str, *names: str) -> None:
    from pepys.store.edits import apply_edit

    for name in names:
        apply_edit(store, session, ("set", {"field": "name", "value": name}), ("tag", {"value": "kept"}))


@pytest.mark.parametrize("how", ["flipped", "missing", "newer"])
def test_a_damaged_manifest_falls_back_to_the_one_before(store: Store, alpha: str, beta: str, how: str) -> None:
    """Catches a session of which one flipped bit in 400 bytes takes the name, the tags and all of its length."""
    renamed(store, beta, "First name", "Second name")
    whole = show_session_of(store, beta)
    manifest = store.heads.read(beta).manifest
    if how == "newer":
        plant(store, beta, changed(store, beta, format=2))
    for path in blob_files(store, manifest):
        if how == "missing":
            path.unlink()
        elif how == "flipped":
            flip(path, 60)
    rebuild(store)
    with Catalog(store) as catalog:
        row = {row.id: row for row in catalog.list(limit=9)}[beta]
        assert (row.state, row.name, row.tags) == ("damaged", "Second name", ("kept",))
        assert row.end_ns > 0 and row.bytes_on_disk > 0
        assert {hit.session for hit in catalog.search("importance")} == {alpha, beta}
    told = show_session_of(store, beta)
    assert told["state"] == "damaged" and told["name"] == row.name and len(told["notes"]) == len(whole["notes"])
    assert "manifest" in told["unread"][0]["what"]
    assert beta in {damage.session for damage in verify(store).damages}
    with pytest.raises(Damaged):
        renamed(store, beta, "Third name")


def show_session_of(store: Store, session: str) -> dict[str, Any]:
    with Library(store) as library:
        return show_session(library, session)


@pytest.mark.parametrize("both", [False, True])
def test_a_folder_in_the_place_of_a_head_is_moved_by_what_is_told(store: Store, alpha: str, both: bool) -> None:
    """Catches a remedy that names a backup, which cannot be put back while a folder is in its way."""
    head = sealed_heads(store, alpha)[store.keys.device_id]
    places = [store.path / "heads" / alpha / f"{store.keys.device_id}{ending}" for ending in ("", ".copy")]
    for path in places[: 1 + both]:
        path.unlink()
        path.mkdir()
    (damage,) = verify(store).damages
    assert f"mv {places[0]} ~/" in damage.remedy and ("pepys rebuild" in damage.remedy) is not both
    for path in places[: 1 + both]:
        path.rmdir()  # as the command that is told would
    if both:
        places[0].write_bytes(head)
    rebuild(store)
    assert verify(store).damages == () and all(path.read_bytes() == head for path in places)


def test_a_folder_in_the_place_of_the_master_key_is_moved_by_what_is_told(
    store: Store, alpha: str, tmp_path: Path
) -> None:
    """Catches `run it again with --debug`, or rights that are to be put right where a folder is in the way."""
    line = tmp_path / "config" / "master.key"
    line.unlink()
    line.mkdir()
    code, config = store.keys.store_key, line.parent
    acts = (lambda: reopen(tmp_path), lambda: import_key(store.path, config, code, new_master=True))
    for act in acts:
        with pytest.raises(KeyProblem) as told:
            act()
        assert f"mv {line} ~/" in told.value.remedy and "pepys key import" in told.value.remedy
    line.rmdir()
    assert import_key(store.path, line.parent, store.keys.store_key).keys.store_key == store.keys.store_key
