"""What sound goes through: rows of libavfilter filters, and gains that change without a click.

Invariants: blocks in and out are (n, channels), int16, or float32 in -1..1 where `wide` says so; what comes out stands
at the position it went in at, and is as many samples once the row is ended: the delay of a filter is dropped in front
and pushed out at the end. Sums and gains that go too far are clipped, never wrapped around. Arguments of filters are
numbers and words of this file only: nothing that a user wrote reaches libavfilter's parser. Blocks go in in pieces,
because libavfilter keeps for ever what the longest one took (`limits.SOUND_PIECE`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from pepys import limits
from pepys.errors import Usage
from pepys.media.silence import is_silence, silence
from pepys.model.sound_graph import Node, Shape

Pcm = NDArray[np.int16]
Samples = NDArray[Any]
"""Int16, or float32 where a row of filters is wide."""

RAMP: Final = limits.SOUND_RATE * limits.SOUND_RAMP_NS // limits.NS_PER_S
_LAYOUTS: Final = {1: "mono", 2: "stereo"}
_SPREAD: Final = "stereo|c0=c0|c1=c0"
_FULL_SCALE: Final = np.float32(32768)
_LOUDNESS_S: Final = 3.3


@dataclass(frozen=True, slots=True)
class Row:
    """Filters in a row, each a name and its arguments.

    Attributes:
        steps: the filters.
        delay: samples by which the output stands behind the input, in front of which nothing was.
        tail: samples of silence that are pushed in at the end, so that the last ones come out.
        holds: samples that it keeps back, at most; of sound, not of the delay.
    """

    steps: tuple[tuple[str, str], ...]
    delay: int = 0
    tail: int = 0
    holds: int = 0


def row_of(node: Node, taken: Shape) -> Row | None:
    """The filters of a node that takes sound of shape `taken`; None for one that leaves it as it is."""
    params: Mapping[str, Any] = node.params
    if node.kind in ("resample", "tap"):
        rate = int(params["rate"])
        return None if rate == taken.rate else Row((("aresample", str(rate)),), tail=1024, holds=1024)
    if node.kind == "downmix":
        return None if params["channels"] == taken.channels else Row((("pan", "mono|c0=0.5*c0+0.5*c1"),))
    if node.kind == "high_pass":
        return Row((("highpass", f"f={params['frequency_hz']:.6f}:r=f32"),))
    if node.kind == "denoise":
        # Late by two steps of its windows, as an impulse shows. It can track the noise floor, but loses it: measured,
        # white noise of -50 dBFS is then lowered by 4 dB where 20 are asked for.
        return Row(
            (("afftdn", f"nr={params['reduction_db']:.6f}:nf={params['floor_db']:.6f}"),),
            delay=1200,
            tail=2400,
            holds=2400,
        )
    if node.kind == "loudness":
        steps = (("loudnorm", f"I={params['target_lufs']:.6f}:TP=-1"), ("aresample", str(limits.SOUND_RATE)))
        return Row(steps, tail=480, holds=int(_LOUDNESS_S * limits.SOUND_RATE))
    if node.kind == "limiter":
        # `latency` has it compensate its look-ahead itself.
        words = f"limit={10 ** (float(params['ceiling_db']) / 20):.9f}:level=0:attack=5:release=50:latency=1"
        return Row((("alimiter", words),), holds=taken.rate // 100)
    return None


def mix_of(inputs: int) -> Row:
    """The filter that sums."""
    return Row((("amix", f"inputs={inputs}:duration=longest:normalize=0:dropout_transition=0"),))


class Filters:
    """A row of filters at work, in one libavfilter graph of its own.

    Raises:
        Usage: libavfilter refuses it; the line names the node.
    """

    def __init__(
        self,
        name: str,
        row: Row,
        inputs: Sequence[Shape],
        gives: Shape,
        *,
        takes_wide: bool = False,
        wide: bool = False,
    ) -> None:
        self._inputs, self._gives, self._row = inputs, gives, row
        self._takes_wide, self._wide = takes_wide, wide
        self._fed = self._given = 0
        self._drop = row.delay
        try:
            self._build()
        except (av.FFmpegError, ValueError, LookupError) as error:
            raise Usage(
                f"sound graph: node {name} cannot be made: {error}", "leave it out, or install another PyAV"
            ) from error

    def _build(self) -> None:
        graph = av.filter.Graph()
        graph.threads = 1  # blocks are short: handing them to threads costs more than the work
        channels = max(shape.channels for shape in self._inputs)
        form = "flt" if self._takes_wide else "s16"
        self._sources = []
        ends = []
        for shape in self._inputs:
            layout, rate = _LAYOUTS[shape.channels], shape.rate
            end = graph.add_abuffer(sample_rate=rate, format=form, layout=layout, time_base=Fraction(1, rate))
            self._sources.append(end)
            if shape.channels < channels:  # by itself libavfilter would halve its power
                end = _after(end, graph.add("pan", _SPREAD))
            ends.append(end)
        for filter_name, words in self._row.steps:
            added = graph.add(filter_name, words)
            for pad, end in enumerate(ends):
                end.link_to(added, 0, pad)
            ends = [added]
        words = f"sample_fmts={'flt' if self._wide else 's16'}:channel_layouts={_LAYOUTS[self._gives.channels]}"
        self._sink = _after(_after(ends[0], graph.add("aformat", words)), graph.add("abuffersink"))
        graph.configure()
        self._graph = graph

    def push(self, *blocks: Samples) -> Samples:
        """Take the next samples of all inputs, the same number of each; give what is done."""
        step = limits.SOUND_PIECE
        parts = [self._pushed([block[at : at + step] for block in blocks]) for at in range(0, len(blocks[0]), step)]
        return parts[0] if len(parts) == 1 else self._cut(parts, sum(map(len, parts)))

    def _pushed(self, blocks: Sequence[Samples]) -> Samples:
        for source, shape, block in zip(self._sources, self._inputs, blocks, strict=True):
            source.push(self._frame(block, shape))
        self._fed += len(blocks[0])
        return self._pulled()

    def end(self) -> Samples:
        """The rest, so that all that was given is as long as what was taken. Ends it."""
        wanted = -(-self._fed * self._gives.rate // self._inputs[0].rate) - self._given
        if not self._fed:
            return self._cut([], 0)
        if self._row.tail:
            silence = [np.zeros((self._row.tail, shape.channels), np.int16) for shape in self._inputs]
            parts = [self.push(*silence)]
        else:
            parts = []
        for source in self._sources:
            source.push(None)
        return self._cut([*parts, self._pulled()], wanted)

    def _frame(self, block: Samples, shape: Shape) -> Any:
        if self._takes_wide:
            block = widened(block)
        flat = np.ascontiguousarray(block).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            flat, format="flt" if self._takes_wide else "s16", layout=_LAYOUTS[shape.channels]
        )
        frame.sample_rate, frame.pts, frame.time_base = shape.rate, self._fed, Fraction(1, shape.rate)
        return frame

    def _pulled(self) -> Samples:
        parts: list[Samples] = []
        while True:
            try:
                frame = self._sink.pull()
            except (av.BlockingIOError, av.EOFError):
                break
            part = frame.to_ndarray().reshape(-1, self._gives.channels)
            late = min(self._drop, len(part))
            self._drop -= late
            parts.append(part[late:] if late else part)
        whole = parts[0] if len(parts) == 1 else self._cut(parts, sum(map(len, parts)))
        self._given += len(whole)
        return whole

    def _cut(self, parts: Sequence[Samples], count: int) -> Samples:
        """The parts as one block of exactly `count` samples."""
        form = np.float32 if self._wide else np.int16
        missing = count - sum(map(len, parts))
        silence = np.zeros((max(0, missing), self._gives.channels), form)
        return np.concatenate((*parts, silence))[:count]


class Gain:
    """A factor that can be changed; a change is a ramp of 20 ms in the shape of half a cosine, without an edge.

    Attributes:
        silenced: samples that a factor of 0 has made silence.
    """

    def __init__(self, name: str, shape: Shape, factor: float, *, wide: bool = False) -> None:
        self._name, self._shape, self._wide = name, shape, wide
        self._from = self._factor = factor
        self._left = 0
        self._ramp: Filters | None = None
        self._steady: Filters | None = None
        self.silenced = 0

    def set(self, factor: float) -> None:
        """From the next sample on, go to another factor."""
        if factor == self._factor:
            return
        turned = (1 - math.cos(math.pi * (RAMP - self._left) / RAMP)) / 2
        self._from += (self._factor - self._from) * turned
        self._factor, self._left = factor, RAMP
        self._steady = None
        top, low = max(self._from, factor), min(self._from, factor)
        way = "in" if factor > self._from else "out"
        fade = f"t={way}:ss=0:ns={RAMP}:silence={low / top if top else 0:.9f}:unity=1:c=hsin"
        self._ramp = self._filters((_volume(top), ("afade", fade)))

    def apply(self, pcm: Pcm) -> Samples:
        """The next samples with the factor on them."""
        if not self._left:
            return self._held(pcm)  # may be narrow still: who takes what is wide takes both
        assert self._ramp is not None
        part = self._ramp.push(pcm[: self._left])
        self._left -= len(part)
        rest = pcm[len(part) :]
        if self._left:
            return part
        self._ramp = None
        self._from = self._factor
        if not len(rest):
            return part
        held = self._held(rest)
        return np.concatenate((part, widened(held) if self._wide else held))

    def _held(self, pcm: Pcm) -> Samples:
        if self._factor == 0:
            self.silenced += len(pcm)
            return silence(*pcm.shape)
        if self._factor == 1 or is_silence(pcm):
            return pcm
        if self._steady is None:
            self._steady = self._filters((_volume(self._factor),))
        return self._steady.push(pcm)

    def _filters(self, steps: tuple[tuple[str, str], ...]) -> Filters:
        return Filters(self._name, Row(steps), [self._shape], self._shape, wide=self._wide)


def factor_of(gain_db: float) -> float:
    """What a gain multiplies samples with."""
    return float(10 ** (gain_db / 20))


def balance_of(balance: int) -> tuple[float, float]:
    """The factors of the first and the second input of a mix."""
    return min(1.0, (100 - balance) / 50), min(1.0, balance / 50)


def widened(block: Samples) -> Samples:
    """The block in float32."""
    return block if block.dtype == np.float32 else block / _FULL_SCALE


def narrowed(block: Samples) -> Pcm:
    """The block in int16, as libavfilter rounds and clips it."""
    if block.dtype == np.int16:
        return block
    return np.clip(np.rint(block * _FULL_SCALE), -32768, 32767).astype(np.int16)


def _volume(factor: float) -> tuple[str, str]:
    return "volume", f"volume={factor:.9f}:precision=float"


def _after(end: Any, added: Any) -> Any:
    end.link_to(added)
    return added
