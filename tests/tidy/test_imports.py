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

# A daemon that records, ends a session and asks for its enrichment, as `pepys serve` does it.
_SERVE = """
import asyncio, sys, threading
from pathlib import Path
from pepys.record import probe
from pepys.sessions.control import ask_host
from pepys.store.store import open_store
from pepys.store.waiting import under_way
from pepys.web.daemon import Daemon
home = Path(sys.argv[1])
def work():
    try:
        assert probe.display_problem(":4321")
        ask_host(home, "start", sources=["pattern:testsrc2"], audio="off")
        ask_host(home, "stop")
        store = open_store(home, create=False)
        while not store.heads.sessions() or not (under_way(store) or (home / "logs/worker.log").exists()):
            pass
        print("\\n".join(sys.modules))
    finally:
        ask_host(home, "shutdown")
asyncio.run(Daemon(home, "127.0.0.1", 0, lambda address: threading.Thread(target=work).start()).run())
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
    loaded, _ = run(_IMPORT_ALL, "cli", "web", "sessions", "review", "store", "demo", "doctor", "bench")
    assert {"pepys.sessions.host", "pepys.bench.film"} <= set(loaded.split())
    codecs = [name for name in loaded.split() if name == "av" or name.startswith("pepys.media")]
    assert not codecs


def test_a_daemon_that_records_loads_no_database_toolkit_and_no_client_of_a_display(home: Path) -> None:
    # Each of these stays for as long as the daemon runs: SQLAlchemy 13 MB, xcffib with its parser of C 8, typer 4.
    loaded = run(_SERVE, str(home))[0].split()
    assert {"fastapi", "sqlcipher3", "pepys.web.daemon", "pepys.enrich.jobs"} <= set(loaded)
    assert not {"sqlalchemy", "xcffib", "cffi", "numpy", "av"} & set(loaded)


def test_a_recorder_loads_nothing_of_databases_pages_or_commands(home: Path) -> None:
    loaded, _ = run(
        # What measures coverage has loaded modules of its own by now.
        "import sys; before = set(sys.modules)\n"
        "import pepys.record.__main__, pepys.record.adapters.opening, pepys.media.video\n"
        "pepys.media.video.hints_work()\n"
        'print("\\n".join(set(sys.modules) - before))'
    )
    heavy = {"sqlalchemy", "sqlcipher3", "pydantic", "fastapi", "asyncio", "ssl", "email", "http", "typer", "rich"}
    assert {"av", "numpy"} <= set(loaded.split())
    assert not (heavy | {"numpy.random", "multiprocessing", "statemachine"}) & set(loaded.split())
