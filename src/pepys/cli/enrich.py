"""`pepys enrich`: text, speech and a summary of recorded sessions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.errors import Partial, Usage

if TYPE_CHECKING:
    from pepys.cli.output import Output
    from pepys.enrich.jobs import Result


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("enrich")(enrich)


def enrich(
    sessions: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids, prefixes, or `last`.")] = None,
    *,
    stages: Annotated[
        str,
        typer.Option(
            "--stages", metavar="NAMES", help="all, local, or names with commas: screen_text, transcript, summary."
        ),
    ] = "all",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with everything that was interrupted.")] = False,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read the text on the screen, write down the speech, and summarise: on this machine, for nothing.

    What is done is kept: running it again does only what is missing, after an interruption too.
    """
    from pepys.cli.output import Output
    from pepys.enrich.jobs import unfinished
    from pepys.sessions.queries import open_library, resolve

    library = open_library(home)
    wanted = [resolve(library, text) for text in sessions or ()]
    if resume:
        wanted += unfinished(library.store)
    elif not wanted:
        raise Usage("enrich needs the id of a session", "pepys list shows them; `last` is the newest")
    enrich_sessions(Output(as_json), home, wanted, [name.strip() for name in stages.split(",") if name.strip()])


def enrich_sessions(
    out: Output, home: Path, sessions: Sequence[str], stages: Sequence[str] | None = None, *, streamed: bool = False
) -> None:
    """Enrich and tell what came of it.

    Args:
        out: where it is told.
        home: the data folder.
        sessions: whole ids.
        stages: names; all when None.
        streamed: with `--json`, tell it as one line of a stream.

    Raises:
        typer.Exit: a stage failed (9); which one was told.
        PepysError: why a session could not be worked on at all.
    """
    from pepys.enrich.jobs import Progress, enrich
    from pepys.sessions.control import wake_host
    from pepys.store.store import open_store

    store = open_store(home, create=False)
    with out.progress("waiting for the worker") as update:

        def show(progress: Progress) -> None:
            update(progress.done, progress.total)

        result = enrich(store, sessions, stages, progress=show, wake=lambda: wake_host(home))
    broken = next((session.error for session in result.sessions if session.error is not None), None)
    if broken is None or not out.as_json:
        _tell(out, result, streamed)
    if broken is not None:
        raise broken
    if result.failed:
        # The document on stdout tells it already; an error object would be a second one.
        out.warn("pepys: some stages failed; pepys enrich tries them again, pepys show ID names the errors")
        raise typer.Exit(Partial.exit_code)


def _tell(out: Output, result: Result, streamed: bool) -> None:
    told = {
        "sessions": [
            {
                "id": session.session,
                "state": session.state,
                "stages": list(session.stages),
                "cost_usd": sum(stage["cost_usd"] for stage in session.stages),
            }
            for session in result.sessions
        ]
    }
    if streamed:
        out.record({"event": "enriched", **told})
    else:
        out.document(told)
    if out.as_json:
        return
    for session in result.sessions:
        out.text(f"{session.session}: {session.state}")
        for stage in session.stages:
            reason = f": {stage['error']}" if "error" in stage else ""
            out.text(f"  {stage['name']:<12} {stage['state']}, {stage['seconds']:.1f} s{reason}")
        if session.growing:
            out.text("  still being recorded: only what is sealed so far was read; run it again when it has ended")
