"""The countdown before a recording, as the terminal shows it.

One line that is drawn over on a terminal, one that stays elsewhere, one object a second with `--json`.
"""

from __future__ import annotations

import sys

from pepys.cli.output import Output


class Count:
    """Shows the seconds that are left; on stderr, as they are no result."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._live = sys.stderr.isatty() and not out.as_json
        self._drawn = 0
        self._told = False

    def tell(self, left_s: int) -> None:
        """So many seconds are left; 0 when it is over or was stopped."""
        if left_s <= 0:
            self.clear()
            return
        self._out.record({"event": "countdown", "left_s": left_s})
        line = f"Recording begins in {left_s} s; Ctrl-C stops it."
        if self._live:
            sys.stderr.write("\r" + line.ljust(self._drawn))
            sys.stderr.flush()
            self._drawn = len(line)
        elif not self._told:
            self._out.warn(line)
        self._told = True

    def clear(self) -> None:
        """Leave an empty line."""
        if self._drawn:
            sys.stderr.write("\r" + " " * self._drawn + "\r")
            sys.stderr.flush()
            self._drawn = 0
