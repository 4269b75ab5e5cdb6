"""Plain columns for long lists.

A table of rich costs 0.3 ms a row, which a list of a thousand sessions has no time for. Owns widths, cutting and the
few colours of a list; everything else that is drawn comes from rich.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Final

_GAP: Final = "  "
_LEAST: Final = 8  # a column that is cut keeps at least this many cells
_STYLES: Final = {"dim": "\033[2m", "bold red": "\033[1;31m", "yellow": "\033[33m"}


def width_in_force() -> int | None:
    """Cells a line has: of the terminal, or as COLUMNS says; None where nothing limits it."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size().columns
    return None


def paint(text: str, style: str) -> str:
    """Text in a style, on a terminal that takes colours."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"{_STYLES[style]}{text}\033[0m"


def cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_cell(char) for char in text)


def fit(text: str, width: int) -> str:
    """The text padded to a width, or cut to it with an ellipsis."""
    taken = cells(text)
    if taken <= width:
        return text + " " * (width - taken)
    kept, room = "", width - 1
    for char in text:
        room -= _cell(char)
        if room < 0:
            break
        kept += char
    return kept + "…" + " " * (width - 1 - cells(kept))


def widths(rows: Sequence[Sequence[str]], limit: int | None, flexible: Sequence[int]) -> list[int]:
    """The width of each column; those that may be cut give way, the widest first, until a line fits the limit."""
    found = [max(cells(row[index]) for row in rows) for index in range(len(rows[0]))]
    excess = 0 if limit is None else sum(found) + len(_GAP) * (len(found) - 1) - limit
    for index in sorted(flexible, key=lambda column: -found[column]):
        cut = max(0, min(excess, found[index] - _LEAST))
        found[index] -= cut
        excess -= cut
    return found


def pad(row: Sequence[str], column_widths: Sequence[int], right: Sequence[int] = ()) -> list[str]:
    """The padded cells of one row, to be painted and joined."""
    return [
        " " * (width - cells(text)) + text if index in right else fit(text, width)
        for index, (text, width) in enumerate(zip(row, column_widths, strict=True))
    ]


def join(padded: Sequence[str]) -> str:
    """One line of padded cells."""
    return _GAP.join(padded).rstrip()


def _cell(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
