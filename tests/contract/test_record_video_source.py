"""What every picture source keeps to, whether it is pulled from a display or pushed by a thread."""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.errors import DeviceMissing
from pepys.record.adapters.opening import open_source
from pepys.record.ports import Changed, Geometry, Patch, Resized, SourceEnded, VideoEvent, VideoSource
from pepys.record.sources import parse_source
from tests.video_stage import HEIGHT, WIDTH, Stage, painted, played, pushed
from tests.waiting import wait_until

ON_DISPLAY = ("display", "monitor", "region", "window", "mss")
PLAYED = ("file", "pattern")
KINDS = (*ON_DISPLAY, *PLAYED, "pushed")
CHANGED_AT_WILL = (*ON_DISPLAY, "pushed")
RESIZED = ("display", "window", "mss", "pushed")


@pytest.fixture(scope="module")
def server() -> Iterator[XServer]:
    """One display for all tests that leave it as it was."""
    with XServer(WIDTH, HEIGHT) as one:
        yield one


@contextlib.contextmanager
def staged(kind: str, server: XServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    if kind in ON_DISPLAY:
        monkeypatch.setenv("XAUTHORITY", server.env["XAUTHORITY"])
        made = painted(kind, server)
    else:
        made = played(kind, folder) if kind in PLAYED else pushed()
    with made as stage:
        yield stage


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, server: XServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    with staged(request.param, server, tmp_path, monkeypatch) as one:
        yield one


@pytest.fixture
def own_stage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage whose display nobody else uses."""
    alone = XServer(WIDTH, HEIGHT) if request.param in ON_DISPLAY else contextlib.nullcontext()
    with alone, staged(request.param, alone, tmp_path, monkeypatch) as one:  # type: ignore[arg-type]  # unused then
        yield one


class Viewer:
    """Keeps a picture up to date with patches alone, as the recorder does."""

    def __init__(self, source: VideoSource) -> None:
        self.source = source
        self.picture: NDArray[np.uint8] = np.zeros((0, 0, 4), np.uint8)
        self.events: list[VideoEvent] = []

    def update(self, align: int = 2) -> list[Patch]:
        geometry = self.source.geometry
        if self.picture.shape[:2] != (geometry.height, geometry.width):
            self.picture = np.zeros((geometry.height, geometry.width, 4), np.uint8)
        patches = self.source.take(align)
        for patch in patches:
            height, width = patch.pixels.shape[:2]
            self.picture[patch.y : patch.y + height, patch.x : patch.x + width] = patch.pixels
            patch.pixels[...] = 255  # it is the reader's: nothing of it may come back
        return patches

    def hear(self, kind: type[object] = object) -> VideoEvent:
        """The first event of `kind`, or of any, waited for on the descriptor as the recorder does."""

        def heard() -> VideoEvent | None:
            select.select([self.source.fileno()], [], [], 0.05)
            found = self.source.poll()
            self.events += found
            return next((event for event in found if isinstance(event, kind)), None)

        found = wait_until(heard, 8, kind.__name__)
        assert isinstance(found, VideoEvent)
        return found


def covers(patches: list[Patch], geometry: Geometry) -> bool:
    return sum(patch.pixels.shape[0] * patch.pixels.shape[1] for patch in patches) == geometry.width * geometry.height


@pytest.mark.parametrize("stage", KINDS, indirect=True)
def test_what_it_can_do_is_data_and_its_first_picture_is_whole(stage: Stage) -> None:
    source, viewer = stage.source, Viewer(stage.source)
    can, geometry = source.capabilities, source.geometry
    assert can.damage in {"rectangles", "box", "none"} and can.cursor in {"embedded", "separate", "absent"}
    assert can.exclusion in {"kept", "refused", "not_needed"} and all(can.without)
    assert hash(can) == hash(source.capabilities) and source.name and geometry.epoch == 0
    assert covers(viewer.update(), geometry)
    assert stage.shows(viewer.picture)
    if stage.change is not None:
        assert source.take(2) == [], "nothing has changed since"
        source.refresh()
        assert covers(viewer.update(), geometry) and stage.shows(viewer.picture)
    whole = source.grab()
    assert whole.shape == (geometry.height, geometry.width, 4) and stage.shows(whole)
    whole[...] = 0
    assert stage.shows(source.grab()), "what was grabbed is the caller's own"
    assert source.capabilities == can


@pytest.mark.parametrize("align", [2, 32])
@pytest.mark.parametrize("stage", CHANGED_AT_WILL, indirect=True)
def test_only_what_changed_is_taken_and_brings_a_kept_picture_up_to_date(stage: Stage, align: int) -> None:
    source, viewer, clock = stage.source, Viewer(stage.source), SystemClock()
    viewer.update(align)
    assert stage.change is not None
    last_ns = 0
    for _ in range(4):
        before_ns = clock.now_ns()
        stage.change()
        changed = viewer.hear(Changed)
        assert isinstance(changed, Changed)
        assert max(before_ns, last_ns) < changed.at_ns <= clock.now_ns()
        last_ns = changed.at_ns
        patches = viewer.update(align)
        assert patches and not covers(patches, source.geometry)
        for patch in patches:
            height, width = patch.pixels.shape[:2]
            assert patch.x % align == 0 and patch.y % 2 == 0 and height % 2 == 0
            assert width % align == 0 or patch.x + width == source.geometry.width
        assert stage.shows(viewer.picture)
        assert stage.shows(source.grab())


@pytest.mark.parametrize("stage", PLAYED, indirect=True)
def test_what_plays_is_followed_to_its_end_which_is_told_once(stage: Stage) -> None:
    source, viewer = stage.source, Viewer(stage.source)
    viewer.update(32)
    while not any(isinstance(event, SourceEnded) for event in viewer.events):
        viewer.hear()
        viewer.update(32)
        assert stage.shows(viewer.picture), "a picture that never was"
    times = [event.at_ns for event in viewer.events]
    assert times == sorted(times) and len(times) > 10
    assert isinstance(viewer.events[-1], SourceEnded) and viewer.events[-1].reason == "source_closed"
    assert over(source)


@pytest.mark.parametrize("own_stage", RESIZED, indirect=True)
def test_a_new_size_is_an_event_with_a_rising_epoch(own_stage: Stage) -> None:
    source, viewer = own_stage.source, Viewer(own_stage.source)
    viewer.update()
    assert own_stage.resize is not None
    width, height = own_stage.resize()
    resized = viewer.hear(Resized)
    assert isinstance(resized, Resized)
    assert resized.geometry == source.geometry == Geometry(width, height, 1)

    def whole() -> bool:
        source.poll()
        return covers(viewer.update(), source.geometry)

    wait_until(whole, what="the whole picture of the new size")
    assert source.grab().shape == (height, width, 4)


@pytest.mark.parametrize("own_stage", CHANGED_AT_WILL, indirect=True)
def test_an_end_is_told_once_and_nothing_fails_after_it(own_stage: Stage) -> None:
    viewer = Viewer(own_stage.source)
    viewer.update()
    own_stage.end()
    ended = viewer.hear(SourceEnded)
    assert isinstance(ended, SourceEnded)
    assert ended.message and ended.reason in {"source_closed", "device_lost"}
    assert viewer.events[-1] is ended
    assert over(own_stage.source)


def over(source: VideoSource) -> bool:
    """Whether a source that told its end is as the port says; closes it."""
    for _ in range(2):
        assert source.poll() == []
        source.take(2)
        source.refresh()
        assert source.wake_ns() is None
    with pytest.raises(DeviceMissing) as told:
        source.grab()
    assert told.value.message and told.value.remedy
    for _ in range(2):
        source.close()
        assert source.poll() == [] and source.take(2) == []
    return True


@pytest.mark.parametrize("stage", [kind for kind in KINDS if kind != "pushed"], indirect=True)
def test_opening_can_be_cancelled_and_leaves_nothing(stage: Stage) -> None:
    stage.source.close()
    wait_until(lambda: not left_over(), what="the source's threads to end")
    for at_once in (True, False):
        opening = open_source(parse_source(stage.name), stage.wish, SystemClock())
        assert opening.name == stage.name
        if not at_once:
            assert select.select([opening.fileno()], [], [], 5)[0], "it is told when it is there"
        opening.cancel()
        opening.cancel()
        assert opening.poll() is None
        wait_until(lambda: not left_over(), what="the thread to end")


def left_over() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("open ", "video "))]
