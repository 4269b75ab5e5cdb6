"""Words that mean nothing, and commands that find nobody: exit codes, one line, a remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main


def error_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The error of a failed command with `--json`; the human line must be one line without a traceback."""
    written = capsys.readouterr()
    assert written.err.startswith("pepys: ")
    assert written.err.count("\n") == 1
    error: dict[str, Any] = json.loads(written.out)["error"]
    assert error["message"]
    assert error["remedy"]
    return error


@pytest.mark.parametrize(
    "words",
    [
        ("record", "x" * 300),
        ("record", ""),
        ("record", "--shots", "never"),
        ("record", "--shots", "0.1"),
        ("record", "--fps", "0"),
        ("record", "--fps", "1000"),
        ("record", "--quality", "best"),
        ("record", "--seconds", "-1"),
        ("record", "--no-video", "--audio", "off", "--shots", "off"),
        ("record", "--bogus"),
        ("list", "--from", "yesterday"),
        ("note", "   "),
        ("note", "now", "--at", "5s"),
        ("rm",),
        ("bogus",),
    ],
)
def test_wrong_usage_is_exit_2(home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert main([*words, "--json"]) == 2
    assert error_of(capsys)["code"] == "usage"
    assert not (home / "heads").exists() or not list((home / "heads").iterdir())


@pytest.mark.parametrize("command", ["note:now", "mark:", "pause", "resume", "stop", "start", "shot"])
def test_without_a_host_control_commands_are_exit_3_with_a_remedy(
    home: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([*command.rstrip(":").split(":"), "--json"]) == 3
    assert "pepys " in error_of(capsys)["remedy"]


def test_status_without_a_host_is_idle(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "idle"
    assert main(["status"]) == 0
    assert capsys.readouterr().out.startswith("idle")
    assert main(["status", "--watch", "--json"]) == 3
    assert "pepys serve" in error_of(capsys)["remedy"]
    assert not home.exists()


def test_a_refusal_says_what_is_taken(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["record", "--shots", "often"])
    assert capsys.readouterr().err == "pepys: --shots often is not taken; give adaptive, off, or seconds such as 10\n"
    main(["record", "--fps", "0"])
    assert "--fps" in capsys.readouterr().err


def test_help_has_words_of_people_alone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from pepys.cli import build_app

    monkeypatch.setenv("COLUMNS", "200")
    for command in build_app().registered_commands:
        main([command.name or getattr(command.callback, "__name__", ""), "--help"])
        text = capsys.readouterr().out
        assert "Usage" in text
        assert "<str" not in text
        assert "<int" not in text
        assert "--debug" in text


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("pepys ")
    assert main(["record", "--help"]) == 0
