"""`pepys tap`: the samples of a recording under way, on stdout, for a program that listens along."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(tap)


def tap(
    node: Annotated[str, typer.Argument(metavar="NODE", help="A tap of the recording's sound graph.")],
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the sound of a tap to stdout while it is recorded: 16 bits, little endian, channels interleaved.

    Ends with the recording. A program that reads too slowly is cut off; the recording never waits. With --json nothing
    but the format is told, and the command ends.
    """
    from pepys.sessions.tap import listen

    with listen(home, node) as (form, following):
        out = Output(as_json)
        if as_json:
            out.document(form)
            return
        out.warn(f"{form['tap']}: {form['rate']} Hz, {form['channels']} channel(s), s16le")
        while (samples := following()) is not None:
            if samples:
                sys.stdout.buffer.write(samples)
                sys.stdout.buffer.flush()
