"""`pepys key` as a user types it: what it shows, the recovery code on paper and on another machine, a passphrase."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.config import config_dir
from pepys.store import key_master, key_passphrase
from pepys.store.key_master import master_key_path
from pepys.store.store import open_store
from tests.stored_session import complete_session
from tests.waiting import wait_until
from tests.web_daemon import PEPYS

pytestmark = pytest.mark.unhurried
WORDS = "correct horse battery"


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test gave as a passphrase is not there for the next."""
    monkeypatch.setattr(key_passphrase, "_given", [])
    monkeypatch.setattr(key_master, "_got", {})


class Ran:
    """A command that was run in this process, as a new one would be: what it said and its exit code."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str) -> None:
        key_master._got.clear()
        key_passphrase._given.clear()
        capsys.readouterr()
        self.code = main(list(words))
        self.out, self.err = capsys.readouterr()

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


def given(text: str) -> int:
    """A descriptor that gives one line, as a shell's `<(...)`."""
    reading, writing = os.pipe()
    os.write(writing, f"{text}\n".encode())
    os.close(writing)
    return reading


@pytest.fixture
def session(home: Path) -> str:
    return complete_session(open_store(home), "A session to keep")


def test_show_tells_where_and_never_what(
    home: Path, session: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = master_key_path(config_dir()).read_text().split()[1]
    keys = open_store(home).keys
    told = Ran(capsys, "key", "show", "--json")
    assert told.document == {
        "home": str(home), "kept": "file", "where": str(master_key_path(config_dir())), "device": keys.device_id,
        "fingerprint": keys.fingerprint(),
    }  # fmt: skip
    told = Ran(capsys, "key", "show")
    for hidden in (secret, keys.store_key.hex(), keys.api_token()):
        assert hidden not in told.out + told.err
    assert keys.fingerprint()[:4] in told.out and told.err == ""
    for command in ("show", "check"):
        master_key_path(config_dir()).chmod(0o644)
        Ran(capsys, "key", command)
        assert "could be read by others on this machine, and is yours alone now" in caplog.messages[-1]


def test_the_code_opens_the_home_on_a_machine_that_lost_its_key(
    home: Path, session: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = Ran(capsys, "key", "export")
    assert printed.code == 0 and "Whoever has this code" in printed.err
    assert [len(line) for line in printed.out.splitlines()] == [41, 41]
    code = Ran(capsys, "key", "export", "--json").document["code"]
    assert printed.out.replace("\n", "-").strip("-") == code
    paper = tmp_path / "paper"
    assert Ran(capsys, "key", "export", "--to", str(paper)).code == 0
    assert paper.stat().st_mode & 0o777 == 0o600
    assert Ran(capsys, "key", "export", "--to", str(paper)).code == 2, "it is not written over"
    assert Ran(capsys, "key", "check", "--from", str(paper)).out.splitlines()[-1] == "the recovery code fits"

    shutil.rmtree(config_dir())
    lost = Ran(capsys, "list")
    assert lost.code == 4 and lost.err.count("\n") == 1 and "give your recovery code to pepys key import" in lost.err
    mistyped = subprocess.run(
        [*PEPYS, "key", "import"], input=str(code)[:8] + "?" + str(code)[9:], capture_output=True, text=True, timeout=30
    )
    assert (mistyped.returncode, mistyped.stdout) == (4, "") and "mistyped in group 2" in mistyped.stderr
    typed = subprocess.run(
        [*PEPYS, "key", "import"], input=str(code).lower(), capture_output=True, text=True, timeout=30
    )
    assert typed.returncode == 0 and "opens now" in typed.stdout, typed.stderr
    assert json.loads(Ran(capsys, "list", "--json").out)[0]["id"] == session
    assert Ran(capsys, "verify").code == 0

    # Another machine: a new home of the same store; and a store of its own, which refuses the code.
    joined = Ran(capsys, "key", "import", "--from", str(paper), "--home", str(tmp_path / "joined"), "--json")
    assert joined.document["fingerprint"] == open_store(home).keys.fingerprint()
    open_store(tmp_path / "own")
    refused = Ran(capsys, "key", "import", "--from", str(paper), "--home", str(tmp_path / "own"))
    assert refused.code == 4 and "of another store" in refused.err
    other = Ran(capsys, "key", "check", "--from", str(paper), "--home", str(tmp_path / "own"), "--json")
    assert other.code == 4 and other.document["code_fits"] is False
    assert Ran(capsys, "key", "import", "--from", str(tmp_path / "none")).code == 3


def test_check_names_every_copy(home: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = sorted((home / "keys").iterdir())
    second.write_bytes(b"bent")
    told = Ran(capsys, "key", "check", "--json")
    assert told.code == 0 and [copy["state"] for copy in told.document["copies"]] == ["opens", "opens"]
    assert "restored from another copy" in told.err
    for path in (first, second):
        path.write_bytes(b"bent")
    told = Ran(capsys, "key", "check", "--json")
    assert told.code == 6 and told.document["error"]["code"] == "damaged"
    assert [copy["state"] for copy in told.document["copies"]] == ["damaged", "damaged"]
    told = Ran(capsys, "key", "check")
    assert told.code == 6 and "damaged" in told.out and "pepys key import" in told.err


def test_a_passphrase_is_typed_without_echo_or_given_on_a_descriptor(
    home: Path, session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a passphrase in arguments, environment, echo or log, and a daemon that cannot be given one."""
    short = Ran(capsys, "key", "change", "--to", "passphrase", "--new-passphrase-fd", str(given("short")))
    assert short.code == 2 and "shorter than" in short.err
    assert Ran(capsys, "key", "change", "--to", "somewhere").code == 2
    assert Ran(capsys, "key", "change", "--to", "passphrase", "--new-passphrase-fd", str(given(WORDS))).code == 0
    assert Ran(capsys, "doctor").code == 0, "it asks nobody"
    assert Ran(capsys, "list", "--passphrase-fd", str(given(WORDS))).code == 0
    wrong = Ran(capsys, "list", f"--passphrase-fd={given('wrong ' + WORDS)}")
    assert wrong.code == 4 and "the passphrase does not open" in wrong.err and WORDS not in wrong.err
    assert Ran(capsys, "list", "--passphrase-fd", "987").code == 2
    alone = subprocess.run(
        [*PEPYS, "list"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, start_new_session=True
    )
    assert alone.returncode == 4 and "no terminal to ask it on" in alone.stderr and "--passphrase-fd 3" in alone.stderr

    typed = on_a_terminal(["list", "--json"], WORDS)
    assert session in typed and "Passphrase for" in typed and WORDS not in typed
    serve = [*PEPYS, "serve", "--port", "0", "--passphrase-fd"]
    reading = given(WORDS)
    daemon = subprocess.Popen([*serve, str(reading)], pass_fds=[reading], stdout=subprocess.PIPE, text=True)
    os.close(reading)
    assert daemon.stdout is not None and "/sign-in?code=" in daemon.stdout.readline()
    daemon.terminate()
    assert daemon.wait(30) == 0
    daemon.stdout.close()


def on_a_terminal(words: list[str], typed: str) -> str:
    """What a command shows on a terminal of its own at which `typed` is typed when it asks."""
    child, terminal = pty.fork()
    if child == 0:
        try:
            os.execv(PEPYS[0], [*PEPYS, *words])
        finally:
            os._exit(1)
    shown = b""

    def more() -> bool:
        nonlocal shown
        shown += os.read(terminal, 4096)
        return b"Passphrase for" in shown

    wait_until(more, 20, "the question")
    os.write(terminal, f"{typed}\n".encode())
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # how Linux says that nobody has the other end any more
            break
        if not data:
            break
        shown += data
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown
    return shown.decode()
