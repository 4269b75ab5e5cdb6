"""A recorder that is killed and a session that goes on: what was muted before is muted then."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from pepys.model.session import Session
from pepys.model.sound_graph import Node, SoundGraph
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest
from pepys.store.reader import load
from tests.hosted import hosted, pid_of
from tests.recording import samples
from tests.waiting import wait_until

GRAPH = SoundGraph(
    (
        Node("hum", "tone"), Node("hum.gain", "gain"), Node("own", "encoder", {"track": "audio.hum"}),
        Node("other", "tone"), Node("both", "mix"), Node("film", "encoder", {"codec": "aac", "track": "audio.mix"}),
    ),
    (("hum", "hum.gain"), ("hum.gain", "own"), ("hum.gain", "both"), ("other", "both"), ("both", "film")),
)  # fmt: skip


def test_what_was_muted_stays_so_after_a_crash(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)

    async def work(host: Host) -> tuple[Session, bytes]:
        asked = StartRequest(video=False, shots="off", sound_graph=GRAPH.to_json())
        session = (await host.start(asked))["session"]
        set_ = (await host.set(mute=["hum"], balance=20))["sound"]
        assert set_ == {"gains": {"hum": {"gain_db": 0.0, "muted": True}}, "balance": 20}
        await asyncio.to_thread(wait_until, lambda: host.status()["recorded_ms"] > 900)
        os.kill(pid_of(home), signal.SIGKILL)
        await asyncio.to_thread(wait_until, lambda: host.status()["restarts"] and host.status()["state"] == "recording")
        assert host.status()["sound"] == set_
        since = host.status()["recorded_ms"]  # perhaps of the last beat before the kill, a second earlier
        await asyncio.to_thread(wait_until, lambda: host.status()["recorded_ms"] > since + 1_600)
        await host.stop()
        view = load(host.store, session)
        track = view.track("audio.hum")
        assert track is not None
        chosen = [segment for segment in track.segments if segment.span == 1]
        init = next(init for init in track.inits if init.span == 1)
        return view, host.store.blobs.read(init.blob) + b"".join(host.store.blobs.read(part.blob) for part in chosen)

    view, media = hosted(home, work)
    assert (
        len(view.spans) == 2
        and view.sound_graph == GRAPH.changed("hum.gain", muted=True).changed("both", balance=20).to_json()
    )
    heard = samples(media)
    assert len(heard) > 24_000 and np.abs(heard).max() == 0
