"""What a command may import: cold starts stay short, and no codec library enters a command or the host.

Each test asks a fresh interpreter, because this one has imported everything.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"sqlalchemy", "pydantic", "pydantic_settings", "fastapi", "statemachine", "av", "numpy", "asyncio", "rich"}

_RUN = """
import sys
from pepys.cli import main
code = main(sys.argv[1:])
print("\\n".join(m for m in sys.modules if "." not in m), file=sys.stderr)
"""

_IMPORT_ALL = """
import importlib, pkgutil, sys, pepys
for part in sys.argv[1:]:
    package = importlib.import_module(f"pepys.{part}")
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print("\\n".join(sys.modules))
"""


def run(script: str, *words: str) -> tuple[str, str]:
    argv = [sys.executable, "-c", script, *words]
    told = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    return told.stdout, told.stderr


@pytest.mark.parametrize("words", [("status", "--json"), ("note", "a note")])
def test_quick_commands_import_nothing_heavy(home: Path, words: tuple[str, ...]) -> None:
    _, told = run(_RUN, *words)
    assert "typer" in told
    heavy = HEAVY & set(told.split())
    assert not heavy


def test_help_imports_no_database_and_no_codec(home: Path) -> None:
    out, told = run(_RUN, "--help")
    assert "doctor" in out
    heavy = (HEAVY - {"rich", "asyncio"}) & set(told.split())
    assert not heavy


def test_commands_the_host_and_the_pages_never_load_the_codec_library() -> None:
    loaded, _ = run(_IMPORT_ALL, "cli", "web", "sessions", "review", "store", "demo", "doctor")
    assert "pepys.sessions.host" in loaded.split()
    codecs = [name for name in loaded.split() if name == "av" or name.startswith("pepys.media")]
    assert not codecs
