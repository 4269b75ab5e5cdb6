"""A little desktop activity worth recording: a terminal that types, a window that moves, speech.

Owns what a demo shows and says. Invariants: it uses only programs of the `run` list; what is typed and spoken is given
by the caller, so that a test can look for it; `stop` ends all of it. The typing is slow enough for each line to be on
some shot.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pepys.clock import Clock, SystemClock
from pepys.demo.child import Child, program
from pepys.demo.desktop import Desktop
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_MS, NS_PER_S

SPOKEN = "Today we review the quarterly budget and plan the release of the new recorder."
TYPED = (
    "Notes of the planning meeting",
    "1. The recorder stores every fragment before it reports",
    "2. Search finds words on the screen and words in the sound",
    "3. Ship the first release on Friday",
)
_TERMINAL_FONT = "DejaVu Sans Mono:size=16:antialias=true"
_GROUND = 0x3E4C59
_MOVE_EVERY_NS = 200 * NS_PER_MS
_SAY_AGAIN_NS = 1 * NS_PER_S


class Activity:
    """Runs on the display and sound server of an environment until `stop`."""

    def __init__(
        self,
        env: Mapping[str, str],
        folder: Path,
        *,
        lines: Sequence[str] = TYPED,
        spoken: str = SPOKEN,
        sink: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take what to show and say.

        Args:
            env: names the display and, for speech, the sound server.
            folder: for logs and the spoken sound; must exist.
            lines: typed into a terminal, one after the other, again from the top when all were; none for no windows.
            spoken: said again and again; empty for silence.
            sink: the sink to speak to; the default sink where None.
            clock: for the moves of the window.
        """
        self._env = dict(env)
        self._folder = folder
        self._lines = lines
        self._spoken = spoken
        self._sink = sink
        self._clock = clock or SystemClock()
        self._children: list[Child] = []
        self._ending = threading.Event()
        self._mover: threading.Thread | None = None

    def start(self) -> None:
        """Open the windows and begin to speak.

        Raises:
            DeviceMissing: a program is not installed or the display is gone.
        """
        if self._lines:
            # Connected here, not in the thread: it passes through the process's environment.
            desktop = Desktop(self._env)
            desktop.paint(_GROUND)
            self._open_terminal("notes", "95x24+60+80", _typing(self._lines))
            self._open_terminal("clock", "34x4+1300+700", "while :; do printf '\\r%s ' \"$(date +%T)\"; sleep 1; done")
            self._mover = threading.Thread(target=self._move, args=[desktop], name="demo-mover", daemon=True)
            self._mover.start()
        if self._spoken:
            self._speak()

    def stop(self) -> None:
        """End everything that was started; may be called twice."""
        self._ending.set()
        if self._mover is not None:
            self._mover.join()
        for child in self._children:
            child.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, name: str, argv: Sequence[str]) -> Child:
        child = Child(argv, self._folder / f"{name}.log", env=self._env, clock=self._clock)
        self._children.append(child)
        return child

    def _open_terminal(self, title: str, geometry: str, script: str) -> None:
        xterm = program("xterm", "xterm")
        look = ["-fa", _TERMINAL_FONT, "-bg", "white", "-fg", "black", "-title", title, "-geometry", geometry]
        self._start(title, [xterm, *look, "-e", "sh", "-c", script])

    def _speak(self) -> None:
        espeak, paplay = program("espeak-ng", "espeak-ng"), program("paplay", "pulseaudio-utils")
        said = self._folder / "said.wav"
        words = self._start("espeak", [espeak, "-v", "en-us", "-s", "140", "-w", str(said), self._spoken])
        words.process.wait()
        where = [f"--device={self._sink}"] if self._sink else []
        play = shlex.join([paplay, *where, str(said)])
        self._start("speech", ["/bin/sh", "-c", f"while {play}; do sleep {_SAY_AGAIN_NS // NS_PER_S}; done"])

    def _move(self, desktop: Desktop) -> None:
        """Move the second window along a line and back, until the end or until the display is gone."""
        step = 0
        while not self._ending.wait(_MOVE_EVERY_NS / NS_PER_S):
            try:
                window = desktop.windows().get("clock")
                if window is not None:
                    desktop.move(window, 1000 + abs(step % 40 - 20) * 20, 700)
            except DeviceMissing:
                return
            step += 1


def _typing(lines: Sequence[str]) -> str:
    """A shell script that types lines a character at a time."""
    typed = [f"type_line {shlex.quote(line)}" for line in lines]
    return "\n".join(
        [
            'type_line() { rest=$1; while [ -n "$rest" ]; do printf \'%.1s\' "$rest"; rest=${rest#?}; sleep 0.04; done',
            "printf '\\n'; sleep 0.6; }",
            "while :; do",
            *typed,
            "sleep 2; done",
        ]
    )
