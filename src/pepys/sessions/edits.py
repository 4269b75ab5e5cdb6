"""Changes to sessions that exist: names, tags, notes, completion, removal.

Each is durable when its function returns, and the catalog has been told. Edits never touch what was recorded: they go
to the session's edit log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pepys import limits
from pepys.errors import DeviceMissing, Usage
from pepys.model.ids import new_short_id
from pepys.record.wire import connect
from pepys.sessions.control import orphans
from pepys.sessions.queries import Library, resolve
from pepys.sessions.start import check_text
from pepys.sessions.times import parse_time
from pepys.store.edits import apply_edit
from pepys.store.reader import load
from pepys.store.recover import finish, recover
from pepys.store.remove import remove


def edit_session(
    library: Library,
    text: str,
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    untags: Sequence[str] = (),
    description: str | None = None,
    category: str | None = None,
    note: str | None = None,
) -> str:
    """Change a session's fields; None leaves a field as it is. Returns its id.

    Raises:
        NotFound: no session has that id.
        Usage: a value is out of bounds, or nothing was to be changed.
    """
    session = resolve(library, text)
    edits: list[tuple[str, dict[str, Any]]] = []
    if name is not None:
        value = check_text("the name", name, limits.SESSION_NAME_CHARS)
        edits.append(("set", {"field": "name", "value": value}))
    if description is not None:
        edits.append(("set", {"field": "description", "value": _long_text("the description", description)}))
    if category is not None:
        value = check_text("the category", category, limits.TAG_CHARS) if category else ""
        edits.append(("set", {"field": "category", "value": value}))
    edits += [("tag", {"value": check_text("a tag", tag, limits.TAG_CHARS)}) for tag in tags]
    edits += [("untag", {"value": tag.strip()}) for tag in untags]
    if note is not None:
        edits.append(_note_edit(library, session, note, None, "note"))
    if not edits:
        raise Usage("nothing was to be changed", "see pepys edit --help")
    apply_edit(library.store, session, *edits)
    library.catalog.refresh_rows()
    return session


def absent_tags(library: Library, text: str, tags: Sequence[str]) -> list[str]:
    """Those of some tags that a session does not have."""
    if not tags:
        return []
    known = load(library.store, resolve(library, text)).tags
    return [tag for tag in dict.fromkeys(tag.strip() for tag in tags) if tag not in known]


def add_note(library: Library, text: str, note: str, at: str | None = None, kind: str = "note") -> dict[str, Any]:
    """Add a note or marker to a session that exists.

    Args:
        library: the open library.
        text: the session's id, prefix, or `last`.
        note: the text; a marker's may be empty.
        at: RFC 3339 or an offset from the session's start; its end when None.
        kind: `note` or `marker`.

    Returns:
        `{"session", "id", "at_ms"}`.

    Raises:
        NotFound: no session has that id.
        Usage: the time lies outside the session, or the text is out of bounds.
    """
    session = resolve(library, text)
    edit = _note_edit(library, session, note, at, kind)
    apply_edit(library.store, session, edit)
    library.catalog.refresh_rows()
    return {"session": session, "id": edit[1]["id"], "at_ms": edit[1]["at_ns"] // limits.NS_PER_MS}


def complete_session(library: Library, text: str) -> str:
    """Without a host: make a session completed; its recorder, if it lives, ends it. Returns the id.

    Raises:
        NotFound: no session has that id.
        Usage: it is being recorded by somebody who does not answer.
    """
    session = resolve(library, text)
    for run in orphans(library.store.path):
        if run.session == session:
            try:
                with connect(run.socket, limits.CONTROL_CONNECT_S) as client:
                    client.call("stop", limits.STOP_S)
            except DeviceMissing:
                break
    recover(library.store, session)
    finish(library.store, session)
    library.catalog.refresh_rows()
    return session


def remove_session(library: Library, text: str) -> int:
    """Delete a session with all its data; returns the bytes freed.

    Raises:
        NotFound: no session has that id.
        Busy: it is being recorded.
        Partial: it is deleted, but not all that it had could be freed.
    """
    try:
        return remove(library.store, resolve(library, text))
    finally:
        library.catalog.refresh_rows()


def _note_edit(library: Library, session: str, note: str, at: str | None, kind: str) -> tuple[str, dict[str, Any]]:
    seen = load(library.store, session)
    at_ns = seen.end_ns
    if at is not None:
        at_ns = parse_time(at, seen.started_wall_ns) - seen.started_wall_ns
        if -limits.NS_PER_S < at_ns < 0:
            at_ns = 0  # people name the second in which it began
        if not 0 <= at_ns <= seen.end_ns:
            raise Usage(f"{at} is outside session {session}", "give a time between its start and its end")
    text = _long_text("the note", note)
    if kind == "note" and not text:
        raise Usage("the note is empty", "give some text")
    return "note", {"id": new_short_id(), "at_ns": at_ns, "text": text, "kind": kind}


def _long_text(what: str, text: str) -> str:
    text = text.strip()
    if len(text) > limits.NOTE_CHARS:
        raise Usage(f"{what} has {len(text)} characters", f"give it at most {limits.NOTE_CHARS}")
    return text
