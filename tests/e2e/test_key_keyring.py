"""The master key in a real keyring: GNOME's, on a bus of its own, unlocked, locked, hanging, killed and absent."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jeepney
import pytest
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

from pepys import limits
from pepys.cli import main
from pepys.clock import SystemClock
from pepys.config import config_dir
from pepys.store import key_master
from pepys.store.key_change import change_master
from pepys.store.key_master import Kind, master_key_path, read_kept, replaced_path
from pepys.store.key_ring import SERVICE
from pepys.store.store import open_store
from tests.buses import private_bus
from tests.stored_session import complete_session
from tests.unit.test_store_keys_change import killed_at
from tests.waiting import wait_until

pytestmark = pytest.mark.unhurried
SECRETS = "org.freedesktop.secrets"
COLLECTION = "/org/freedesktop/secrets/aliases/default"


class Ring:
    """A keyring daemon and the bus that it is on."""

    def __init__(self, address: str) -> None:
        program = shutil.which("gnome-keyring-daemon")
        assert program, "gnome-keyring is in the list of test packages"
        self.address = address
        self.process = subprocess.Popen(
            [program, "--foreground", "--unlock", "--components=secrets"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(b"a login password")
        self.process.stdin.close()
        wait_until(self._collection_is_there, 10, "the keyring's collection")

    def lock(self) -> None:
        """Lock the collection that secrets are kept in."""
        self._call("/org/freedesktop/secrets", "org.freedesktop.Secret.Service", "Lock", "ao", ([COLLECTION],))

    def names(self) -> list[str]:
        """The user names of this program's items."""
        found = self._call(
            COLLECTION, "org.freedesktop.Secret.Collection", "SearchItems", "a{ss}", ({"service": SERVICE},)
        )
        return [str(path) for path in found[0]]

    def _collection_is_there(self) -> bool:
        # Asked first, as the bus would start another daemon, one without the password.
        with open_dbus_connection(bus=self.address) as connection:
            asked = message_bus.NameHasOwner(SECRETS)
            if not jeepney.wrappers.unwrap_msg(connection.send_and_get_reply(asked, timeout=5))[0]:
                return False
        body = ("org.freedesktop.Secret.Collection", "Locked")
        try:
            return self._call(COLLECTION, "org.freedesktop.DBus.Properties", "Get", "ss", body)[0] == ("b", False)
        except jeepney.wrappers.DBusErrorResponse:
            return False

    def _call(self, path: str, interface: str, method: str, signature: str, body: tuple[object, ...]) -> Any:
        with open_dbus_connection(bus=self.address) as connection:
            asked = jeepney.new_method_call(jeepney.DBusAddress(path, SECRETS, interface), method, signature, body)
            return jeepney.wrappers.unwrap_msg(connection.send_and_get_reply(asked, timeout=5))


@pytest.fixture
def ring(home: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    """An unlocked keyring in force, and a home whose master key is in it."""
    (short_folder / "run").mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setattr(key_master, "_got", {})
    with private_bus(short_folder) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        made = Ring(address)
        try:
            complete_session(open_store(home))
            assert main(["key", "change", "--to", "keyring"]) == 0
            another_process()
            yield made
        finally:
            made.process.kill()
            made.process.wait()


def another_process() -> None:
    """Forget what the keyring gave, as a process that begins knows nothing."""
    key_master._got.clear()


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """A command's exit code and its one line on stderr, after what was said before."""
    another_process()
    capsys.readouterr()
    code = main(list(words))
    errors = capsys.readouterr().err
    assert code == 0 or errors.count("\n") == 1, errors
    return code, errors


def test_it_opens_the_home_and_no_file_holds_it(ring: Ring, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = read_kept(master_key_path(config_dir()))
    assert kept is not None and kept.kind == "keyring" and len(ring.names()) == 1
    secret = kept.secret()
    folders = (home, config_dir().parent, Path(os.environ["HOME"]), Path(os.environ["XDG_RUNTIME_DIR"]))
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        assert secret not in data and secret.hex().encode() not in data, path
    another_process()
    capsys.readouterr()
    assert main(["key", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == "keyring"
    # Another one takes its place, and nothing is left of the former one; so it is when it moves back into a file.
    assert main(["key", "change"]) == 0 and len(ring.names()) == 1
    after = read_kept(master_key_path(config_dir()))
    assert after is not None and after.words != kept.words
    assert main(["key", "change", "--to", "file"]) == 0 and ring.names() == []
    assert told(capsys, "key", "check")[0] == 0


def test_a_former_key_that_a_kill_left_in_the_keyring_goes_with_the_next_change(ring: Ring, home: Path) -> None:
    """Catches a secret that stays in the keyring under a name that no file tells any more."""

    def change() -> None:
        change_master(home, config_dir(), Kind.FILE, str)

    assert killed_at("master.changed.durable:1", change) and len(ring.names()) == 1
    another_process()
    change()
    assert ring.names() == [] and not replaced_path(config_dir()).exists()


def test_locked_hanging_killed_and_absent_are_one_clear_line_in_time(
    ring: Ring, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a command that waits for ever for somebody to unlock a keyring, and one that begins a new home."""
    main(["key", "export", "--json"])
    code = json.loads(capsys.readouterr().out)["code"]
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    ring.lock()
    code_locked, line = told(capsys, "key", "show")
    assert code_locked == 4 and "is locked; unlock it" in line

    monkeypatch.setattr(limits, "KEYRING_S", 1.0)
    ring.process.send_signal(signal.SIGSTOP)
    clock = SystemClock()
    began = clock.now_ns()
    code_hanging, line = told(capsys, "list")
    assert code_hanging == 4 and "did not answer within 1 s; unlock it" in line
    assert clock.now_ns() - began < 3 * limits.NS_PER_S
    monkeypatch.setattr(limits, "KEYRING_S", 20.0)
    ring.process.send_signal(signal.SIGCONT)

    ring.process.kill()
    ring.process.wait()
    code_killed, line = told(capsys, "key", "show")
    assert code_killed == 4 and "keyring" in line and "Traceback" not in line

    for name, value in (
        ("DBUS_SESSION_BUS_ADDRESS", ""),
        ("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring"),
    ):
        monkeypatch.setenv(name, value)
        code_absent, line = told(capsys, "verify")
        assert code_absent == 4 and "no keyring of the system" in line and "pepys key import --new-master" in line
    assert told(capsys, "key", "change", "--to", "file")[0] == 4
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before

    paper = home.parent / "paper"
    paper.write_text(code)
    assert told(capsys, "key", "import", "--new-master", "--from", str(paper))[0] == 0
    assert told(capsys, "key", "check", "--from", str(paper))[0] == 0
    # Where nothing is sealed a key is not put.
    assert told(capsys, "key", "change", "--to", "keyring")[0] == 4
    assert told(capsys, "list")[0] == 0
