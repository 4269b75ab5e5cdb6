"""The servers that demo and tests start are real, are isolated, and leave nothing behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pepys.demo.activity import Activity
from pepys.demo.desktop import Desktop
from pepys.demo.servers import MIC_SINK, NULL_SINK, Server, SoundServer, WindowManager, XServer
from pepys.demo.sound_servers import PipeWireServer
from pepys.errors import DeviceMissing
from tests.waiting import wait_until


def gone(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def record(source: str, seconds: float) -> np.ndarray:
    """The loudness of each tenth of a second of a source, for `seconds` from its first sample."""
    argv = ["parec", "--raw", "--format=s16le", "--rate=16000", "--channels=1", "--latency-msec=20", "-d", source]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        heard = process.stdout.read(int(seconds * 16000) * 2)
        process.kill()
    return np.abs(np.frombuffer(heard, np.int16).astype(np.int32))


def test_two_displays_live_side_by_side_and_need_their_own_authority(xserver: XServer) -> None:
    with XServer(800, 600) as other:
        assert other.display != xserver.display
        with Desktop(other.env) as desktop:
            assert not desktop.has_window_manager()
        with pytest.raises(DeviceMissing):
            Desktop({"DISPLAY": other.display, "XAUTHORITY": xserver.env["XAUTHORITY"]})
        folder = other.folder
    assert not folder.exists()
    assert gone(other.pid)


def test_a_killed_display_is_seen_as_gone(xserver: XServer) -> None:
    with Desktop(xserver.env) as desktop:
        xserver.kill()
        assert not xserver.alive
        with pytest.raises(DeviceMissing, match="does not answer"):
            desktop.windows()


def test_activity_types_moves_and_speaks(
    xserver: XServer, window_manager: WindowManager, sound_server: SoundServer, short_folder: Path
) -> None:
    env = {**xserver.env, **sound_server.env}
    with Activity(env, short_folder, lines=["quince marmalade"], spoken="budget", sink=MIC_SINK):
        with Desktop(env) as desktop:
            wait_until(lambda: {"notes", "clock"} <= desktop.windows().keys(), what="both windows")
        assert record(f"{MIC_SINK}.monitor", 2.5).max() > 1000
    with Desktop(env) as desktop:
        wait_until(lambda: not desktop.windows(), what="no window left")


def test_the_sound_server_has_two_silent_sinks(any_sound_server: Server) -> None:
    told = subprocess.run(["pactl", "list", "short", "sinks"], capture_output=True, text=True, check=True).stdout
    assert NULL_SINK in told
    assert MIC_SINK in told
    assert record(f"{NULL_SINK}.monitor", 0.2).max() == 0


def test_a_sound_server_may_be_killed_and_started_again_and_leaves_nothing(any_sound_server: Server) -> None:
    env, folder, pid = any_sound_server.env, any_sound_server.folder, any_sound_server.pid
    any_sound_server.kill()
    assert not any_sound_server.alive
    any_sound_server.start()
    assert any_sound_server.env == env and any_sound_server.pid != pid
    asked = subprocess.run(["pactl", "get-default-sink"], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == NULL_SINK
    pids = any_sound_server.pids if isinstance(any_sound_server, PipeWireServer) else (any_sound_server.pid,)
    any_sound_server.stop()
    any_sound_server.stop()
    assert not folder.exists() and all(gone(pid) for pid in pids)


@pytest.mark.parametrize("name", ["wireplumber", "pipewire-pulse", "pactl"])
def test_a_missing_part_of_pipewire_is_named(short_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for there in {"pipewire", "wireplumber", "pipewire-pulse", "pactl"} - {name}:
        (short_folder / there).symlink_to(shutil.which(there) or f"/{there} is missing")
    monkeypatch.setenv("PATH", str(short_folder))
    with pytest.raises(DeviceMissing, match=f"program {name} is not installed"), PipeWireServer():
        pass


def test_servers_end_with_the_process_that_started_them(short_folder: Path) -> None:
    script = (
        "import sys, signal\nfrom pepys.demo.servers import SoundServer, XServer\n"
        "from pepys.demo.sound_servers import PipeWireServer\n"
        "with XServer() as x, SoundServer() as s, PipeWireServer() as p:\n"
        "    print(x.pid, s.pid, *p.pids, x.folder, s.folder, p.folder, flush=True)\n    signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        process.kill()
    pids = [int(word) for word in words[:5]]
    assert len(words) == 8
    wait_until(lambda: all(gone(pid) for pid in pids), what="all servers gone")
    for folder in words[5:]:
        shutil.rmtree(folder)


def test_a_missing_program_is_named_with_its_package(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(short_folder))
    servers: tuple[tuple[Server, str], ...] = (
        (XServer(), "Xvfb"),
        (SoundServer(), "pulseaudio"),
        (PipeWireServer(), "pipewire"),
        (WindowManager({}), "openbox"),
    )
    for server, name in servers:
        with pytest.raises(DeviceMissing, match=name) as caught, server:
            pass
        assert "apt-get install" in caught.value.remedy
        assert not server.folder.exists()


def test_a_server_that_ends_at_once_quotes_its_last_words(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = short_folder / "Xvfb"
    fake.write_text("#!/bin/sh\necho no such screen >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{short_folder}:{os.environ['PATH']}")
    with pytest.raises(DeviceMissing, match=r"ended with status 3 \(no such screen\)"), XServer():
        pass
