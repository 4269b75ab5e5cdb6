"""Who listens to the taps of the sound graph, over the control socket: samples as they are recorded, for a live engine.

Invariants: a listener that does not keep up is cut off by the server, and recording never waits for one; what nobody
listens to is not sent; who listens twice hears once. Nothing of it is written anywhere.
"""

from __future__ import annotations

import base64

import numpy as np

from pepys import limits
from pepys.errors import Usage
from pepys.media.sound_filters import Pcm
from pepys.record.soundboard import SoundBoard
from pepys.record.wire import Message, Peer, Server


class Taps:
    """The listeners of one recorder."""

    def __init__(self, sounds: SoundBoard, server: Server) -> None:
        self._sounds, self._server = sounds, server
        self._listeners: dict[Peer, set[str]] = {}
        sounds.tapped = self._on_samples

    def listen(self, peer: Peer, name: str) -> Message:
        """Send what a tap gives to `peer` from now on; the tap's format.

        Raises:
            Usage: the graph has no such tap.
        """
        graph = self._sounds.graph
        taps = [node.name for node in graph.of_kind("tap")] if graph is not None else []
        if graph is None or name not in taps:
            there = f"taps: {', '.join(taps)}" if taps else "give the recording a --sound-graph with a tap"
            raise Usage(f"the sound graph has no tap {name}", there)
        shape = graph.shape(name)
        # As many as there are clients, each with the taps of one graph.
        self._leave_out_gone()
        self._listeners.setdefault(peer, set()).add(name)
        return {"tap": name, "rate": shape.rate, "channels": shape.channels, "format": "s16le"}

    def _on_samples(self, name: str, rate: int, at_ns: int, pcm: Pcm) -> None:
        self._leave_out_gone()
        wanted = [peer for peer, taps in self._listeners.items() if name in taps]
        if not wanted:
            return
        piece = limits.TAP_PIECE_BYTES // (2 * pcm.shape[1])
        for start in range(0, len(pcm), piece):
            data = base64.b64encode(np.ascontiguousarray(pcm[start : start + piece], "<i2").tobytes()).decode()
            at_ms = (at_ns + start * limits.NS_PER_S // rate) // limits.NS_PER_MS
            for peer in wanted:
                peer.send({"push": "samples", "tap": name, "rate": rate, "at_ms": at_ms, "data": data})

    def _leave_out_gone(self) -> None:
        self._listeners = {peer: taps for peer, taps in self._listeners.items() if peer in self._server.peers}
