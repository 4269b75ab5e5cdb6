"""Writes measured rows into RESULTS.md, each benchmark into the section that bears its name.

A section lies between two marker comments and is replaced whole, so that a run never mixes its figures with older ones.
Prose outside the markers (causes, floors, what was tried) is never touched.
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True, slots=True)
class Row:
    """One bar: what was measured, the median with its spread, and the limit it is held to."""

    what: str
    figure: str
    bar: str
    held: bool | None


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """The median, with minimum and maximum behind it."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def machine() -> str:
    """What the figures were measured on: processor, cores, system, Python."""
    model = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def write(name: str, command: str, rows: Sequence[Row], note: str = "") -> None:
    """Replace the section `name` of RESULTS.md by these rows, and print them."""
    lines = [f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}, by `{command}`.", ""]
    if note:
        lines += [note, ""]
    lines += ["| what | measured | bar | held |", "|---|---|---|---|"]
    for row in rows:
        held = "reported" if row.held is None else "yes" if row.held else "**no**"
        lines.append(f"| {row.what} | {row.figure} | {row.bar} | {held} |")
        print(f"{row.what}: {row.figure} (bar {row.bar}: {held})", flush=True)
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    section = "\n".join([begin, *lines, end])
    if begin in text:
        text = text[: text.index(begin)] + section + text[text.index(end) + len(end) :]
    else:
        text = f"{text.rstrip()}\n\n## {name.capitalize()}\n\n{section}\n"
    RESULTS.write_text(text, encoding="utf-8")
