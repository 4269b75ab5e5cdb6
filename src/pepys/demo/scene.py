"""What a demo records: the user's own display and sound, or ones of its own with a little activity on them.

Invariants: nothing is typed into the user's display and nothing is played to the user's speakers; servers that were
started here end with the block, however it ends, and the environment is as before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pepys.demo.servers import MIC_SINK, NO_BUS, SoundServer, WindowManager, XServer
from pepys.record import probe


@contextmanager
def scene() -> Iterator[list[str]]:
    """Put a display and a sound server in force for this process and its children while the block runs.

    Yields:
        One line each about what is recorded, for people.

    Raises:
        DeviceMissing: a server is needed and its program is not installed.
    """
    display, _ = probe.find_display()
    heard = probe.default_sound()
    with ExitStack() as started:
        told: list[str] = []
        ours: dict[str, str] = {}
        if display is None:
            server = started.enter_context(XServer())
            started.enter_context(WindowManager(server.env))
            ours.update({**server.env, **NO_BUS})
            told.append(f"no display here: started a virtual one ({server.display}) with a terminal that types")
        else:
            told.append(f"the screen is {display}")
        if heard.mic is None and heard.system is None:
            ours.update(started.enter_context(SoundServer()).env)
            told.append("no sound server here: started a private one with speech on its microphone")
        else:
            told.append(f"the sound is {' and '.join(name for name in (heard.mic, heard.system) if name)}")
        started.enter_context(_in_force(ours))
        if ours:
            # Imported here: it needs the X client library, which only a machine with a display of ours must have.
            from pepys.demo.activity import SPOKEN, TYPED, Activity

            folder = Path(started.enter_context(TemporaryDirectory(prefix="pepys-demo-")))
            typed = TYPED if "DISPLAY" in ours else ()
            spoken = SPOKEN if "PULSE_SERVER" in ours else ""
            started.enter_context(Activity(ours, folder, lines=typed, spoken=spoken, sink=MIC_SINK))
        yield told


@contextmanager
def _in_force(env: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in env}
    os.environ.update(env)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
