"""`pepys key token`: the tokens of the HTTP API: the one of the store key, and others that can be revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output
from pepys.errors import Damaged, Usage

if TYPE_CHECKING:
    from pepys.store.store import Store

_NEW_HELP = "Make a token of its own for a program and print it, this once."


def token(
    new: Annotated[str | None, typer.Option("--new", metavar="LABEL", help=_NEW_HELP)] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="Tell which were made, and which of them are revoked.")
    ] = False,
    revoked: Annotated[
        str | None, typer.Option("--revoke", metavar="LABEL", help="Let one open nothing any more, at once.")
    ] = None,
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print the token that programs send to the HTTP API: `Authorization: Bearer TOKEN`.

    It is as old as the home and signs in to the page, too. Those made with --new are for programs alone.
    """
    from pepys.store.store import open_store

    if (new is not None) + listed + (revoked is not None) > 1:
        raise Usage("--new, --list and --revoke exclude each other", "give one of them")
    out = Output(as_json)
    store = open_store(home, create=False)
    if listed:
        _list(out, store)
        return
    if revoked is not None:
        from pepys.store.ledger_tokens import revoke

        revoke(store, revoked)
        out.document({"label": revoked, "state": "revoked"})
        if not as_json:
            out.text(f"the token {revoked!r} opens nothing any more")
        return
    if new is None:
        text = store.keys.api_token()
        out.document({"token": text})
    else:
        from pepys.store.ledger_tokens import issue

        text = issue(store, new)
        out.document({"token": text, "label": new})
    if not as_json:
        out.text(text)
    if new is not None:
        out.warn("It is kept nowhere and will not be shown again.")


def _list(out: Output, store: Store) -> None:
    from pepys.clock import rfc3339
    from pepys.store.ledger import Ledger
    from pepys.store.ledger_tokens import tokens

    told = [{"label": one.label, "state": one.state, "since": rfc3339(one.since_wall_ns)} for one in tokens(store)]
    out.document({"tokens": told})
    _show(out, told)
    if doubts := Ledger(store).doubts():
        out.warn(f"pepys: the ledger may have lost entries: {doubts[0]}; pepys verify tells all")
        raise typer.Exit(Damaged.exit_code)


def _show(out: Output, told: list[dict[str, str]]) -> None:
    from pepys.cli.say import local_time

    if out.as_json:
        return
    if not told:
        out.text("no token was made but the one of the store key")
    for one in told:
        out.text(f"{one['state']:8} since {local_time(one['since'])}  {one['label']}")
    if any(one["state"] == "refused" for one in told):
        out.warn("pepys: a token is refused where what came after it may be lost, its revocation too; make another one")
