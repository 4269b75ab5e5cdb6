"""A host in a test, around fake devices and fake recorders."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pepys.record import probe
from pepys.record.adapters.pulse import Source
from pepys.record.probe import SoundFound
from pepys.sessions import recording as recordings
from pepys.sessions.control import orphans
from pepys.sessions.host import Host
from pepys.sessions.queries import list_sessions, open_library
from tests.fake_recorder import launch_fake


@contextmanager
def fakes(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    """A display, a microphone and no system sound; recorders are fakes and end with the test."""
    found = SoundFound("mic", "", None, "there is no default sink", (Source("mic", "A microphone", False),))
    monkeypatch.setattr(probe, "find_display", lambda: (":9", ""))
    monkeypatch.setattr(probe, "display_problem", lambda display: "" if display == ":9" else "nobody answers")
    monkeypatch.setattr(probe, "displays", lambda: [":9"])
    monkeypatch.setattr(probe, "default_sound", lambda: found)
    monkeypatch.setattr(recordings, "launch", launch_fake)
    yield
    for run in orphans(home):
        os.kill(run.pid, signal.SIGKILL)


def hosted(home: Path, work: Callable[[Host], Awaitable[Any]], *, end: bool = True) -> Any:
    """Run `work` with an open host."""

    async def go() -> Any:
        host = Host(home)
        await host.open()
        try:
            return await work(host)
        finally:
            await host.close(end_recording=end)

    return asyncio.run(go())


def pid_of(home: Path) -> int:
    """The recorder's process."""
    return orphans(home)[0].pid


def listed(home: Path) -> list[dict[str, Any]]:
    """The sessions, as `list --json` tells them."""
    with open_library(home) as library:
        return list_sessions(library)
