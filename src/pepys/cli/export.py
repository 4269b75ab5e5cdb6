"""`pepys export`: a session as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    session: Annotated[str, typer.Argument(metavar="ID", help="Id, unique prefix, or `last`.", show_default=False)],
    *,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The file; replaced when it exists.")],
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="F", help="mp4, wav, srt, vtt, txt, md or json; else by the suffix."),
    ] = None,
    track: Annotated[
        str | None, typer.Option("--track", metavar="TRACK", help="For wav: mic or system alone, instead of the mix.")
    ] = None,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a session to a file: film, sound, subtitles, text or data.

    The film (mp4) is the recorded stream, moved and not coded again; pauses are closed in it, and subtitles (srt, vtt)
    run on its time. The sound (wav) is the mix as it was recorded, with its balance and its mutes; --track takes one
    device alone. An existing file is replaced once the new one is whole. Film and sound that are damaged in part are
    written without that part, which is named, and the exit code is 9.
    """
    from dataclasses import asdict

    from pepys.cli.output import Output
    from pepys.cli.say import clock_text, unread_text
    from pepys.errors import Partial
    from pepys.move.export import export as write
    from pepys.sessions.queries import open_library, resolve, unread_shape
    from pepys.store.reader import load

    out = Output(as_json)
    library = open_library(home)
    found = load(library.store, resolve(library, session))
    with out.progress(f"writing {to.name}", 1.0) as update:
        made = write(library.store, found, to, format=format, track=track, progress=lambda share: update(share, None))
    unread = unread_shape(found)
    out.document(
        {"session": found.id, "path": str(made.path), "format": made.format, "bytes": made.bytes,
         "duration_ms": made.duration_ms, "missing": [asdict(lost) for lost in made.missing], "unread": unread}
    )  # fmt: skip
    if not as_json:
        out.text(f"{made.path}: {made.bytes:,} bytes of {made.format}")
    if made.missing:
        stretches = [f"{lost.track} {clock_text(lost.start_ms)} to {clock_text(lost.end_ms)}" for lost in made.missing]
        out.warn(f"pepys: damaged and left out: {', '.join(stretches)}; pepys verify tells more")
    if unread:
        out.warn(f"pepys: {unread_text(unread)}")
    if made.missing or any(not part["lost"] for part in unread):
        raise typer.Exit(Partial.exit_code)
