"""Ctrl-C at any moment of a command's first and last milliseconds: exit 130, at most one line, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# A signal to itself some time after the console script's `main` was entered; the timer outlives a quick command, so
# that the later ones arrive while the interpreter ends.
_SCRIPT = """
import os, signal, sys, threading
from pepys.__main__ import main
delay = float(sys.argv.pop(1))
threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
sys.exit(main())
"""


def interrupted(delay_s: float, *words: str) -> tuple[int, list[str]]:
    """The exit status and the lines on stderr of a command that gets Ctrl-C."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(delay_s), *words], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("words", [("list",), ("status",), ("record", "x", "--display", ":none")])
def test_ctrl_c_is_one_line_and_130_whenever_it_comes(home: Path, words: tuple[str, ...]) -> None:
    for delay_ms in (3, 10, 20, 35, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400):
        code, lines = interrupted(delay_ms / 1000, *words)
        assert code == 130, (delay_ms, lines)
        assert all(line.startswith("pepys: ") for line in lines), (delay_ms, lines)


def test_the_program_itself_is_imported_at_once() -> None:
    probe = "import sys; before = set(sys.modules); import pepys.__main__; print(len(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) <= 3
