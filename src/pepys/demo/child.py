"""One started program: where it is looked for, how it is ended, what it said when it failed.

Invariants: a child gets its own process group, its output goes to a file of its own (never to the caller's terminal),
`stop` is idempotent and returns only when the child is gone; on Linux the kernel ends the child when the thread that
started it dies, so that a killed demo or test leaves nothing running.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pepys.clock import Clock, SystemClock
from pepys.errors import DeviceMissing
from pepys.limits import CHILD_START_NS, CHILD_STOP_NS, NS_PER_MS

_POLL_NS = 10 * NS_PER_MS


def program(name: str, package: str) -> str:
    """The path of a program.

    Raises:
        DeviceMissing: it is not installed; the remedy names the Debian package.
    """
    found = shutil.which(name)
    if found is None:
        raise DeviceMissing(f"the program {name} is not installed", f"install it: apt-get install {package}")
    return found


class Child:
    """A program that runs until `stop`."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        clock: Clock | None = None,
    ) -> None:
        self.name = Path(argv[0]).name
        self.log = log
        self.clock = clock or SystemClock()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*_die_with_parent(), *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, also after the child's end."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self.process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until `ready` answers true.

        Raises:
            DeviceMissing: the child ended, or `CHILD_START_NS` passed; the message quotes the child's last line.
        """
        deadline = self.clock.now_ns() + CHILD_START_NS
        while not ready():
            if not self.alive or self.clock.now_ns() > deadline:
                fate = "did not answer in time" if self.alive else f"ended with status {self.process.returncode}"
                self.stop()
                raise DeviceMissing(
                    f"{what} did not start: {self.name} {fate}{self._last_words()}", "see `pepys doctor`"
                )
            self.clock.sleep_ns(_POLL_NS)

    def kill(self) -> None:
        """End the child and what it started at once, as a crash would."""
        self._signal(force=True)
        self.process.wait()

    def stop(self) -> None:
        """End the child politely, then by force."""
        if self.process.returncode is None:
            self._signal(force=False)
            try:
                self.process.wait(CHILD_STOP_NS / 1e9)
            except subprocess.TimeoutExpired:
                self.kill()
        # What the child had started may have outlived it.
        self._signal(force=True)

    def _signal(self, *, force: bool) -> None:
        if sys.platform == "win32":
            self.process.kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL if force else signal.SIGTERM)

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f" ({lines[-1].strip()})" if lines else ""


def _die_with_parent() -> list[str]:
    """A prefix that ties the child's life to the starting thread's, where the system has one."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
