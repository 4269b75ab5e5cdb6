"""Small sound graphs for tests, and samples that tell where they belong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from pepys.media.sound_graph import Pcm, SoundRun
from pepys.model.sound_graph import Node, SoundGraph

RATE = 48_000
STEP = 9_120
"""190 ms: what is pushed at once while recording."""


def chain(*filters: tuple[str, dict[str, Any]], channels: int = 1, end: str = "encoder") -> SoundGraph:
    """A source `in`, filters `f0`, `f1` ..., and an end `out`."""
    params = {"encoder": {"track": "audio.mic"}, "tap": {}}[end]
    nodes = [
        Node("in", "microphone", {"channels": channels}),
        *(Node(f"f{place}", kind, params) for place, (kind, params) in enumerate(filters)),
        Node("out", end, params),
    ]
    return SoundGraph(tuple(nodes), tuple((a.name, b.name) for a, b in itertools.pairwise(nodes)))


def mixed(*between: tuple[str, dict[str, Any]], balance: int = 50, channels: tuple[int, ...] = (1, 2)) -> SoundGraph:
    """Sources `a`, `b` ..., each with a gain `a.gain`, a voice, an encoder `a.out`; their mix, filters, and `out`."""
    nodes: list[Node] = []
    edges: list[tuple[str, str]] = []
    names = "abcdefgh"[: len(channels)]
    for name, count in zip(names, channels, strict=True):
        chained = [
            Node(name, "microphone", {"channels": count}), Node(f"{name}.gain", "gain"), Node(f"{name}.voice", "voice"),
            Node(f"{name}.out", "encoder", {"track": f"audio.{name}"}),
        ]  # fmt: skip
        nodes += chained
        edges += [(first.name, second.name) for first, second in itertools.pairwise(chained)]
    tail = [
        Node("mix", "mix", {"balance": balance}),
        *(Node(f"f{place}", kind, params) for place, (kind, params) in enumerate(between)),
        Node("out", "encoder", {"codec": "aac", "track": "audio.mix"}),
    ]
    edges += [(f"{name}.voice", "mix") for name in names]
    edges += [(first.name, second.name) for first, second in itertools.pairwise(tail)]
    return SoundGraph((*nodes, *tail), tuple(edges))


def blocks(pcm: Pcm, step: int = STEP) -> Iterator[Pcm]:
    """The samples in blocks."""
    return (pcm[start : start + step] for start in range(0, len(pcm), step))


def through(graph: SoundGraph, pcm: Pcm, step: int = STEP) -> Pcm:
    """What comes out of `out` when `pcm` goes into `in`, as one block."""
    run = SoundRun(graph)
    parts = []
    for block in blocks(pcm, step):
        run.push("in", block)
        parts.append(run.take("out").pcm)
    run.end(len(pcm))
    return np.concatenate([*parts, run.take("out").pcm])


def sine(frequency_hz: float, level: float, samples: int) -> Pcm:
    """A sine of one channel; `level` 1 is full scale."""
    wave = np.sin(2 * np.pi * frequency_hz * np.arange(samples) / RATE) * level * 32767
    return np.rint(wave).astype(np.int16).reshape(-1, 1)


def noise(samples: int, channels: int = 1, level: float = 0.1) -> Pcm:
    """The same noise each time."""
    wave = np.random.default_rng(7).normal(size=(samples, channels)) * level * 32767
    return np.clip(wave, -32768, 32767).astype(np.int16)


def counted(first: int, samples: int) -> Pcm:
    """Samples that tell their position modulo 10,000, beginning at `first`."""
    return (np.arange(first, first + samples) % 10_000).astype(np.int16).reshape(-1, 1)
