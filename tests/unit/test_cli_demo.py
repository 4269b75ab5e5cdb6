"""What `pepys demo` tells to type afterwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pepys.cli.demo import program_words


def test_the_program_is_named_as_it_can_be_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "pepys"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", os.defpath)
    assert program_words() == [str(program)]
    monkeypatch.setenv("PATH", str(program.parent))
    assert program_words() == ["pepys"]
    monkeypatch.setattr(sys, "argv", ["/somewhere/pepys/__main__.py", "demo"])
    assert program_words() == [sys.executable, "-m", "pepys"]
