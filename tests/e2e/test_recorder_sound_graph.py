"""Recordings through graphs of a user's own: files that end, several tracks of one source, what is muted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pepys.demo.servers import SoundServer
from pepys.errors import DeviceMissing
from pepys.model.session import Session, Track
from pepys.model.sound_graph import Node, SoundGraph
from tests.recording import SYSTEM, recording, samples
from tests.sound_sources import wav


def _encoder(name: str, track: str, codec: str = "opus") -> Node:
    return Node(name, "encoder", {"track": track, "codec": codec})


def _track(view: Session, name: str) -> Track:
    found = view.track(name)
    assert found is not None
    return found


def _graph(*nodes: Node, edges: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return SoundGraph(nodes, edges).to_json()


def test_a_file_that_ends_ends_the_recording(home: Path, tmp_path: Path) -> None:
    file = wav(tmp_path / "a song.wav", seconds=1.5, rate=44_100, channels=2)
    graph = _graph(
        Node("song", "file", {"path": str(file), "channels": 1}), _encoder("own", "audio.song"),
        _encoder("film", "audio.mix", "aac"), edges=(("song", "own"), ("song", "film")),
    )  # fmt: skip
    with recording(home, sound_graph=graph) as run:
        assert run.launched.process.wait(20) == 0
        view = run.session()
        heard = {name: samples(run.media(_track(view, name))) for name in ("audio.song", "audio.mix")}
    assert view.state == "completed" and view.sound_graph == graph
    track = _track(view, "audio.song")
    (account,) = track.accounts
    # It plays from its opening on; a recording begins once its sources are known to deliver.
    assert account.exact and 36_000 < account.captured <= 72_000
    for sound in heard.values():
        assert np.abs(sound[4_800:33_600]).max() > 0.4
        assert abs(np.abs(np.fft.rfft(sound[4_800:28_800])).argmax() - 220) <= 1


def test_a_file_that_ends_beside_another_source_is_a_gap_and_is_not_begun_again(home: Path, tmp_path: Path) -> None:
    file = wav(tmp_path / "a.wav", seconds=1, rate=48_000, channels=1)
    graph = _graph(
        Node("song", "file", {"path": str(file), "channels": 1}), Node("hum", "tone"),
        _encoder("own", "audio.song"), _encoder("other", "audio.hum"), edges=(("song", "own"), ("hum", "other")),
    )  # fmt: skip
    with recording(home, sound_graph=graph) as run:
        gap = run.until_push(10, push="gap", track="audio.song")
        run.until_recorded(int(gap["start_ms"]) + 1600)
        view = run.stop()
    song, hum = _track(view, "audio.song"), _track(view, "audio.hum")
    assert song.state == "off" and hum.state == "healthy" and hum.gaps == ()
    (lost,) = song.gaps
    assert lost.reason == "source_closed" and lost.end_ns == view.end_ns
    (account,) = song.accounts
    assert account.exact and 12_000 < account.captured <= 48_000
    # The gap ends with the span, which ends between two samples.
    assert abs(sum(loss.samples for loss in song.losses) - account.silent) <= 1


def test_a_file_that_cannot_be_read_is_named_and_nothing_begins(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "song.wav"
    file.write_text("words " * 100)
    song = Node("song", "file", {"path": str(file)})
    graph = _graph(song, _encoder("own", "audio.song"), edges=(("song", "own"),))
    words = f"nothing to record \\(audio.song: {file} is no sound"
    with pytest.raises(DeviceMissing, match=words), recording(home, sound_graph=graph):
        raise AssertionError("it records")
    assert not list(home.glob("heads/*"))


def test_one_source_has_several_tracks_and_its_mute_is_in_all(home: Path) -> None:
    graph = _graph(
        Node("hum", "tone", {"frequency_hz": 300.0}), Node("hum.gain", "gain"), Node("low", "high_pass"),
        _encoder("plain", "audio.hum"), _encoder("clean", "audio.clean"),
        edges=(("hum", "hum.gain"), ("hum.gain", "plain"), ("hum.gain", "low"), ("low", "clean")),
    )  # fmt: skip
    with recording(home, sound_graph=graph) as run:
        run.until_recorded(900)
        run.client.call("set", mute=["hum"])
        assert run.client.call("status")["sound"]["gains"]["hum"]["muted"] is True
        run.until_recorded(int(run.client.call("status")["recorded_ms"]) + 900)
        view = run.stop()
        heard = [samples(run.media(_track(view, name))) for name in ("audio.hum", "audio.clean")]
    for name in ("audio.hum", "audio.clean"):
        (account,) = _track(view, name).accounts
        assert account.exact and 28_800 < account.muted < 86_400
    for sound in heard:
        assert np.abs(sound[9_600:24_000]).max() > 0.05 and np.abs(sound[-19_200:-4_800]).max() < 0.001
    assert view.sound_graph is not None
    assert next(node for node in view.sound_graph["nodes"] if node["name"] == "hum.gain")["params"]["muted"] is True


def test_a_device_is_recorded_beside_a_tone(home: Path, sound_server: SoundServer) -> None:
    graph = _graph(
        Node("played", "system", {"device": SYSTEM}), Node("hum", "tone", {"channels": 2}), Node("both", "mix"),
        _encoder("own", "audio.both"), edges=(("played", "both"), ("hum", "both"), ("both", "own")),
    )  # fmt: skip
    with recording(home, sound_graph=graph) as run:
        run.until_recorded(1500)
        view = run.stop()
        heard = samples(run.media(_track(view, "audio.both")))
    assert abs(np.abs(np.fft.rfft(heard[9_600:57_600])).argmax() - 440) <= 1
    (account,) = _track(view, "audio.both").accounts
    assert account.exact and account.encoded > 48_000
    assert view.gaps == ()
