"""What the doctor lists can be recorded by the names it tells; what is excluded is in no list and no small picture."""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.clock import SystemClock
from pepys.config import config_dir
from pepys.demo.servers import XServer
from pepys.doctor.findings import Finding, State
from pepys.doctor.pictures import Pictures
from pepys.media.image import decode_picture
from pepys.record.adapters.opening import open_now
from pepys.record.listing import smaller
from pepys.record.sources import Wish, parse_source
from tests.video_stage import NOTHING_EXCLUDED
from tests.x11_client import Client
from tests.x11_sources import odd_server

pytestmark = pytest.mark.unhurried

RED = [0, 0, 255]


def picture(source: dict[str, Any]) -> NDArray[np.uint8]:
    pixels = decode_picture(base64.b64decode(source["thumbnail"]))[..., :3]
    assert max(pixels.shape) <= 160
    return pixels


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in found}


def test_sources_are_listed_with_small_pictures_and_without_what_is_excluded(
    home: Path, xserver: XServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPYS_RECORD_EXCLUDE", '["*plans*"]')
    with ExitStack() as windows:
        for title, place in (("My notes", (100, 100, 400, 300)), ("secret plans", (1000, 600, 600, 400))):
            windows.enter_context(Client(xserver.display, title, place))
        pictures = Pictures(thumbnails=True)
        assert "plans" not in json.dumps(pictures.sources)
        own = f"display:{xserver.display}"
        # Cameras and other displays of this machine are listed too.
        mine = [each for each in pictures.sources if each["name"] == own or each["kind"] not in {"display", "webcam"}]
        sources = {source["name"]: source for source in mine}
        kinds = [source["kind"] for source in mine]
        assert kinds == ["display", "monitor", "window", "mss", "mss"]
        (window,) = (source for source in sources.values() if source["kind"] == "window")
        assert (window["title"], window["width"], window["height"]) == ("My notes", 400, 300)
        assert picture(window)[50, 70].tolist() == RED
        whole = picture(sources[own])
        assert whole[250 // 12, 300 // 12].tolist() == RED, "the window that may be seen"
        assert whole[800 // 12, 1300 // 12].tolist() == [0, 0, 0], "the window that may not"
        assert sources["mss:1"]["thumbnail"] is None, "what cannot keep it out shows nothing"
        wish = Wish(xserver.display, exclusions=NOTHING_EXCLUDED)
        for name, source in sources.items():
            opened = open_now(parse_source(name), wish, SystemClock())
            assert (opened.geometry.width, opened.geometry.height) == (source["width"], source["height"])
            opened.close()
        found = by_name([*pictures.listed(), *pictures.exclusions()])
        assert found["windows"].found == f"{window['name']}  400x300  My notes"
        excluded = found["exclusions"].found
        assert "1 pattern of the settings" in excluded and "KeePassXC" in excluded
        assert "kept out on this display" in excluded and "plans" not in excluded


def test_settings_that_cannot_be_read_list_nothing_of_a_display(home: Path, xserver: XServer) -> None:
    config_dir().mkdir(parents=True)
    (config_dir() / "config.toml").write_text('[record]\nexclude = "*plans*"\n')
    with Client(xserver.display, "secret plans"):
        pictures = Pictures(thumbnails=True)
        assert pictures.sources == []
        assert {finding.name for finding in pictures.listed()} == {"films", "patterns"}, "of the rest nothing is known"
        found = by_name([*pictures.exclusions(), *pictures.display()])
        assert found["exclusions"].state is found["display"].state is State.MISSING
        assert all(finding.remedy and "plans" not in finding.found for finding in found.values())


def test_a_display_that_lacks_something_is_told_with_what_it_does_without(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd_server("-screen", "0", "320x240x24", "-extension", "DAMAGE", "-extension", "MIT-SHM") as display:
        monkeypatch.setenv("DISPLAY", display)
        (finding,) = Pictures().display()
    assert finding.state is State.LESS and finding.remedy
    assert "320x240" in finding.found and "DAMAGE" in finding.found and "MIT-SHM" in finding.found


def test_kinds_that_cannot_be_recorded_here_are_told_and_those_that_are_only_named_too(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lacks in (("RANDR", "Composite"), ()):
        options = [word for name in lacks for word in ("-extension", name)]
        with odd_server("-screen", "0", "320x240x24", *options) as display:
            monkeypatch.setenv("DISPLAY", display)
            pictures = Pictures()
            found = by_name(list(pictures.listed()))
        for plural, needed in (("monitors", "RANDR"), ("windows", "Composite")):
            assert (found[plural].state is State.LESS) == bool(found[plural].remedy) == (needed in lacks)
            assert (needed in found[plural].found) == (needed in lacks)
        assert "file:talk.mp4" in found["films"].found and "pattern:" in found["patterns"].found
        cameras = any(source["kind"] == "webcam" for source in pictures.sources)
        assert (found["cameras"].state is State.OK) == cameras
        assert (found["cameras"].found == "no camera") == (not cameras)


def test_a_child_that_breaks_is_a_finding(home: Path, xserver: XServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepys.modules.sys.executable", "/bin/false")
    pictures = Pictures(thumbnails=True)
    (finding,) = pictures.display()
    assert finding.state is State.MISSING and finding.remedy
    assert pictures.sources == []
    assert {finding.name for finding in pictures.listed()} == {"films", "patterns"}


def test_a_small_picture_is_the_mean_of_what_it_stands_for() -> None:
    chance = np.random.default_rng(5)
    for size in ((1, 1, 4), (5, 3000, 4), (1080, 1920, 4), (161, 2, 4), (160, 160, 4)):
        pixels = chance.integers(0, 255, size, dtype=np.uint8)
        small = smaller(pixels)
        assert small.dtype == np.uint8 and max(small.shape[:2]) <= 160
        assert abs(float(small.mean()) - float(pixels.mean())) < 6
