"""What a tap gives goes to each listener once, in order, in messages that the other side reads."""

from __future__ import annotations

import base64
import selectors
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pepys import limits
from pepys.errors import Usage
from pepys.model.sound_graph import Node, SoundGraph
from pepys.record.soundboard import SoundBoard
from pepys.record.taps import Taps
from pepys.record.wire import Client, Peer, Server, connect

GRAPH = SoundGraph((Node("hum", "tone", {"channels": 2}), Node("words", "tap", {"rate": 48_000})), (("hum", "words"),))


class Bench:
    """The taps of a board, behind a real socket with real clients."""

    def __init__(self, folder: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.server = Server(folder / "taps.sock", self.selector, lambda peer, request: None)
        self.board = SimpleNamespace(graph=GRAPH, tapped=None)
        self.taps = Taps(cast(SoundBoard, self.board), self.server)

    def turn(self) -> None:
        for key, mask in self.selector.select(0):
            key.data(mask)

    def client(self) -> tuple[Client, Peer]:
        client = connect(self.server.path)
        self.turn()
        return client, self.server.peers[-1]

    def give(self, pcm: Any, at_ns: int = 0) -> None:
        tapped = self.board.tapped
        assert tapped is not None
        tapped("words", 48_000, at_ns, pcm)

    def heard(self, client: Client) -> list[dict[str, Any]]:
        """Every message that has been sent."""
        found = []
        while True:
            self.turn()
            push = client.next_push(0.01)
            if push is not None:
                found.append(push)
            elif not any(key.events & selectors.EVENT_WRITE for key in self.selector.get_map().values()):
                return found


@pytest.fixture
def bench(short_folder: Path) -> Iterator[Bench]:
    made = Bench(short_folder)
    yield made
    made.server.close()
    made.selector.close()


def test_who_listens_twice_hears_once_and_who_is_gone_is_forgotten(bench: Bench) -> None:
    client, peer = bench.client()
    for _ in range(5000):
        assert bench.taps.listen(peer, "words") == {"tap": "words", "rate": 48_000, "channels": 2, "format": "s16le"}
    bench.give(np.zeros((160, 2), np.int16))
    assert len(bench.heard(client)) == 1
    client.close()
    bench.turn()
    for _ in range(3):
        other, peer = bench.client()
        bench.taps.listen(peer, "words")
        other.close()
        bench.turn()
    assert len(bench.taps._listeners) <= 1, "nobody is kept who is not there"
    with pytest.raises(Usage, match="no tap hum"):
        bench.taps.listen(peer, "hum")


def test_what_came_in_a_lump_is_sent_in_pieces_with_their_times(bench: Bench) -> None:
    client, peer = bench.client()
    bench.taps.listen(peer, "words")
    pcm = np.arange(2 * 5 * 48_000, dtype=np.int64).astype(np.int16).reshape(-1, 2)
    bench.give(pcm, 7 * limits.NS_PER_S)
    pushes = bench.heard(client)
    assert len(pushes) > 1
    assert all(len(push["data"]) < limits.WIRE_LINE_BYTES / 4 for push in pushes)
    samples = [np.frombuffer(base64.b64decode(push["data"]), "<i2").reshape(-1, 2) for push in pushes]
    assert np.array_equal(np.concatenate(samples), pcm)
    before = np.cumsum([0, *map(len, samples[:-1])])
    assert [push["at_ms"] for push in pushes] == [7_000 + int(count) * 1000 // 48_000 for count in before]
