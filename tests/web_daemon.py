"""`pepys serve` as a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PEPYS = [sys.executable, "-m", "pepys"]


class Serving:
    """A running daemon: its process and the address it printed first."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.address = process.stdout.readline().strip()
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/sign-in\?code=[\w-]+", self.address)
        assert found, (self.address, process.poll(), process.stderr.read() if process.stderr else "")
        self.url = found[1]

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Send a signal; the exit status and what was written to stderr."""
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@contextmanager
def serving(*arguments: str) -> Iterator[Serving]:
    """A daemon on a free port; it must end in order and must not have failed inside."""
    process = subprocess.Popen(
        [*PEPYS, "serve", "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    ended = False
    try:
        yield Serving(process)
        ended = process.poll() is not None
    finally:
        if process.poll() is None:
            process.terminate()
        _, errors = process.communicate(timeout=30)
    if not ended:
        assert process.returncode == 0 and "Traceback" not in errors, errors
