"""The questions that a list puts to the catalog, as SQL: each is answered from an index, newest first, up to its limit.

The text of each is the same for SQLite and PostgreSQL; tests hold every one against the plan that each makes for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pepys.errors import NotFound, Usage
from pepys.store.row import COLUMNS, storable

Question = tuple[str, tuple[Any, ...]]
"""A statement with its values."""

_COLUMNS: Final = ", ".join(f"s.{name}" for name in COLUMNS)
_TEXTS: Final = " || '\n' || ".join(f"s.{name}" for name in ("name", "description", "tags", "summary"))
_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}  # as both dialects fold: ASCII alone
_ALL: Final = 1 << 62  # no dialect has the same word for no limit
_QUERY_CHARS: Final = 10_000
_NS_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Listed:
    """Which sessions a list shows, deleted ones never.

    Attributes:
        tag: only those with this tag.
        state: only those in this state.
        query: only those with this text in name, description, tags or summary.
        from_ns: only those begun at this wall time or later.
        to_ns: only those begun before this wall time.
    """

    tag: str | None = None
    state: str | None = None
    query: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None

    def rows(self, limit: int | None, offset: int) -> Question:
        """The rows, newest first; all of them without a limit."""
        source, where, values = self._chosen()
        # A tag is walked in its own index, from its newest session on: no row is read that is not shown.
        first = "s" if self.tag is None else "t"
        key = "id" if self.tag is None else "session"
        statement = (
            f"SELECT {_COLUMNS} FROM {source} WHERE {where}"
            f" ORDER BY {first}.started_wall_ns DESC, {first}.{key} DESC LIMIT ? OFFSET ?"
        )
        return statement, (*values, _ALL if limit is None else _number(limit), _number(offset))

    def count(self) -> Question:
        """How many there are."""
        source, where, values = self._chosen()
        return f"SELECT count(*) FROM {source} WHERE {where}", values

    def _chosen(self) -> tuple[str, str, tuple[Any, ...]]:
        source, begun, always = "sessions s", "s.started_wall_ns", []
        if self.tag is not None:
            # A condition instead of ON, which a cross join takes in SQLite alone.
            source, begun, always = "session_tags t CROSS JOIN sessions s", "t.started_wall_ns", ["s.id = t.session"]
        tests = {
            "t.tag = ?": None if self.tag is None else storable(self.tag),
            "s.state = ?": self.state,
            f"lower({_TEXTS}) LIKE ? ESCAPE '\\'":
                None if self.query is None else _like(self.query),
            f"{begun} >= ?": stored_ns(self.from_ns),
            f"{begun} < ?": stored_ns(self.to_ns),
        }  # fmt: skip
        chosen = {test: value for test, value in tests.items() if value is not None}
        return source, " AND ".join([*always, "s.state != 'deleted'", *chosen]), tuple(chosen.values())


def one(session: str) -> Question:
    """The row of a session that is not deleted."""
    return f"SELECT {_COLUMNS} FROM sessions s WHERE s.id = ? AND s.state != 'deleted'", (session,)


def beginning(prefix: str) -> Question:
    """Up to three ids that begin so."""
    # Every id is made of letters and digits: the tilde comes after each of them.
    return (
        "SELECT id FROM sessions WHERE state != 'deleted' AND id >= ? AND id < ? ORDER BY id LIMIT 3",
        (prefix, f"{prefix}~"),
    )


def unique(text: str, ids: list[str]) -> str:
    """The only id of a list.

    Raises:
        NotFound: none.
        Usage: more than one.
    """
    if len(ids) == 1:
        return ids[0]
    if text in ids:
        return text
    if ids:
        raise Usage(f"{text} begins the id of more than one session", "give more of the id")
    raise NotFound(f"there is no session {text[:80]}", "pepys list shows what there is")


def stored_ns(at_ns: int | None) -> int | None:
    """A wall time as a column may hold it: what lies beyond is before, or after, every session."""
    return None if at_ns is None else max(-_NS_MAX, min(at_ns, _NS_MAX))


def _number(count: int) -> int:
    return max(0, min(count, _ALL))


def _like(query: str) -> str:
    if len(query) > _QUERY_CHARS:
        return ""  # no database takes a pattern of any length; this one is that of no row, as all have line breaks
    escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return storable(f"%{escaped}%").translate(_LOWER)
