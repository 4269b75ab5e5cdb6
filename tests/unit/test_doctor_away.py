"""The doctor says which signals of locks, sleep and idleness there are; on real buses and a real display."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys.demo.servers import XServer
from pepys.doctor.away import away
from pepys.doctor.findings import Finding, State
from tests.buses import LOGIN, login1, private_bus, screen_saver

KDE = "org.freedesktop.ScreenSaver"


def found() -> dict[str, Finding]:
    return {finding.name: finding for finding in away()}


def test_with_neither_bus_nor_display() -> None:
    told = found()
    assert told["lock"].state is told["idle"].state is State.LESS and "no session bus" in told["lock"].found
    assert "pause by hand" in told["lock"].remedy and told["suspend"].state is State.OK


def test_a_display_alone_tells_of_some_lockers(xserver: XServer) -> None:
    told = found()
    assert told["lock"].state is State.LESS and "xss-lock" in told["lock"].found and told["idle"].state is State.OK
    xserver.stop()
    assert found()["idle"].state is State.LESS


def test_services_that_tell(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with private_bus(short_folder) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        services = [screen_saver(address, KDE), login1(address)]
        told = found()
        assert told["lock"].state is State.OK
        assert told["lock"].found.splitlines() == [f"{KDE} tells", f"{LOGIN} tells"]
        assert LOGIN in told["suspend"].found
        for service in services:
            service.end()
