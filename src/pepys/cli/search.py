"""`pepys search`: finds words in what was on the screen, said, noted, named and summed up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output, shown
from pepys.errors import Usage

if TYPE_CHECKING:
    from rich.text import Text

_KINDS = ("screen_text", "transcript", "note", "title", "summary")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(search)


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help='Words, "a phrase", prefix*; all must be found.')],
    *,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only in this session.")] = None,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help=f"Only one of: {', '.join(_KINDS)}.")] = None,
    application: Annotated[
        str | None, typer.Option("--app", metavar="NAME", help="Only while this application was in front.")
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="T", help="Only in sessions with this tag.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Not before (RFC 3339; with --session an offset too).")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="TIME", help="Before; as --from.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="At most so many.")] = 50,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Search screen text, speech, notes, titles and summaries."""
    from pepys.sessions.queries import open_library, resolve, search_sessions
    from pepys.sessions.times import parse_time

    if kind is not None and kind not in _KINDS:
        raise Usage(f"there is no kind {kind}", f"kinds are {', '.join(_KINDS)}")
    out = Output(as_json)
    with open_library(home) as library:
        started_ns, found = None, None
        if session is not None:
            from pepys.store.reader import manifest

            found = resolve(library, session)
            started_ns = manifest(library.store, found).started_wall_ns
        hits = search_sessions(
            library, query, session=found, kind=kind, app=application, tag=tag, limit=limit,
            from_ns=None if from_ is None else parse_time(from_, started_ns),
            to_ns=None if to is None else parse_time(to, started_ns),
        )  # fmt: skip
    out.document(hits)
    if not as_json:
        _show(out, shown(hits))


def _show(out: Output, hits: list[dict[str, Any]]) -> None:
    if not hits:
        out.warn("nothing found")
        return
    from pepys.cli.say import clock_text

    console = out.console()
    for hit in hits:
        told = (hit["session_id"][:12], clock_text(hit["at_ms"]), hit["kind"], hit["session_name"])
        console.print("  ".join(told), markup=False, style="dim")
        console.print(_marked(hit), soft_wrap=True)


def _marked(hit: dict[str, Any]) -> Text:
    from rich.text import Text

    text = Text("  " + hit["snippet"])
    for start, end in hit["marks"]:
        text.stylize("bold", start + 2, end + 2)
    return text
