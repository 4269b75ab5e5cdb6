"""Every call that changes the disk is one at which a test can kill, and some scenario does come to it.

The store calls the disk through `Disk` (store/disk.py), which has a point before each such call, or commits to a
database, with points around it. Read from the code's trees, compared with the lines that the scenarios run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pepys.store
from pepys.store.disk import Disk
from tests.crash.test_store_kill import homes, said, start

FOLDER = Path(pepys.store.__path__[0])
CHANGING = frozenset(
    {"write", "truncate", "sync_data", "sync_folder", "replace", "link", "unlink", "mkdir", "rmdir", "touch"}
)
"""The methods of the seam that change the disk."""
RAW = frozenset(
    {"fsync", "fdatasync", "rename", "unlink", "rmdir", "ftruncate", "truncate", "remove", "rmtree", "utime"}
)
POINTS = frozenset({"reach", "about"})
ELSEWHERE = {"reach('master.ring')": "the system's keyring, which tests/e2e has; there is none in these homes"}
"""Points that no scenario comes to, with the reason."""
Place = tuple[str, int]

__all__ = ["homes"]  # the fixture


def sources() -> dict[str, ast.Module]:
    """The store's modules."""
    return {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.py"))}


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call with its name and what it is a method of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, node.func.attr, ast.unparse(node.func.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node, node.func.id, ""


def is_raw(node: ast.Call, name: str, of: str) -> bool:
    """Whether a call changes the disk by itself: the system's, or a path's."""
    if of.endswith("disk") or of == "self":
        return False
    if of != "os" and name == "remove":
        return False  # a list's, a catalog's
    # Of one argument only a path's `replace` is, of a string it has two.
    return (
        name in RAW
        or (of == "os" and name in {"replace", "write"})
        or (name == "replace" and len(node.args) == 1 and bool(of))
    )


def unpointed(name: str, tree: ast.Module) -> Iterator[str]:
    """Calls that change the disk, and commits, in functions without a point."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        inside = list(calls(function))
        pointed = any(called in POINTS for _, called, _ in inside)
        for node, called, of in inside:
            commits = called == "execute" and node.args and ast.unparse(node.args[0]) == "'COMMIT'"
            commits = commits or (called == "commit" and "connection" in of) or (called == "begin" and "engine" in of)
            if (commits or is_raw(node, called, of)) and not pointed:
                yield f"{name}:{node.lineno}: {of}.{called} has no point"


def places() -> dict[Place, str]:
    """Where the store changes the disk or reaches a point by name."""
    found: dict[Place, str] = {}
    for name, tree in sources().items():
        # The points of commits on a server: `tests/crash/test_catalog_postgres_kill.py`, which has one.
        if name in {"trigger.py", "disk.py", "postgres.py"}:
            continue
        for node, called, of in calls(tree):
            if (called in CHANGING and of.endswith("disk")) or called == "reach" or called == "replace_file":
                found[name, node.lineno] = ast.unparse(node)[:100]
    return found


def test_every_change_of_the_disk_has_a_point() -> None:
    """Catches a call or a commit that no test can kill at."""
    found = [problem for name, tree in sources().items() for problem in unpointed(name, tree)]
    assert not found, "\n".join(found)


def test_every_method_of_the_seam_that_changes_the_disk_is_known_here() -> None:
    """Catches a new method of the seam that has no point, or is not looked for."""
    (seam,) = [node for node in sources()["disk.py"].body if isinstance(node, ast.ClassDef) and node.name == "Disk"]
    pointed = {
        method.name
        for method in seam.body
        if isinstance(method, ast.FunctionDef) and any(called == "about" for _, called, _ in calls(method))
    }
    assert pointed == CHANGING
    assert set(vars(Disk)) >= CHANGING


@pytest.mark.parametrize(
    "code",
    [
        "def f(path):\n    path.unlink()",
        "def f(a, b):\n    os.replace(a, b)",
        "def f(a, b):\n    a.replace(b)",
        "def f(fd):\n    os.fsync(fd)",
        "def f(c):\n    c.execute('COMMIT')",
        "def f(self):\n    with self._engine.begin(): pass",
    ],
)
def test_one_without_a_point_is_told(code: str) -> None:
    """Catches an audit that sees nothing."""
    assert list(unpointed("made_up.py", ast.parse(code)))


def test_every_point_is_reached(homes: Path) -> None:
    """Catches a change of the disk that no scenario comes to: nobody has seen what a kill there leaves."""
    ran = {(name, int(line)) for name, line in said(start(homes / "lines", "--lines"))}
    missed = {
        f"{name}:{line}: {text}"
        for (name, line), text in places().items()
        if (name, line) not in ran and text not in ELSEWHERE
    }
    assert not missed, "\n".join(sorted(missed))
