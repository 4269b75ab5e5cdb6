"""Somebody who types commands, with a home and a config folder of their own."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pepys.cli import main
from pepys.store.store import Store, open_store
from tests.web_daemon import PEPYS


class User:
    """Somebody with a home and a config folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        (folder / "run").mkdir(parents=True)
        self.env = {
            **os.environ, "PEPYS_HOME": str(self.home), "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }  # fmt: skip

    def store(self, *, create: bool = False) -> Store:
        return open_store(self.home, create=create, config_dir=self.folder / "config" / "pepys")

    def run(self, *words: str, code: int | None = 0, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the program in this process: the same words, files and codes without the 0.3 s of another.

        A `code` of None is any.
        """
        out, problems, before = io.StringIO(), io.StringIO(), dict(os.environ)
        stdin, log = sys.stdin, logging.StreamHandler(problems)
        logging.getLogger().addHandler(log)
        try:
            os.environ.clear()
            os.environ.update(self.env)
            sys.stdin = io.TextIOWrapper(io.BytesIO((given or "").encode()))
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(problems):
                result = main(words)
        finally:
            os.environ.clear()
            os.environ.update(before)
            sys.stdin = stdin
            logging.getLogger().removeHandler(log)
        return self._told(words, code, subprocess.CompletedProcess(words, result, out.getvalue(), problems.getvalue()))

    def run_apart(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the program as a user does."""
        done = subprocess.run([*PEPYS, *words], env=self.env, capture_output=True, text=True, timeout=100)
        return self._told(words, code, done)

    def _told(
        self, words: tuple[str, ...], code: int | None, done: subprocess.CompletedProcess[str]
    ) -> subprocess.CompletedProcess[str]:
        assert code is None or done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str, code: int | None = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code).stdout)
