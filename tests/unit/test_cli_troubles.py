"""What `pepys record` says of tracks that are unwell: what befell several at once is told once, as is their return."""

from __future__ import annotations

import pytest

from pepys.cli.output import Output
from pepys.cli.record import StatusLine
from tests.unit.test_cli_health import status

_ENDED, _NOBODY = "display :1: the X server has ended", "no X server answers on display ':1'"


class Told:
    """A recording in the foreground whose stderr is no terminal."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._line, self._capsys = StatusLine(Output(False)), capsys
        self._line.hear({"push": "started", "status": status()})
        capsys.readouterr()

    def hear(self, state: str, reason: str, *tracks: str) -> list[str]:
        """The lines that pushes of these tracks lead to."""
        for track in tracks:
            self._line.hear({"push": "track", "track": track, "state": state, "detail": reason})
        return self._capsys.readouterr().err.splitlines()


def test_the_death_of_a_display_and_its_return_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Not once a track, and not once a try."""
    told = Told(capsys)
    shown = ("activity", "video", "shots")
    assert told.hear("restarting", _ENDED, *shown) == [f"activity restarting: {_ENDED}"]
    for _ in range(4):
        assert told.hear("restarting", _NOBODY, *reversed(shown)) == []
    assert told.hear("failed", _NOBODY, *shown) == [f"activity failed: {_NOBODY}"]
    assert told.hear("failed", _NOBODY, *shown) == []
    assert told.hear("healthy", "", "shots", "video") == [], "not all is well yet"
    assert told.hear("healthy", "", "activity") == ["video, activity and shots ok"]
    assert told.hear("restarting", _ENDED, *shown) == [f"activity restarting: {_ENDED}"], "the next time is news"


def test_what_only_one_track_has_keeps_its_own_line(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys)
    assert told.hear("restarting", _ENDED, "video", "shots") == [f"video restarting: {_ENDED}"]
    assert told.hear("restarting", "mic: it is gone", "audio.mic") == ["audio.mic restarting: mic: it is gone"]
    assert told.hear("failed", _NOBODY, "video") == [f"video failed: {_NOBODY}"]
    assert told.hear("healthy", "", "shots", "audio.mic") == ["shots ok", "audio.mic ok"]
    assert told.hear("degraded", "drops pictures", "video") == ["video degraded: drops pictures"]
    assert told.hear("degraded", "is too slow", "video") == ["video degraded: is too slow"], "another trouble of it"
    assert told.hear("healthy", "", "video", "activity") == ["video ok"]


def test_one_that_is_well_is_named_though_the_others_fare_worse(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys)
    told.hear("restarting", _ENDED, "activity", "video")
    assert told.hear("healthy", "", "activity") == []
    assert told.hear("failed", _NOBODY, "video") == [f"video failed: {_NOBODY}"]
    assert told.hear("healthy", "", "video") == ["video and activity ok"]
