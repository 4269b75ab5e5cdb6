"""`python hostile_sound.py SEED...`: gives the AAC encoder what has ended its process before: a child of a test."""

from __future__ import annotations

import sys

import numpy as np

from pepys.media.aac import FRAME, AacCoder


def encode(seed: int) -> None:
    """Sounds of all kinds and levels, one behind the other, at rates that change."""
    dice = np.random.default_rng(seed)
    coder = AacCoder(48_000, 2, 52_000)
    at = np.arange(FRAME) / 48_000
    kind, level = 0, 1.0
    for number in range(200):
        if number % 8 == 0:
            kind, level = int(dice.integers(6)), 10 ** dice.uniform(-0.5, 4.5)
        if number % 5 == 0:
            coder.steer(int(dice.choice((52_000, 16_000, 12_000))))
        one, other = dice.standard_normal((2, FRAME))
        made = (
            (one, other),
            (one, one),
            (one, 0 * one),
            (0 * one, 0 * one),
            (np.cumsum(one) / 30, np.cumsum(other) / 30),
            (np.sin(at * dice.uniform(100, 1e5)), np.sin(at * dice.uniform(100, 1e5))),
        )[kind]
        coder.encode(np.clip(np.rint(np.stack(made, axis=1) * level), -32768, 32767).astype(np.int16))
    coder.end()


if __name__ == "__main__":
    for word in sys.argv[1:]:
        encode(int(word))
    sys.stdout.write("whole\n")
