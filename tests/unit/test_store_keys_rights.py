"""A master key and a recovery code that others can read: said in one line, and put right where the file is ours."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pepys.cli import main
from pepys.config import config_dir
from pepys.store.key_change import change_master
from pepys.store.key_master import Kind, master_key_path
from pepys.store.store import open_store
from tests.stored_session import complete_session, make_store, reopen


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("wrong", [0o644, 0o640, 0o604, 0o622])
def test_a_master_key_that_others_can_read_is_told_once_and_made_private(tmp_path: Path, wrong: int) -> None:
    """Catches a copied config folder whose key everybody reads, without a word."""
    complete_session(make_store(tmp_path))
    line = master_key_path(tmp_path / "config")
    line.chmod(wrong)
    keys = reopen(tmp_path).keys
    (hint,) = keys.hints
    assert str(line) in hint and "pepys key change" in hint and keys.notices == ()
    assert mode(line) == 0o600
    assert reopen(tmp_path).keys.hints == ()


def test_one_that_is_not_ours_is_told_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_store(tmp_path)
    line = master_key_path(tmp_path / "config")
    line.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: line.stat().st_uid + 1)
    (hint,) = reopen(tmp_path).keys.hints
    assert f"chmod 600 {line}" in hint and mode(line) == 0o644


def test_a_change_leaves_no_key_that_others_can_read(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    master_key_path(tmp_path / "config").chmod(0o644)
    change_master(store.path, tmp_path / "config", Kind.FILE, str)
    assert {mode(path) for path in (tmp_path / "config").iterdir() if path.name.startswith("master.key")} == {0o600}


@pytest.mark.parametrize(("rights", "told"), [(0o700, False), (0o755, False), (0o777, True), (0o1777, False)])
def test_a_code_in_a_folder_of_all_is_told(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], rights: int, told: bool
) -> None:
    """Catches a recovery code that somebody exchanges for another before it is printed."""
    open_store(home)
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(rights)
    assert main(["key", "export", "--to", str(folder / "code")]) == 0
    assert ("others can put another file" in capfd.readouterr().err) is told
    assert mode(folder / "code") == 0o600 and config_dir().is_dir()
