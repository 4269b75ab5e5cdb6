"""The options that every command takes.

A command declares them last, as parameters without defaults or with the ones shown here:

    def command(..., home: HomeOption, as_json: JsonOption = False, debug: DebugOption = False) -> None

`home` arrives absolute and is in force for child processes too. `--json` and `--debug` may also stand before the
command. What the errors of a command look like is left to `pepys.cli.main`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pepys.config import home_dir


def _home(word: str | Path) -> Path:
    """A home as it was named; what it is, and whose, is told where it is opened."""
    if not str(word).strip():
        raise typer.BadParameter("it is empty; name a folder")
    return Path(word)


def _home_in_force(value: Path) -> Path:
    home = home_dir(value)
    os.environ["PEPYS_HOME"] = str(home)
    return home


def _also_before_the_command(context: typer.Context, parameter: typer.CallbackParam, value: bool) -> bool:
    return value or bool(context.find_root().params.get(str(parameter.name), False))


HomeOption = Annotated[
    Path,
    typer.Option(
        "--home",
        metavar="DIR",
        parser=_home,
        help="The data folder (PEPYS_HOME, else the platform's place).",
        default_factory=home_dir,
        callback=_home_in_force,
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Machine output on stdout.", callback=_also_before_the_command)
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", callback=_also_before_the_command)]
