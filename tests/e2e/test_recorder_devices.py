"""Devices that come, go and change under a recorder, on both sound servers: what is recorded is what was meant."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pepys.demo.servers import Server
from pepys.model.session import Session
from pepys.record.sound_plan import Device, default_graph
from tests.recording import Recording, recording, samples

LOW, HIGH = 440, 1320
_CLOSED = "the sound server has closed the device"


def _pactl(*words: str) -> str:
    return subprocess.run(["pactl", *words], check=True, capture_output=True, text=True).stdout.strip()


def _sink(name: str) -> str:
    """Make a device; the number to unload it by."""
    return _pactl("load-module", "module-null-sink", f"sink_name={name}", "rate=48000")


@contextmanager
def _hum(folder: Path, sink: str, hertz: int) -> Iterator[None]:
    """A tone that is played to a sink."""
    film = folder / f"{hertz}.wav"
    if not film.exists():
        words = ["sox", "-n", "-r", "48000", "-c", "2", str(film), "synth", "60", "sine", str(hertz), "vol", "0.3"]
        subprocess.run(words, check=True)
    player = subprocess.Popen(["paplay", f"--device={sink}", str(film)])
    try:
        yield
    finally:
        player.terminate()
        player.wait()


def _pitch(sound: NDArray[np.float32]) -> int:
    """Which of the two tones is heard; 0 for neither."""
    spectrum = np.abs(np.fft.rfft(sound))
    at = {hertz: spectrum[round(hertz * len(sound) / 48_000)] for hertz in (LOW, HIGH)}
    loudest = max(at, key=lambda hertz: at[hertz])
    return loudest if at[loudest] > 0.01 * len(sound) else 0


def _pitches(run: Recording, view: Session) -> list[int]:
    """What is heard in each tenth of a second of the microphone's track."""
    track = view.track("audio.mic")
    assert track is not None
    sound = samples(run.media(track))
    return [_pitch(sound[start : start + 4800]) for start in range(0, len(sound) - 4800, 4800)]


def test_a_named_device_is_kept_replaced_when_it_is_gone_and_taken_up_again(
    home: Path, any_sound_server: Server, tmp_path: Path
) -> None:
    own = _sink("own")
    _sink("other")
    _pactl("set-default-source", "own.monitor")
    graph = default_graph(Device("own.monitor"), None)
    assert graph is not None
    with contextlib.ExitStack() as players:
        players.enter_context(_hum(tmp_path, "other", HIGH))
        with _hum(tmp_path, "own", LOW), recording(home, sound_graph=graph.to_json()) as run:
            run.until_recorded(1000)
            _pactl("set-default-source", "other.monitor")
            moved = int(run.client.call("status")["recorded_ms"])
            run.until_recorded(moved + 3500)
            _pactl("unload-module", own)
            switched = run.until_push(6, push="warning", kind="switched")
            run.until_recorded(int(switched["at_ms"]) + 700)
            _sink("own")
            players.enter_context(_hum(tmp_path, "own", LOW))
            back = run.until_push(12, push="warning", kind="switched")
            run.until_recorded(int(back["at_ms"]) + 700)
            view = run.stop()
    assert switched["text"] == "switched from own.monitor to other.monitor: own.monitor is gone"
    assert back["text"] == "switched from other.monitor to own.monitor: own.monitor is there again"
    heard = _pitches(run, view)
    gone, returned = int(switched["at_ms"]) // 100, int(back["at_ms"]) // 100
    track = view.track("audio.mic")
    assert track is not None
    # Another default is no reason to leave a device that was named.
    (lost,) = [gap for gap in track.gaps if gap.reason == "device_lost"]
    before = heard[: lost.start_ns // 100_000_000]
    assert HIGH not in before and before.count(LOW) > 20, "nothing of the other device while its own was there"
    assert LOW not in heard[gone + 2 : returned - 1] and HIGH in heard[gone + 1 : returned]
    assert LOW in heard[returned + 1 :] and HIGH not in heard[returned + 3 :]
    # Its own end may be heard before the list that it is missing in.
    assert lost.detail in {f"own.monitor ({why}), then other.monitor" for why in ("own.monitor is gone", _CLOSED)}
    assert [(switch.before, switch.device) for switch in track.switches] == [
        ("own.monitor", "other.monitor"), ("other.monitor", "own.monitor"),
    ]  # fmt: skip
    assert all(account.exact for account in track.accounts)


def test_a_default_device_is_followed(home: Path, any_sound_server: Server, tmp_path: Path) -> None:
    for name in ("first", "second"):
        _sink(name)
    _pactl("set-default-source", "first.monitor")
    graph = default_graph(Device("first.monitor", follow_default=True), None)
    assert graph is not None
    with contextlib.ExitStack() as held:
        held.enter_context(_hum(tmp_path, "first", LOW))
        held.enter_context(_hum(tmp_path, "second", HIGH))
        run = held.enter_context(recording(home, sound_graph=graph.to_json()))
        run.until_recorded(1500)
        _pactl("set-default-source", "second.monitor")
        switched = run.until_push(6, push="warning", kind="switched")
        run.until_recorded(int(switched["at_ms"]) + 900)
        view = run.stop()
    assert switched["text"] == "switched from first.monitor to second.monitor: the default device changed"
    heard = _pitches(run, view)
    at = int(switched["at_ms"]) // 100
    assert LOW in heard[:at] and LOW not in heard[at + 1 :] and HIGH in heard[at + 1 :]
    track = view.track("audio.mic")
    assert track is not None and all(replace(account, muted=0).exact for account in track.accounts)
