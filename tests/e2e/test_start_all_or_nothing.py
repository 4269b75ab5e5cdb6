"""A recording that cannot be as it was asked for: refused with its reason, and nothing of it runs or is listed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from pathlib import Path

import pytest

from pepys import config, limits
from pepys.cli import main
from pepys.demo.servers import SoundServer, XServer
from pepys.sessions import start
from pepys.sessions.control import host_file, orphans, run_dir
from tests.desk import Desk
from tests.file_modes import obeying
from tests.waiting import wait_until
from tests.x11_sources import odd_server

SILENT = ("--audio", "off")


def children_of(home: Path) -> list[str]:
    """The command lines of recorders and their devices that belong to this home, by what is in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            inherited = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended, or is somebody else's
        if f"PEPYS_HOME={home}".encode() in inherited and folder.name != str(os.getpid()):
            found.append(words)
    return [words for words in found if "pepys.record" in words or "parec" in words]


def nothing_is_left(home: Path) -> None:
    """No process, no run file, no host file, no session, no journal, no open blob; a tombstone may be there."""
    wait_until(lambda: not children_of(home), 5, f"the end of {children_of(home)}")
    assert orphans(home) == []
    assert not host_file(home).exists()
    assert [path.name for path in run_dir(home).glob("*.json")] == []
    left = [path for path in home.rglob("*") if path.is_file() and {"journals", "open"} & {*path.parts}]
    assert left == []
    assert json.loads(said("list", "--json")[1]) == []


def said(*words: str) -> tuple[int, str]:
    """The exit code of a command and its stdout."""
    out = io.StringIO()
    with redirect_stdout(out):
        code = main(words)
    return code, out.getvalue()


def refused(*words: str) -> tuple[int, str]:
    """The exit code of `pepys record`, and the error it told; nothing else is on stdout."""
    return judged(*said("record", *words, "--seconds", "1", "--json"))


def judged(code: int, out: str) -> tuple[int, str]:
    """The exit code and the message of a command that told an error alone."""
    told = [json.loads(line) for line in out.splitlines()]
    assert [*told[0]] == ["error"] and len(told) == 1, out
    assert told[0]["error"]["remedy"]
    return code, told[0]["error"]["message"]


@contextmanager
def _untrusted() -> Iterator[str]:
    """A display that the client may connect to, and whose pixels it may not read; the way to it is in force."""
    with XServer() as server, ExitStack() as undo:
        before = dict(os.environ)
        undo.callback(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update(server.env)
        own = server.folder / "untrusted"
        subprocess.run(
            ["xauth", "-f", str(own), "generate", server.display, ".", "untrusted", "timeout", "0"],
            check=True, capture_output=True, timeout=20,
        )  # fmt: skip
        os.environ["XAUTHORITY"] = str(own)
        yield server.display


@contextmanager
def _locked_out() -> Iterator[str]:
    """A display that refuses whoever does not bring its cookie."""
    with XServer() as server:
        yield server.display


@pytest.mark.parametrize(
    ("display", "reason"),
    [
        (_locked_out, "cannot be recorded"),
        (_untrusted, "may not be read"),
        (lambda: odd_server("-screen", "0", "320x240x8"), "colour depth 8"),
    ],
    ids=["refused", "untrusted", "shallow"],
)
def test_a_display_that_gives_no_pixels(
    home: Path, display: Callable[[], AbstractContextManager[str]], reason: str
) -> None:
    with display() as name:
        code, told = refused("--display", name, *SILENT)
    assert code == 4 and reason in told and name in told
    nothing_is_left(home)


def test_what_is_not_on_the_display(home: Path, xserver: XServer) -> None:
    with Desk(xserver.display) as desk:
        desk.window((0, 0, 320, 240), title="the one")
        for words, reason in (
            (("--window", "nope"), "no window matches 'nope'"),
            (("--region", "200x200+5000+5000"), "lies outside the screen"),
            (("--monitor", "none-such"), "none-such"),
            (("--source", "webcam:/dev/none"), "/dev/none"),
            (("--window", "nope", "--countdown", "9"), "no window matches 'nope'"),
        ):
            code, told = refused(*words, *SILENT)
            assert code == 4 and reason in told, (words, told)
    nothing_is_left(home)


def test_a_sound_device_that_is_named(home: Path, xserver: XServer, sound_server: SoundServer) -> None:
    for words in (("--mic", "none"), ("--system", "none.monitor")):
        code, told = refused(*words)
        assert code == 4 and f"has no source {words[1]}" in told
    nothing_is_left(home)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "hung"])
def test_a_sound_server_that_does_not_answer(
    home: Path, xserver: XServer, sound_server: SoundServer, how: signal.Signals
) -> None:
    assert sound_server.child is not None
    os.kill(sound_server.child.pid, how)
    code, told = refused("--audio", "both")
    os.kill(sound_server.child.pid, signal.SIGCONT)
    assert code == 4 and "sound server" in told and "audio." in told
    nothing_is_left(home)


def test_a_home_that_cannot_be_written(home: Path, xserver: XServer) -> None:
    home.mkdir(mode=0o555)
    try:
        argv = obeying(sys.executable, "-m", "pepys", "record", *SILENT, "--seconds", "1", "--json")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        code, told = judged(done.returncode, done.stdout)
    finally:
        home.chmod(0o755)
    assert code == 5 and str(home) in told
    assert list(home.rglob("*")) == []


def test_a_disk_with_less_than_the_reserve(
    home: Path, xserver: XServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(limits, "DISK_RESERVE_BYTES", 1 << 60)
    for countdown in ((), ("--countdown", "9")):
        assert main(["record", *SILENT, *countdown]) == 5
        assert "reserve" in capsys.readouterr().err
    nothing_is_left(home)


def test_a_socket_whose_path_is_too_long(
    home: Path, xserver: XServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = home.parent / ("long" * 30)
    monkeypatch.setattr(config, "_runtime_base", lambda: deep)
    assert main(["record", *SILENT]) in {4, 5}
    assert str(deep) in capsys.readouterr().err
    nothing_is_left(home)


def test_a_session_that_had_begun_when_its_start_failed(
    home: Path, xserver: XServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The recorder makes the session, and cannot tell the next host where it is.
    monkeypatch.setattr(start, "run_dir", lambda home: Path(os.devnull) / "run")
    code, told = refused(*SILENT)
    assert code == 5 and told == f"{os.devnull}: File exists"
    nothing_is_left(home)
