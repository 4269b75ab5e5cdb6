"""Recording never waits for a PostgreSQL server: its process does not know that there is one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.sessions.control import status_of
from tests.waiting import wait_until

PICTURE = "pattern:testsrc2=size=320x240:rate=10"


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server that takes every connection and says nothing, as one that hangs does; the catalog is to be there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setenv("PEPYS_STORE_CATALOG", f"postgresql://pepys@127.0.0.1:{port}/pepys")
        yield listening


def test_a_server_that_hangs_reaches_no_recording(home: Path, silent_server: socket.socket) -> None:
    """Catches a recorder, or its start, that asks the catalog: a hang there would be a gap here."""
    command = [sys.executable, "-m", "pepys", "record", "--source", PICTURE, "--audio", "off", "--shots", "off",
               "--seconds", "3", "--json"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: status_of(home)["state"] == "recording", 20, "the recording")
        recorders = _recorders(process.pid)
        assert recorders
        for pid in recorders:
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert "libav" in maps, "this is no recorder"
            assert "psycopg" not in maps and "libpq" not in maps
        silent_server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has even knocked
            silent_server.accept()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["event"] == "completed"
    shown = subprocess.run(
        [sys.executable, "-m", "pepys", "show", "last", "--json"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    session = json.loads(shown.stdout)
    assert not session["gaps"] and session["duration_ms"] >= 2500
    assert "Traceback" not in err


def _recorders(parent: int) -> list[int]:
    """The processes `python -m pepys.record` of a home's recording, wherever they hang."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                started_by = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"pepys.record" in words and started_by == parent:
                found.append(int(folder.name))
    return found


def test_the_recorder_does_not_know_the_catalog() -> None:
    """Catches an import by which a recording could come to open a database."""
    script = "import sys, pepys.record.__main__; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(told.stdout.split())
    assert "pepys.store.writer" in loaded
    assert not {name for name in loaded if "catalog" in name or "postgres" in name or name.startswith("psycopg")}
