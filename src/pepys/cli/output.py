"""What commands write: one JSON document or stream on stdout, human text beside it.

With `--json` stdout carries JSON alone and everything for people goes to stderr. Colour, tables and progress bars come
from rich, which is imported only by the command that draws one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# A table that goes into a file or a pipe keeps its columns whole: nothing is cut to a width nobody sees.
_PIPE_COLUMNS = 160


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
            sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")

    def record(self, value: object) -> None:
        """Write one JSON object on a line of its own and flush it; nothing without `--json`."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
            sys.stdout.flush()

    def text(self, line: str) -> None:
        """Write a line for people."""
        stream = sys.stderr if self.as_json else sys.stdout
        stream.write(line + "\n")
        stream.flush()

    def warn(self, line: str) -> None:
        """Write a line that is no result to stderr."""
        sys.stdout.flush()
        sys.stderr.write(line + "\n")
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
