"""The command line: entry point, commands, errors.

Owns the words of `pepys` and what a user sees when something fails: one line, an exit code, no traceback without
`--debug`. Importing a command's module imports neither databases nor codecs: that happens inside the function that
needs it, so that `pepys status` and `pepys note` stay quick.
"""

from __future__ import annotations

import copy
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import pepys
from pepys.cli import (
    bench,
    control,
    demo,
    doctor,
    enrich,
    export,
    key,
    library,
    record,
    search,
    serve,
    store,
    sync,
    tap,
)
from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.errors import Interrupted, PepysError, PermissionMissing, StorageProblem, Usage

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EINVAL, errno.ENAMETOOLONG)
_WRONG_THING = (errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EEXIST)
_PASSPHRASE_FD = "--passphrase-fd"
_PIPE_CLOSED = 141  # 128 + SIGPIPE, as a shell reports a reader that went away


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"pepys {pepys.__version__}\n")
        raise typer.Exit


def _root(
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
    passphrase_fd: Annotated[
        int | None,
        typer.Option(_PASSPHRASE_FD, metavar="N", min=0, help="Read the passphrase of the master key there."),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", callback=_version)] = False,
) -> None:
    """Keeps the diary of a work session: records it, stores it safely, lets you review it in seconds."""
    if passphrase_fd is not None:
        from pepys.store.key_passphrase import take_from

        take_from(passphrase_fd)


def build_app() -> typer.Typer:
    """Make the program with all its commands."""
    app = typer.Typer(
        name="pepys", add_completion=False, pretty_exceptions_enable=False, callback=_root, rich_markup_mode="markdown"
    )
    for module in (demo, record, control, tap, library, search, enrich, export, store, sync, key, serve, doctor, bench):
        module.register(app)
    return app


def build_command(first: str = "") -> Any:
    """The program, ready to be called; its help calls an argument by its name alone, not also `<str>`.

    Args:
        first: the first word of the line. Where it names a command the others are not made, which takes a fifth of the
            time that a quick command has.
    """
    app = build_app()
    named = [made for made in app.registered_commands if _name(made) == first]
    if named:
        app.registered_commands, app.registered_groups = named, []
    program = typer.main.get_command(app)
    waiting: list[Any] = [program]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        for parameter in command.params:
            if not parameter.opts[0].startswith("-"):
                # The types are shared between parameters and commands.
                parameter.type = copy.copy(parameter.type)
                parameter.type.get_metavar = lambda **_: ""
    return program


def _name(made: Any) -> str:
    return str(made.name or typer.main.get_command_name(made.callback.__name__))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `pepys`; the process's own when None.

    Returns:
        The exit code of the contract.
    """
    words = _fd_first(list(sys.argv[1:] if arguments is None else arguments))
    flags = words[: words.index("--")] if "--" in words else words
    try:
        result = build_command(words[0] if words else "")(words or ["--help"], standalone_mode=False)
        sys.stdout.flush()
    except (SystemExit, BrokenPipeError):  # the former is how typer and rich end when nobody reads any more
        # The interpreter flushes stdout once more at exit and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place that turns errors into exit codes
        if "--debug" in flags:
            import traceback

            traceback.print_exc()
        return _report(as_pepys_error(error), "--json" in flags)
    return result if isinstance(result, int) else 0


def _fd_first(words: list[str]) -> list[str]:
    """`--passphrase-fd N` belongs to the program, and may stand anywhere before `--`."""
    end = words.index("--") if "--" in words else len(words)
    for at, word in enumerate(words[:end]):
        if word == _PASSPHRASE_FD or word.startswith(f"{_PASSPHRASE_FD}="):
            taken = 1 if "=" in word else 2
            return [*words[at : at + taken], *words[:at], *words[at + taken :]]
    return words


def as_pepys_error(error: BaseException) -> PepysError:
    """Say any exception in the program's own terms."""
    if isinstance(error, PepysError):
        return error
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return Interrupted("interrupted")
    if isinstance(error, typer.TyperException):
        told = error.format_message().rstrip(".").replace("\n", " ")
        return Usage(told[:1].lower() + told[1:], "see pepys --help, or pepys COMMAND --help")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        told = f"{where}{error.strerror or error}"
        if home := _home_that_cannot_be(error):
            return StorageProblem(
                f"the home {home} cannot be made: {error.strerror}", "choose a folder that can be written with --home"
            )
        if error.errno in _UNWRITABLE:
            return StorageProblem(told, "free some space or choose another folder with --home")
        if isinstance(error, PermissionError):
            return PermissionMissing(told, "make it accessible to this user")
        if error.errno == errno.ENAMETOOLONG:
            return Usage(told, "take a shorter name")
        if error.errno in _WRONG_THING:
            return StorageProblem(told, "something else has its place: move it away, or name another")
        return PepysError(told, "run it again with --debug for the details")
    told = " ".join(str(error).split())
    return PepysError(f"unexpected {type(error).__name__}: {told}", "run it again with --debug for the details")


def _home_that_cannot_be(error: OSError) -> str:
    """The home in force, where the error is that it, or a folder above it, could not be made; else empty."""
    home = os.environ.get("PEPYS_HOME", "")
    if not home or not isinstance(error.filename, str) or error.errno not in _NO_FOLDER:
        return ""
    place, failed = Path(home), Path(error.filename)
    concerned = failed == place or failed in place.parents
    return home if concerned and not os.path.isdir(home) else ""  # noqa: PTH112 - Path raises for names too long


def _report(error: PepysError, as_json: bool) -> int:
    from pepys.cli.output import shown

    if as_json:
        import json

        sys.stdout.write(json.dumps({"error": error.to_json()}, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    line = f"pepys: {error.message}" + (f"; {error.remedy}" if error.remedy else "")
    sys.stderr.write(shown(" ".join(line.split())) + "\n")
    return error.exit_code
