"""Sound on the command line while it records: what is heard is set, told, warned of and drawn."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.cli import main
from pepys.cli.output import Output
from pepys.cli.record import StatusLine
from pepys.cli.sound import Meters, heard_text
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest
from tests.hosted import fakes, hosted


@pytest.fixture
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


def test_set_mutes_and_mixes_and_says_what_is_now_so(
    home: Path, capsys: pytest.CaptureFixture[str], fake_devices: None
) -> None:
    async def work(host: Host) -> None:
        await host.start(StartRequest())
        assert await asyncio.to_thread(main, ["set", "--mute", "mic", "--balance", "20"]) == 0
        assert capsys.readouterr().out == "Sound: mic muted, balance 20.\n"
        assert await asyncio.to_thread(main, ["status"]) == 0
        told = capsys.readouterr().out
        assert "  sound: mic muted, balance 20\n" in told and "  audio.mic ok muted\n" in told
        assert await asyncio.to_thread(main, ["set", "--unmute", "mic", "--json"]) == 0
        sound = json.loads(capsys.readouterr().out)["sound"]
        assert sound == {"gains": {"mic": {"muted": False, "gain_db": 0.0}}, "balance": 20}
        assert await asyncio.to_thread(main, ["set", "--mute", "nobody", "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["message"] == "there is no gain nobody"
        assert host.status()["tracks"][1]["level"]["peak_db"] == -23.4

    hosted(home, work)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--mute", "mic"), 3),
        (("--balance", "0"), 3),
        (("--balance", "101"), 2),
        (("--balance", "-1"), 2),
        (("--mute", ""), 2),
        (("--mute", "a\nb"), 2),
        (("--unmute", "x" * 65), 2),
        (("--mute", "mic", "--unmute", "mic"), 2),
    ],
)
def test_set_judges_words_before_anybody_is_asked(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int
) -> None:
    assert main(["set", *words, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["error"]["remedy"]


def test_a_recording_tells_a_warning_once_and_levels_never_by_a_line(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fake_devices: None
) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "warns:audio.mic")
    assert main(["record", "quiet", "--seconds", "0.6", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err.count("audio.mic degraded: recording, but nothing is heard\n") == 1
    assert told.err.count("nothing is heard") == told.err.count("audio.mic: switched from a to b\n") == 1
    events = [json.loads(line) for line in told.out.splitlines()]
    assert [event["kind"] for event in events if event["event"] == "warning"] == ["quiet", "switched"]
    assert not [event for event in events if event["event"] == "levels"]


def test_a_warning_whose_state_comes_after_it_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = "recording, but nothing is heard"
    status = {"session": "s", "name": "n", "state": "recording", "tracks": []}
    warning = {"push": "warning", "track": "audio.mic", "kind": "quiet", "text": text, "at_ms": 1}
    line = StatusLine(Output(as_json=False))
    line.hear({"push": "started", "status": status})
    for _ in range(2):  # a state waits for the disk
        line.hear(warning)
        line.hear({"push": "track", "track": "audio.mic", "state": "degraded", "detail": text})
        line.hear({"push": "track", "track": "audio.mic", "state": "healthy", "detail": ""})
    told = capsys.readouterr().err.splitlines()[1:]
    assert told == [f"audio.mic: {text}", "audio.mic ok"] * 2


@pytest.mark.parametrize(("encoding", "bars"), [("utf-8", "▁▅█▅▁"), ("ascii", "_=#=_"), ("latin-1", "_=#=_")])
def test_meters_are_drawn_as_the_terminal_can(encoding: str, bars: str) -> None:
    meters = Meters(io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    meters.hear({"audio.mic": {"peaks": [-90] * 4 + [-23] * 4 + [0] * 4 + [-23] * 4 + [-60] * 4}})
    track = {"track": "audio.mic", "level": {"peak_db": -23.4}}
    system = {"track": "audio.system", "level": {"peak_db": -102.0}}
    off = {"track": "video", "state": "healthy"}
    lowest = bars[0] * 5
    assert meters.words({"tracks": [off, track, system]}) == [f"mic {bars} 0 dB", f"system {lowest} silent"]
    muted = {"gains": {"mic": {"muted": True}}}
    assert meters.words({"tracks": [track], "sound": muted}) == ["mic muted"]
    assert meters.words({"tracks": [{**track, "level": None}]}) == []


def test_what_is_heard_in_words() -> None:
    gains = {"mic": {"muted": True}, "system": {"muted": False, "gain_db": 0.0}, "boost": {"gain_db": -6.0}}
    assert (
        heard_text({"sound": {"gains": gains, "balance": 50}}) == "mic muted, system on, boost on (-6 dB), balance 50"
    )
    assert heard_text({"sound": None}) == ""
