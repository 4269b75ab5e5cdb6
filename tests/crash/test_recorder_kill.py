"""kill -9 of a recorder: at most 1 s is lost, all that is there plays, and the session can be gone on with."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from pepys.demo.servers import SoundServer, XServer
from pepys.record.runfile import read_run_file, still_runs
from pepys.sessions.activity_shape import shots_shape
from pepys.store.recover import recover
from pepys.store.verify import verify
from tests.recording import SYSTEM, pictures, recording, samples

_SECOND = 1_000_000_000


def test_a_kill_loses_at_most_a_second(home: Path, xserver: XServer, sound_server: SoundServer) -> None:
    with recording(home, display=xserver.display, system=SYSTEM) as run:
        told = read_run_file(Path(run.spec.run_file))
        assert told is not None and told.pid == run.pid and still_runs(told, run.store.clock)
        run.until_recorded(1700)
        recorded_ns = int(run.client.call("status")["recorded_ms"]) * 1_000_000
        run.launched.process.send_signal(signal.SIGKILL)
        run.launched.process.wait()
    assert not still_runs(told, run.store.clock)
    assert run.session().state == "interrupted"
    assert recover(run.store, run.spec.session)
    view = run.session()
    video, system = view.track("video"), view.track("audio.system")
    assert video is not None and system is not None
    assert recorded_ns - view.duration_ns < _SECOND
    assert verify(run.store, run.spec.session).damages == ()
    frames = pictures(run.media(video))
    assert abs(frames[-1][0] + 0.8 - view.duration_ns / 1e9) < 0.85
    assert recorded_ns - len(samples(run.media(system))) * _SECOND // 48_000 < _SECOND

    with recording(home, display=xserver.display, system=SYSTEM, session=view.id, resume=True) as again:
        assert again.ready["started_wall_ns"] == view.started_wall_ns
        again.until_recorded(view.duration_ns // 1_000_000 + 400)
        whole = again.stop()
    assert whole.state == "completed" and [gap.reason for gap in whole.gaps] == ["crash"]
    assert whole.spans[0] == view.spans[0]
    assert whole.gaps[0].end_ns == whole.spans[1].start_ns > whole.spans[0].end_ns
    assert whole.spans[1].media_ns == whole.spans[0].duration_ns
    after = whole.track("video")
    assert after is not None and after.encoded > video.encoded
    numbers = [segment.n for segment in after.segments]
    assert numbers == sorted(set(numbers))
    assert pictures(run.media(after, tuple(part for part in after.segments if part.span == 1)))
    assert verify(run.store).damages == ()


def test_shots_of_a_still_screen_are_stored_once_and_counted_alike_over_kills(home: Path, xserver: XServer) -> None:
    asked: dict[str, Any] = {"display": xserver.display, "shots_interval_ns": _SECOND // 4, "shots_adaptive": False}
    with recording(home, **asked, resume=False) as run:
        run.until_recorded(900)
        run.launched.process.send_signal(signal.SIGKILL)
        run.launched.process.wait()
    assert recover(run.store, run.spec.session)
    before = run.session().track("shots")
    with recording(home, **asked, session=run.spec.session, resume=True) as again:
        again.until_recorded(run.session().duration_ns // 1_000_000 + 900)
        view = again.stop()
    shots = view.track("shots")
    assert before is not None and shots is not None and shots.bytes == before.bytes > 0
    shape = shots_shape(view)
    assert (shape["distinct"], shape["near"], shape["repeats"]) == (1, 0, shape["total"] - 1)
    assert (shots.captured, shots.encoded, shots.dropped) == (shape["total"], 1, 0)
    assert shape["total"] > before.captured >= 2
