"""A recorder process for tests: started with few words, always ended, its session read back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from pepys.clock import SystemClock
from pepys.limits import NS_PER_MS, NS_PER_S, SOUND_RATE
from pepys.model.ids import new_session_id
from pepys.model.session import Segment, Session, Track
from pepys.record import wire
from pepys.record.launch import Launched, launch
from pepys.record.sound_plan import Device, default_graph
from pepys.record.spec import Order, RecordSpec
from pepys.store.reader import load
from pepys.store.store import Store, open_store

MIC, SYSTEM = "pepys_mic.monitor", "pepys_null.monitor"


class Recording:
    """One recorder: its process, a client that subscribed, and the store it writes to."""

    def __init__(self, store: Store, spec: RecordSpec, launched: Launched) -> None:
        self.store, self.spec, self.launched = store, spec, launched
        self.ready: dict[str, Any] = launched.wait_ready()
        self.client = wire.connect(spec.socket)
        self.client.call("subscribe")
        self.pushes: list[wire.Message] = []

    @property
    def pid(self) -> int:
        """The recorder's process id."""
        return self.launched.process.pid

    def session(self) -> Session:
        """The session as it can be read now."""
        return load(self.store, self.spec.session)

    def until_push(self, seconds: float, **wanted: object) -> wire.Message:
        """The next push that has all of these values."""
        deadline = self.store.clock.now_ns() + int(seconds * 1e9)
        while (left := deadline - self.store.clock.now_ns()) > 0:
            push = self.client.next_push(left / 1e9)
            if push is not None:
                self.pushes.append(push)
                if all(push.get(key) == value for key, value in wanted.items()):
                    return push
        raise AssertionError(f"no push {wanted} within {seconds} s, but {self.pushes}")

    def until_recorded(self, milliseconds: int) -> None:
        """Wait until that much is recorded."""
        while self.until_push(5, push="beat")["recorded_ms"] < milliseconds:
            pass

    def stop(self) -> Session:
        """Stop in order, and read the session."""
        self.client.call("stop")
        assert self.launched.process.wait(20) == 0
        return self.session()

    def media(self, track: Track, segments: tuple[Segment, ...] | None = None) -> bytes:
        """A playable file of a track's segments, all of its first span's init."""
        chosen = track.segments if segments is None else segments
        init = next(init for init in track.inits if init.span == chosen[0].span)
        return self.store.blobs.read(init.blob) + b"".join(self.store.blobs.read(part.blob) for part in chosen)


def order(home: Path, store: Store, **asked: Any) -> Order:
    """An order with everything off that is not asked for."""
    session = str(asked.pop("session", new_session_id(store.clock.wall_ns())))
    devices = {name: Device(asked.pop(name)) if asked.get(name) else None for name in ("mic", "system")}
    graph = default_graph(devices["mic"], devices["system"])
    if graph is not None:
        asked["sound_graph"] = graph.to_json()
    spec = RecordSpec(
        home=str(home), session=session, name="a test", socket=str(home.parent / f"{session[-6:]}.sock"),
        run_file=str(home / "run" / f"{session}.json"), shots_interval_ns=0, activity=False, disk_reserve_bytes=1,
    )  # fmt: skip
    return Order(replace(spec, **asked), store.keys.to_bytes())


@contextmanager
def recording(home: Path, **asked: Any) -> Iterator[Recording]:
    """Record what is asked for (fields of `RecordSpec`) until the block ends."""
    store = open_store(home, config_dir=home.parent / "config", clock=SystemClock())
    asked_for = order(home, store, **asked)
    launched = launch(asked_for, home / "logs" / "recorder.log")
    try:
        yield Recording(store, asked_for.spec, launched)
    finally:
        launched.process.kill()
        launched.process.wait()


def pictures(data: bytes) -> list[tuple[float, NDArray[np.uint8]]]:
    """Every frame of a film: its time in seconds and its pixels in grey."""
    with av.open(io.BytesIO(data), "r") as film:
        return [
            (float(frame.time or 0), frame.to_ndarray(format="gray").astype(np.uint8, copy=False))
            for frame in film.decode(video=0)
        ]


def samples(data: bytes) -> NDArray[np.float32]:
    """The sound of a film or track, the channels averaged, at 48 kHz."""
    with av.open(io.BytesIO(data), "r") as film:
        blocks = [frame.to_ndarray() for frame in film.decode(audio=0)]
    return np.concatenate([np.atleast_2d(block).mean(axis=0) for block in blocks]).astype(np.float32)


def check_whole(run: Recording, track: Track, duration_ns: int) -> None:
    """The sound of a device lasts as long as the session: by what is declared, and by what decodes.

    What decodes may be longer, because the last packet is filled up with silence: Opus packets last 60 ms.
    """
    declared_ns = sum(segment.duration_ns for segment in track.segments)
    assert abs(declared_ns - duration_ns) < NS_PER_MS, "declared"
    decoded_ns = len(samples(run.media(track))) * NS_PER_S // SOUND_RATE
    assert -NS_PER_MS < decoded_ns - duration_ns <= 60 * NS_PER_MS, "decoded"
