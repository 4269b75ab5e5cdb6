"""A disk that crawls: each fdatasync takes most of a second, for a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.store import trigger
from pepys.store.verify import verify
from tests.recording import recording

pytestmark = pytest.mark.soak


def test_a_disk_that_crawls_costs_no_sound_and_no_second(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl = tmp_path / "crawl"
    monkeypatch.setenv(trigger.SLOW, str(crawl))
    with recording(home, sources=("pattern:testsrc2=size=640x360:rate=30",), encoder="x264") as run:
        run.until_recorded(800)
        crawl.write_text("700")
        run.until_recorded(60_000)
        status = run.client.call("status")
        assert status["write_queue"]["refused"] == 0 and status["state"] == "recording"
        crawl.unlink()
        view = run.stop()
        assert view.gaps == () and view.duration_ns >= 60_000 * NS_PER_MS
        track = view.track("video")
        assert track is not None and track.gaps == ()
        assert sum(part.duration_ns for part in track.segments) == pytest.approx(view.duration_ns, abs=0.1 * NS_PER_S)
        assert verify(run.store).damages == ()
