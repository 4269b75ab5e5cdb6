"""What the tidy tests look at: the project's files as git sees them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked() -> tuple[str, ...]:
    """Paths of all files that are, or are about to be, in the repository."""
    # The checkout may belong to somebody else than the one who runs the tests (containers, CI).
    argv = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(sorted(path for path in told.split("\0") if path and (ROOT / path).is_file()))


def files(*folders: str, kinds: tuple[str, ...] = (".py",)) -> list[str]:
    """Tracked files below some folders, of some kinds."""
    return [path for path in tracked() if path.startswith(folders) and path.endswith(kinds)]


def text(path: str) -> str:
    """A file's text."""
    return (ROOT / path).read_text(encoding="utf-8")
