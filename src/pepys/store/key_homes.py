"""Which homes the master key of this user opens: a list in the config folder, one path a line.

A change of the master key has to reach every one of them, or it would lock the user out of those it forgot. The list
is not secret and may be edited. A folder that cannot be written costs only the entry.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from pepys.errors import StorageProblem
from pepys.store.files import private_file, replace_file, write_all

_LIST_BYTES: Final = 1024 * 1024


def homes_path(config_dir: Path) -> Path:
    """Where the list lies."""
    return config_dir / "homes"


def known(config_dir: Path) -> list[Path]:
    """The homes of the list, in their order."""
    try:
        with homes_path(config_dir).open("rb") as file:
            lines = file.read(_LIST_BYTES).split(b"\n")
    except OSError:
        return []
    paths = (Path(name) for name in dict.fromkeys(os.fsdecode(line) for line in lines))
    return [path for path in paths if path.is_absolute()]


def note(config_dir: Path, home: Path) -> None:
    """Add a home to the list, unless it stands there."""
    place = home.absolute()
    if place in known(config_dir) or "\n" in str(place):
        return
    # Two processes may both add it: `known` names it once.
    with contextlib.suppress(OSError):
        fd = private_file(homes_path(config_dir), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            write_all(fd, os.fsencode(place) + b"\n")
        finally:
            os.close(fd)


def drop(config_dir: Path, homes: set[Path]) -> None:
    """Take homes from the list; the caller holds `master_lock`."""
    left = [home for home in known(config_dir) if home not in homes]
    with contextlib.suppress(StorageProblem):
        replace_file(homes_path(config_dir), b"".join(os.fsencode(home) + b"\n" for home in left), "homes")
