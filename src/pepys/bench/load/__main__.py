"""`python -m pepys.bench.load ORDER`: draws one load, a `Load` in JSON, on the display in force, until it is ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from pepys.bench.load import TERMINAL, Load, scenes
from pepys.bench.load.board import Board
from pepys.clock import SystemClock

_TEXT = 'for i in $(seq 200); do echo "$i $(date) the quick brown fox jumps over the lazy dog"; done; '
_STILL = _TEXT + "exec sleep 100000"
_WORDS = "for w in to be or not to be that is the question; do printf '%s ' $w; sleep 0.17; done"
_TYPING = _TEXT + f"while :; do {_WORDS}; echo; done"
_SCENES = {
    "film": scenes.film, "counter": scenes.count, "page": scenes.page, "steps": scenes.steps, "secret": scenes.secret,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Show it; returns when the terminal was closed, or when a scene that ends has ended."""
    load = Load(**json.loads(arguments[0]))
    board = Board()
    cursor, script = ("-bc", _TYPING) if load.types else ("+bc", _STILL)
    argv = ["xterm", cursor, "-T", TERMINAL, "-geometry", "150x60+0+0", "-e", "sh", "-c", script]
    terminal = subprocess.Popen(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    def ready() -> None:
        Path(load.ready).touch()

    try:
        scene = _SCENES.get(load.scene)
        if scene is None:
            ready()
            terminal.wait()
        else:
            scene(board, load, SystemClock(), ready)
    finally:
        terminal.kill()
        terminal.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
