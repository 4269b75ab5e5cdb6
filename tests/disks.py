"""A small disk of one's own, that a test fills, makes read-only or takes away while something is recorded on it.

Where the system lets a user mount (`unshare`), it is a tmpfs in a namespace of its own, reached through the process
that holds it. Where it does not, as in a plain container, it is a folder: then writes of the recorder are made to fail
by its limit of file sizes, and the folder is renamed away.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

MIB = 1 << 20


class SmallDisk(Protocol):
    """What a test does to a disk; `pid` is of the process that writes to it."""

    @property
    def home(self) -> Path: ...
    @property
    def enter(self) -> list[str]: ...
    def fill(self, pid: int, left: int = 0) -> None: ...
    def make_read_only(self, pid: int) -> None: ...
    def take_away(self) -> None: ...
    def mend(self) -> None: ...
    def end(self) -> None: ...


class Mounted:
    """A tmpfs at `place`, in the namespace of a shell that waits for commands."""

    def __init__(self, place: Path, size: int) -> None:
        self._place, self._kept = place, place.with_name(f"{place.name}-kept")
        for folder in (self._place, self._kept):
            folder.mkdir()
        self._shell = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        # Mounted a second time, it is still there when it is taken away.
        self.able = self._do(f"mount -t tmpfs -o size={size},mode=700 none {self._kept}") and self._show()
        self.home = Path(f"/proc/{self._shell.pid}/root{place}")
        # Databases resolve the path above to one outside: programs that have some run inside, where it is `place`.
        self.enter = ["nsenter", f"--target={self._shell.pid}", "--user", "--mount", "--preserve-credentials"]

    def _do(self, command: str) -> bool:
        """Run a command there; whether it worked."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        try:
            self._shell.stdin.write(f"{command}; echo $?\n")
            self._shell.stdin.flush()
        except BrokenPipeError:
            return False
        return self._shell.stdout.readline() == "0\n"

    def _show(self) -> bool:
        return self._do(f"mount --bind {self._kept} {self._place}")

    def fill(self, pid: int, left: int = 0) -> None:
        """Leave no more than `left` bytes."""
        free = os.statvfs(self.home)
        # Somebody else may take the last of it meanwhile.
        with contextlib.suppress(OSError), (self.home / "filler").open("wb", buffering=0) as filler:
            filler.write(bytes(max(0, free.f_bavail * free.f_frsize - left)))

    def make_read_only(self, pid: int) -> None:
        """As a disk that found an error in itself becomes; what is open stays so."""
        assert self._show() and self._do(f"mount -o remount,bind,ro {self._place}")

    def take_away(self) -> None:
        """As a disk that is pulled out."""
        assert self._do(f"umount -l {self._place}")

    def mend(self) -> None:
        """Make it whole, writable and there again."""
        assert self._show()
        (self.home / "filler").unlink(missing_ok=True)

    def end(self) -> None:
        """Let go of it."""
        self._shell.kill()
        self._shell.communicate()


class Plain:
    """A folder that stands for a disk where nobody may mount one."""

    def __init__(self, place: Path) -> None:
        self.home, self.enter = place, list[str]()
        place.mkdir(exist_ok=True)

    def fill(self, pid: int, left: int = 0) -> None:
        """Nothing that the process writes grows any more."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (left, left))

    def make_read_only(self, pid: int) -> None:
        """The same to who writes."""
        self.fill(pid)

    def take_away(self) -> None:
        """Rename it."""
        self.home.rename(self.home.with_name("away"))

    def mend(self) -> None:
        """Name it as before."""
        away = self.home.with_name("away")
        if away.exists():
            away.rename(self.home)

    def end(self) -> None:
        """There is nothing to let go of."""


@contextmanager
def small_disk(place: Path, size: int = 8 * MIB, *, plain: bool = False) -> Iterator[SmallDisk]:
    """A disk at `place`, which must not exist; `plain` where none is to be mounted in any case."""
    mounted = Mounted(place, size) if not plain and shutil.which("unshare") else None
    disk = mounted if mounted is not None and mounted.able else Plain(place)
    try:
        yield disk
    finally:
        disk.end()
        if mounted is not None:
            mounted.end()
