"""What a recorder's status says of the disk: all that was ever refused, and what of it was refused lately."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import SystemClock
from pepys.limits import NS_PER_MS
from pepys.record.commands import Commands
from pepys.record.loop import Loop
from pepys.record.recorder import Recorder
from pepys.record.wire import Server
from pepys.record.writing import Picture
from pepys.store.store import open_store
from tests.recording import order
from tests.waiting import wait_until


def test_what_was_refused_is_lately_for_a_while_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REFUSED_LATELY_NS", 500 * NS_PER_MS)
    loop = Loop(SystemClock())
    store = open_store(home, config_dir=home.parent / "config", clock=loop.clock)
    spec = order(home, store, sources=("pattern:smptebars=size=64x48:rate=10",), encoder="x264").spec
    recorder = Recorder(spec, store, loop, lambda _message: None, lambda _message: None)
    server = Server(home.parent / "s", loop.selector, lambda _peer, _request: None)

    def until(state: str) -> None:
        def there() -> bool:
            loop.turn(20 * NS_PER_MS)
            return recorder.state == state

        wait_until(there, 8, state)

    try:
        commands = Commands(recorder, server, loop)
        recorder.start()
        until("recording")
        writer = recorder.writer
        assert writer is not None
        assert not writer.give(Picture(0, b"huge", 1, 1, bytes(limits.BLOB_BYTES + 1)))
        queue = commands.status()["write_queue"]
        assert (queue["refused"], queue["refused_lately"]) == (1, 1)

        def over() -> bool:
            loop.turn(20 * NS_PER_MS)
            queue = commands.status()["write_queue"]
            return bool(queue["refused"] == 1 and queue["refused_lately"] == 0)

        wait_until(over, 5, "an end of the trouble")
    finally:
        recorder.stop(lambda _error: None)
        until("completed")
        server.close()
        loop.close()
