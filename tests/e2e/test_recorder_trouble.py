"""What dies, fills or is missing under a recorder: the user is told within 2 s, and what can go on goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from pepys.bench.faults_scene import LastingXServer
from pepys.clock import SystemClock
from pepys.demo.servers import SoundServer, XServer
from pepys.errors import DeviceMissing, StorageProblem
from pepys.record.launch import launch
from pepys.store.reader import session_ids
from pepys.store.store import open_store
from pepys.store.verify import verify
from tests.recording import MIC, SYSTEM, Recording, check_whole, order, recording, samples
from tests.waiting import wait_until

_SECOND = 1_000_000_000


def _parec_of(run: Recording, device: str) -> int:
    """The process id of the recorder's child for a device."""
    for child in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split():
        if f"--device={device}" in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
            return int(child)
    raise AssertionError(f"no parec for {device}")


def _track(run: Recording, name: str) -> dict[str, object]:
    return next(t for t in run.client.call("status")["tracks"] if t["track"] == name)


def test_devices_that_die_or_hang_leave_gaps_and_come_back(
    home: Path, xserver: XServer, sound_server: SoundServer
) -> None:
    with recording(home, display=xserver.display, mic=MIC, system=SYSTEM) as run:
        run.until_recorded(1200)
        mic, system = _parec_of(run, MIC), _parec_of(run, SYSTEM)
        killed_ns = run.store.clock.now_ns()
        os.kill(mic, signal.SIGKILL)
        os.kill(system, signal.SIGSTOP)
        first = run.until_push(2, push="gap", reason="device_lost", track="audio.mic")
        run.until_push(2, push="gap", reason="device_lost", track="audio.system")
        assert run.store.clock.now_ns() - killed_ns < 2 * _SECOND
        assert _track(run, "video")["state"] == "healthy"
        back = {run.until_push(6, push="track", state="healthy")["track"] for _ in range(2)}
        told = [(push["track"], push["state"]) for push in run.pushes if push["push"] == "track"]
        assert {("audio.mic", "restarting"), ("audio.system", "restarting")} <= set(told)
        assert "failed" not in {state for _, state in told}, "it was tried again at once, and not in vain"
        assert [_track(run, name)["restarts"] for name in sorted(back)] == [1, 1]
        run.until_recorded(int(run.client.call("status")["recorded_ms"]) + 400)
        view = run.stop()
    assert back == {"audio.mic", "audio.system"} and view.gaps == ()
    for name in back:
        track = view.track(name)
        assert track is not None and track.state == "healthy"
        (lost,) = track.gaps
        assert 0.5 * _SECOND < lost.end_ns - lost.start_ns < 5 * _SECOND and lost.end_ns < view.end_ns - 0.2 * _SECOND
        # Silence stands in for the hole: the track is as long as its span, and later sound is in its place.
        check_whole(run, track, view.duration_ns)
        assert abs(track.dropped / 48_000 - (lost.end_ns - lost.start_ns) / 1e9) < 0.1
        if name == "audio.mic":
            assert lost.start_ns // 1_000_000 == first["start_ms"]


def test_hung_slow_and_dead(
    home: Path, sound_server: SoundServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A display that hangs, a disk that stands still, both servers killed: in turn."""
    slow = tmp_path / "slow"
    monkeypatch.setenv("PEPYS_TEST_SLOW", str(slow))
    with LastingXServer(320, 240) as display:
        for name, value in display.env.items():
            monkeypatch.setenv(name, value)
        asked = {"mic": MIC, "cursor": False, "activity": True, "shots_interval_ns": 60 * _SECOND}
        with recording(home, display=display.display, **asked) as run:
            run.until_recorded(900)
            assert not any(_track(run, name)["stands"] for name in ("video", "shots", "audio.mic"))
            hung_ms = _hang_and_come_back(run, display)
            _stand_still_and_go_on(run, slow)
            so_far = {name: run.session().track(name) for name in ("video", "audio.mic")}
            assert [len(track.gaps) for track in so_far.values() if track] == [1, 0], "a late disk costs nothing"
            _die_together(run, display, sound_server)
            view = run.stop()
    video, mic = view.track("video"), view.track("audio.mic")
    assert video is not None and mic is not None and len(view.spans) == 1 and view.state == "completed"
    hung, closed = video.gaps
    assert (hung.reason, hung.start_ns // 1_000_000) == ("device_lost", hung_ms)
    assert closed.reason == "source_closed" and closed.end_ns == view.end_ns
    (dead,) = mic.gaps  # it went on while the display hung
    assert dead.reason == "device_lost" and dead.end_ns == view.end_ns
    assert view.gaps == () and verify(run.store).damages == ()
    check_whole(run, mic, view.duration_ns)


def _hang_and_come_back(run: Recording, xserver: XServer) -> object:
    """The display hangs and goes on; when its gap began."""
    stopped_ns = run.store.clock.now_ns()
    os.kill(xserver.pid, signal.SIGSTOP)
    try:
        assert run.until_push(2, push="track", track="video")["state"] == "restarting"
        gap = run.until_push(2, push="gap", reason="device_lost", track="video")
        assert run.store.clock.now_ns() - stopped_ns < 2 * _SECOND
        assert _track(run, "audio.mic")["state"] == "healthy"
    finally:
        os.kill(xserver.pid, signal.SIGCONT)
    run.until_push(6, push="track", track="video", state="healthy")
    assert (_track(run, "video")["restarts"], _track(run, "video")["tries"]) == (1, 0)
    wait_until(lambda: _track(run, "shots")["state"] == "healthy", 6, "the shots")
    return gap["start_ms"]


def _stand_still_and_go_on(run: Recording, slow: Path) -> None:
    """The disk takes nothing for two seconds."""
    slow.write_text("2000", encoding="ascii")
    told = {run.until_push(2, push="track", state="degraded", detail="write stands still")["track"]}
    slow.unlink()
    status = run.client.call("status")
    while told < {"video", "audio.mic"}:
        told.add(run.until_push(1, push="track", state="degraded")["track"])
    back: set[object] = set()
    while back < told:
        back.add(run.until_push(6, push="track", state="healthy")["track"])
    assert back == told
    late = [track for track in status["tracks"] if track["track"] in {"video", "audio.mic"}]
    assert {track["stands"] for track in late} == {"write"}
    assert all(1000 <= track["stands_ms"] < 4000 for track in late)


def _die_together(run: Recording, xserver: XServer, sound_server: SoundServer) -> None:
    """Display and sound server die in the same moment."""
    killed_ns = run.store.clock.now_ns()
    xserver.kill()
    sound_server.kill()
    told: set[tuple[object, object]] = set()
    while not told >= {("video", "source_closed"), ("audio.mic", "device_lost")}:
        push = run.until_push(2, push="gap")
        told.add((push["track"], push["reason"]))
    assert run.store.clock.now_ns() - killed_ns < 2 * _SECOND
    states = {t["track"]: (t["state"], t["stands"]) for t in run.client.call("status")["tracks"]}
    assert states == dict.fromkeys(("video", "audio.mic", "shots", "activity"), ("restarting", ""))


def test_a_dead_sound_server_stops_no_picture(home: Path, xserver: XServer, sound_server: SoundServer) -> None:
    with recording(home, display=xserver.display, mic=MIC, system=SYSTEM) as run:
        run.until_recorded(900)
        sound_server.kill()
        told = {run.until_push(2, push="gap", reason="device_lost")["track"] for _ in range(2)}
        frames = _track(run, "video")["encoded"]
        wait_until(lambda: int(str(_track(run, "video")["encoded"])) > int(str(frames)) + 1, 5)
        view = run.stop()
    assert told == {"audio.mic", "audio.system"}
    video = view.track("video")
    assert video is not None and video.state == "healthy"
    assert abs(len(samples(run.media(video))) / 48_000 - view.duration_ns / 1e9) < 0.05, "the mix has no hole"
    assert all(track.gaps[0].end_ns == view.end_ns for track in view.tracks if track.kind == "audio")


def test_a_dead_display_stops_no_sound(home: Path, xserver: XServer, sound_server: SoundServer) -> None:
    with recording(home, display=xserver.display, mic=MIC, shots_interval_ns=_SECOND, activity=True) as run:
        run.until_recorded(900)
        killed_ns = run.store.clock.now_ns()
        xserver.kill()
        tracks = {run.until_push(2, push="gap", reason="source_closed")["track"] for _ in range(3)}
        assert run.store.clock.now_ns() - killed_ns < 2 * _SECOND
        assert tracks == {"video", "shots", "activity"}
        run.until_recorded(int(run.client.call("status")["recorded_ms"]) + 300)
        assert {t["track"]: t["state"] for t in run.client.call("status")["tracks"]} == {
            "video": "restarting", "shots": "restarting", "activity": "restarting", "audio.mic": "healthy",
        }  # fmt: skip
        assert run.client.call("pause")["state"] == "paused"
        assert run.client.call("resume")["state"] == "recording", "what is left goes on after a pause"
        view = run.stop()
    mic, video = view.track("audio.mic"), view.track("video")
    assert mic is not None and video is not None
    assert mic.gaps == () and video.gaps[0].reason == "source_closed"
    assert view.spans[0].duration_ns > 1.2 * _SECOND and len(view.spans) == 2
    mix = view.track("audio.mix")
    assert mix is not None and [segment.span for segment in mix.segments] == [1], "without pictures the mix is alone"


def test_when_the_last_source_is_gone_it_rests_and_ends_in_order_after_a_while(home: Path, xserver: XServer) -> None:
    with recording(home, display=xserver.display, shots_interval_ns=_SECOND, lost_ns=_SECOND) as run:
        run.until_recorded(900)
        xserver.kill()
        held = run.until_push(2, push="state", state="paused")["status"]
        assert held["held"] == "device_lost" and [gap["track"] for gap in held["gaps_open"]] == [None]
        assert run.until_push(5, push="error")["error"]["code"] == "device_missing"
        assert run.launched.process.wait(20) == DeviceMissing.exit_code
        view = run.session()
    (gap,) = view.gaps
    assert view.state == "completed" and view.duration_ns > 0.8 * _SECOND
    assert (gap.reason, gap.start_ns, gap.end_ns) == ("device_lost", view.spans[0].end_ns, view.end_ns)
    assert gap.end_ns - gap.start_ns > _SECOND, "what was not recorded is not counted as recorded"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"display": ":4321", "sources_required": True}, ":4321"),
        ({"display": ":4321"}, ":4321"),
        ({"mic": "nobody", "sound_required": ("mic",)}, "nobody"),
        ({}, "nothing to record"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_left(
    home: Path, sound_server: SoundServer, asked: dict[str, object], named: str
) -> None:
    store = open_store(home, config_dir=home.parent / "config", clock=SystemClock())
    launched = launch(order(home, store, **asked), home / "logs" / "recorder.log")
    with pytest.raises(DeviceMissing, match=named) as told:
        launched.wait_ready()
    assert told.value.remedy
    assert launched.process.wait(20) == 4
    assert session_ids(store) == []
    assert list((home / "run").glob("*")) == [] if (home / "run").exists() else True


def test_a_default_device_that_is_missing_is_left_silent(
    home: Path, xserver: XServer, sound_server: SoundServer
) -> None:
    with recording(home, display=xserver.display, mic="nobody") as run:
        states = {t["track"]: t["state"] for t in run.ready["tracks"]}
        run.until_recorded(900)
        view = run.stop()
    assert states["video"] == "healthy" and states["audio.mic"] != "healthy"
    mic = view.track("audio.mic")
    assert mic is not None and mic.gaps[0].start_ns == 0 and mic.gaps[0].end_ns == view.end_ns
    assert float(np.abs(samples(run.media(mic))).max()) == 0.0


def test_a_nearly_full_disk_starts_nothing(home: Path, xserver: XServer) -> None:
    store = open_store(home, config_dir=home.parent / "config", clock=SystemClock())
    launched = launch(order(home, store, display=xserver.display, disk_reserve_bytes=2**60), home / "recorder.log")
    with pytest.raises(StorageProblem, match="nearly full"):
        launched.wait_ready()
    assert launched.process.wait(20) == 5 and session_ids(store) == []


def _free(folder: Path) -> int:
    seen = os.statvfs(folder)
    return seen.f_bavail * seen.f_frsize


def test_a_disk_that_fills_ends_the_session_in_order(home: Path, xserver: XServer) -> None:
    home.mkdir()
    reserve = _free(home) - 200 * 1024 * 1024
    with recording(home, display=xserver.display, disk_reserve_bytes=reserve) as run:
        run.until_recorded(900)
        with (home / "ballast").open("wb") as ballast:
            size = 0
            # Others may free space meanwhile.
            while _free(home) > reserve - 50 * 1024 * 1024:
                size += 250 * 1024 * 1024
                os.posix_fallocate(ballast.fileno(), 0, size)
            assert run.until_push(2.5, push="error")["error"]["code"] == "storage_problem"
        assert run.launched.process.wait(20) == StorageProblem.exit_code
        view = run.session()
    assert view.state == "completed"
    assert [gap.reason for gap in view.gaps] == ["disk_full"]
    video = view.track("video")
    assert video is not None and sum(segment.duration_ns for segment in video.segments) == view.duration_ns
