"""Sound on its way through a declared graph, in one span: from the samples of sources to what sinks are to encode.

Invariants: positions are counts of samples since the span's start; what went into a source comes out of every encoder
sink as exactly as many samples at the same positions, once `end` was called. The graph is cut where inputs meet: a mix
waits for none of them longer than the caller says (silence stands in, and what comes too late is left out of the mix,
not out of its own track). A node that changes nothing (a gain of 0 dB, a meter) hands the block on without a copy, so
nobody may change a block that was pushed or taken. Leaves filters to `sound_filters`, and what a graph is to
`pepys.model.sound_graph`.
"""

from __future__ import annotations

import numpy as np

from pepys import limits
from pepys.errors import Usage
from pepys.media.meter import Meter
from pepys.media.silence import is_silence, silence
from pepys.media.sound_filters import Pcm
from pepys.media.sound_nodes import (
    Block,
    FilterNode,
    GainNode,
    LimiterNode,
    MeterNode,
    MixNode,
    PassNode,
    SinkNode,
    Stage,
)
from pepys.model.sound_graph import Node, SoundGraph
from pepys.model.sound_levels import Level, Levels

__all__ = ["Block", "Pcm", "SoundRun"]


class SoundRun:
    """A graph at work for one span.

    Attributes:
        graph: the graph as it is now: with the gains and the balance that were set.

    Raises:
        Usage: libavfilter refuses a node; the line names it.
    """

    def __init__(self, graph: SoundGraph) -> None:
        self.graph = graph
        self._fed = {node.name: 0 for node in graph.sources()}
        self._meters: dict[str, Meter] = {}
        self._stages: dict[str, Stage] = {}
        self._next: dict[str, list[tuple[str, int]]] = {node.name: [] for node in graph.nodes}
        self._holds: dict[str, int] = {}
        signals: dict[str, str] = {}
        for node in graph.order():
            inputs = graph.inputs(node.name)
            for place, name in enumerate(inputs):
                self._next[name].append((node.name, place))
            passes = node.kind in ("meter", "voice")
            signals[node.name] = signals[inputs[0]] if passes else node.name
            self._stages[node.name] = stage = self._stage(node, signals[node.name])
            before = max((self._holds[name] for name in inputs), default=0)
            self._holds[node.name] = before + stage.holds
        self._ended = False

    def _stage(self, node: Node, signal: str) -> Stage:
        inputs = [self.graph.shape(name) for name in self.graph.inputs(node.name)]
        gives = self.graph.shape(node.name)
        # A limiter has to see how far a sum goes too far: what only it hears is not clipped before.
        wide = self._only_limiters(node.name)
        if node.kind == "gain":
            return GainNode(node, gives, wide=wide)
        if node.kind == "mix":
            return MixNode(node, inputs, gives, wide=wide)
        if node.kind in ("meter", "voice"):
            return self._meter(node, signal, gives.channels)
        if node.kind in ("encoder", "tap"):
            return SinkNode(node, inputs[0], gives)
        if not inputs or node.kind == "null":
            return PassNode()
        if node.kind == "limiter":
            source = self.graph.node(self.graph.inputs(node.name)[0])
            takes_wide = source.kind in ("gain", "mix") and self._only_limiters(source.name)
            return LimiterNode(node, gives, takes_wide=takes_wide)
        return FilterNode(node, inputs[0], gives)

    def _only_limiters(self, name: str) -> bool:
        after = self.graph.outputs(name)
        return bool(after) and all(self.graph.node(end).kind == "limiter" for end in after)

    def _meter(self, node: Node, signal: str, channels: int) -> MeterNode:
        """Nodes on the same sound share one measurement: the first makes it, the first meter keeps its levels."""
        is_meter, shared = node.kind == "meter", self._meters.get(signal)
        sharing = [stage for stage in self._stages.values() if isinstance(stage, MeterNode) and stage.meter is shared]
        taken = is_meter and any(stage.keeps and not stage.marks for stage in sharing)
        if shared is None or taken:
            meter = Meter(channels)
            self._meters.setdefault(signal, meter)
            return MeterNode(meter, measures=True, keeps=True, marks=not is_meter)
        if is_meter:
            for stage in sharing:
                stage.keeps = False
        return MeterNode(shared, measures=False, keeps=is_meter, marks=not is_meter)

    def push(self, source: str, pcm: Pcm) -> None:
        """Take the next samples of a source node, of shape (n, channels); one channel spreads over two.

        Raises:
            Usage: there is no such source.
            ValueError: the samples are no int16, or have more channels than the source.
        """
        if source not in self._fed:
            raise Usage(f"sound graph: there is no source {source}", "sources: " + (", ".join(self._fed) or "none"))
        channels = self.graph.shape(source).channels
        block = pcm.reshape(-1, 1) if pcm.ndim == 1 else pcm
        if block.dtype != np.int16 or block.shape[1] not in (1, channels) or self._ended:
            raise ValueError(
                f"{source} takes int16 of {channels} channels in a running span, not {pcm.dtype} {pcm.shape}"
            )
        if block.shape[1] < channels:
            block = silence(len(block), channels) if is_silence(block) else np.repeat(block, channels, axis=1)
        if len(block):
            self._fed[source] += len(block)
            self._give(source, block, active=True)

    def mix(self, at_least: int) -> None:
        """Mix what all inputs have, and up to position `at_least` whatever they have.

        What filters in front of a mix hold back is waited for longer.
        """
        for node in self.graph.order():
            stage = self._stages[node.name]
            if isinstance(stage, MixNode):
                pcm, active = stage.mix(at_least - max(self._holds[name] for name in self.graph.inputs(node.name)))
                self._give(node.name, pcm, active=active)

    def take(self, sink: str) -> Block:
        """What an encoder or a tap got since the last call.

        Raises:
            Usage: there is no such sink.
        """
        stage = self._stages.get(sink)
        if not isinstance(stage, SinkNode):
            raise Usage(f"sound graph: nothing can be taken from {sink}", "name an encoder or a tap")
        return stage.take()

    def set_gain(self, node: str, *, muted: bool | None = None, gain_db: float | None = None) -> None:
        """Change a gain node, by a ramp that begins with the next samples pushed.

        Raises:
            Usage: it is no gain node, or the gain is out of its bounds.
        """
        stage = self._stages.get(node)
        if not isinstance(stage, GainNode):
            gains = ", ".join(found.name for found in self.graph.of_kind("gain"))
            raise Usage(f"sound graph: {node} is no gain node", f"gain nodes: {gains or 'none'}")
        asked = {"muted": muted, "gain_db": gain_db}
        self.graph = self.graph.changed(node, **{key: value for key, value in asked.items() if value is not None})
        stage.set(self.graph.node(node))

    def set_balance(self, node: str, balance: int) -> None:
        """Change the balance of a mix of two inputs, by a ramp.

        Raises:
            Usage: it is no mix of two inputs, or the balance is not 0 to 100.
        """
        stage = self._stages.get(node)
        if not isinstance(stage, MixNode) or len(self.graph.inputs(node)) != 2:
            raise Usage(f"sound graph: {node} is no mix of two inputs", "only such a node has a balance")
        self.graph = self.graph.changed(node, balance=balance)
        stage.set(self.graph.node(node))

    def muted(self, node: str) -> int:
        """The samples that a gain node has silenced so far because it is muted; 0 of any other node."""
        stage = self._stages.get(node)
        return stage.silenced if isinstance(stage, GainNode) else 0

    def late(self) -> int:
        """The samples that were missing in mixes when it was time."""
        return sum(stage.late for stage in self._stages.values() if isinstance(stage, MixNode))

    def levels(self, node: str) -> list[Levels]:
        """The whole seconds that a meter node has measured since the last call; after `end` the last one too."""
        return self._metering(node).levels()

    def latest(self, node: str) -> Level:
        """How loud it is at a meter or a voice node now."""
        return self._metering(node).meter.latest

    def _metering(self, node: str) -> MeterNode:
        stage = self._stages.get(node)
        if not isinstance(stage, MeterNode):
            raise Usage(f"sound graph: {node} measures nothing", "name a meter node")
        return stage

    def end(self, until: int) -> None:
        """End the span at position `until`: all sinks then have the rest up to exactly there.

        A source that was fed less is silent to its end; what it was fed beyond is left out unless it was taken.
        """
        if self._ended:
            return
        for node in self.graph.order():
            stage = self._stages[node.name]
            if node.name in self._fed:
                missing = until - self._fed[node.name]
                if missing > 0:
                    self.push(node.name, silence(missing, self.graph.shape(node.name).channels))
            elif isinstance(stage, MixNode):
                pcm, active = stage.mix(until)
                self._give(node.name, pcm, active=active)
            elif isinstance(stage, SinkNode):
                stage.end_at(-(-until * self.graph.shape(node.name).rate // limits.SOUND_RATE))
            else:
                pcm, active = stage.end()
                self._give(node.name, pcm, active=active)
        self._ended = True

    def _give(self, name: str, pcm: Pcm, *, active: bool) -> None:
        """Hand a block on to what follows a node."""
        if not len(pcm):
            return
        for after, place in self._next[name]:
            given, heard = self._stages[after].feed(place, pcm, active)
            self._give(after, given, active=heard)
