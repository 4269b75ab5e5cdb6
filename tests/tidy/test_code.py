"""The house's rules about code that no linter here knows; each rule is also shown something it must refuse."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import pytest

from tests.tidy import rules
from tests.tidy.project import files, text

Rule = Callable[[ast.Module], Iterator[rules.Finding]]

SOURCE = files("src/")
OWN = files("src/", "tests/", "benchmarks/") + files("build_ui.py")
EVERYTHING = files(
    "src/", "tests/", "benchmarks/", "scripts/", "ui/src/", kinds=(".py", ".ts", ".svelte", ".css", ".js")
)


def holds(rule: Rule, paths: list[str]) -> None:
    found = [f"{path}:{line}: {what}" for path in paths for line, what in rule(ast.parse(text(path)))]
    assert not found, "\n".join(found)


def test_there_is_something_to_look_at() -> None:
    assert "src/pepys/clock.py" in SOURCE
    assert "tests/tidy/test_code.py" in OWN


def test_files_stay_short() -> None:
    lengths = {path: text(path).count("\n") for path in EVERYTHING}
    assert not {path: n for path, n in lengths.items() if n > rules.FILE_LINES}


def test_functions_stay_short() -> None:
    holds(rules.long_functions, OWN)


def test_modules_say_what_they_own() -> None:
    holds(rules.missing_docstring, OWN)


def test_only_the_clock_reads_the_time() -> None:
    holds(rules.clock_calls, [path for path in SOURCE if path != "src/pepys/clock.py"])


def test_tests_wait_for_events() -> None:
    holds(rules.sleeps, [path for path in files("tests/") if path != "tests/waiting.py"])


def test_nothing_catches_everything() -> None:
    holds(rules.bare_excepts, OWN)


def test_every_queue_has_a_bound() -> None:
    holds(rules.unbounded_queues, SOURCE)


def test_only_entry_points_print() -> None:
    # A program started by module name has nobody else to print for it.
    programs = ("src/pepys/cli/", "src/pepys/demo/")
    holds(rules.prints, [path for path in SOURCE if not path.startswith(programs) and not path.endswith("__main__.py")])


def test_nothing_is_left_for_later() -> None:
    holds(rules.unfinished, OWN)
    marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
    found = [f"{path}: {line.strip()}" for path in EVERYTHING for line in text(path).splitlines() if marks.search(line)]
    assert not found, "\n".join(found)


def test_every_test_runs() -> None:
    holds(rules.left_out_tests, files("tests/"))


def test_names_say_what_a_thing_is() -> None:
    holds(rules.grab_bag_names, OWN)
    assert not [
        path for path in OWN if rules.GRAB_BAGS & {part.lower() for part in PurePosixPath(path).with_suffix("").parts}
    ]


PAST_THE_DISK = (
    "src/pepys/store/disk.py",
    # SQLite writes its files by itself.
    *(f"src/pepys/store/{name}.py" for name in ("database", "catalog_database", "ledger", "waiting", "wal", "work")),
    # A pipe, and a file that only a test makes.
    *(f"src/pepys/store/{name}.py" for name in ("handover", "trigger")),
    # The master key lies in no home, but in the user's own folder or keyring, or is typed.
    *(f"src/pepys/store/key_{name}.py" for name in ("change", "former", "homes", "master", "passphrase")),
    "src/pepys/store/keys.py",
)


def test_the_store_touches_its_files_through_its_disk() -> None:
    holds(rules.raw_disk_calls, [path for path in files("src/pepys/store/") if path not in PAST_THE_DISK])


def test_every_exception_from_a_rule_has_its_reason() -> None:
    bare = re.compile(r"#\s*(noqa(:\s*[A-Z0-9, ]+)?|type:\s*ignore(\[[\w, -]+\])?|pragma: no \w+)\s*$")
    found = []
    for path in OWN:
        before = ""
        for number, line in enumerate(text(path).splitlines(), 1):
            if bare.search(line) and not before.lstrip().startswith("#"):
                found.append(f"{path}:{number}")
            before = line
    assert not found, "say why, behind it or in a comment line above it: " + ", ".join(found)


@pytest.mark.parametrize(
    ("rule", "refused", "passes"),
    [
        (rules.long_functions, "def f():\n" + "    x = 1\n" * 60, "def f():\n" + "    x = 1\n" * 59),
        (rules.missing_docstring, "x = 1", '"""Owns x."""\nx = 1'),
        (rules.clock_calls, "import time", "import timeit"),
        (rules.clock_calls, "from time import sleep", "from pepys.clock import Clock"),
        (rules.clock_calls, "datetime.datetime.now()", "clock.now_ns()"),
        (rules.clock_calls, "datetime.utcnow()", "today()"),
        (rules.sleeps, "time.sleep(1)", "wait_until(ready)"),
        (rules.bare_excepts, "try:\n    f()\nexcept:\n    g()", "try:\n    f()\nexcept OSError:\n    g()"),
        (rules.unbounded_queues, "queue.Queue()", "queue.Queue(WRITE_QUEUE_ITEMS)"),
        (rules.unbounded_queues, "asyncio.Queue(maxsize=0)", "asyncio.Queue(maxsize=9)"),
        (rules.unbounded_queues, "SimpleQueue()", "deque()"),
        (rules.prints, "print(1)", "console.print(1)"),
        (rules.unfinished, "raise NotImplementedError", "raise ValueError"),
        (rules.left_out_tests, "@pytest.mark.skipif(True)\ndef f(): ...", "items.skip()"),
        (rules.left_out_tests, "pytest.skip('no')", "skip(1)"),
        (rules.raw_disk_calls, "os.fsync(fd)", "disk.sync_data(fd)"),
        (rules.raw_disk_calls, "path.replace(other)", "text.replace('a', 'b')"),
        (rules.raw_disk_calls, "open(path)", "self._disk.open(path, READ)"),
        (rules.grab_bag_names, "class SessionManager: ...", "class Session: ..."),
    ],
)
def test_a_rule_can_fail(rule: Rule, refused: str, passes: str) -> None:
    assert list(rule(ast.parse(refused)))
    assert not list(rule(ast.parse(passes)))
