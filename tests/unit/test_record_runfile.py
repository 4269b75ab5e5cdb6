"""What a recorder and a worker leave in the home beside the data is for this user alone."""

from __future__ import annotations

import os
from pathlib import Path

from pepys.clock import FakeClock
from pepys.enrich.jobs import spawn_worker
from pepys.record.runfile import read_run_file, write_run_file
from tests.stored_session import make_store


def test_run_files_and_logs_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "run" / "session.json"
        told = write_run_file(path, "session", "socket", FakeClock())
        store = make_store(tmp_path)
        spawn_worker(store, jobs=["none"]).wait(timeout=60)
    finally:
        os.umask(before)
    assert read_run_file(path) == told
    assert path.stat().st_mode & 0o777 == 0o600
    assert (store.path / "logs" / "worker.log").stat().st_mode & 0o777 == 0o600
