"""A small disk of its own for a home: it can be filled, made read-only as a failing one is, and held up.

An ext4 file system in a file, mounted through a loop device: that needs root. Nothing is made up: a held disk is frozen
by the kernel (`fsfreeze`), a failed one is what ext4 makes of itself after an error (`remount,abort`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pepys.demo.child import Child, program
from pepys.errors import DeviceMissing

BYTES: Final = 1024 * 1024 * 1024
"""The reserve of 512 MiB, and room for some minutes."""

HELD_S: Final = 2.5
"""How long a slow disk holds up everything that writes, before it lets some pass."""

_PIECE: Final = 16 * 1024 * 1024
_PASS_S: Final = 0.2
_HOLD: Final = f'while fsfreeze -f "$0"; do sleep {HELD_S}; fsfreeze -u "$0"; sleep {_PASS_S}; done'


class SmallDisk:
    """Mounted on `folder` between `with` and its end."""

    def __init__(self, folder: Path, image: Path) -> None:
        """Take where, and the file that holds it."""
        self._folder, self._image = folder, image
        self._holding: Child | None = None

    def __enter__(self) -> Self:
        with self._image.open("wb") as image:
            image.truncate(BYTES)
        _call("mkfs.ext4", "e2fsprogs", ["-q", "-F", "-m", "0", str(self._image)])
        self._mount()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        subprocess.run(["umount", "--lazy", str(self._folder)], capture_output=True, check=False)
        self._image.unlink(missing_ok=True)

    def fill(self) -> None:
        """Take the last block, whatever is written meanwhile."""
        if sys.platform != "linux":
            raise DeviceMissing("disks are filled on Linux", "measure there")
        with self._ballast.open("wb") as ballast:
            size, piece = 0, BYTES
            while piece >= 4096:
                try:
                    os.posix_fallocate(ballast.fileno(), size, piece)
                    size += piece
                except OSError:
                    piece //= 2

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink()

    def fail(self) -> None:
        """Make it read-only under those who write, as an error does."""
        _call("mount", "mount", ["-o", "remount,abort", str(self._folder)])

    def mend(self) -> None:
        """Check and mount a failed disk again; nobody may use it.

        Raises:
            DeviceMissing: somebody does, or it cannot be mended.
        """
        _call("umount", "mount", [str(self._folder)])
        # Its status says how much it mended.
        subprocess.run([program("e2fsck", "e2fsprogs"), "-fy", str(self._image)], capture_output=True, check=False)
        self._mount()

    def hold(self) -> None:
        """Make it slow: what writes waits up to `HELD_S` each time."""
        program("fsfreeze", "util-linux")
        self._holding = Child(["sh", "-c", _HOLD, str(self._folder)], self._image.with_suffix(".log"))

    def let_go(self) -> None:
        """Make it fast again; may be called twice."""
        if self._holding is not None:
            self._holding.stop()
            self._holding = None
            subprocess.run(["fsfreeze", "-u", str(self._folder)], capture_output=True, check=False)

    @property
    def _ballast(self) -> Path:
        return self._folder / "ballast"

    def _mount(self) -> None:
        _call("mount", "mount", ["-o", "loop,errors=remount-ro", str(self._image), str(self._folder)])
        self._folder.chmod(0o700)


def _call(name: str, package: str, words: Sequence[str]) -> None:
    done = subprocess.run([program(name, package), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it failed"])[0]
        raise DeviceMissing(f"no disk of its own: {name}: {reason}", "measure the faults of a disk as root")
