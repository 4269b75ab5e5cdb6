"""The sound of one span, from the graph's sources to fragments: what it gives goes to encoders, levels to events.

Invariants: every encoder of the graph gets every sample of the span; the mix goes into the playback stream where there
are pictures, else into a track of its own; what the disk refuses is counted and is a gap of its track. Devices, and
what stands in for them, are left to `sound` and `soundboard`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from pepys import limits
from pepys.media.sound import AacEncoder, OpusEncoder, SoundEncoder
from pepys.media.sound_filters import Pcm
from pepys.media.sound_graph import Block, SoundRun
from pepys.model import events as ev
from pepys.model.sound_graph import Node, SoundGraph
from pepys.model.sound_levels import Level, Levels, pack, push_of
from pepys.record.health import Health
from pepys.record.playback import Give, SoundStream, SpanPlace
from pepys.record.sound_plan import MIX, near, track_of

Tapped = Callable[[str, int, int, Pcm], None]
"""Takes what a tap gives: its name, its rate, the axis time of the first sample, samples of shape (n, channels)."""


class Playback(Protocol):
    """Who takes the mixed sound."""

    def sound(self, pcm: Pcm, active: bool = True) -> None:
        """The next samples; `active` is False when nothing is to be heard in them."""
        ...


def make_encoder(graph: SoundGraph, node: Node) -> SoundEncoder:
    """The encoder that a node declares."""
    channels, bit_rate = graph.shape(node.name).channels, int(node.params["bit_rate"])
    if node.params["codec"] == "aac":
        return AacEncoder(channels=channels, bit_rate=bit_rate)
    return OpusEncoder(channels=channels, bit_rate=bit_rate)


class SoundSpan:
    """Runs a graph from a span's start to its end."""

    def __init__(
        self,
        graph: SoundGraph,
        encoders: Mapping[str, SoundEncoder],
        place: SpanPlace,
        give: Give,
        health: Health,
        playback: Playback | None,
        tapped: Tapped,
    ) -> None:
        """Begin.

        Args:
            graph: how sound goes.
            encoders: the encoder of each encoder node.
            place: where the span lies.
            give: takes what was encoded.
            health: told of levels, and of what the disk refused.
            playback: takes the mix; None where it is a track of its own.
            tapped: takes what taps give.
        """
        self.run = SoundRun(graph)
        self._graph, self._place, self._health = graph, place, health
        self._streams: dict[str, SoundStream] = {}
        self._playback: dict[str, Playback] = {}
        for node in graph.of_kind("encoder"):
            track = str(node.params["track"])
            if track == MIX and playback is not None:
                self._playback[node.name] = playback
            else:
                self._streams[node.name] = SoundStream(track, place, encoders[node.name], give, health.disk_takes)
        self._taps = {node.name: graph.shape(node.name).rate for node in graph.of_kind("tap")}
        self._tapped = tapped
        self._meters = _meters(graph)
        self._levels: list[ev.LevelsNoted] = []

    @property
    def streams(self) -> dict[str, SoundStream]:
        """The tracks that have segments of their own, by track."""
        return {stream.track: stream for stream in self._streams.values()}

    def carry(self, late: int) -> None:
        """Bring on what has been pushed; mixes wait for nobody before position `late`."""
        self.run.mix(late)
        self._take()
        self._tell({name: self.run.levels(name) for name in self._meters})
        for name, track in self._meters.items():
            report = self._health.tracks.get(track)
            if report is not None:
                report.level = level_shape(self.run.latest(name))

    def close(self) -> None:
        """A grid point: fragments close."""
        for stream in self._streams.values():
            stream.close()
        self._note_levels()

    def finish(self, until: int) -> None:
        """The span ends at position `until`: nothing that was pushed is left out."""
        self.run.end(until)
        self._take()
        self._tell({name: self.run.levels(name) for name in self._meters})
        for stream in self._streams.values():
            stream.finish()
        self._note_levels()
        for track in self._meters.values():
            if track in self._health.tracks:
                self._health.tracks[track].level = None

    def _take(self) -> None:
        for name, stream in self._streams.items():
            self._pass(name, stream)
        for name, playback in self._playback.items():
            self._pass(name, playback)
        for name, rate in self._taps.items():
            block = self.run.take(name)
            if len(block.pcm):
                at_ns = self._place.at_ns + block.position * limits.NS_PER_S // rate
                self._tapped(name, rate, at_ns, block.pcm)

    def _pass(self, name: str, taker: Playback) -> None:
        block: Block = self.run.take(name)
        if len(block.pcm):
            taker.sound(block.pcm, block.active)

    def _tell(self, measured: Mapping[str, list[Levels]]) -> None:
        for name, levels in measured.items():
            for second in levels:
                known = second if self._judges(name) else replace(second, voice=(1 << len(second.peaks)) - 1)
                self._levels.append(pack(known, self._meters[name], self._place.at_ns))
        told = {self._meters[name]: push_of(levels[-1]) for name, levels in measured.items() if levels}
        if told:
            self._health.tell({"push": "levels", "levels": told})

    def _note_levels(self) -> None:
        """Levels go to the disk together with fragments: bringing each there by itself costs as much as encoding."""
        self._health.note(*self._levels)
        self._levels.clear()

    def _judges(self, name: str) -> bool:
        """Whether a voice node hears what a meter does: without one nobody may call it silent."""
        beside = (self._graph.node(other).kind for other in self._graph.before(name))
        return any(node.kind == "voice" for node in near(self._graph, name)) or "voice" in set(beside)


def level_shape(level: Level) -> dict[str, float | bool]:
    """A level as a status has it."""
    return {
        "peak_db": round(level.peak_db, 1), "loudness_lufs": round(level.loudness_lufs, 1), "voice": level.voice,
    }  # fmt: skip


def _meters(graph: SoundGraph) -> dict[str, str]:
    """The first meter of each track, and the track it is told of."""
    found: dict[str, str] = {}
    for node in graph.of_kind("meter"):
        track = track_of(graph, node.name)
        if track not in found.values():
            found[node.name] = track
    return found
