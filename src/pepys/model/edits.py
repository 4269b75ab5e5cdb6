"""Merging edit logs: what several devices changed in a session after it was recorded, in one order for all of them.

Invariants: the order is total, (wall time, counter, device), and depends on nothing but the logs, so that every device
that has the same logs sees the same session whatever came first; a log that was merged twice counts once. Of fields the
last writer wins, tags are a set, notes are replaced by id, and nothing undoes a deletion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from pepys.model.manifest import Edit
from pepys.model.session import Note, Session

Logs = Mapping[str, tuple[Edit, ...]]
"""The edit log of each device."""

FIELDS: Final = ("name", "description", "category")


def joined(one: Logs, other: Logs) -> dict[str, tuple[Edit, ...]]:
    """What both know: of each device the edits of both its logs, once each.

    A log only grows, so that of two versions one is the beginning of the other. Where they differ nevertheless (a log
    that was damaged and begun anew) no edit is lost: each (counter, wall time, content) stays.
    """
    result: dict[str, tuple[Edit, ...]] = {}
    for device in sorted({*one, *other}):
        known = {_identity(edit): edit for edit in (*one.get(device, ()), *other.get(device, ()))}
        result[device] = tuple(known[key] for key in sorted(known))
    return result


def in_order(logs: Logs) -> tuple[Edit, ...]:
    """The edits of all devices in the order in which they are applied."""
    every = [(edit.wall_ns, edit.counter, device, edit) for device, log in logs.items() for edit in log]
    return tuple(edit for *_, edit in sorted(every, key=lambda item: (*item[:3], _identity(item[3]))))


def apply_edits(session: Session, edits: Iterable[Edit]) -> Session:
    """Apply edits that are in order (`in_order`).

    An edit of an unknown op, or one whose values are none of its op's, is passed over: it comes from a later version,
    or from somebody who wants to do harm.
    """
    for edit in edits:
        session = _apply(session, edit)
    return session


def _apply(session: Session, edit: Edit) -> Session:
    values = edit.values if isinstance(edit.values, dict) else {}
    if edit.op == "note":
        return _note(session, values)
    if edit.op == "delete":
        return replace(session, state="deleted")
    value = values.get("value")
    if not isinstance(value, str):
        return session
    if edit.op == "set" and values.get("field") in FIELDS:
        changed: dict[str, Any] = {values["field"]: value}
        return replace(session, **changed)
    if edit.op == "tag":
        return replace(session, tags=tuple(dict.fromkeys((*session.tags, value))))
    if edit.op == "untag":
        return replace(session, tags=tuple(tag for tag in session.tags if tag != value))
    return session


def _note(session: Session, values: dict[str, Any]) -> Session:
    note, at_ns, text, kind = (values.get(name) for name in ("id", "at_ns", "text", "kind"))
    if not isinstance(note, str) or not isinstance(text, str) or not isinstance(at_ns, int):
        return session
    others = tuple(other for other in session.notes if other.id != note)
    added = Note(note, at_ns, text, kind if isinstance(kind, str) else "note")
    return replace(session, notes=tuple(sorted((*others, added), key=lambda item: item.at_ns)))


def _identity(edit: Edit) -> tuple[int, int, str, str]:
    """What makes an edit the one that it is, comparable."""
    return edit.counter, edit.wall_ns, edit.op, repr(sorted(edit.values.items(), key=lambda item: item[0]))
