"""The picture of the session statechart, generated into `docs/statechart.md`.

`python -m pepys.sessions.diagram FILE` writes it; a test fails while the file is another. Only the chart decides what
is drawn.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pepys.model.health import HEALTH
from pepys.sessions.statechart import REGIONS, SessionChart

_HEAD = """# States of a session

Generated from `src/pepys/sessions/statechart.py` by `make statechart`; do not edit.

A session is `idle` until it is started and ends `completed`, or `failed` when it could not begin. While it is
`recording`, each of video, audio and shots is in one state of its own: {health}.
`interrupted` is what a crash leaves: `resume` goes on with a new span, `stop` completes it.

"""


def render() -> str:
    """The whole page."""
    drawn = f"{SessionChart:mermaid}"
    drawn = re.sub(rf"({'|'.join(REGIONS)}) to (\w+)", r"\2", drawn, flags=re.IGNORECASE)
    for state in SessionChart.states:
        drawn = drawn.replace(f'state "{state.name}" as {state.id}', f'state "{state.id}" as {state.id}')
    drawn = re.sub(r" : (\w)([\w ]*)$", lambda found: f" : {found[1].lower()}{found[2]}", drawn, flags=re.MULTILINE)
    health = ", ".join(f"`{name}`" for name in HEALTH)
    return _HEAD.format(health=health) + f"```mermaid\n{drawn.strip()}\n```\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
