"""A home whose disk is not mounted: it is told, and nothing of a home begins on the disk below."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pepys.cli import main
from pepys.errors import NotFound, PepysError, StorageProblem
from pepys.model.events import NoteAdded
from pepys.record.runfile import write_run_file
from pepys.sessions.lock import HostLock
from pepys.store.edits import apply_edit
from pepys.store.files import begins
from pepys.store.key_change import import_key
from pepys.store.key_homes import known
from pepys.store.ledger import Ledger
from pepys.store.store import Store, open_store
from tests.stored_session import Recording, complete_session, make_store, reopen


def unmount(home: Path, *, below: bool) -> None:
    """What is left in a home's place once its disk is gone: an empty folder where it was mounted, or nothing."""
    home.rename(home.with_name("mounted elsewhere"))
    if below:
        home.mkdir(mode=0o700)


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("below", [True, False])
@pytest.mark.parametrize("create", [True, False])
def test_no_home_is_begun_in_the_place_of_one_that_is_gone(tmp_path: Path, below: bool, create: bool) -> None:
    """Catches a session that is recorded under the mount point, with a key of its own, where nobody finds it again."""
    store = make_store(tmp_path)
    unmount(store.path, below=below)
    begins(store.path)  # as in another process
    with pytest.raises(StorageProblem, match="is gone") as told:
        reopen(tmp_path, create=create)
    assert "mount its disk" in told.value.remedy and str(tmp_path / "config" / "homes") in told.value.remedy
    assert everything(store.path) == [] and store.path.exists() is below
    with pytest.raises(StorageProblem, match="is gone"):
        import_key(store.path, tmp_path / "config", store.keys.store_key)
    (tmp_path / "config" / "homes").write_text("")  # as the remedy says, where it was deleted for good
    if create:
        assert reopen(tmp_path, create=True).keys.store_key != store.keys.store_key
    else:
        with pytest.raises(NotFound):
            reopen(tmp_path)


@pytest.mark.parametrize("below", [True, False])
@pytest.mark.parametrize("words", [["list"], ["status"], ["record", "--seconds", "1"], ["show", "last"], ["verify"]])
def test_commands_say_that_it_is_gone(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], below: bool
) -> None:
    """Catches `No sessions`, and the free room of another disk."""
    open_store(home)
    unmount(home, below=below)
    assert main([*words, "--json"]) == StorageProblem.exit_code
    assert "is gone" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert everything(home) == []


@pytest.mark.parametrize("noted", ["keys", ""])
def test_a_home_whose_making_was_killed_is_made(tmp_path: Path, noted: str) -> None:
    """Catches a home that is on the list of homes before it has its key, and is told as gone for ever after."""
    home = tmp_path / "home"
    (home / "locks").mkdir(parents=True)
    (home / "locks" / "keys.lock").touch()
    if noted:
        (home / noted).mkdir()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "homes").write_text(f"{home.resolve()}\n")
    assert known(tmp_path / "config") == [home.resolve()]
    with pytest.raises(NotFound):
        reopen(tmp_path)
    assert reopen(tmp_path, create=True).keys


def _note(store: Store, recording: Recording, session: str) -> None:
    recording.writer.commit(NoteAdded("late", 0, "late"))


def _seal(store: Store, recording: Recording, session: str) -> None:
    recording.segment()


ACTS: dict[str, Callable[[Store, Recording, str], object]] = {
    "note": _note,
    "segment": _seal,
    "end": lambda store, recording, session: recording.writer.end(store.clock.wall_ns()),
    "put": lambda store, recording, session: store.blobs.put(b"late"),
    "edit": lambda store, recording, session: apply_edit(store, session, ("set", {"field": "name", "value": "late"})),
    "spend": lambda store, recording, session: Ledger(store).append("spend", session, 1),
    "create": lambda store, recording, session: Recording.begin(store, "Another"),
    "host": lambda store, recording, session: HostLock(store.path / "run"),
    "run file": lambda store, recording, session: write_run_file(
        store.path / "run" / "s.json", session, "socket", store.clock
    ),
}


@pytest.mark.parametrize("below", [True, False])
@pytest.mark.parametrize("act", ACTS)
def test_nothing_of_an_open_home_is_made_where_it_was(tmp_path: Path, act: str, below: bool) -> None:
    """Catches parts of a home in the empty mount point, which then count as a home without sessions."""
    store = make_store(tmp_path)
    session = complete_session(store)
    recording = Recording.begin(store, "Under way")
    recording.segment()
    unmount(store.path, below=below)
    with contextlib.suppress(PepysError, OSError):
        ACTS[act](store, recording, session)
    assert everything(store.path) == [] and store.path.exists() is below
