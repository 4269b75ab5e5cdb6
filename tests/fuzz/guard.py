"""Sees every file that this process makes, changes or removes, and whether it lies where it may.

An audit hook cannot be taken away again: it looks only while `writing_within` is in force.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES: Final = {
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "shutil.rmtree",
}  # fmt: skip
_inside: list[Path] = []
_outside: list[str] = []
_hooked: list[bool] = []


@contextlib.contextmanager
def writing_within(*folders: Path) -> Iterator[None]:
    """Hold that nothing outside `folders` is written, made or removed meanwhile.

    Raises:
        AssertionError: something was; the message names it.
    """
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    _inside[:], _outside[:] = [folder.resolve() for folder in folders], []
    try:
        yield
    finally:
        _inside.clear()
    assert not _outside, f"written outside the home: {_outside}"


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _inside:
        return
    if event == "open":
        path, _, flags = args
        if isinstance(path, str | bytes) and flags & _WRITES:
            _look(event, path)
    elif event in _CHANGES:
        for path in args[: 2 if event in {"os.rename", "os.link"} else 1]:
            if isinstance(path, str | bytes | os.PathLike):
                _look(event, path)


def _look(event: str, path: Any) -> None:
    place = Path(os.fsdecode(path)).resolve()
    if not place.is_relative_to("/dev") and not any(place.is_relative_to(folder) for folder in _inside):
        _outside.append(f"{event} {place}")
