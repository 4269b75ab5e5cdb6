"""`python scripts/layout_pictures.py FOLDER`: a picture of each layout, taken from real recordings.

Starts a display with three terminals of different sizes, records them through the command line with each layout, and
writes the last frame of each export. The pictures of docs/layouts.md are made by it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av

from pepys.demo.child import Child
from pepys.demo.desktop import Desktop
from pepys.demo.servers import WindowManager, XServer
from pepys.media.image import encode_png

WIDTH = 720
SECONDS = 3
START_S = 15.0

_LIST = "ls -x --color=always src/pepys/*/"
_LINE = "\\033[36mdef\\033[0m step_%02d(x): \\033[35mreturn\\033[0m x + %d\\n"
_CODE = f"for n in $(seq 1 40); do printf '{_LINE}' $n $n; done"
_CLOCK = "for n in $(seq 1 12); do printf '\\033[1;32mtests passed: %d of 12\\033[0m\\n' $n; done"
TERMINALS = {
    "files": ("100x50+20+20", _LIST),
    "editor": ("80x44+1000+40", _CODE),
    "results": ("60x20+1100+700", _CLOCK),
}

LAYOUTS = {
    "passthrough": ["--window", "files"],
    "grid": ["--window", "files", "--window", "editor", "--window", "results",
             "--source", "pattern:testsrc2=size=640x480:rate=10"],
    "side-by-side": ["--window", "files", "--window", "editor"],
    "pip": ["--source", "pattern:testsrc2=size=640x480:rate=10"],
}  # fmt: skip


def main(folder: Path) -> None:
    """Record and write every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with XServer() as display, WindowManager(display.env), tempfile.TemporaryDirectory() as logs:
        env = {**os.environ, **display.env}
        children = [
            Child(["xterm", "-title", title, "-fa", "DejaVu Sans Mono", "-fs", "11", "-geometry", geometry,
                   "-e", "sh", "-c", f"{script}; sleep 1000"], Path(logs) / title, env=env)
            for title, (geometry, script) in TERMINALS.items()
        ]  # fmt: skip
        try:
            _await_windows(env)
            for layout, sources in LAYOUTS.items():
                named = ["--source", f"display:{env['DISPLAY']}", *sources] if layout == "pip" else sources
                _record(layout, named, env, folder / f"layout-{layout}.png")
        finally:
            for child in children:
                child.stop()


def _await_windows(env: dict[str, str]) -> None:
    deadline = time.monotonic() + START_S
    with Desktop(env) as desktop:
        while not set(TERMINALS) <= set(desktop.windows()):
            if time.monotonic() > deadline:
                raise SystemExit("the terminals did not come up: is xterm installed?")
            time.sleep(0.1)
    time.sleep(1)  # what they print is drawn after their windows stand


def _record(layout: str, sources: list[str], env: dict[str, str], target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="pepys-pictures-") as home:
        own = {**env, "PEPYS_HOME": home, "XDG_CONFIG_HOME": f"{home}/config"}
        pepys = [sys.executable, "-m", "pepys"]
        words = [
            "--audio",
            "off",
            "--shots",
            "off",
            "--layout",
            "pip:bottom-right:medium" if layout == "pip" else layout,
            "--seconds",
            str(SECONDS),
        ]
        subprocess.run([*pepys, "record", layout, *sources, *words], env=own, check=True)
        film = Path(home) / "film.mp4"
        subprocess.run([*pepys, "export", "last", "--to", str(film)], env=own, check=True)
        with av.open(str(film)) as opened:
            *_, last = opened.decode(video=0)
            width = min(WIDTH, last.width)
            height = round(last.height * width / last.width)
            small = last.reformat(width, height, "bgra", interpolation="LANCZOS").to_ndarray()
            target.write_bytes(encode_png(small))
    print(f"{target}: {last.width}x{last.height}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
