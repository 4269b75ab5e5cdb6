"""What is shown: the words of the command line, the recorder's order that they become, and what leaves a home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pepys import config, limits
from pepys.cli import main
from pepys.clock import SystemClock
from pepys.errors import DeviceMissing, PepysError, Usage
from pepys.model.ids import new_session_id
from pepys.model.session import Session
from pepys.record import cameras, probe
from pepys.record.spec import RecordSpec
from pepys.review.overview import overview
from pepys.review.rows import Extras
from pepys.review.texts import Texts
from pepys.sessions import foreground
from pepys.sessions.host import Host
from pepys.sessions.start import StartRequest, make_spec, request_from_json, validate
from pepys.store.reader import load
from pepys.store.store import open_store
from tests.hosted import fakes, hosted

SECRET = "*Quixote Bank*"
WINDOWS = ("--window", "a", "--window", "b")


@pytest.fixture(autouse=True)
def fake_devices(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with fakes(monkeypatch, home):
        yield


@pytest.fixture
def camera_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "list_cameras", lambda: [cameras.Camera("/dev/video2", "A camera")])


def spec_of(home: Path, before: Session | None = None, **asked: Any) -> RecordSpec:
    """The order for a recorder that a request becomes."""
    clock = SystemClock()
    request, settings = validate(StartRequest(**asked), clock)
    return make_spec(home, request, settings, clock, before)


def asked_by(monkeypatch: pytest.MonkeyPatch, *words: str) -> StartRequest:
    """The request that `pepys record` makes of some words."""
    heard: list[StartRequest] = []

    def run(home: Path, request: StartRequest, **_: Any) -> None:
        heard.append(request)
        raise PepysError("heard")

    monkeypatch.setattr(foreground, "record", run)
    assert main(["record", *words]) == 1
    return heard[0]


def write_settings(text: str) -> None:
    config.config_dir().mkdir(parents=True, exist_ok=True)
    (config.config_dir() / "config.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ("--exclude", "["),
        ("--exclude", "plans [of"),
        ("--source", "nothing"),
        ("--source", "bogus:1"),
        ("--source", "window: "),
        ("--window", ""),
        ("--window", "two\nlines"),
        ("--window", "x" * (limits.SOURCE_CHARS + 1)),
        ("--region", "800x600"),
        ("--region", "0x600+0+0"),
        ("--region", "600x15+0+0"),
        ("--region", "800x600+١+0"),
        ("--region", "800x00+0+0"),
        ("--region", "800x600-1+0"),
        ("--window", "a", "--window", "a"),
        sum(((("--window", f"w{n}")) for n in range(limits.SOURCES_MAX + 1)), ()),
        ("--webcam", *sum(((("--window", f"w{n}")) for n in range(limits.SOURCES_MAX)), ())),
        ("--layout", "mosaic"),
        ("--layout", "grid:5", *WINDOWS),
        ("--layout", "pip:middle", *WINDOWS),
        ("--layout", "pip"),
        ("--layout", "side-by-side"),
        ("--layout", "passthrough", *WINDOWS),
        ("--layout", "passthrough", "--webcam"),
        ("--layout", "pip", *WINDOWS, "--webcam"),
        ("--layout", "side-by-side", *sum(((("--window", f"w{n}")) for n in range(5)), ())),
        ("--no-video", "--window", "a"),
        ("--no-video", "--webcam"),
        ("--no-video", "--layout", "grid"),
        ("--fps", "0"),
        ("--fps", "1000"),
    ],
)
def test_words_that_mean_no_picture_are_exit_2_before_anything_is_made(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    for command in ("record", "start"):
        assert main([command, *words, "--json"]) == 2, words
        error = json.loads(capsys.readouterr().out)["error"]
        assert error["message"] and error["remedy"]
    assert not home.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--exclude", " "),
        ("--exclude", SECRET, "--exclude", ""),
        ("--exclude", SECRET * 30),
        ("--exclude", SECRET, "--no-exclude"),
        sum(((("--exclude", f"{SECRET}{n}")) for n in range(limits.PATTERNS_MAX + 1)), ()),
    ],
)
def test_wrong_patterns_are_exit_2_and_are_not_repeated(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["record", *words, "--json"]) == 2
    written = capsys.readouterr()
    assert "Quixote" not in written.out + written.err
    assert not home.exists()


def test_sources_keep_the_order_of_the_line(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    request = asked_by(
        monkeypatch, "--window", "b", "--monitor", "M", "--source", "file:talk.mp4", "--exclude", "x", "--window", "a",
        "--region=16x20+3+4", "--webcam", "--source", "mss:1", "--exclude", "y", "--exclude", "x",
    )  # fmt: skip
    talk = f"file:{Path.cwd() / 'talk.mp4'}"  # the recorder works in another folder
    assert request.sources == ("window:b", "monitor:M", talk, "window:a", "region:16x20+3+4", "mss:1")
    assert (request.webcam, request.exclude, request.layout, request.fps) == (True, ("x", "y"), None, None)
    assert request_from_json(json.loads(json.dumps(request.to_json()))) == request


def test_without_words_the_display_in_force_is_shown(home: Path) -> None:
    spec = spec_of(home)
    assert (spec.display, spec.sources, spec.sources_required) == (":9", ("display::9",), False)
    assert (spec.layout, spec.fps, spec.encoder, spec.activity) == ("passthrough", 30, "auto", True)
    assert (spec.exclude, spec.exclude_builtin, spec.video) == ((), True, True)
    assert spec_of(home, display=":9").sources_required
    assert not spec_of(home, display=":9", allow_partial=True).sources_required


@pytest.mark.parametrize(("quality", "fps"), [("low", 15), ("medium", 30), ("high", 30), ("ultra", 60)])
def test_a_quality_has_its_own_rate_unless_one_is_given(home: Path, quality: str, fps: int) -> None:
    assert spec_of(home, quality=quality).fps == fps
    assert spec_of(home, quality=quality, fps=7).fps == 7
    write_settings("[record]\nfps = 9\n")
    assert spec_of(home, quality=quality).fps == 9


@pytest.mark.parametrize(
    ("asked", "sources", "layout", "activity"),
    [
        ({"sources": ("window:a",)}, ("window:a",), "passthrough", False),
        ({"sources": ("window:a", "window:b")}, ("window:a", "window:b"), "grid", False),
        ({"sources": ("monitor:M", "window:b")}, ("monitor:M", "window:b"), "grid", True),
        ({"sources": ("window:a",), "display": ":9"}, ("window:a",), "passthrough", False),
        ({"webcam": True}, ("display::9", "webcam:/dev/video2"), "pip:bottom-right:small", True),
        ({"webcam": True, "layout": "pip:top-left"}, ("display::9", "webcam:/dev/video2"), "pip:top-left:small", True),
        ({"sources": ("window:a", "window:b"), "webcam": True}, ("window:a", "window:b", "webcam:/dev/video2"), "grid",
         False),
        ({"sources": ("region:16x16+0+0", "window:b"), "layout": "side-by-side"}, ("region:16x16+0+0", "window:b"),
         "side-by-side", True),
    ],
)  # fmt: skip
def test_named_sources_take_the_display_s_place(
    home: Path, camera_there: None, asked: dict[str, Any], sources: tuple[str, ...], layout: str, activity: bool
) -> None:
    spec = spec_of(home, **asked)
    assert (spec.sources, spec.layout, spec.activity, spec.display) == (sources, layout, activity, ":9")
    assert spec.sources_required


def test_what_no_display_gives_needs_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "find_display", lambda: (None, "DISPLAY is not set"))
    spec = spec_of(home, sources=("pattern:testsrc2", "file:/talk.mp4"))
    assert (spec.display, spec.activity, spec.absent) == (None, False, (("audio.system", "there is no default sink"),))
    for name in ("window:a", "monitor:M", "region:16x16+0+0"):
        with pytest.raises(DeviceMissing, match="DISPLAY is not set"):
            spec_of(home, sources=("pattern:testsrc2", name))
        spec = spec_of(home, sources=("pattern:testsrc2", name), allow_partial=True)
        assert (spec.sources, spec.layout) == (("pattern:testsrc2",), "passthrough")
        assert (name, "no display: DISPLAY is not set") in spec.absent


def test_a_webcam_that_is_not_there_is_exit_4_unless_partial_is_allowed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "list_cameras", list)
    with pytest.raises(DeviceMissing, match="no camera"):
        spec_of(home, webcam=True)
    spec = spec_of(home, webcam=True, layout="pip", allow_partial=True)
    assert (spec.sources, spec.layout) == (("display::9",), "passthrough")
    assert ("webcam", "there is no camera on this machine") in spec.absent


def test_a_default_display_that_is_missing_leaves_the_webcam(
    home: Path, monkeypatch: pytest.MonkeyPatch, camera_there: None
) -> None:
    monkeypatch.setattr(probe, "find_display", lambda: (None, "DISPLAY is not set"))
    spec = spec_of(home, webcam=True)
    assert (spec.sources, spec.layout, spec.activity) == (("webcam:/dev/video2",), "passthrough", False)
    assert ("display", "no display: DISPLAY is not set") in spec.absent


def test_settings_give_layout_encoder_and_patterns(home: Path) -> None:
    write_settings('[record]\nlayout = "side-by-side"\nencoder = "x264"\nexclude = ["mail", "*bank*"]\n')
    spec = spec_of(home, sources=("window:a", "window:b"), exclude=("chat", "mail"))
    assert (spec.layout, spec.encoder, spec.exclude) == ("side-by-side", "x264", ("chat", "mail", "*bank*"))
    assert spec_of(home).layout == "passthrough"  # where it does not fit, nobody asked for it
    spec = spec_of(home, no_exclude=True)
    assert (spec.exclude, spec.exclude_builtin) == ((), False)
    write_settings('[record]\nlayout = "mosaic"\n')
    with pytest.raises(Usage, match=r"record\.layout"):
        spec_of(home)


def test_a_session_that_goes_on_keeps_out_what_it_kept_out(home: Path) -> None:
    write_settings('[record]\nexclude = ["from settings"]\n')
    first = spec_of(home, exclude=("from flag",), sources=("window:a", "window:b"), layout="grid:1")
    write_settings('[record]\nexclude = ["new"]\n')
    request = request_from_json(json.loads(json.dumps(first.config)))
    before = Session(new_session_id(1), "kept", "interrupted", 0, 0)
    again = spec_of(home, before, **{name: getattr(request, name) for name in ("exclude", "sources", "layout")})
    assert again.exclude == ("from flag", "from settings", "new")
    assert (again.sources, again.layout, again.resume) == (("window:a", "window:b"), "grid:1", True)


def test_set_changes_what_is_shown_and_says_what_is_in_force(
    home: Path, capsys: pytest.CaptureFixture[str], camera_there: None
) -> None:
    async def work(host: Host) -> None:
        import asyncio

        await host.start(StartRequest(audio="off"))
        assert await asyncio.to_thread(main, ["set", "--layout", "side-by-side", *WINDOWS]) == 0
        assert capsys.readouterr().out == "Showing side-by-side: window:a + window:b.\n"
        assert await asyncio.to_thread(main, ["set", "--webcam", "--layout", "grid", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["state"], told["layout"]) == ("recording", "grid")
        assert told["sources"] == ["window:a", "window:b", "webcam:/dev/video2"]
        assert await asyncio.to_thread(main, ["status"]) == 0
        assert "  showing grid: window:a + window:b + webcam:/dev/video2\n" in capsys.readouterr().out

    hosted(home, work)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),
        (("--layout", "mosaic"), 2),
        (("--layout", "pip", "--window", "a"), 2),
        (("--source", "bogus:1"), 2),
        (("--window", "a", "--window", "a"), 2),
        (("--layout", "grid"), 3),
        (("--webcam",), 3),
    ],
)
def test_set_without_a_recording(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int
) -> None:
    assert main(["set", *words, "--json"]) == code
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["message"] and error["remedy"]


def test_what_the_recorder_refuses_to_set_changes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RECORDER", "refuse:set")

    async def work(host: Host) -> None:
        import asyncio

        await host.start(StartRequest(audio="off"))
        assert await asyncio.to_thread(main, ["set", *WINDOWS, "--json"]) == 4
        assert json.loads(capsys.readouterr().out)["error"]["message"] == "the fake refuses to set"
        assert host.status()["sources"] == ["display::9"]
        assert host.status()["state"] == "recording"

    hosted(home, work)


def test_patterns_leave_a_home_in_nothing_that_is_shown_or_exported(
    home: Path, capsys: pytest.CaptureFixture[str], short_folder: Path
) -> None:
    write_settings(f'[record]\nexclude = ["{SECRET} of the settings"]\n')
    assert main(["record", "kept", "--exclude", SECRET, "--seconds", "0.3", "--json"]) == 0
    commands: list[list[str]] = [["list"], ["show", "last"], ["edit", "last", "--tag", "t"], ["status"], ["verify"],
                                 ["search", "kept"], ["search", "Quixote"]]  # fmt: skip
    commands += [["export", "last", "--to", str(short_folder / f"out.{kind}")] for kind in ("json", "txt", "md")]
    for words in commands:
        main(words)
        main([*words, "--json"])
    store = open_store(home)
    session = load(store, json.loads(_shown(capsys, "show", "last", "--json"))["id"])
    assert session.config["exclude"] == [SECRET, f"{SECRET} of the settings"]  # sealed, for going on with it
    written = capsys.readouterr()
    told = written.out + written.err + json.dumps(overview(session, Texts(), Extras()))
    told += "".join(path.read_text() for path in short_folder.glob("out.*"))
    assert "kept" in told
    # The query itself is said again where nothing is found.
    assert "Bank" not in told
    for path in home.rglob("*"):
        assert not path.is_file() or b"Quixote" not in path.read_bytes(), path


def _shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    before = capsys.readouterr()
    assert main(list(words)) == 0
    shown = capsys.readouterr().out
    print(before.out, before.err, shown)  # back to what is looked through
    return shown
