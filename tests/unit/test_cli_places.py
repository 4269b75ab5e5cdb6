"""Homes and files that are not what they should be: each has an exit code of the contract, and a remedy."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.errors import KeyProblem, StorageProblem
from pepys.record.launch import launch
from pepys.record.runfile import write_run_file
from pepys.store import key_ring
from pepys.store.key_change import change_master
from pepys.store.store import open_store
from tests.file_modes import obey
from tests.stored_session import complete_session

ALL = [["list"], ["verify"], ["key", "check"], ["key", "show"], ["search", "word"]]


def error_in_child(words: Sequence[str]) -> dict[str, object]:
    """The error of a command that modes of files bind."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            obey()
            os.dup2(writing, 1)
            with open(1, "w", encoding="utf-8", closefd=False) as out, pytest.MonkeyPatch.context() as patched:
                patched.setattr("sys.stdout", out)
                main([*words, "--json"])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told: dict[str, object] = json.loads(pipe.read().splitlines()[-1])["error"]
    os.waitpid(child, 0)
    return told


@pytest.mark.parametrize("words", ALL)
def test_a_home_behind_a_closed_folder_is_exit_4(home: Path, words: list[str]) -> None:
    """Catches one exit code for `list` and another for `key check`, of the same thing."""
    inner = home / "closed" / "home"
    open_store(inner)
    (home / "closed").chmod(0)
    told = error_in_child([*words, "--home", str(inner)])
    (home / "closed").chmod(0o700)
    assert told["exit_code"] == 4 and "closed to you" in str(told["message"]) and told["remedy"]


@pytest.mark.parametrize("words", ALL)
def test_a_home_that_cannot_be_read_is_told_by_who_opens_it(home: Path, words: list[str]) -> None:
    """Catches `invalid value for '--home'`, which hides the line that says whose it is."""
    open_store(home)
    home.chmod(0)
    told = error_in_child([*words, "--home", str(home)])
    home.chmod(0o700)
    assert told["exit_code"] == 5 and "Permission denied" in str(told["message"])


@pytest.mark.parametrize("word", ["", "  "])
def test_an_empty_home_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """Catches the folder that happens to be the current one, filled with a home."""
    monkeypatch.chdir(home.parent)
    assert main(["--home", word, "list"]) == 2 and main(["list", "--home", word]) == 2
    assert "is empty" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["list"], ["show", "last"], ["search", "word"]])
def test_a_folder_in_the_place_of_the_catalog_has_a_remedy(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Catches exit 1, which the contract does not know, and `run it again with --debug`."""
    complete_session(open_store(home))
    (home / "catalog.db").mkdir()
    assert main(words) == 6
    told = capsys.readouterr().err
    assert "is no file" in told and f"mv {home}/catalog.db" in told
    (home / "catalog.db").rmdir()
    assert main(["list"]) == 0


def test_a_home_at_a_link_that_goes_in_circles(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches `a file of that name is in the way`."""
    loop = home.with_name("loop")
    loop.symlink_to(loop)
    for words in (["list"], ["record", "--seconds", "1"]):
        assert main([*words, "--home", str(loop / "x")]) == 5
        assert "leads nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENAMETOOLONG, 2), (errno.EISDIR, 5), (errno.ELOOP, 5), (errno.ENOTDIR, 5)]
)
def test_what_the_system_says_of_a_place_has_a_code(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), str(home / "elsewhere"))

    open_store(home)
    monkeypatch.setattr("pepys.cli.store._document", fail)
    assert main(["verify"]) == code
    assert "--debug" not in capsys.readouterr().err


def test_a_name_that_is_too_long_for_an_export(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    complete_session(open_store(home))
    assert main(["export", "last", "--to", str(home.parent / f"{'x' * 300}.json")]) in {2, 5}
    assert "--debug" not in capsys.readouterr().err


def test_a_change_says_what_helps(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches remedies that make things worse: recording something, or setting a good key aside."""
    config = home.parent / "user" / ".config" / "pepys"
    open_store(home)

    def absent(order: dict[str, str]) -> dict[str, str]:
        raise KeyProblem("there is no keyring", key_ring._ABSENT)

    monkeypatch.setattr(key_ring, "_ask", absent)
    acts: tuple[Callable[[], object], ...] = (
        lambda: key_ring.ring_set("x", b"x"),
        lambda: change_master(home, config, None, str),
    )
    (config / "master.key").unlink()
    for act in acts:
        with pytest.raises(KeyProblem) as told:
            act()
        assert "--new-master" not in told.value.remedy and "record" not in told.value.remedy.replace("recovery", "")
    with pytest.raises(KeyProblem) as told:
        key_ring.ring_get("x")
    assert "recovery code" in told.value.remedy


def test_folders_of_a_home_are_private(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches logs that others on the machine can read."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("pepys.record.launch.subprocess.Popen", full)
    store = open_store(home)
    order: Any = None
    old = os.umask(0o022)
    try:
        write_run_file(home / "run" / "s.json", "s", "socket", store.clock)
        with pytest.raises(StorageProblem):
            launch(order, home / "logs" / "recorder.log")
    finally:
        os.umask(old)
    assert {path.name: path.stat().st_mode & 0o777 for path in home.iterdir() if path.is_dir()}.items() >= {
        "run": 0o700, "logs": 0o700,
    }.items()  # fmt: skip
