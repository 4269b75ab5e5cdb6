"""The screen is locked while something is recorded: nothing of it is, and it goes on at the unlock."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys.errors import Busy
from pepys.limits import NS_PER_S
from pepys.store.verify import verify
from tests.buses import hint, login1, private_bus, screen_saver, sleep
from tests.recording import recording

_FILM = {"sources": ("pattern:testsrc2=size=160x120:rate=15",), "encoder": "x264"}
_KDE = "org.freedesktop.ScreenSaver"


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
            run.client.call("resume")
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
        service = screen_saver(address, _KDE, active=True)
        with recording(home, **_FILM, when_locked="record") as run:
            run.until_recorded(400)
            assert run.client.call("status")["held"] == "" and service.heard == []
            assert run.stop().gaps == ()
        service.end()
