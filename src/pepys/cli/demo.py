"""`pepys demo`: the main job from nothing, shown."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.say import size_text
from pepys.errors import Interrupted, Partial

if TYPE_CHECKING:
    from pepys.cli.output import Output
    from pepys.demo.course import Told

_SECONDS = 20.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    seconds: Annotated[float, typer.Option("--seconds", metavar="N", min=2, max=3600, help="How long.")] = _SECONDS,
    serve: Annotated[bool, typer.Option("--serve", help="Then serve the page and print its address.")] = False,
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Record a short session and show what becomes of it.

    Takes the screen and the sound there are, or starts a virtual display and a private sound server with a little
    activity on them; records, tags the session `demo`, reads the screen text and the speech, prints the summary.
    """
    from pepys.cli.output import Output

    out = Output(as_json)
    told = _run(out, home, seconds)
    session = told.session
    command = _open_command(home, session["id"])
    out.document({"session": session["id"], "home": str(home), "title": told.title, "open": command, "show": session})
    if not as_json:
        _show(out, told, command)
    if told.outcome.interrupted:
        raise Interrupted(f"interrupted; {session['name']} is saved as {session['id']}")
    if serve:
        _serve(home, as_json=as_json)
    if told.outcome.failed_tracks:
        raise Partial(f"not recorded: {', '.join(told.outcome.failed_tracks)}", "run `pepys doctor`")
    if not told.enriched:
        raise Partial("not all of it could be read", f"see `pepys show {session['id']}` and `pepys doctor`")


def _run(out: Output, home: Path, seconds: float) -> Told:
    from pepys.demo.course import run

    with out.progress("demo", seconds) as update:

        def on_push(push: dict[str, Any]) -> None:
            status = push.get("status")
            if isinstance(status, dict):
                update(min(seconds, status.get("recorded_ms", 0) / 1000), None)

        return run(
            home,
            seconds,
            say=out.text,
            on_push=on_push,
            on_progress=lambda progress: update(progress.done, progress.total),
        )


def _open_command(home: Path, session: str) -> str:
    """The command that opens the page, as it must be typed in another shell."""
    from pepys.config import home_dir

    here = os.environ.pop("PEPYS_HOME", None)
    default = home_dir()
    if here is not None:
        os.environ["PEPYS_HOME"] = here
    where = [] if home == default else ["--home", str(home)]
    return shlex.join([*program_words(), "open", session, *where])


def program_words() -> list[str]:
    """The program as the user can call it: by its name where a shell finds it, else as it was called."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return [sys.executable, "-m", "pepys"]
    found = shutil.which("pepys")
    if called.name != "pepys" or not called.exists() or (found is not None and called.samefile(found)):
        return ["pepys"]
    return [sys.argv[0]]


def _show(out: Output, told: Told, command: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    session = told.session
    console = out.console()
    table = Table(box=None, pad_edge=False)
    for name in ("track", "source", "codec", "size"):
        table.add_column(name, justify="right" if name == "size" else "left")
    for track in session["tracks"]:
        row = [
            track.get("track", track["kind"]),
            track["source"],
            track["codec"] or "",
            size_text(track["bytes"]) if track["bytes"] else "",
        ]
        table.add_row(*(escape(str(cell)) for cell in row))
    shots = session["shots"]
    stages = ", ".join(f"{stage['name']} {stage['state']}" for stage in session["enrichment"]["stages"])
    console.print()
    console.print(f"[bold]{escape(told.title or session['name'])}[/bold]")
    for point in told.points:
        console.print(f"  {escape(point)}")
    if told.heard:
        console.print(f"  heard: {escape(' '.join(told.heard)[:300])}")
    console.print()
    console.print(table)
    console.print(
        f"shots: {shots['total']}, {shots['distinct']} of them distinct; enrichment: {escape(stages) or 'none'}"
    )
    recorded = f"{session['duration_ms'] / 1000:.1f} s recorded, {size_text(session['bytes_on_disk'])} on disk"
    console.print(f"{recorded}, tagged {', '.join(session['tags'])}")
    console.print(f"\nlook at it: {command}", soft_wrap=True)


def _serve(home: Path, *, as_json: bool) -> None:
    from pepys.cli.serve import serve

    serve(home=home, as_json=as_json)
