"""What becomes of the labelled sessions: how much text that changed is kept, and how much is kept for nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pepys.record.near import Gallery
from tests.change_kinds_still import STILL
from tests.change_kinds_text import TEXT
from tests.change_scenes import STYLES, Pixels, Style, still_scene


@dataclass(frozen=True)
class Case:
    """Shots of a short session; `text` tells whether the last one shows text that none before it does."""

    kind: str
    text: bool
    shots: tuple[Pixels, ...] = field(repr=False)
    style: Style


@dataclass
class Measured:
    """Counts by label and kind: how many last shots were kept, how many became references.

    Attributes:
        learning: shots before the last ones that were kept though nothing but a clock or a spinner had changed.
    """

    kinds: dict[tuple[bool, str], list[int]] = field(default_factory=dict)
    learning: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return sum(map(sum, self.kinds.values()))

    @property
    def recall(self) -> float:
        kept, near = self._of(True)
        return kept / (kept + near)

    @property
    def precision(self) -> float:
        return self._of(True)[0] / (self._of(True)[0] + self._of(False)[0])

    def _of(self, text: bool) -> tuple[int, int]:
        counts = [count for (label, _), count in self.kinds.items() if label == text]
        return sum(kept for kept, _ in counts), sum(near for _, near in counts)

    def table(self) -> str:
        rows = [
            f"{'text' if text else 'no text':8}{kind:42}{kept:5}{near:5}"
            for (text, kind), (kept, near) in self.kinds.items()
        ]
        sums = f"{self.cases} sessions: recall {self.recall:.4f}, precision {self.precision:.4f}"
        learnt = f"{self.learning} pictures were stored until clocks and spinners were known"
        return "\n".join([f"{'label':8}{'kind':42} kept near", *rows, f"{sums}; {learnt}", *self.wrong])


def cases(rounds: int, seed: int = 1) -> Iterator[Case]:
    """Every kind in `rounds` styles, one after another."""
    for number, (text, makers) in enumerate(((True, TEXT), (False, STILL))):
        for place, (kind, maker) in enumerate(makers.items()):
            for turn in range(rounds):
                rng = np.random.default_rng((seed, number, place, turn))
                scene = copy.copy(still_scene((seed + place + turn * 7) % STYLES))
                scene.rng, scene.pixels, scene.lines = rng, scene.pixels.copy(), list(scene.lines)
                yield Case(kind, text, tuple(maker(scene)), scene.style)


def measured(rounds: int, seed: int = 1) -> Measured:
    """Play every case to a gallery of its own."""
    found = Measured()
    for case in cases(rounds, seed):
        kept = _played(case, found)
        counts = found.kinds.setdefault((case.text, case.kind), [0, 0])
        counts[not kept] += 1
        if kept != case.text:
            found.wrong.append(f"wrong: {case.kind}, {case.style}")
    return found


def _played(case: Case, found: Measured) -> bool:
    """Whether the last shot is kept."""
    gallery, kept = Gallery(), False
    for number, pixels in enumerate(case.shots):
        compared = gallery.compare(pixels)
        kept = compared.near is None
        if kept:
            gallery.keep(b"%d" % number)
        if kept and not case.text and 0 < number < len(case.shots) - 1:
            found.learning += 1
    return kept
