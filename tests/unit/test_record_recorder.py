"""A recorder in this process: what fails between two spans ends nothing, or ends the session in order."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pepys.clock import SystemClock
from pepys.errors import DeviceMissing, PepysError, StorageProblem
from pepys.limits import NS_PER_MS
from pepys.record.loop import Loop
from pepys.record.recorder import Recorder
from pepys.record.wire import Message
from pepys.store.blob_writer import BlobWriter
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from tests.recording import order
from tests.waiting import wait_until

_PATTERN = "pattern:smptebars=size=64x48:rate=10"


class House:
    """A recorder and the loop that tests turn."""

    def __init__(self, home: Path, store: Store) -> None:
        self.store, self.loop, self.told = store, Loop(store.clock), list[Message]()
        self.spec = order(home, store, sources=(_PATTERN,), encoder="x264").spec
        self.recorder = Recorder(self.spec, store, self.loop, self.told.append, self.told.append)

    def until_state(self, state: str) -> None:
        """Serve until the recorder is in that state."""
        wait_until(lambda: self.loop.turn(20 * NS_PER_MS) or self.recorder.state == state, 8, state)

    def outcome(self, layout: str) -> PepysError | None:
        """Compose anew; how that ended."""
        found: list[PepysError | None] = []
        self.recorder.compose(layout, [_PATTERN, _PATTERN.replace("64", "96")], found.append)
        wait_until(lambda: self.loop.turn(20 * NS_PER_MS) or found, 8, "an outcome")
        return found[0]


@contextmanager
def recorded(home: Path) -> Iterator[House]:
    """A recorder that records, ended in any case."""
    store = open_store(home, config_dir=home.parent / "config", clock=SystemClock())
    house = House(home, store)
    house.recorder.start()
    try:
        house.until_state("recording")
        yield house
    finally:
        if house.recorder.state not in {"completed", "interrupted"}:
            house.recorder.stop(lambda _error: None)
            house.until_state("completed")
        house.loop.close()


def _refuse(*_args: object) -> None:
    raise DeviceMissing("no encoder is left", "free one")


def test_a_composition_that_cannot_be_coded_leaves_the_old_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(home) as house:
        with monkeypatch.context() as patch:
            patch.setattr(house.recorder.capture._stage._encoders, "open", _refuse)
            error = house.outcome("grid")
        assert isinstance(error, DeviceMissing) and "no encoder" in error.message
        assert house.recorder.state == "recording" and house.recorder.spans.count == 1
        assert house.recorder.capture.sources == [_PATTERN]
        assert house.outcome("grid") is None and house.recorder.spans.count == 2, "the next one can"


def test_a_span_that_cannot_be_begun_ends_the_session_in_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(home) as house:
        monkeypatch.setattr(house.recorder.capture._stage._encoders, "open", _refuse)
        house.recorder._on_source("renewal", "")
        house.until_state("completed")
        assert house.recorder.exit_code == DeviceMissing.exit_code
        assert any(message.get("push") == "error" for message in house.told)
    view = load(house.store, house.spec.session)
    assert view.state == "completed" and len(view.spans) == 1


def test_a_disk_that_refuses_leaves_no_second_untold(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(home) as house:
        recorder = house.recorder
        reached = recorder._work().reached_ns
        wait_until(lambda: house.loop.turn(20 * NS_PER_MS) or reached.get("video"), 8, "a fragment")
        append = BlobWriter.append

        def refuse(writer: BlobWriter, data: bytes) -> int:
            """What grows is refused; the little that ends the session has the room that was kept."""
            if "-video-" in writer.name:
                raise OSError(errno.ENOSPC, "No space left on device")
            return append(writer, data)

        monkeypatch.setattr(BlobWriter, "append", refuse)
        wait_until(lambda: house.loop.turn(20 * NS_PER_MS) or recorder.state in {"completed", "interrupted"}, 8, "end")
        assert recorder.exit_code == StorageProblem.exit_code
        view = load(house.store, house.spec.session)
    (span,), (gap,), video = view.spans, view.gaps, view.track("video")
    assert video is not None
    last = video.segments[-1]
    assert view.state == "completed" and (gap.reason, gap.start_ns) == ("disk_full", span.end_ns)
    assert span.end_ns == last.at_ns + last.duration_ns, "what the disk refused is a gap, not a recording"
    assert gap.end_ns == view.end_ns > gap.start_ns
