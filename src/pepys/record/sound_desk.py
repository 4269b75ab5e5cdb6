"""What the user sets of the sound while it is recorded: who is muted, and the balance; kept with the graph.

Invariants: what is set holds from the moment of the word on, in samples: devices give their sound late, and what was
said before an unmute stays silent; a mute is whole at its moment where the sound before it has not been passed on yet.
What is set outlives pauses. Running the graph is left to `pepys.media.sound_graph`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pepys import limits
from pepys.errors import DeviceMissing
from pepys.media.sound_filters import Pcm
from pepys.media.sound_graph import SoundRun
from pepys.model import events as ev
from pepys.model.sound_graph import SoundGraph
from pepys.record.sound import samples_in
from pepys.record.sound_plan import gain_of, gain_of_source, mix_of, muted_by, sources_muted

_RAMP = samples_in(limits.SOUND_RAMP_NS)


class SoundDesk:
    """The graph of a recording, as it was set."""

    def __init__(self, graph: SoundGraph | None) -> None:
        self.graph = graph
        self._turns: dict[str, tuple[int, bool]] = {}
        """Gains that are muted, or not any more, from a position on."""

    def begin(self) -> None:
        """A span starts, with everything as it was set."""
        self._turns.clear()

    def set(
        self, mute: Sequence[str], unmute: Sequence[str], balance: int | None, run: SoundRun | None, position: int
    ) -> None:
        """Mute, unmute, balance, from `position` on in the span that runs.

        Raises:
            Usage: there is no such sound; nothing is changed.
            DeviceMissing: no sound is recorded.
        """
        graph = self.graph
        if graph is None:
            raise DeviceMissing("no sound is recorded", "start a recording with sound")
        gains = {gain_of(graph, word): muted for words, muted in ((mute, True), (unmute, False)) for word in words}
        mix = mix_of(graph) if balance is not None else ""
        for name, muted in gains.items():
            graph = graph.changed(name, muted=muted)
        if balance is not None:
            graph = graph.changed(mix, balance=balance)
        self.graph = graph
        if run is None:
            return
        for name, muted in gains.items():
            self._turns[name] = max(0, position - _RAMP * muted), muted
        if balance is not None:
            run.set_balance(mix, balance)

    def push(self, run: SoundRun, name: str, start: int, pcm: Pcm) -> None:
        """Push what a source gave from position `start` on; a gain turns at its position."""
        assert self.graph is not None
        for gain, (position, muted) in sorted(self._turns.items(), key=lambda item: item[1][0]):
            if name in self.graph.before(gain) and position < start + len(pcm):
                before = max(0, position - start)
                run.push(name, pcm[:before])
                run.set_gain(gain, muted=muted)
                pcm, start = pcm[before:], start + before
                del self._turns[gain]
        run.push(name, pcm)

    def silenced(self, run: SoundRun, track: str) -> int:
        """Samples of a track that the user muted in the span that runs."""
        gains = muted_by(self.graph, track) if self.graph is not None else ()
        return max((run.muted(gain) for gain in gains), default=0)

    def warns(self, source: str) -> bool:
        """Whether silence of a source is worth a word: of a microphone that nobody muted."""
        if self.graph is None:
            return False
        gain = gain_of_source(self.graph, source)
        muted = gain in sources_muted(self.graph) and self.graph.node(gain).params["muted"]
        return not muted and self.graph.node(source).kind == "microphone"

    def declared(self, at_ns: int) -> tuple[ev.SoundGraphSet, ...]:
        """The graph that is in force from `at_ns` on the axis on, for the journal."""
        return () if self.graph is None else (ev.SoundGraphSet(at_ns, self.graph.to_json()),)

    def to_json(self) -> dict[str, Any]:
        """Gains and balance as a status has them; a gain is named as a user mutes it."""
        graph = self.graph
        if graph is None:
            return {"gains": {}, "balance": None}
        words = sources_muted(graph)
        gains = {words.get(node.name, node.name): dict(node.params) for node in graph.of_kind("gain")}
        mixes = [node for node in graph.of_kind("mix") if len(graph.inputs(node.name)) == 2]
        return {"gains": gains, "balance": mixes[0].params["balance"] if len(mixes) == 1 else None}
