"""`pepys doctor`: what works here and what does not.

The exit code is 0 whatever is found: a report that could be made is no failure. Scripts look at `ok` in `--json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption

if TYPE_CHECKING:
    from pepys.cli.output import Output
    from pepys.doctor.findings import Finding

_SIGNS = {"ok": "[green]ok[/green]", "less": "[yellow]less[/yellow]", "missing": "[red]missing[/red]"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(*, home: HomeOption, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Show what works here and what does not, each with its remedy.

    Looks at display, sources, exclusions, sound, codecs, key, disk, clock, database, catalog, remote, engines and page;
    listens to each sound device for a moment and tells its level; `--json` has small pictures of the sources too.
    Changes nothing; exits with 0.
    """
    from pepys.cli.output import Output
    from pepys.doctor.devices import Sound
    from pepys.doctor.examine import checks, run
    from pepys.doctor.findings import State
    from pepys.doctor.pictures import Pictures

    out = Output(as_json)
    found: list[Finding] = []
    pictures, sound = Pictures(thumbnails=as_json), Sound()
    every = checks(home, pictures, sound)
    with out.progress("looking", len(every)) as update:
        for number, (name, check) in enumerate(every.items(), 1):
            found += run(name, check)
            update(number, None)
    works = all(finding.state is not State.MISSING for finding in found)
    every_finding = [finding.to_json() for finding in found]
    out.document({"ok": works, "checks": every_finding, "sources": pictures.sources, "sound": sound.devices})
    if not as_json:
        _show(out, found)


def _show(out: Output, found: list[Finding]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in found:
        told = escape(finding.found) + (f"\n[dim]{escape(finding.remedy)}[/dim]" if finding.remedy else "")
        table.add_row(_SIGNS[finding.state], finding.name, told)
    out.console().print(table)
