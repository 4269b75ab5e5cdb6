"""Sound on the command line: graphs from files, and the account that `show` tells."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.cli.sound import read_graph, sound_lines
from pepys.clock import SystemClock
from pepys.errors import DeviceMissing, Usage
from pepys.limits import NS_PER_S, SOUND_GRAPH_BYTES
from pepys.model import events as ev
from pepys.model.sound_graph import SoundGraph, from_json
from pepys.record import probe
from pepys.record.sound_plan import Device, default_graph
from pepys.record.spec import RecordSpec
from pepys.sessions.sound_request import own_graph, set_as_before
from pepys.sessions.start import StartRequest, make_spec, request_from_json, validate
from pepys.store.store import open_store
from tests.hosted import fakes
from tests.web_session import Tape

MICROPHONE = {"name": "voice", "kind": "microphone", "params": {}}
TRACK = {"name": "track", "kind": "encoder", "params": {"track": "audio.mic"}}
GRAPH = {
    "nodes": [MICROPHONE, {"name": "boost", "kind": "gain", "params": {"gain_db": 6}}, TRACK],
    "edges": [["voice", "boost"], ["boost", "track"]],
}
SPAN_NS = 40 * 800_000_000
SAMPLES = SPAN_NS * 48_000 // NS_PER_S


@pytest.fixture
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


def written(folder: Path, graph: object) -> Path:
    """A file with a graph."""
    path = folder / "graph.json"
    path.write_text(graph if isinstance(graph, str) else json.dumps(graph), encoding="utf-8")
    return path


def with_node(**node: Any) -> dict[str, Any]:
    """The graph with another node in the middle."""
    return {**GRAPH, "nodes": [MICROPHONE, {"name": "boost", "kind": "gain", **node}, TRACK]}


def with_path(path: str) -> dict[str, Any]:
    """The graph with a file in place of the microphone."""
    return {**GRAPH, "nodes": [{"name": "voice", "kind": "file", "params": {"path": path}}, *GRAPH["nodes"][1:]]}


# --- graphs from files


def test_a_graph_is_read_whole_and_its_files_by_their_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_graph(None) is None
    (tmp_path / "graphs").mkdir()
    monkeypatch.chdir(tmp_path)
    for path, whole in (
        ("music.wav", tmp_path / "graphs" / "music.wav"),
        ("../music.wav", tmp_path / "graphs" / ".." / "music.wav"),
        ("/music.wav", Path("/music.wav")),
        ("~/music.wav", Path.home() / "music.wav"),
    ):
        written(tmp_path / "graphs", with_path(path))
        graph = read_graph(Path("graphs/graph.json"))
        assert graph is not None
        assert graph["nodes"][0]["params"]["path"] == str(whole)
        assert from_json(graph).to_json() == graph


@pytest.mark.parametrize(
    ("graph", "named"),
    [
        ("{", "no JSON"),
        ("[" * 30_000, "no JSON"),
        (" " * (SOUND_GRAPH_BYTES + 1), "larger than 64 KiB"),
        ([], "no object"),
        ({**GRAPH, "edges": [["voice", "boost"], ["boost", "nowhere"]]}, "nowhere"),
        (with_node(params={"gain_db": 1e9}), "boost"),
        (with_path("~nosuchuser/x.wav"), "node voice names a user who does not exist"),
        (with_node(params={"louder": 1}), "boost"),
        ({**GRAPH, "edges": [["voice", "boost"], ["boost", "track"], ["boost", "boost"]]}, "boost"),
    ],
)
def test_a_graph_that_does_not_hold_is_exit_2_and_names_why(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], graph: object, named: str
) -> None:
    assert main(["record", "--sound-graph", str(written(tmp_path, graph))]) == 2
    told = capsys.readouterr().err
    assert named in told and told.count("\n") == 1
    assert not home.exists()


def test_a_file_that_is_none_is_exit_2(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "fifo")
    none, other = "there is no such file", "is no regular file"
    for path, words in (
        (tmp_path / "none", none), (tmp_path, other), (Path("/dev/zero"), other), (tmp_path / "fifo", other)
    ):  # fmt: skip
        assert main(["start", "--sound-graph", str(path)]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--mic", "--system"])
def test_a_device_without_a_name_is_told_before_any_is_looked_for(
    home: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    assert main(["record", flag, ""]) == 2
    assert f"{flag} names no device" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("--mic", "x"), ("--system", "x"), ("--audio", "off"), ("--balance", "50")], ids=lambda words: words[0]
)
def test_a_graph_goes_with_no_other_word_of_sound(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["record", "--sound-graph", str(written(tmp_path, GRAPH)), *words]) == 2
    assert f"--sound-graph and {words[0]} do not go together" in capsys.readouterr().err


@pytest.mark.parametrize("audio", ["mic", "system", "off"])
def test_a_balance_is_of_two_sounds(audio: str) -> None:
    with pytest.raises(Usage, match="leaves one out"):
        validate(StartRequest(audio=audio, balance=50), SystemClock())
    with pytest.raises(Usage, match="out of bounds"):
        validate(StartRequest(balance=101), SystemClock())


def test_a_request_keeps_graph_and_balance() -> None:
    request = StartRequest(name="x", sound_graph=from_json(GRAPH).to_json())
    assert request_from_json(json.loads(json.dumps(request.to_json()))) == request
    assert request_from_json({"name": "of an earlier version"}).sound_graph is None


def test_devices_of_a_graph_get_names_and_are_required(fake_devices: None) -> None:
    found = probe.default_sound()

    def asked(device: str, kind: str = "microphone", **more: Any) -> SoundGraph:
        node = {**MICROPHONE, "kind": kind, "params": {"device": device}}
        return own_graph(StartRequest(sound_graph={**GRAPH, "nodes": [node, *GRAPH["nodes"][1:]]}, **more), found)

    assert asked("").node("voice").params == {"device": "mic", "channels": 1, "follow_default": True}
    assert asked("mic").node("voice").params["follow_default"] is False
    with pytest.raises(DeviceMissing, match="node voice of the sound graph: the sound server has no source gone"):
        asked("gone")
    with pytest.raises(DeviceMissing, match="there is no default sink"):
        asked("", "system")
    assert asked("gone", allow_partial=True).node("voice").params["device"] == "gone"
    absent = asked("", "system", allow_partial=True).node("voice").params
    assert (absent["device"], absent["follow_default"]) == ("", True)


def test_a_file_of_a_graph_has_to_be_there(tmp_path: Path, fake_devices: None) -> None:
    found, path = probe.default_sound(), tmp_path / "a.wav"
    with pytest.raises(DeviceMissing, match=f"node voice of the sound graph: there is no file {path}"):
        own_graph(StartRequest(sound_graph=with_path(str(path))), found)
    assert own_graph(StartRequest(sound_graph=with_path(str(path)), allow_partial=True), found) is not None
    path.touch()
    assert own_graph(StartRequest(sound_graph=with_path(str(path))), found).node("voice").params["path"] == str(path)


def test_a_session_that_goes_on_is_heard_as_it_was_set_last() -> None:
    graph = default_graph(Device("a"), Device("b"), 40)
    assert graph is not None
    before = {"mic.gain": {"gain_db": -3.0, "muted": True}, "mix": {"balance": 10}, "gone": {"muted": True}}
    told = set_as_before(graph, before)
    assert told == graph.changed("mic.gain", gain_db=-3.0, muted=True).changed("mix", balance=10)
    assert set_as_before(graph, {}) == graph
    for strange in ({}, {"muted": False}, {"gain_db": 0.0, "muted": "no"}, {"gain_db": 1e9, "muted": False}):
        assert set_as_before(graph, {"system.gain": strange}).node("system.gain").params["muted"] is True, strange
    alone = default_graph(Device("a"), None)
    assert alone is not None
    assert set_as_before(alone, before).node("mic.gain").params["muted"] is True


def test_the_order_of_a_recorder_has_a_graph_with_names(home: Path, fake_devices: None) -> None:
    def order(**asked: Any) -> RecordSpec:
        request, settings = validate(StartRequest(**asked), SystemClock())
        return make_spec(home, request, settings, SystemClock())

    usual = order()
    graph = from_json(usual.sound_graph)
    assert [(node.name, node.params["device"], node.params["follow_default"]) for node in graph.devices()] == [
        ("mic", "mic", True)
    ]
    assert usual.sound_required == ()
    named = order(mic="mic", audio="mic")
    assert from_json(named.sound_graph).node("mic").params["follow_default"] is False
    assert named.sound_required == ("mic",)
    assert order(audio="off").sound_graph is None
    own = order(sound_graph=GRAPH, video=False, shots="off")
    assert (own.sound_required, own.absent) == (("voice",), ())
    assert from_json(own.sound_graph).node("voice").params["device"] == "mic"
    assert order(sound_graph=GRAPH, allow_partial=True).sound_required == ()
    assert own.config["sound_graph"] == GRAPH  # one that is gone on with looks for its devices anew


# --- afterwards


@pytest.fixture
def accounted(home: Path) -> str:
    """A session with a microphone that was away for a while, switched, and drifted."""
    tape = Tape(open_store(home), "accounted", track="audio.mic")
    tape.begin_span()
    tape.write(40)
    assert tape.at_ns == SPAN_NS
    tape.writer.append(
        ev.SoundGraphSet(0, from_json(GRAPH).to_json()),
        ev.SoundAccounted("audio.mic", 0, 10 * NS_PER_S, 5, 5, 0, 0, 0, 0, 5, 0),
        ev.GapNoted(3 * NS_PER_S, 5 * NS_PER_S, "device_lost", "audio.mic", "Headset is gone"),
        ev.DeviceSwitched("audio.mic", 5 * NS_PER_S, "built in", "Headset", "device_lost"),
        ev.SoundCorrected("audio.mic", 30 * NS_PER_S, 0, 140, 0, -100),
        ev.SoundAccounted(
            "audio.mic", 0, SPAN_NS, SAMPLES - 96_000 - 140 + 60, SAMPLES - 96_000 - 140, 60, 140, 96_000, 480,
            SAMPLES, 0, {"device_lost": 96_000}, final=True,
        ),
    )  # fmt: skip
    return tape.end()


def test_show_tells_where_every_sample_went(home: Path, capsys: pytest.CaptureFixture[str], accounted: str) -> None:
    assert main(["show", "last"]) == 0
    told = capsys.readouterr().out
    assert (
        "audio.mic account: 1,536,000 samples = 1,439,860 recorded + 140 put in + 96,000 silent (device_lost 96,000); "
        "480 of them muted; 60 of 1,439,920 delivered left out; exact\n"
    ) in told
    assert "audio.mic lost at 0:03: 96,000 samples, device_lost (Headset is gone)\n" in told
    assert "audio.mic drift -100 ppm: 140 samples put in\n" in told
    assert "audio.mic recorded from Headset; built in from 0:05 (device_lost)\n" in told
    assert main(["show", accounted, "--json"]) == 0
    tracks = {track["track"]: track for track in json.loads(capsys.readouterr().out)["tracks"]}
    mic = tracks["audio.mic"]
    assert (mic["account"]["exact"], mic["account"]["crashed"]) == (True, False)
    assert mic["account"]["samples"] == mic["account"]["encoded"] == SAMPLES
    assert mic["account"]["lost"] == [
        {"at_ms": 3000, "samples": 96_000, "reason": "device_lost", "detail": "Headset is gone"}
    ]
    assert [device["device"] for device in mic["devices"]] == ["Headset", "built in"]
    assert mic["corrections"] == {"inserted": 140, "dropped": 0, "steps": 0, "ppm": -100}
    assert "account" not in tracks["shots"]


def test_an_account_that_does_not_sum_up_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = Tape(open_store(home), "wrong", track="audio.mic")
    tape.begin_span()
    tape.write(1)
    tape.writer.append(ev.SoundAccounted("audio.mic", 0, 1, 9, 9, 0, 0, 0, 0, 9, 0, final=True))
    tape.end()
    assert main(["show", "last"]) == 0
    assert "audio.mic account: 9 samples = 9 recorded; NOT exact\n" in capsys.readouterr().out


def test_after_a_crash_what_was_written_since_the_last_account_is_counted(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = Tape(open_store(home), "torn", track="audio.mic")
    tape.begin_span()
    tape.write(20)
    tape.writer.append(ev.SoundAccounted("audio.mic", 0, 10 * NS_PER_S, 480_000, 480_000, 0, 0, 0, 0, 480_000, 0))
    tape.writer.sync()
    tape.writer.close()
    assert main(["show", "last"]) == 0
    assert (
        "account: 768,000 samples = 480,000 recorded + 288,000 up to the crash; exact up to the crash\n"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("untold", "crashed", "words"),
    [
        (0, True, "9 recorded; exact up to the crash"), (-3, True, "9 recorded - 3 not durable at the crash; exact up"),
        (2, False, "9 recorded + 2 not told yet; exact"), (-2, False, "9 recorded - 2 not written yet; exact"),
    ],
)  # fmt: skip
def test_an_account_says_how_far_it_goes(untold: int, crashed: bool, words: str) -> None:
    none = dict.fromkeys(("inserted", "silent", "muted", "dropped", "refused"), 0)
    account = {**none, "samples": 9 + untold, "captured": 9, "untold": untold, "exact": True, "crashed": crashed}
    assert words in sound_lines({"account": {**account, "lost": []}})[0]


def test_the_graph_of_a_session_is_drawn(home: Path, capsys: pytest.CaptureFixture[str], accounted: str) -> None:
    assert main(["show", "last", "--graph"]) == 0
    drawn = capsys.readouterr().out
    assert drawn.startswith("flowchart LR\n") and drawn.count(" --> ") == 2
    assert main(["show", "last", "--graph", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mermaid"].rstrip() == drawn.rstrip()
    assert told["graph"] == from_json(GRAPH).to_json()
    silent = Tape(open_store(home), "none")
    silent.begin_span()
    silent.write(1)
    silent.end()
    assert main(["show", silent.session, "--graph"]) == 3
    assert "has no sound, so it has no graph" in capsys.readouterr().err
