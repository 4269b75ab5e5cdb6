"""The rules about Python code, each a function from a module's tree to what is wrong with it.

A finding is `(line, sentence)`. The rules know no file names: which rule holds where is up to the tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

FUNCTION_LINES = 60
FILE_LINES = 400
GRAB_BAGS = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"})

Finding = tuple[int, str]


def long_functions(tree: ast.Module) -> Iterator[Finding]:
    """Functions that do not fit on a screen."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {lines} lines; split it"


def missing_docstring(tree: ast.Module) -> Iterator[Finding]:
    """A module that does not say what it owns."""
    if tree.body and not ast.get_docstring(tree):
        yield 1, "the module has no docstring"


def clock_calls(tree: ast.Module) -> Iterator[Finding]:
    """Time that a fake clock could not move."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name == "time" for alias in node.names):
            yield node.lineno, "imports time; take a pepys.clock.Clock"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield node.lineno, "imports from time; take a pepys.clock.Clock"
        elif isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if owner in {"datetime", "date"}:
                yield node.lineno, f"reads {owner}.{node.attr}; take a pepys.clock.Clock"


def sleeps(tree: ast.Module) -> Iterator[Finding]:
    """Waits for a while where a test could wait for what it needs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "sleep" and getattr(node.value, "id", "") == "time":
            yield node.lineno, "sleeps; wait for the event, or use tests.waiting.wait_until"


def bare_excepts(tree: ast.Module) -> Iterator[Finding]:
    """Handlers that would swallow Ctrl-C and every mistake."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "catches everything; name the errors"


def unbounded_queues(tree: ast.Module) -> Iterator[Finding]:
    """Queues that grow until memory ends."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "SimpleQueue":
            yield node.lineno, "SimpleQueue has no bound"
        elif name in {"Queue", "LifoQueue", "PriorityQueue", "JoinableQueue"}:
            size = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "maxsize"), None)
            if size is None or (isinstance(size, ast.Constant) and not size.value):
                yield node.lineno, f"{name} has no bound; give it one from pepys.limits"


def prints(tree: ast.Module) -> Iterator[Finding]:
    """Output that is not the command line's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
            yield node.lineno, "prints; raise, return or log it"


def unfinished(tree: ast.Module) -> Iterator[Finding]:
    """Bodies that were left for later."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if getattr(raised, "id", "") == "NotImplementedError":
                yield node.lineno, "is not implemented"


def left_out_tests(tree: ast.Module) -> Iterator[Finding]:
    """Tests that do not run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "xfail", "importorskip"}:
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if owner in {"pytest", "mark"}:
                yield node.lineno, f"is left out by {node.attr}; make it run or remove it"


_RAW_OS = frozenset(
    {"open", "close", "read", "write", "pread", "pwrite", "lseek", "fsync", "fdatasync", "ftruncate", "truncate"}
    | {"replace", "rename", "remove", "unlink", "mkdir", "rmdir", "makedirs", "link", "symlink", "stat", "lstat"}
    | {"fstat", "scandir", "listdir", "utime", "access"}
)
_RAW_PATH = frozenset(
    {"open", "read_bytes", "read_text", "write_bytes", "write_text", "unlink", "rename", "mkdir", "rmdir", "iterdir"}
    | {"glob", "rglob", "stat", "exists", "is_file", "is_dir", "touch", "chmod", "hardlink_to", "symlink_to"}
)
_NO_PATHS = frozenset({"os", "disk", "self", "super", "blobs", "catalog", "cipher", "opener", "held", "place"})
"""Owners of methods that share their names with those of paths."""


def raw_disk_calls(tree: ast.Module) -> Iterator[Finding]:
    """Files touched past the store's disk, where no simulated one would see it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "open":
            yield node.lineno, "opens a file; take a Disk"
        if not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value
        name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
        if name == "os" and node.func.attr in _RAW_OS:
            yield node.lineno, f"calls os.{node.func.attr}; take a Disk"
            continue
        # A path's own `replace` has one argument; a text's has two, a dataclass's is a function.
        raw = node.func.attr in _RAW_PATH or (node.func.attr == "replace" and len(node.args) == 1)
        if raw and name.strip("_").lower() not in _NO_PATHS:
            yield node.lineno, f"calls {name}.{node.func.attr}; take a Disk"


def grab_bag_names(tree: ast.Module) -> Iterator[Finding]:
    """Classes whose name says nothing."""
    for node in ast.walk(tree):
        # A window manager is X11's own word for a program.
        vague = isinstance(node, ast.ClassDef) and node.name.endswith(("Manager", "Helper", "Utils"))
        if isinstance(node, ast.ClassDef) and vague and node.name != "WindowManager":
            yield node.lineno, f"class {node.name}: name the noun it owns"
