"""`pepys key`: where the master key is kept, the recovery code, changes; and the commands of `key_tokens`.

A secret is asked for and never taken as a word of the command line; what is printed of one is the recovery code and the
tokens, each only by the command that is named for it.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pepys.cli.key_tokens import token
from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output
from pepys.cli.say import counted
from pepys.errors import KeyProblem, NotFound, PepysError, PermissionMissing, StorageProblem, Usage

if TYPE_CHECKING:
    from pepys.store.key_check import Copy
    from pepys.store.key_master import Kept

_GROUPS_A_LINE: Final = 7
_CODE_FILE_BYTES: Final = 4096
_WORTH: Final = "Whoever has this code and the home can read every recording. Keep it on paper or with your passwords."
_CODE_HELP: Final = "The file that holds the recovery code; `-`: stdin, or ask."

NewPassphraseOption = Annotated[
    int | None,
    typer.Option("--new-passphrase-fd", metavar="N", min=0, help="Read the new passphrase from this descriptor."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    key = typer.Typer(help="The keys of a home.", no_args_is_help=True)
    for command in (show, export, change, check, token):
        key.command()(command)
    key.command("import")(import_code)
    app.add_typer(key, name="key")


def show(*, home: HomeOption, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Tell where the master key is kept, this device and the fingerprint of the store key; never a secret."""
    from pepys.store.store import open_store

    out = Output(as_json)
    keys = open_store(home, create=False).keys
    kept = _kept()
    told = {
        "home": str(home),
        "kept": kept.kind.value,
        "where": str(kept.path),
        "device": keys.device_id,
        "fingerprint": keys.fingerprint(),
    }
    out.document(told)
    if not as_json:
        out.text(f"home         {home}")
        out.text(f"master key   {_place(kept)}")
        out.text(f"device       {keys.device_id}")
        out.text(f"fingerprint  {_grouped(keys.fingerprint())} (of the store key; the same on every device of a store)")
    _warn_of_rights(out)


def export(
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write it to this new file, readable by you alone.")
    ] = None,
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print the recovery code: it opens the home when the master key is lost, and on another machine."""
    from pepys.store.key_code import recovery_code
    from pepys.store.store import open_store

    out = Output(as_json)
    keys = open_store(home, create=False).keys
    code = recovery_code(keys.store_key)
    if to is None:
        if told := _open_to_others():
            out.warn(told)
        out.document({"code": code, "fingerprint": keys.fingerprint()})
        if not as_json:
            out.text("\n".join(_lines(code)))
        out.warn(_WORTH)
        return
    words = [f"# Recovery code of the pepys home {home}, fingerprint {_grouped(keys.fingerprint())}", f"# {_WORTH}"]
    told = _write_new(to, "\n".join([*words, *_lines(code), ""]).encode("utf-8", "backslashreplace"))
    if told:
        out.warn(f"pepys: {told}")
    out.document({"file": str(to), "fingerprint": keys.fingerprint()})
    if not as_json:
        out.text(f"the recovery code is in {to}")
    out.warn(_WORTH)


def import_code(
    source: Annotated[str, typer.Option("--from", metavar="FILE", help=_CODE_HELP)] = "-",
    new_master: Annotated[
        bool, typer.Option("--new-master", help="Set the present master key aside: it cannot be got any more.")
    ] = False,
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Open a home with its recovery code, asked for or read from stdin or a file.

    A home that does not exist is begun with the code's store key, to exchange sessions with the one that it is from.
    """
    from pepys.config import config_dir
    from pepys.store.key_change import import_key
    from pepys.store.key_code import read_recovery_code

    out = Output(as_json)
    done = import_key(home, config_dir(), read_recovery_code(_code_text(source)), new_master=new_master)
    out.document(
        {
            "home": str(home), "device": done.keys.device_id, "fingerprint": done.keys.fingerprint(),
            "opened_before": done.opened_before, "set_aside": [str(path) for path in done.set_aside],
        }
    )  # fmt: skip
    for notice in (*done.keys.notices, *done.keys.hints):
        out.warn(f"pepys: {notice}")
    if done.set_aside:
        where = ", ".join(str(path) for path in done.set_aside)
        out.warn(f"pepys: the former master key is set aside as {where}; other homes may still need it")
    if not as_json:
        how = "opened before, and still does" if done.opened_before else "opens now"
        out.text(f"{home} {how}; the master key is {_place(_kept())}")


def change(
    to: Annotated[
        str | None, typer.Option("--to", metavar="KIND", help="Keep it elsewhere: file, keyring or passphrase.")
    ] = None,
    new_passphrase_fd: NewPassphraseOption = None,
    leave: Annotated[
        list[Path] | None, typer.Option("--leave", metavar="DIR", help="A home that is gone for good (repeatable).")
    ] = None,
    forget_former: Annotated[
        bool, typer.Option("--forget-former", help="Keep no former master key; backups then need the recovery code.")
    ] = False,
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make another master key for every home that this one opens; a recording under way goes on.

    Recovery codes and the data stay as they are. One that was interrupted is ended. Former master keys are kept, sealed
    under the new one, as backups are still under them; `--forget-former` removes them.
    """
    from pepys.config import config_dir
    from pepys.store.key_change import change_master
    from pepys.store.key_master import Kind
    from pepys.store.key_passphrase import ask_new

    if to is not None and to not in {kind.value for kind in Kind}:
        raise Usage(f"a master key cannot be kept at {to!r}", "take file, keyring or passphrase")
    out = Output(as_json)
    kind = None if to is None else Kind(to)
    done = change_master(
        home,
        config_dir(),
        kind,
        lambda: ask_new(new_passphrase_fd),
        frozenset(leave or ()),
        forget_former=forget_former,
    )
    out.document(
        {
            "kept": done.kept.kind.value, "where": str(done.kept.path), "homes": [str(path) for path in done.homes],
            "ended_another": done.ended_another,
        }
    )  # fmt: skip
    if done.notice:
        out.warn(f"pepys: {done.notice}")
    if done.ended_another:
        out.warn("pepys: a change that was interrupted is ended; give the command again for another one")
    if not as_json:
        out.text(f"the master key is {_place(done.kept)}; it opens {counted(len(done.homes), 'home')}")
        for path in done.homes:
            out.text(f"  {path}")
    if forget_former:
        out.warn("pepys: no former master key is kept; earlier backups and homes that were away need the recovery code")
    else:
        out.warn(
            "pepys: former master keys are kept, sealed under this one, for backups and homes that were away; "
            "if one leaked: pepys key change --forget-former"
        )


def check(
    source: Annotated[str | None, typer.Option("--from", metavar="FILE", help=_CODE_HELP)] = None,
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Open every copy of the wrapped key, restore damaged ones, and tell whether a recovery code fits.

    Exit 4 where the master key or the code is another one, 6 where no copy is left.
    """
    from pepys.config import config_dir
    from pepys.store.key_check import copies
    from pepys.store.key_code import read_recovery_code
    from pepys.store.keys import open_keys

    out = Output(as_json)
    typed = None if source is None else read_recovery_code(_code_text(source))
    keys, failed = None, None
    try:
        keys = open_keys(home, config_dir(), create=False)
    except (NotFound, PermissionMissing):
        raise
    except PepysError as error:
        failed = error
    found = copies(home, _secret_at_hand())
    fits = None if typed is None or keys is None else typed == keys.store_key
    if fits is False:
        failed = KeyProblem("the recovery code is of another store", "print this one's with pepys key export")
    document: dict[str, Any] = {
        "opens": keys is not None, "fingerprint": keys.fingerprint() if keys else None, "code_fits": fits,
        "copies": [{"path": str(copy.path), "state": copy.state} for copy in found],
        "notices": [*keys.notices, *keys.hints] if keys else [],
    }  # fmt: skip
    if failed is not None:
        document["error"] = failed.to_json()
    out.document(document)
    _tell_check(out, home, found, (*keys.notices, *keys.hints) if keys else (), fits)
    _warn_of_rights(out)
    if failed is not None:
        if as_json:
            out.warn(f"pepys: {failed.message}; {failed.remedy}")
            raise typer.Exit(failed.exit_code)
        raise failed


def _tell_check(out: Output, home: Path, found: list[Copy], notices: tuple[str, ...], fits: bool | None) -> None:
    for notice in notices:
        out.warn(f"pepys: {notice}")
    if out.as_json:
        return
    words = {
        "opens": "whole, opens", "another_key": "whole, under another master key",
        "whole": "whole; no master key to try it with", "newer": "whole, of a newer pepys",
    }  # fmt: skip
    for copy in found:
        out.text(f"{words.get(copy.state, copy.state):36} {copy.path.relative_to(home)}")
    if fits:
        out.text("the recovery code fits")


def _warn_of_rights(out: Output) -> None:
    from pepys.config import config_dir
    from pepys.store.key_master import master_key_path, rights_problem

    path = master_key_path(config_dir())
    if problem := rights_problem(path):
        out.warn(f"pepys: {problem}; make it yours alone: chmod 600 {path}")


def _kept() -> Kept:
    from pepys.config import config_dir
    from pepys.store.key_master import master_key_path, read_kept

    path = master_key_path(config_dir())
    kept = read_kept(path)
    if kept is None:
        raise KeyProblem(f"there is no master key {path}", "give your recovery code to pepys key import")
    return kept


def _secret_at_hand() -> bytes | None:
    """The master key in force, or None where it cannot be got."""
    try:
        return _kept().secret()
    except KeyProblem:
        return None


def _place(kept: Kept) -> str:
    where = {
        "file": f"in the file {kept.path}",
        "keyring": f"in the system's keyring ({kept.path} names it)",
        "passphrase": f"sealed under a passphrase in {kept.path}",
    }
    return where[kept.kind.value]


def _lines(code: str) -> list[str]:
    groups = code.split("-")
    return ["-".join(groups[at : at + _GROUPS_A_LINE]) for at in range(0, len(groups), _GROUPS_A_LINE)]


def _grouped(digits: str) -> str:
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _code_text(source: str) -> str:
    """The recovery code as it was given: of a file, of stdin, or typed; lines that begin with # are for people."""
    if source == "-" and sys.stdin is not None and sys.stdin.isatty():
        sys.stderr.write("Recovery code (14 groups of five characters; an empty line ends it):\n")
        sys.stderr.flush()
        lines = list(iter(lambda: sys.stdin.readline(_CODE_FILE_BYTES).strip(), ""))
    else:
        try:
            with sys.stdin.buffer if source == "-" else Path(source).open("rb") as file:
                lines = file.read(_CODE_FILE_BYTES).decode("utf-8", "replace").splitlines()
        except FileNotFoundError as error:
            raise NotFound(f"there is no file {source}", "name the file of the recovery code") from error
        except OSError as error:
            raise Usage(f"{source} cannot be read: {error.strerror}", "name the file of the recovery code") from error
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def _open_to_others() -> str:
    """What to say where a shell made a file for stdout that others can read, as it does with the usual umask."""
    try:
        seen = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):
        return ""
    told = "pepys: the file on stdout can be read by others: chmod 600 it; --to FILE makes one that is private"
    return told if stat.S_ISREG(seen.st_mode) and seen.st_mode & 0o077 else ""


def _write_new(path: Path, data: bytes) -> str:
    """Write a new file that is this user's alone; what to say where its disk or its folder makes that untrue."""
    from pepys.store.files import sync_data, write_all

    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            write_all(fd, data)
            sync_data(fd)
            mode = os.fstat(fd).st_mode
        finally:
            os.close(fd)
    except FileExistsError as error:
        raise Usage(f"{path} exists already", "name a new file") from error
    except OSError as error:
        raise StorageProblem(f"{path}: {error.strerror}", "name a file in a folder of yours") from error
    if os.name == "posix" and mode & 0o077:
        return f"{path} can be read by others, as its disk keeps no rights; move it where only you can read it"
    folder = path.absolute().parent.stat().st_mode
    if os.name == "posix" and folder & 0o022 and not folder & stat.S_ISVTX:
        return f"others can put another file in the place of {path}; move it to a folder of yours"
    return ""
