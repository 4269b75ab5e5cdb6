"""`python -m benchmarks.capture_load idle|typing|motion`: what a display shows while recorders are measured on it.

Runs until it is ended. All of them show a terminal full of text, so that a recorder has something to hold.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

import xcffib
import xcffib.xproto

WIDTH, HEIGHT, RATE = 1280, 720, 30
PICTURES = 48

_TEXT = 'for i in $(seq 200); do echo "$i $(date) the quick brown fox jumps over the lazy dog"; done; '
_STILL = _TEXT + "exec sleep 100000"
_WORDS = "for w in to be or not to be that is the question; do printf '%s ' $w; sleep 0.17; done"
_TYPING = _TEXT + f"while :; do {_WORDS}; echo; done"


def main(load: str) -> None:
    """Show the load until killed."""
    cursor = "-bc" if load == "typing" else "+bc"
    script = _TYPING if load == "typing" else _STILL
    terminal = subprocess.Popen(["xterm", cursor, "-geometry", "150x60+0+0", "-e", "sh", "-c", script])
    with contextlib.suppress(KeyboardInterrupt):
        if load == "motion":
            _motion()
        terminal.wait()


def _motion() -> None:
    """Play ffmpeg's test film from pixmaps, so that the player itself costs next to nothing."""
    connection = xcffib.connect()
    core, screen = connection.core, connection.setup.roots[0]
    window, context = connection.generate_id(), connection.generate_id()
    mask = xcffib.xproto.CW.OverrideRedirect
    kind = xcffib.xproto.WindowClass.InputOutput
    core.CreateWindow(24, window, screen.root, 600, 300, WIDTH, HEIGHT, 0, kind, screen.root_visual, mask, [1])
    core.CreateGC(context, window, 0, [])
    core.MapWindow(window)
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={RATE}"
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(PICTURES)]
    film = subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", "bgr0", "-"], capture_output=True, check=True).stdout
    size = WIDTH * HEIGHT * 4
    pixmaps = []
    for start in range(0, len(film), size):
        pixmap = connection.generate_id()
        core.CreatePixmap(24, pixmap, window, WIDTH, HEIGHT)
        picture = film[start : start + size]
        core.PutImage(2, pixmap, context, WIDTH, HEIGHT, 0, 0, 0, 24, len(picture), picture)
        pixmaps.append(pixmap)
    core.GetInputFocus().reply()
    begun, number = time.monotonic(), 0
    while True:
        core.CopyArea(pixmaps[number % len(pixmaps)], window, context, 0, 0, 0, 0, WIDTH, HEIGHT)
        connection.flush()
        number += 1
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1])
