"""The doctor finds what is there and what is missing, changes nothing, and names a remedy."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pepys import limits
from pepys.cli import main
from pepys.config import config_dir
from pepys.demo.servers import SoundServer, XServer
from pepys.doctor import engines, examine
from pepys.doctor import home as home_checks
from pepys.doctor.devices import Sound
from pepys.doctor.findings import Finding, State, ok
from pepys.doctor.pictures import Pictures
from pepys.store.keys import master_key_path, open_keys


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in found}


def test_on_a_bare_machine_it_says_what_is_missing_and_changes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    # Displays of others on this machine may answer; windows and monitors are those of the one in force.
    assert all(source["kind"] in {"webcam", "display"} for source in told["sources"])
    found = {check["name"]: check for check in told["checks"]}
    assert found["display"]["state"] == "missing"
    assert "pepys demo" in found["display"]["remedy"]
    assert found["microphone"]["state"] == "missing"
    assert found["codecs"]["state"] == found["database"]["state"] == found["clock"]["state"] == "ok"
    assert found["screen text"]["state"] == found["speech"]["state"] == "ok"
    assert all(check["remedy"] for check in told["checks"] if check["state"] != "ok")
    assert not home.exists()
    assert not master_key_path(config_dir()).exists()


def test_with_display_and_sound_it_finds_both(
    home: Path,
    xserver: XServer,
    sound_server: SoundServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DOCTOR_LISTEN_NS", 100 * limits.NS_PER_MS)
    found = by_name([*Pictures().display(), *Sound().check()])
    assert found["display"].state is State.OK
    assert "1920x1080" in found["display"].found
    assert found["microphone"].found == "pepys_mic.monitor"
    assert found["system sound"].found == "pepys_null.monitor"
    assert main(["doctor", "--json"]) == 0
    told = capsys.readouterr().out
    assert "1920x1080" in told
    assert {device["name"] for device in json.loads(told)["sound"]} == {"pepys_mic.monitor", "pepys_null.monitor"}


def test_a_display_that_has_gone_is_missing(home: Path, xserver: XServer) -> None:
    xserver.kill()
    assert [finding.state for finding in Pictures().display()] == [State.MISSING]


def test_a_key_that_is_not_this_homes_is_told(home: Path) -> None:
    open_keys(home, config_dir(), create=True)
    assert [finding.state for finding in home_checks.key(home)] == [State.OK]
    for wrapping in home.glob("keys/*.copy"):
        wrapping.write_bytes(b"bent")
    assert [finding.state for finding in home_checks.key(home)] == [State.LESS]
    master_key_path(config_dir()).unlink()
    (finding,) = home_checks.key(home)
    assert finding.state is State.MISSING
    assert finding.remedy


def test_a_key_that_others_can_read_is_told(home: Path) -> None:
    open_keys(home, config_dir(), create=True)
    master_key_path(config_dir()).chmod(0o640)
    _, rights = home_checks.key(home)
    assert rights.state is State.LESS and "yours alone now" in rights.found and "key change" in rights.remedy
    assert master_key_path(config_dir()).stat().st_mode & 0o777 == 0o600
    assert [finding.state for finding in home_checks.key(home)] == [State.OK]


def test_a_home_that_is_a_file_and_a_full_disk_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((limits.DISK_RESERVE_BYTES, State.MISSING), (2 * limits.DISK_RESERVE_BYTES, State.LESS)):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda path, usage=usage: usage)
        assert by_name(list(home_checks.folder(home)))["disk"].state is state
    home.write_text("a file")
    assert by_name(list(home_checks.folder(home)))["home"].state is State.MISSING


def test_a_mistake_in_the_settings_is_told(home: Path) -> None:
    config_dir().mkdir(parents=True)
    (config_dir() / "config.toml").write_text("[record]\nfsp = 3\n")
    assert by_name(list(home_checks.sockets(home)))["settings"].remedy == "did you mean record.fps?"


@pytest.mark.parametrize(
    ("version", "race"), [("3.6.23", False), ("3.7.0", True), ("3.40.1", True), ("3.51.2", True), ("3.51.3", False)]
)
def test_the_versions_of_sqlite_that_can_lose_pages_are_known(version: str, race: bool) -> None:
    assert engines.wal_reset_race(version) is race


def test_a_broken_codec_library_is_a_finding(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    (finding,) = engines.codecs()
    assert finding.state is State.MISSING


def test_a_check_that_breaks_is_a_finding() -> None:
    def broken() -> list[Finding]:
        raise RuntimeError("out of\norder")

    (finding,) = examine.run("thing", broken)
    assert finding.state is State.MISSING
    assert "out of order" in finding.found
    assert examine.run("thing", lambda: iter([ok("thing", "here")])) == [ok("thing", "here")]
