"""Every target by its name: parsers, and whole homes."""

from __future__ import annotations

from typing import Final

from tests.fuzz import homes
from tests.fuzz.targets import TARGETS, Target

EVERY: Final[dict[str, Target]] = {**TARGETS, "home": Target(homes.home, (homes.SEED, homes.DEAD), 1024)}
