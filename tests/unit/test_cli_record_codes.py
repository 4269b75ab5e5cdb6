"""How `pepys record` ends, in process and around a fake recorder: exit codes, lines, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.errors import Busy
from pepys.sessions.foreground import record
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest
from tests.hosted import fakes, hosted, listed


@pytest.fixture(autouse=True)
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


@pytest.mark.parametrize(
    ("words", "code", "state", "line"),
    [
        ("", 0, "completed", ""),
        ("fails:audio.mic", 9, "completed", "pepys: audio.mic failed while recording; the other tracks are whole"),
        (
            "fails:video fails:audio.mic fails:shots",
            9,
            "completed",
            "pepys: audio.mic, shots, video failed while recording; what they recorded before is saved",
        ),
        ("gone", 9, "completed", "pepys: display :9: the X server has ended; what was recorded is saved"),
        ("full", 5, "completed", "pepys: the disk reserve is reached; free"),
        ("crash", 0, "completed", ""),  # another recorder goes on; that it does is told
    ],
)
def test_the_end_of_a_recording_has_its_exit_code_and_line(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    words: str, code: int, state: str, line: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("FAKE_RECORDER", words)
    assert main(["record", "ends", "--seconds", "0.6", "--json"]) == code
    written = capsys.readouterr()
    assert written.err.splitlines()[-1].startswith(line or "Session ")
    if words == "full":
        assert written.err.count("the disk reserve is reached") == 1
    if words.startswith("fails"):
        assert written.err.count(" failed: the cable is out\n") == 1, "tracks that fail for one reason share a line"
    events = [json.loads(text) for text in written.out.splitlines()]
    last = events[-1] if code == 0 else events[-2]
    assert (last["event"], last["state"], last["session"]) == (state, state, listed(home)[0]["id"])
    assert ("error" in events[-1]) == (code != 0)
    assert [row["state"] for row in listed(home)] == [state]


def test_left_out_sources_are_named_once_and_are_no_failure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--seconds", "0.3"]) == 0
    assert capsys.readouterr().err.count("without audio.system: there is no default sink") == 1


def test_the_caller_hears_every_push_and_gets_the_outcome(home: Path) -> None:
    heard: list[dict[str, Any]] = []
    outcome = record(home, StartRequest(name="heard", tags=("demo",)), seconds=0.3, on_push=heard.append)
    assert (outcome.state, outcome.failed_tracks, outcome.interrupted, outcome.error) == ("completed", (), False, None)
    kinds = [push["push"] for push in heard]
    assert kinds.count("started") == 1
    assert heard[-1] == {"push": "session", "session": outcome.session, "state": "completed"}
    assert listed(home)[0]["tags"] == ["demo"]


def test_a_second_host_is_refused_before_anything_is_opened(home: Path) -> None:
    async def work(host: Host) -> None:
        import asyncio

        def second() -> None:
            with pytest.raises(Busy, match="runs on"):
                record(home, StartRequest(), seconds=0.1)

        await asyncio.to_thread(second)

    hosted(home, work)
