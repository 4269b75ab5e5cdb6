"""Which homes the master key of this user opens: a list in the config folder, one path a line.

A change of the master key reaches every one of them. The list is not secret and may be edited. A folder that cannot be
written costs only the entry. Paths are resolved when they are noted and when they are read; two names that still lead
to one home (a bind mount) are told by `identity`.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from pepys.errors import StorageProblem
from pepys.store.files import locked, private_file, replace_file, write_all
from pepys.store.key_master import read_plain

_LIST_BYTES: Final = 1024 * 1024


def homes_path(config_dir: Path) -> Path:
    """Where the list lies."""
    return config_dir / "homes"


def known(config_dir: Path) -> list[Path]:
    """The homes of the list, in their order, each once."""
    paths = (Path(os.fsdecode(line)) for line in _lines(config_dir))
    return list(dict.fromkeys(place(path) for path in paths if path.is_absolute()))


def place(home: Path) -> Path:
    """One name for a home: without links and `..`, also for one that is not there."""
    try:
        return home.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return home.absolute()


def identity(home: Path) -> tuple[int, int]:
    """What tells a home that is there from any other, whatever its name; the order in which homes are locked.

    Raises:
        OSError: it has no folder of keys.
    """
    seen = (home / "keys").stat()
    return seen.st_dev, seen.st_ino


def note(config_dir: Path, home: Path) -> None:
    """Add a home to the list, unless it stands there."""
    name = os.fsencode(place(home))
    if name in _lines(config_dir) or b"\n" in name:
        return
    with contextlib.suppress(OSError, StorageProblem), _list_lock(config_dir):
        fd = private_file(homes_path(config_dir), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            write_all(fd, name + b"\n")
        finally:
            os.close(fd)


def drop(config_dir: Path, homes: set[Path]) -> None:
    """Take homes from the list, and doubles."""
    with contextlib.suppress(StorageProblem), _list_lock(config_dir):
        left = [home for home in known(config_dir) if home not in homes]
        replace_file(homes_path(config_dir), b"".join(os.fsencode(home) + b"\n" for home in left), "homes")


def _list_lock(config_dir: Path) -> contextlib.AbstractContextManager[None]:
    """Held for the moment of a change of the list; whoever has it waits for nothing else."""
    return locked(config_dir / "homes.lock")


def _lines(config_dir: Path) -> list[bytes]:
    try:
        return read_plain(homes_path(config_dir), _LIST_BYTES).split(b"\n")
    except OSError:
        return []
