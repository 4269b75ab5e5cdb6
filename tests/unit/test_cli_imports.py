"""What the quick commands import: the budget that keeps `status`, `note` and `list` quick."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"asyncio", "av", "fastapi", "numpy", "pydantic", "rich", "sqlalchemy", "statemachine", "structlog", "xcffib"}
STORE = {"blake3", "cryptography", "sqlcipher3", "zstandard"}

SCRIPT = """
import contextlib, json, sys
with contextlib.redirect_stdout(sys.stderr):
    from pepys.cli import main
    main(json.loads(sys.argv[1]))
print(json.dumps(sorted(sys.modules)))
"""

_HOST_IMPORTS = "import sys, pepys.sessions.foreground; print('av' in sys.modules, 'numpy' in sys.modules)"


def imported(*words: str) -> set[str]:
    """The modules in memory after a command."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(words)], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "words", [("status",), ("note", "x"), ("mark",), ("pause",), ("stop",), ("resume",), ("shot",)]
)
def test_control_commands_import_neither_the_store_nor_anything_heavy(home: Path, words: tuple[str, ...]) -> None:
    assert not imported(*words) & (HEAVY | STORE)


def test_the_list_imports_the_store_and_nothing_heavy(home: Path) -> None:
    assert not imported("list", "--json") & HEAVY
    home.mkdir()
    assert not imported("list", "--json") & HEAVY


def test_the_host_never_imports_codecs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HOST_IMPORTS],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "False"]
