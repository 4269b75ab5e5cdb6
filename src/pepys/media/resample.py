"""Sound of any rate and number of channels to a track's, and a device's clock bent to another by resampling.

Both are libavfilter's `aresample`. It is steered by time stamps: a frame that is stamped x seconds off where it would
come to lie makes it stretch by x from there on (`swr_set_compensation` over `comp_duration`); frames without a stamp
leave it as it is. Measured at full scale: 93 dB of signal to noise at 1 and 10 kHz, at 100 as at 5000 ppm, and 1 ms of
CPU for a second of sound.

Invariants: nothing that is pushed is lost (`end` gives what the filter holds); positions are those of the input, since
the filter's delay is taken off by the library; without steering as many samples come out as go in. Sound goes in in
pieces, because the library keeps for ever what the longest one took (`limits.SOUND_PIECE`). When and how much to steer
is left to `record.drift`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from numpy.typing import NDArray

from pepys.limits import SOUND_PIECE
from pepys.media.silence import joined

Pcm = NDArray[np.int16]

RATE: Final = 48_000
_FINE: Final = 100
"""Time stamps are counted in hundredths of a sample."""
_LASTS_S: Final = 60
"""How long a compensation stays in force by itself."""
_PRIMER: Final = 256
"""Samples that come before the first, so that the filter begins in the middle of the sound."""
_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_STEERED: Final = f"async=480:min_comp=1e-9:min_hard_comp=1000:comp_duration={_LASTS_S}:linear_interp=1:flags=+res"


def _graph(rate: int, layout: str, time_base: Fraction, options: str, to_layout: str) -> Graph:
    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate, format="s16", layout=layout, time_base=time_base)
    resample = graph.add("aresample", f"{RATE}:internal_sample_fmt=fltp:{options}")
    form = graph.add("aformat", f"sample_fmts=s16:channel_layouts={to_layout}:sample_rates={RATE}")
    sink = graph.add("abuffersink")
    source.link_to(resample)
    resample.link_to(form)
    form.link_to(sink)
    graph.configure()
    return graph


def _frame(pcm: Pcm, rate: int, layout: str) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(pcm).reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = rate
    return frame


def _drain(graph: Graph, channels: int) -> Pcm:
    """All that has come out, of shape (n, channels)."""
    found: list[Pcm] = []
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            break
        assert isinstance(frame, AudioFrame)
        found.append(frame.to_ndarray().astype(np.int16, copy=False).reshape(-1, channels))
    if not found:
        return np.zeros((0, channels), np.int16)
    return found[0] if len(found) == 1 else np.concatenate(found)


class Conformer:
    """Samples of any rate and channels to 48 kHz and the channels of a track."""

    def __init__(self, rate: int, channels: int, to_channels: int) -> None:
        """Prepare for a source's format; equal formats cost nothing."""
        self._rate, self._to = rate, to_channels
        # Many channels are averaged into one, and one is repeated, here: the library would weigh them by where they
        # stand in a room, which nobody knows of a microphone, and turn one down by 3 dB on its way to two.
        self._mean = channels > 1 and (to_channels == 1 or channels not in _LAYOUTS)
        self._channels = 1 if self._mean else channels
        self._repeat = self._channels == 1 and to_channels > 1
        self._through = 1 if self._repeat else to_channels
        self._graph: Graph | None = None
        if rate != RATE or self._channels != self._through:
            into, out = _LAYOUTS[self._channels], _LAYOUTS[self._through]
            self._graph = _graph(rate, into, Fraction(1, rate), "linear_interp=1", out)

    def push(self, pcm: Pcm) -> Pcm:
        """Take samples of shape (n, channels) of the source; give those that are ready, (m, channels) of the track."""
        if self._mean:
            pcm = pcm.astype(np.int32).mean(axis=1, keepdims=True).round().astype(np.int16)
        if self._graph is not None and len(pcm):
            parts = []
            for at in range(0, len(pcm), SOUND_PIECE):
                self._graph.push(_frame(pcm[at : at + SOUND_PIECE], self._rate, _LAYOUTS[self._channels]))
                parts.append(_drain(self._graph, self._through))
            pcm = joined(parts)
        return np.repeat(pcm, self._to, axis=1) if self._repeat else pcm

    def end(self) -> Pcm:
        """What is still held; nothing may be pushed afterwards."""
        if self._graph is None:
            return np.zeros((0, self._to), np.int16)
        self._graph.push(None)
        pcm = _drain(self._graph, self._through)
        self._graph = None
        return np.repeat(pcm, self._to, axis=1) if self._repeat else pcm


class AsyncResampler:
    """Stretches sound at 48 kHz by a little that may change at any time."""

    def __init__(self, channels: int, before: Pcm | None = None) -> None:
        """Begin after the samples `before`, which have been given already: there is no seam."""
        self._layout, self._channels = _LAYOUTS[channels], channels
        self._graph = _graph(RATE, self._layout, Fraction(1, RATE * _FINE), _STEERED, self._layout)
        self._stamp: int | None = 0
        self._taken = self._given = 0
        self._steered_at = 0
        self.stretch = 0.0
        primer = np.zeros((_PRIMER, channels), np.int16)
        if before is not None and len(before):
            last = before[-_PRIMER:]
            primer[len(primer) - len(last) :] = last
        came = len(self._push(primer))
        self.held = len(primer) - came
        """Samples that have been taken and are not given yet."""
        self._skip = len(primer) - came
        """Outputs that belong to the primer and come later."""

    def steer(self, stretch: float) -> None:
        """From the next push on give `1 + stretch` samples for each that is taken."""
        if stretch == self.stretch and self._taken - self._steered_at < (_LASTS_S - 20) * RATE:
            return
        self.stretch, self._steered_at = stretch, self._taken
        # Where the next sample comes to lie by itself, and as many seconds off as each second is to be stretched by.
        self._stamp = round((self._given + self.held + stretch * RATE) * _FINE)

    def push(self, pcm: Pcm) -> Pcm:
        """Take samples, give those that are ready."""
        if not len(pcm):
            return pcm
        return self._cut(self._push(pcm))

    def end(self) -> Pcm:
        """What is still held; nothing may be pushed afterwards."""
        self._graph.push(None)
        return self._cut(_drain(self._graph, self._channels))

    def _push(self, pcm: Pcm) -> Pcm:
        parts = []
        for at in range(0, len(pcm), SOUND_PIECE):
            frame = _frame(pcm[at : at + SOUND_PIECE], RATE, self._layout)
            frame.time_base = Fraction(1, RATE * _FINE)
            frame.pts, self._stamp = self._stamp, None
            self._graph.push(frame)
            parts.append(_drain(self._graph, self._channels))
        out = joined(parts)
        self._taken += len(pcm)
        self._given += len(out)
        return out

    def _cut(self, out: Pcm) -> Pcm:
        late = min(self._skip, len(out))
        self._skip -= late
        return out[late:]
