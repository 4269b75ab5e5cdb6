"""What must not be in a recording: a colour and a tone that are shown and played while it is paused, and only then.

Owns both, and finding them in what was recorded. The decoder runs in a child alone.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from pepys.errors import PepysError, from_json
from pepys.store.handover import start_child
from pepys.store.store import Store

COLOUR: Final = 0xFF00FF
"""The ground of the display during a pause."""
GROUND: Final = 0x3E4C59
TONE_HZ: Final = 6000
OPEN_HZ: Final = 500

_MODULE = "pepys.bench.health_leaks"


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was found.

    Attributes:
        pictures: how many were looked at.
        samples: how many were listened to.
        bad_pictures: axis times (ns) of those that show the colour.
        bad_sound: (track, axis time in ns) of each 10 ms that holds the tone.
        open_sound: how many of the 10 ms hold the tone of an open recording: without any nothing is proved.
    """

    pictures: int
    samples: int
    bad_pictures: tuple[int, ...]
    bad_sound: tuple[tuple[str, int], ...]
    open_sound: int

    @property
    def count(self) -> int:
        """How many pictures and stretches of sound should not be there."""
        return len(self.bad_pictures) + len(self.bad_sound)


def look(store: Store, session: str) -> Leaks:
    """Decode all of a session and look for the colour and the tone.

    Raises:
        PepysError: it cannot be decoded.
    """
    child = start_child(_MODULE, store, {"session": session}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, printed = child.communicate()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        last = printed.decode(errors="replace").strip().splitlines()[-1:] or [f"status {child.returncode}"]
        raise PepysError(f"the recording could not be looked at: {last[0]}", "measure again") from None
    if "error" in told:
        raise from_json(told["error"])
    return Leaks(
        told["pictures"], told["samples"], tuple(told["bad_pictures"]),
        tuple((track, at_ns) for track, at_ns in told["bad_sound"]), told["open_sound"],
    )  # fmt: skip
