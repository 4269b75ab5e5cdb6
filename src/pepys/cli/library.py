"""`pepys list`, `show`, `edit`, `rm`, `note`, `mark`: the sessions that exist.

Owns their words and tables. A note for the recording under way goes over the control socket without opening the
store; everything else runs in process, with or without a daemon.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pepys.cli.activity import activity_facts, clock_step_text
from pepys.cli.columns import join, pad, paint, width_in_force, widths
from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output, shown
from pepys.cli.say import (
    clock_text,
    counted,
    gap_name,
    gap_text,
    in_place,
    length_text,
    local_time,
    picture_text,
    size_text,
    track_result,
    track_state,
    unread_text,
)
from pepys.cli.sound import sound_lines
from pepys.errors import Interrupted, NotFound, Partial, PepysError, Usage
from pepys.sessions.control import ask_host

if TYPE_CHECKING:
    from pathlib import Path

# Columns of the list: which give way on a narrow terminal, which hold figures, which is coloured.
_CUT, _RIGHT, _STATE = (1, 5), (3,), 4
_STATE_STYLES = {"recording": "bold red", "interrupted": "yellow", "damaged": "bold red"}
_SHORT_ID = 10  # the part of an id that is its time

State = Literal["recording", "interrupted", "completed", "damaged"]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="An id, a unique prefix of one, or `last`.")]
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, unique prefixes, or `last`.")]
SessionOption = Annotated[str | None, typer.Option("--session", metavar="ID", help="A session other than the one now.")]
AtOption = Annotated[str | None, typer.Option("--at", metavar="TIME", help="When, with --session (its end).")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("list")(list_)
    app.command("rm")(remove)
    for command in (show, edit, note, mark):
        app.command()(command)


def list_(
    *,
    tag: Annotated[str | None, typer.Option(metavar="T", help="Only with this tag.")] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Begun at or after.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Begun before.")] = None,
    query: Annotated[str | None, typer.Option(metavar="WORDS", help="Words in name, description or tags.")] = None,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Sessions, newest first."""
    from pepys.sessions.queries import list_sessions, open_library
    from pepys.sessions.times import parse_time

    out = Output(as_json)
    from_ns, to_ns = (parse_time(text) if text else None for text in (from_, to))
    try:
        with open_library(home) as library:
            found = list_sessions(library, tag=tag, state=state, query=query, from_ns=from_ns, to_ns=to_ns)
    except NotFound:
        found = []  # a home that does not exist yet holds no session
    out.document(found)
    if not as_json:
        _print_list(out, shown(found))
    for row in found:
        if row["state"] == "damaged":
            out.warn(f"pepys: session {row['id']} is damaged; pepys verify tells what of it")


def _print_list(out: Output, found: list[dict[str, Any]]) -> None:
    if not found:
        out.text("No sessions. `pepys record` makes one; `pepys demo` shows how.")
        return
    short = _short_ids([row["id"] for row in found])
    tagged = any(row["tags"] for row in found)
    rows = [["ID", "NAME", "STARTED", "LENGTH", "STATE", *(["TAGS"] if tagged else [])]]
    for row in found:
        told = [
            short[row["id"]],
            row["name"].replace("\n", " "),
            local_time(row["started_at"]),
            clock_text(row["duration_ms"]),
        ]
        rows.append([*told, row["state"], *([", ".join(row["tags"])] if tagged else [])])
    column_widths = widths(rows, width_in_force(), _CUT if tagged else _CUT[:1])
    head, *lines = (pad(row, column_widths, right=_RIGHT) for row in rows)
    for row, padded in zip(found, lines, strict=True):
        padded[_STATE] = paint(padded[_STATE], _STATE_STYLES.get(row["state"], "dim"))
    out.text("\n".join([paint(join(head), "dim"), *map(join, lines)]))


def _short_ids(ids: list[str]) -> dict[str, str]:
    """Each id's shortest prefix that no other listed id has, of at least the part that is its time."""
    for length in range(_SHORT_ID, 27):
        short = {whole: whole[:length] for whole in ids}
        if len(set(short.values())) == len(set(ids)):
            return short
    return {whole: whole for whole in ids}


def show(
    session: IdArgument,
    *,
    graph: Annotated[bool, typer.Option("--graph", help="Draw the graph its sound went through, in Mermaid.")] = False,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """One session: spans, gaps, tracks, the account of its sound, shots, notes, enrichment."""
    from pepys.sessions.queries import open_library, show_graph, show_session

    out = Output(as_json)
    with open_library(home) as library:
        if graph:
            drawn = show_graph(library, session)
            out.document(drawn)
            if not as_json:
                out.text(drawn["mermaid"].rstrip())
            return
        told = show_session(library, session)
    out.document(told)
    if not as_json:
        _print_session(out, shown(told))
    if told["unread"]:
        out.warn(f"pepys: {unread_text(told['unread'])}")


def _print_session(out: Output, told: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = out.console()
    console.print(Text(told["name"], "bold"))
    console.print(Text(f"{told['id']}  {told['state']}", "dim"))
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    recorded = f"{clock_text(told['duration_ms'])} recorded"
    if told["gaps"]:
        recorded += f" of {clock_text(told['wall_ms'])}"
    facts.add_row("started", f"{local_time(told['started_at'])}, {recorded}")
    for label in ("tags", "category", "description", "summary"):
        value = ", ".join(told[label]) if label == "tags" else told[label]
        if value:
            facts.add_row(label, Text(value))
    if pictures := picture_text(told["tracks"]):
        facts.add_row("video", Text(pictures))
    facts.add_row("size", f"{size_text(told['bytes_on_disk'])} on disk")
    for label, text in activity_facts(told):
        facts.add_row(label, text)
    for stage in told["enrichment"]["stages"]:
        error = f": {stage['error']}" if stage.get("error") else ""
        facts.add_row(stage["name"].replace("_", " "), f"{stage['state']}{error}")
    console.print(facts)
    _print_tracks(console, told)


def _print_tracks(console: Any, told: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    live = told["state"] == "recording"
    for name in ("TRACK", "SOURCE", "CODEC", "SIZE", "STATE" if live else "RESULT"):
        table.add_column(name, overflow="fold", justify="right" if name == "SIZE" else "left")
    for track in in_place(told["tracks"]):
        state = track_state(track) if live else track_result(track, told["gaps"])
        # What is composed into the video has no bytes of its own, and activity is in the journal.
        size = size_text(track["bytes"]) if track["bytes"] else ""
        table.add_row(track["track"], Text(track["source"]), track["codec"], size, Text(state))
    if told["tracks"]:
        console.print()
        console.print(table)
    if not live:
        for track in told["tracks"]:
            for line in sound_lines(track):
                console.print(Text(f"{track['track']} {line}"), soft_wrap=True)
    lines = [(gap["start_ms"], f"gap, still on: {gap['reason']}" if live and gap["end_ms"] >= told["wall_ms"] else
              gap_text(gap)) for gap in told["gaps"]]  # fmt: skip
    lines += [(entry["start_ms"], f"{gap_name(track)} missing for {length_text(entry['end_ms'] - entry['start_ms'])}: "
               f"{entry['reason']}") for track in told["tracks"] for entry in track["gaps"]]  # fmt: skip
    lines += [(entry["at_ms"], f"{entry['kind']}: {entry['text']}") for entry in told["notes"]]
    lines += [(step["at_ms"], clock_step_text(step)) for step in told["clock_steps"]]
    if lines:
        console.print()
    for at_ms, line in sorted(lines):
        console.print(Text(f"{clock_text(at_ms):>8}  {line}"))


def edit(
    sessions: IdsArgument,
    *,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Another name.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="T", help="Add a tag (repeatable).")] = None,
    untag: Annotated[list[str] | None, typer.Option(metavar="T", help="Take a tag away (repeatable).")] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Add a note at the end.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="A longer text.")] = None,
    category: Annotated[str | None, typer.Option(metavar="NAME", help="A category; empty takes it away.")] = None,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Change the names, tags and texts of sessions."""
    from pepys.sessions.edits import absent_tags, edit_session
    from pepys.sessions.queries import open_library, resolve, show_session

    out = Output(as_json)
    with open_library(home) as library:
        chosen = [resolve(library, text) for text in sessions]
        absent = {session: absent_tags(library, session, untag or ()) for session in chosen}
        edited = [
            edit_session(
                library, session, name=name, tags=tag or (), untags=untag or (), description=description,
                category=category, note=note,
            )
            for session in chosen
        ]  # fmt: skip
        if as_json:
            out.document([show_session(library, session) for session in edited])
    others = name is not None or description is not None or category is not None or note is not None or bool(tag)
    for session in edited:
        for word in absent[session]:
            out.warn(f"Session {session} has no tag {word}.")
        if others or len(absent[session]) < len(set(untag or ())):
            out.text(f"Session {session} is changed.")


def remove(
    sessions: IdsArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Delete sessions with everything made of them; tells the bytes freed."""
    from pepys.sessions.queries import open_library

    out = Output(as_json)
    with open_library(home) as library:
        wanted = _confirm(out, library, sessions, yes)
        freed, problems = _remove_all(library, wanted)
    removed = [session for session in wanted if session not in problems]
    out.document({"removed": removed, "bytes_freed": freed, "problems": problems})
    if removed:
        out.text(f"{len(removed)} deleted, {size_text(freed)} freed.")
    if problems:
        raise Partial("; ".join(problems.values()), "the others are deleted")


def _confirm(out: Output, library: Any, sessions: list[str], yes: bool) -> list[str]:
    from pepys.sessions.queries import resolve

    wanted = list(dict.fromkeys(resolve(library, text) for text in sessions))
    if not yes:
        if out.as_json or not sys.stdin.isatty():
            raise Usage(f"deleting {counted(len(wanted), 'session')} needs a yes", "add --yes")
        library.refresh()
        for session in wanted:
            row = library.catalog.get(session)
            out.text(f"{session[:_SHORT_ID]}  {row.name}  {size_text(row.bytes_on_disk)}")
        if not typer.confirm("Delete for good?"):
            raise Interrupted("nothing was deleted")
    return wanted


def _remove_all(library: Any, wanted: list[str]) -> tuple[int, dict[str, str]]:
    from pepys.sessions.edits import remove_session

    freed, problems = 0, {}
    for session in wanted:
        try:
            freed += remove_session(library, session)
        except PepysError as error:
            if len(wanted) == 1:
                raise
            problems[session] = error.message
    return freed, problems


def note(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note.")],
    *,
    session: SessionOption = None,
    at: AtOption = None,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Add a note: now, or to a session that exists."""
    _annotate(Output(as_json), home, "note", text, session, at)


def mark(
    label: Annotated[str, typer.Argument(metavar="[LABEL]", help="What it marks.")] = "",
    *,
    session: SessionOption = None,
    at: AtOption = None,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Add a marker: now, or to a session that exists."""
    _annotate(Output(as_json), home, "mark", label, session, at)


def _annotate(out: Output, home: Path, do: str, text: str, session: str | None, at: str | None) -> None:
    kind = "note" if do == "note" else "marker"
    if do == "note" and not text.strip():
        raise Usage("the note is empty", "give some text")
    if session is None:
        if at is not None:
            raise Usage("--at needs --session", f"a {kind} without it is for now")
        told = ask_host(home, "note", text=text) if do == "note" else ask_host(home, "mark", label=text)
    else:
        from pepys.sessions.edits import add_note
        from pepys.sessions.queries import open_library

        with open_library(home) as library:
            told = add_note(library, session, text, at, kind)
    out.document(told)
    out.text(f"{kind.capitalize()} at {clock_text(told['at_ms'])}.")
