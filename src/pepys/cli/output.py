"""What commands write: one JSON document or stream on stdout, human text beside it.

With `--json` stdout carries JSON alone and everything for people goes to stderr. Colour, tables and progress bars come
from rich, which is imported only by the command that draws one. What a session says (names, titles, notes) passes
`shown` on its way to people: whoever named a window or a page does not steer the terminal.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

# A table that goes into a file or a pipe keeps its columns whole: nothing is cut to a width nobody sees.
_PIPE_COLUMNS = 160

_Value = TypeVar("_Value")
# C0, DEL, C1, what turns the direction of writing, and halves of surrogate pairs; lines and tabs are left.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOUR: Final = re.compile("(\x1b\\[[0-9;]*m)")  # `columns.paint` makes these, and nothing else


def shown(value: _Value) -> _Value:
    """A value for people: each control character in its texts is a visible one instead, of the same width.

    Args:
        value: a text, or lists and dicts of the shapes that commands write.
    """
    made: Any = value
    if isinstance(value, str):
        made = _CONTROL.sub(_visible, value)
    elif isinstance(value, dict):
        made = {key: shown(item) for key, item in value.items()}
    elif isinstance(value, list):
        made = [shown(item) for item in value]
    result: _Value = made
    return result


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def _line(text: str) -> str:
    """A line for people, whose colours are kept."""
    if _CONTROL.search(text) is None:
        return text
    return "".join(part if n % 2 else shown(part) for n, part in enumerate(_COLOUR.split(text)))


def _json(value: object, separators: tuple[str, str] | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=separators)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no stream takes
        return json.dumps(value, separators=separators)
    return text


class Output:
    """One command's output.

    Attributes:
        as_json: whether stdout is for machines.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, value: object) -> None:
        """Write the one JSON document of a command; nothing without `--json`."""
        if self.as_json:
            sys.stdout.write(_json(value) + "\n")

    def record(self, value: object) -> None:
        """Write one JSON object on a line of its own and flush it; nothing without `--json`."""
        if self.as_json:
            sys.stdout.write(_json(value, (",", ":")) + "\n")
            sys.stdout.flush()

    def text(self, line: str) -> None:
        """Write a line for people."""
        stream = sys.stderr if self.as_json else sys.stdout
        stream.write(_line(line) + "\n")
        stream.flush()

    def warn(self, line: str) -> None:
        """Write a line that is no result to stderr."""
        sys.stdout.flush()
        sys.stderr.write(_line(line) + "\n")
        sys.stderr.flush()

    def console(self, *, stderr: bool = False) -> Console:
        """A rich console on the stream that is for people."""
        from rich.console import Console

        stream = sys.stderr if self.as_json or stderr else sys.stdout
        console = Console(file=stream, highlight=False)
        if not console.is_terminal:
            console = Console(file=stream, highlight=False, width=_PIPE_COLUMNS)
        return console

    @contextmanager
    def progress(self, what: str, total: float | None = None) -> Iterator[Callable[[float, float | None], None]]:
        """Show a progress bar on stderr, only on a terminal, while the block runs.

        Yields:
            `update(done, total)`; a total of None keeps the last one.
        """
        if not sys.stderr.isatty():
            yield lambda done, of: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)

            def update(done: float, of: float | None) -> None:
                bar.update(task, completed=done, total=of)

            yield update
