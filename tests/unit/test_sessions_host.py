"""The host around a recorder that behaves and misbehaves on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pepys.errors import Busy, DeviceMissing, NotFound, PepysError, StorageProblem, Usage
from pepys.record import probe
from pepys.record.probe import SoundFound
from pepys.sessions.control import host_running, orphans
from pepys.sessions.host import Host
from pepys.sessions.queries import open_library, show_session
from pepys.sessions.start import StartRequest
from tests.hosted import fakes, hosted, listed


@pytest.fixture(autouse=True)
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


def test_a_session_is_started_paused_resumed_and_stopped(home: Path) -> None:
    async def work(host: Host) -> str:
        told = await host.start(StartRequest(name="  one ", tags=("a", "a", "b")))
        assert (told["state"], told["name"]) == ("recording", "one")
        assert (await host.pause())["state"] == "paused"
        assert (await host.pause())["state"] == "paused"
        assert (await host.resume())["state"] == "recording"
        assert (await host.resume())["state"] == "recording"
        note = await host.note("a note")
        assert set(note) == {"id", "at_ms"}
        ended = await host.stop()
        assert ended == {"session": told["session"], "state": "completed"}
        assert host.status()["state"] == "idle"
        assert listed(home)[0]["state"] == "completed"
        with pytest.raises(NotFound):
            await host.stop()
        return str(told["session"])

    session = hosted(home, work)
    with open_library(home) as library:
        shown = show_session(library, "last")
    assert (shown["id"], shown["state"], shown["tags"]) == (session, "completed", ["a", "b"])
    assert [note["text"] for note in shown["notes"]] == ["a note"]
    assert orphans(home) == []


def test_the_missing_default_source_is_left_out_and_told(home: Path) -> None:
    async def work(host: Host) -> Any:
        return await host.start(StartRequest())

    told = hosted(home, work)
    assert {track["track"]: track["state"] for track in told["tracks"]}["audio.system"] == "off"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (StartRequest(system="bogus"), DeviceMissing),
        (StartRequest(audio="both"), DeviceMissing),
        (StartRequest(audio="system"), DeviceMissing),
        (StartRequest(display=":77"), DeviceMissing),
        (StartRequest(name="x" * 300), Usage),
        (StartRequest(name=""), Usage),
        (StartRequest(name="two\nlines"), Usage),
        (StartRequest(tags=("",)), Usage),
        (StartRequest(fps=0), Usage),
        (StartRequest(shots="often"), Usage),
        (StartRequest(video=False, audio="off", shots="off"), Usage),
        (StartRequest(audio="mic", system="mic"), Usage),
    ],
)
def test_what_cannot_be_recorded_is_refused_and_leaves_nothing(
    home: Path, request_: StartRequest, error: type[PepysError]
) -> None:
    async def work(host: Host) -> None:
        with pytest.raises(error):
            await host.start(request_)
        assert host.status()["state"] == "idle"
        assert host.status()["last"]["state"] == "failed"
        await host.start(StartRequest(name="after"))

    hosted(home, work)
    assert [row["name"] for row in listed(home)] == ["after"]


def test_a_named_source_may_be_missing_where_partial_recordings_are_allowed(home: Path) -> None:
    async def work(host: Host) -> Any:
        return await host.start(StartRequest(display=":77", system="bogus", allow_partial=True))

    told = hosted(home, work)
    absent = {track["track"] for track in told["tracks"] if track["state"] == "off"}
    assert absent == {"video", "shots", "audio.system"}


def test_with_nothing_to_record_the_reasons_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "find_display", lambda: (None, "DISPLAY is not set"))
    monkeypatch.setattr(probe, "default_sound", lambda: SoundFound(None, "no server", None, "no server"))

    async def work(host: Host) -> None:
        with pytest.raises(DeviceMissing, match=r"DISPLAY is not set; no server"):
            await host.start(StartRequest())

    hosted(home, work)


def test_a_disk_at_its_reserve_is_not_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepys.limits.DISK_RESERVE_BYTES", 10**18)

    async def work(host: Host) -> None:
        with pytest.raises(StorageProblem, match="reserve"):
            await host.start(StartRequest())

    hosted(home, work)


def test_a_home_has_one_host_and_one_recording(home: Path) -> None:
    async def work(host: Host) -> None:
        with pytest.raises(Busy):
            await Host(home).open()
        await host.start(StartRequest())
        with pytest.raises(Busy):
            await host.start(StartRequest())

    hosted(home, work)
    assert not host_running(home)
    hosted(home, lambda host: asyncio.sleep(0))


def test_a_refused_pause_goes_on_recording(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "refuse:pause")

    async def work(host: Host) -> None:
        await host.start(StartRequest())
        with pytest.raises(DeviceMissing, match="refuses"):
            await host.pause()
        assert host.status()["state"] == "recording"

    hosted(home, work)
    assert listed(home)[0]["state"] == "completed"


def test_a_refused_resume_stays_paused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "refuse:resume")

    async def work(host: Host) -> None:
        await host.start(StartRequest())
        await host.pause()
        with pytest.raises(DeviceMissing):
            await host.resume()
        assert host.status()["state"] == "paused"

    hosted(home, work)


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_recorder_that_dies_at_a_command_leaves_an_interrupted_session(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("FAKE_RECORDER", f"die:{command}")

    async def work(host: Host) -> None:
        await host.start(StartRequest())
        if command == "resume":
            await host.pause()
        with pytest.raises(DeviceMissing):
            await (host.pause() if command == "pause" else host.resume())
        assert host.status()["state"] == "interrupted"
        assert host.status()["restarts"] == 0
        assert listed(home)[0]["state"] == "interrupted"

    hosted(home, work)


def test_a_recorder_that_dies_when_it_is_to_end_leaves_a_completed_session(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "die:stop")

    async def work(host: Host) -> None:
        session = (await host.start(StartRequest()))["session"]
        assert await host.stop() == {"session": session, "state": "completed"}
        assert host.status()["state"] == "idle"

    hosted(home, work)
    assert [row["state"] for row in listed(home)] == ["completed"]


def test_a_held_recording_is_told_is_not_resumed_and_can_be_paused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "locked")

    async def work(host: Host) -> None:
        with host.subscribe() as updates:
            await host.start(StartRequest())
            while host.status()["held"] != "locked":
                await updates.__anext__()
        assert host.status()["state"] == "paused"
        with pytest.raises(Busy, match="locked"):
            await host.resume()
        assert host.status()["state"] == "paused"
        await host.pause()
        assert (host.status()["state"], host.status()["held"]) == ("paused", "")

    hosted(home, work)


def test_a_recorder_that_dies_before_it_is_ready_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "dead")

    async def work(host: Host) -> None:
        with pytest.raises(DeviceMissing, match="ended before it began"):
            await host.start(StartRequest())
        assert host.status()["state"] == "idle"

    hosted(home, work)
    assert listed(home) == []


def test_a_recording_that_ends_by_itself_is_completed_and_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "full")

    async def work(host: Host) -> list[dict[str, Any]]:
        heard = []
        with host.subscribe() as updates:
            await host.start(StartRequest())
            async for push in updates:
                heard.append(push)
                if push["push"] == "session":
                    return heard
        return []

    heard = hosted(home, work)
    assert heard[-1]["state"] == "completed"
    assert [push["error"]["code"] for push in heard if push["push"] == "error"] == ["storage_problem"]


def test_a_tracks_failure_reaches_status_and_listeners(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "fails:audio.mic")

    async def work(host: Host) -> None:
        with host.subscribe() as updates:
            await host.start(StartRequest())
            async for push in updates:
                if push["push"] == "track":
                    assert (push["track"], push["state"]) == ("audio.mic", "failed")
                    break
        states = {track["track"]: track["state"] for track in host.status()["tracks"]}
        assert states["audio.mic"] == "failed"

    hosted(home, work)


def test_a_catalog_that_cannot_be_told_is_named_in_words(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise StorageProblem("the disk is full", "free some space")

    monkeypatch.setattr("pepys.sessions.backing.index_session", full)

    async def work(host: Host) -> None:
        await host.start(StartRequest(name="one"))
        await host.stop()

    hosted(home, work)
    told = [message for message in caplog.messages if "was not told" in message]
    assert told and all(message.endswith(": the disk is full") for message in told)
