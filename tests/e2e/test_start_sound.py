"""Sound devices that a recording is started with: gone ones are exit 4 with what there is, whatever the server does."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
from functools import partial
from pathlib import Path

import pytest

from pepys import limits
from pepys.cli import main
from pepys.clock import SystemClock
from pepys.demo.servers import Server, SoundServer
from pepys.model.sound_graph import from_json
from pepys.record import probe
from pepys.sessions.start import StartRequest, make_spec, validate
from tests.recording import MIC, SYSTEM

_ODD = "Mikró fon Ł1.monitor"


def pactl(*words: str) -> None:
    subprocess.run(["pactl", *words], check=True, stdout=subprocess.DEVNULL)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    """The error of a recording that cannot start, after no more than the time for looking around."""
    clock = SystemClock()
    before = clock.now_ns()
    assert main(["record", "--no-video", "--shots", "off", "--json", "--seconds", "1", *words]) == 4
    assert clock.now_ns() - before < int((limits.PROBE_S + 1) * limits.NS_PER_S)
    error: dict[str, str] = json.loads(capsys.readouterr().out)["error"]
    assert "\n" not in error["message"] + error["remedy"] and error["remedy"]
    return error


@pytest.mark.parametrize("flag", ["--mic", "--system"])
def test_a_device_that_is_gone_is_exit_4_with_those_that_are_there(
    home: Path, any_sound_server: Server, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    for gone in ("gone", _ODD, "@DEFAULT_SOURCE@"):
        error = refused(capsys, flag, gone)
        assert f"no source {gone}" in error["message"]
        assert MIC in error["remedy"] and SYSTEM in error["remedy"]
    assert not list(home.glob("heads/*"))


def test_names_with_spaces_and_signs_of_another_alphabet_can_be_used(
    home: Path, pipewire_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    pactl("load-module", "module-null-sink", "sink_name='Mikró fon Ł1'")
    assert shlex.quote(_ODD) in refused(capsys, "--mic", "gone")["remedy"]
    clock = SystemClock()
    request, settings = validate(StartRequest(mic=_ODD, video=False, shots="off"), clock)
    graph = make_spec(home, request, settings, clock).sound_graph
    assert graph is not None
    devices = {node.name: node.params for node in from_json(graph).devices()}
    assert devices["mic"]["device"] == _ODD and not devices["mic"]["follow_default"]
    assert devices["system"]["device"] == SYSTEM and devices["system"]["follow_default"]


def test_a_server_that_is_not_there_is_told_as_such(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, short_folder: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(short_folder / "native"))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{short_folder / 'native'}")
    for words in (("--mic", "headset"), ("--audio", "both"), ()):
        assert "no sound server can be reached: Connection refused" in refused(capsys, *words)["message"]


def test_a_server_that_refuses_is_told_as_such(
    home: Path,
    sound_server: SoundServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    short_folder: Path,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # A socket lets the server's own user in by name; only by address it asks for the cookie.
    cookies = [short_folder / "theirs", short_folder / "ours"]
    for cookie in cookies:
        cookie.write_bytes(secrets.token_bytes(256))
    address = ("listen=127.0.0.1", f"port={port}", "auth-anonymous=0", f"auth-cookie={cookies[0]}")
    pactl("load-module", "module-native-protocol-tcp", *address)
    monkeypatch.setenv("PULSE_SERVER", f"tcp:127.0.0.1:{port}")
    monkeypatch.setenv("PULSE_COOKIE", str(cookies[1]))
    error = refused(capsys, "--mic", MIC)
    assert "the sound server refuses this user: access denied" in error["message"] and "cookie" in error["remedy"]
    assert probe.default_sound().problem == probe.default_sound().mic_reason


def test_a_server_that_hangs_is_told_within_the_deadline(
    home: Path, sound_server: SoundServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "default_sound", partial(probe.default_sound, 0.5))
    os.kill(sound_server.pid, signal.SIGSTOP)
    try:
        error = refused(capsys, "--mic", MIC)
    finally:
        os.kill(sound_server.pid, signal.SIGCONT)
    assert "the sound server does not answer" in error["message"] and "restart" in error["remedy"]
