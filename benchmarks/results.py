"""Writes measured rows into RESULTS.md, each benchmark into the section that bears its name.

A section lies between two marker comments and is replaced whole, so that a run never mixes its figures with older ones.
Prose outside the markers (causes, floors, what was tried) is never touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pepys.bench.figures import machine

RESULTS = Path(__file__).with_name("RESULTS.md")
HEALTH = Path(__file__).parents[1] / "docs" / "health.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One bar: what was measured, the median with its spread, and the limit it is held to."""

    what: str
    figure: str
    bar: str
    held: bool | None


def write(name: str, command: str, rows: Sequence[Row], note: str = "") -> None:
    """Replace the section `name` of RESULTS.md by these rows."""
    lines = [f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}, by `{command}`.", ""]
    if note:
        lines += [note, ""]
    lines += ["| what | measured | bar | held |", "|---|---|---|---|"]
    for row in rows:
        held = "reported" if row.held is None else "yes" if row.held else "**no**"
        lines.append(f"| {row.what} | {row.figure} | {row.bar} | {held} |")
    _replace(RESULTS, "# Results\n", name, f"## {name[:1].upper() + name[1:]}", lines)


def write_account(table: Sequence[str]) -> None:
    """Replace the account of a mixed desktop in the page about health."""
    told = f"Recorded {datetime.now(UTC):%Y-%m-%d} on {machine()}."
    _replace(HEALTH, "# Health\n", "desktop", "## A mixed desktop", [told, "", *table])


def _replace(file: Path, empty: str, name: str, heading: str, lines: Sequence[str]) -> None:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = file.read_text(encoding="utf-8") if file.exists() else empty
    section = "\n".join([begin, *lines, end])
    if begin in text:
        text = text[: text.index(begin)] + section + text[text.index(end) + len(end) :]
    else:
        text = f"{text.rstrip()}\n\n{heading}\n\n{section}\n"
    file.write_text(text, encoding="utf-8")
