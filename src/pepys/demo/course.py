"""The demo's course: find or make a scene, record it, end the session, enrich it, tell what there is.

Owns the order. It records and enriches through the same use cases as `pepys record` and `pepys enrich`; how anything
is shown is left to the command line, which passes in what to call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pepys.demo.scene import scene
from pepys.enrich.jobs import Progress, enrich
from pepys.errors import Damaged, NotFound
from pepys.sessions.foreground import Outcome, record
from pepys.sessions.queries import open_library, show_session
from pepys.sessions.start import StartRequest
from pepys.store.reader import load, load_artifact

TAG = "demo"
NAME = "Demo"
_SHOTS_S = 5.0
"""What is typed scrolls away soon: more often than a recording of hours."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a demo has to tell.

    Attributes:
        session: the session, in the shape of `pepys show --json`.
        outcome: how the recording ended.
        title: the summary's title; empty without one.
        points: the summary's points.
        heard: what was said.
        enriched: whether no stage failed.
    """

    session: dict[str, Any]
    outcome: Outcome
    title: str = ""
    points: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    enriched: bool = True


def run(
    home: Path,
    seconds: float,
    *,
    say: Callable[[str], None],
    on_push: Callable[[dict[str, Any]], None],
    on_progress: Callable[[Progress], None],
) -> Told:
    """Record, end and enrich a demo session.

    Args:
        home: the data folder in force.
        seconds: how long to record.
        say: gets a line about each step.
        on_push: gets the host's pushes while it records.
        on_progress: gets the progress of enrichment.

    Raises:
        DeviceMissing: there is neither a display nor the programs to make one.
        Busy: a host or a recording holds the home.
    """
    with scene() as told:
        for line in told:
            say(line)
        outcome = record(home, StartRequest(name=NAME, tags=(TAG,), shots=_SHOTS_S), seconds=seconds, on_push=on_push)
    library = open_library(home)
    if outcome.interrupted:
        return Told(show_session(library, outcome.session), outcome)
    say("reading the screen and the speech")
    result = enrich(library.store, [outcome.session], progress=on_progress)
    session = load(library.store, outcome.session)
    found: dict[str, list[dict[str, Any]]] = {}
    for ref in session.artifacts:
        # A damaged artifact is for `verify` to tell; the demo shows the rest.
        with suppress(NotFound, Damaged):
            found.setdefault(ref.stage, []).extend(load_artifact(library.store, ref)["items"])
    summary = (found.get("summary") or [{}])[0]
    return Told(
        show_session(library, outcome.session),
        outcome,
        title=str(summary.get("title", "")),
        points=tuple(summary.get("points", ())) or tuple(filter(None, [str(summary.get("text", ""))])),
        heard=tuple(str(item["text"]) for item in found.get("transcript", ())),
        enriched=not result.failed,
    )
