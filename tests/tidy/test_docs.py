"""The pages that are generated are up to date, and `docs/commands.md` names every command and option."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from pepys.cli import build_app
from pepys.record.sound_plan import Device, default_graph
from tests.tidy.project import ROOT, text


def commands(command: object, name: str = "pepys") -> Iterator[tuple[str, object]]:
    below = getattr(command, "commands", {})
    if not below:
        yield name, command
    for word, child in below.items():
        yield from commands(child, f"{name} {word}")


def options(command: object) -> list[str]:
    return [
        option
        for parameter in getattr(command, "params", [])
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    ]


def section(page: str, name: str) -> str:
    match = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return match.group(1) if match else ""


def test_the_page_names_every_command_and_option() -> None:
    page = text("docs/commands.md")
    everywhere = section(page, "Options of every command")
    missing = []
    found = dict(commands(typer.main.get_command(build_app())))
    assert {"pepys demo", "pepys doctor", "pepys record", "pepys search"} <= set(found)
    for name, command in found.items():
        part = section(page, name)
        missing += [name] if not part else []
        missing += [f"{name} {option}" for option in options(command) if f"`{option}" not in part + everywhere]
    assert not missing, "run make docs: " + ", ".join(missing)


def test_the_page_names_no_command_that_does_not_exist() -> None:
    named = set(re.findall(r"^## (pepys [\w ]+)$", text("docs/commands.md"), re.MULTILINE))
    assert named == set(dict(commands(typer.main.get_command(build_app()))))


@pytest.mark.parametrize(
    ("words", "page"),
    [
        (["scripts/commands_page.py"], "docs/commands.md"),
        (["-m", "pepys.sessions.diagram"], "docs/statechart.md"),
    ],
)
def test_generated_pages_are_up_to_date(words: list[str], page: str, tmp_path: Path) -> None:
    made = tmp_path / "page.md"
    subprocess.run([sys.executable, *words, str(made)], cwd=ROOT, check=True)
    assert made.read_text(encoding="utf-8") == text(page), "run make docs"


def test_the_graph_that_is_drawn_is_the_usual_one() -> None:
    graph = default_graph(Device("a microphone"), Device("what is played"))
    assert graph is not None
    drawn = f"<!-- graph: begin -->\n```mermaid\n{graph.mermaid()}```\n<!-- graph: end -->"
    assert drawn in text("docs/sound.md"), f"the graph is now:\n{graph.mermaid()}"


def test_every_command_says_what_it_does() -> None:
    silent = []
    for name, command in commands(typer.main.get_command(build_app())):
        silent += [] if getattr(command, "help", "") else [name]
        silent += [f"{name} {p.name}" for p in getattr(command, "params", []) if not p.help and p.name != "help"]
    assert not silent
