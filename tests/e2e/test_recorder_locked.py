"""The screen is locked while something is recorded: nothing of it is, and it goes on at the unlock."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys.errors import Busy
from pepys.limits import NS_PER_S
from pepys.store.verify import verify
from tests.buses import hint, login1, private_bus, screen_saver, sleep
from tests.recording import Recording, recording
from tests.waiting import wait_until

_FILM = {"sources": ("pattern:testsrc2=size=160x120:rate=15",), "encoder": "x264"}
_KDE = "org.freedesktop.ScreenSaver"


def _resumes(run: Recording) -> bool:
    """Whether it is not refused."""
    try:
        run.client.call("resume")
    except Busy:
        return False
    return True


def test_locked_asleep_and_held_by_the_user(short_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with private_bus(short_folder) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        kde, login = screen_saver(address, _KDE), login1(address)
        path = "/" + _KDE.replace(".", "/")
        with recording(home, **_FILM) as run:
            run.until_recorded(400)
            kde.emit(path, _KDE, "ActiveChanged", "b", True)
            told_ns = run.store.clock.now_ns()
            assert run.until_push(3, push="state", state="paused")["status"]["held"] == "locked"
            assert run.store.clock.now_ns() - told_ns < 2 * NS_PER_S
            with pytest.raises(Busy, match="locked"):
                run.client.call("resume")
            kde.emit(path, _KDE, "ActiveChanged", "b", False)
            assert run.until_push(5, push="state", state="recording")["status"]["held"] == ""
            sleep(login, True)
            assert run.until_push(3, push="state", state="paused")["status"]["held"] == "suspended"
            sleep(login, False)
            run.until_push(5, push="state", state="recording")
            # What the user paused stays so, whatever the lock does.
            hint(login, True)
            run.until_push(3, push="state", state="paused")
            run.client.call("pause")
            hint(login, False)
            status = run.client.call("status")
            assert status["state"] == "paused" and status["held"] == ""
            wait_until(lambda: _resumes(run), 5, "the unlock")
            view = run.stop()
        for service in (kde, login):
            service.end()
    assert [gap.reason for gap in view.gaps][:2] == ["locked", "suspended"] and len(view.spans) == 4
    assert _KDE in view.gaps[0].detail
    assert sum(gap.end_ns - gap.start_ns for gap in view.gaps) == view.end_ns - view.duration_ns
    assert verify(run.store).damages == ()


def test_who_wants_the_lock_recorded_gets_it(short_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with private_bus(short_folder) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        service, login = screen_saver(address, _KDE, active=True), login1(address)
        with recording(home, **_FILM, when_locked="record") as run:
            run.until_recorded(400)
            assert run.client.call("status")["held"] == "" and service.heard
            # Nothing can be recorded of a sleep, whoever wants what.
            wait_until(lambda: "Get" in login.heard, 5, "a recorder that listens")
            sleep(login, True)
            assert run.until_push(3, push="state", state="paused")["status"]["held"] == "suspended"
            sleep(login, False)
            run.until_push(5, push="state", state="recording")
            assert [gap.reason for gap in run.stop().gaps] == ["suspended"]
        for each in (service, login):
            each.end()


def test_what_the_user_paused_is_not_resumed_while_the_screen_is_locked(
    short_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with private_bus(short_folder) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        login = login1(address)
        with recording(home, **_FILM) as run:
            run.until_recorded(400)
            wait_until(lambda: "Get" in login.heard, 5, "a recorder that listens")
            hint(login, True)
            run.until_push(3, push="state", state="paused")
            run.client.call("pause")
            with pytest.raises(Busy, match="locked"):
                run.client.call("resume")
            hint(login, False)
            wait_until(lambda: _resumes(run), 5, "the unlock")
            view = run.stop()
        login.end()
    assert [gap.reason for gap in view.gaps] == ["locked", "pause"] and len(view.spans) == 2
