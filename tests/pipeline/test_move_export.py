"""Exports: whole films and sounds from the media child, and words that match them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.cli import main
from pepys.clock import FakeClock
from pepys.errors import Damaged, NotFound, PepysError, StorageProblem, Usage
from pepys.model.artifacts import ScreenText, Summary, TextLine, Utterance, Word, to_json
from pepys.model.manifest import ArtifactRef
from pepys.model.session import Session
from pepys.move.export import FORMATS, export
from pepys.store.edits import add_artifacts
from pepys.store.handover import start_child
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from tests.made_session import RATE, Made, make_session
from tests.stored_session import flip

LONG = (
    "We agreed to hire a second welder for the harbor project in spring because"
    " the permit for the cranes ends in March."
)


def tone(hertz: int, height: int, seconds: int) -> NDArray[np.int16]:
    return (np.sin(np.arange(seconds * RATE) * hertz * 2 * np.pi / RATE) * height).astype(np.int16)


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home, clock=FakeClock())


@pytest.fixture
def session(store: Store) -> Session:
    """Eight seconds, two of pause, four seconds: a tone where speech would be, and words that a test knows."""
    name = make_session(
        store,
        Made(name="Harbor talk", spans=(8.0, 4.0), speech=tone(440, 8_000, 12), tags=("work",), notes=("Ask *Bob*",)),
    )
    view = load(store, name)
    words = tuple(Word(word, 3000 + n * 200, 3150 + n * 200) for n, word in enumerate(LONG.split()))
    made: dict[str, list[Any]] = {
        "transcript": [
            Utterance("audio.mic", 1000, 2500, "Hello <there> & welcome.", ()),
            Utterance("audio.mic", 3000, words[-1].end_ms, LONG, words),
            Utterance("audio.system", 11_000, 12_000, "After the pause.", ()),
        ],
        "screen_text": [
            ScreenText(view.distinct_shots[0].blob, (TextLine("first screen", 0.1, 0.2, 0.3, 0.05),)),
            ScreenText(view.distinct_shots[1].blob, (TextLine("second", 0, 0, 1, 1), TextLine("line", 0, 0, 1, 1))),
        ],
        "summary": [Summary("Made title", "We agreed to hire a welder.", ("Ask Bob", "Hire a welder"))],
    }
    refs = [
        (
            ArtifactRef(stage, "unit", f"key {stage}", "", "test"),
            {"stage": stage, "unit": "unit", "items": [to_json(item) for item in items]},
        )
        for stage, items in made.items()
    ]
    add_artifacts(store, name, refs)
    return load(store, name)


def test_the_film_is_the_recorded_stream_with_pauses_closed(store: Store, session: Session, short_folder: Path) -> None:
    told: list[float] = []
    made = export(store, session, short_folder / "film.mp4", progress=told.append)
    assert (made.format, made.duration_ms) == ("mp4", 12_000)
    assert made.bytes == made.path.stat().st_size
    assert told[-1] == 1.0 and told == sorted(told)
    with av.open(str(made.path)) as film:
        video, sound = film.streams.video[0], film.streams.audio[0]
        assert (video.codec.name, sound.codec.name) == ("h264", "aac")
        assert (video.width, video.height) == (960, 540)
        assert film.duration is not None
        assert abs(film.duration / 1e6 - 12.0) < 0.1
        frames = [frame for frame in film.decode(video)]
    assert len(frames) == 12 * 5
    first, last = frames[0].to_ndarray(format="gray"), frames[-1].to_ndarray(format="gray")
    assert np.abs(first.astype(int) - last.astype(int)).max() > 100, "the screen changed in between"


def test_the_mix_and_single_tracks_are_sound_on_the_film_s_time(
    store: Store, session: Session, short_folder: Path
) -> None:
    loud = {}
    for name, track in (("mix", None), ("mic", "mic"), ("system", "audio.system")):
        made = export(store, session, short_folder / f"{name}.wav", track=track)
        with wave.open(str(made.path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(float)
            assert abs(file.getnframes() / file.getframerate() - 12.0) < 0.05
        loud[name] = float(np.sqrt((samples**2).mean()))
    assert loud["mic"] > 4000 and loud["mix"] > 4000
    assert loud["system"] < 10


def heard(store: Store, session: Session, target: Path, track: str | None = None) -> NDArray[np.int16]:
    """The samples of an exported WAV file, (n, channels)."""
    export(store, session, target, track=track)
    with wave.open(str(target)) as file:
        assert file.getframerate() == RATE
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.reshape(-1, file.getnchannels())


def rms(samples: NDArray[np.int16]) -> float:
    return float(np.sqrt((samples[RATE // 2 : RATE * 3 // 2].astype(float) ** 2).mean()))


@pytest.mark.parametrize("video", [True, False])
def test_the_sound_is_the_mix_that_was_recorded(store: Store, short_folder: Path, video: bool) -> None:
    # In this mix the microphone is turned down to a fifth, and the right side has another tone.
    mic, other = tone(440, 10_000, 3), tone(880, 3_000, 3)
    mix = np.stack((mic // 5, other), axis=1)
    session = load(store, make_session(store, Made(spans=(1.6, 0.8), speech=mic, mix=mix, video=video)))
    sound = heard(store, session, short_folder / "x.wav")
    assert sound.shape == (RATE * 24 // 10, 2)
    assert abs(rms(sound[:, 0]) - 2_000 / 2**0.5) < 100
    assert abs(rms(sound[:, 1]) - 3_000 / 2**0.5) < 100
    alone = heard(store, session, short_folder / "mic.wav", "mic")
    assert alone.shape[1] == 1 and abs(rms(alone) - 10_000 / 2**0.5) < 400


def test_a_session_without_a_recorded_mix_is_the_sum_of_its_devices(store: Store, short_folder: Path) -> None:
    session = load(store, make_session(store, Made(spans=(2.4,), speech=tone(440, 10_000, 3), video=False)))
    sound = heard(store, session, short_folder / "x.wav")
    assert sound.shape == (RATE * 24 // 10, 1) and abs(rms(sound) - 10_000 / 2**0.5) < 400


# Opus itself adds some noise to a packet in which a tone is cut off.
@pytest.mark.parametrize(("track", "most"), [(None, 0.01), ("mic", 0.05)])
def test_where_spans_meet_and_sound_begins_nothing_clicks(
    store: Store, short_folder: Path, track: str | None, most: float
) -> None:
    # A tone that begins at its height, and whose phase jumps where the pause was.
    steady, joint = np.roll(tone(330, 12_000, 4), RATE // 1320), RATE * 16 // 10
    steady[joint:] = -steady[joint:]
    mix = np.stack((steady, steady), axis=1)
    session = load(store, make_session(store, Made(spans=(1.6, 1.6), speech=steady, mix=mix)))
    sound = heard(store, session, short_folder / "x.wav", track)[:, 0] / 32768
    bends = np.abs(np.diff(np.concatenate((np.zeros(2), sound, np.zeros(2))), 2))
    assert bends.max() < most, f"a click of {bends.max():.3f} at {bends.argmax() / RATE:.4f} s"
    assert np.abs(sound[joint - 960 : joint - 300]).max() > 0.3, "no more is faded than the joint needs"


def test_subtitles_run_on_the_film_s_time_and_break_at_words(
    store: Store, session: Session, short_folder: Path
) -> None:
    export(store, session, short_folder / "talk.srt")
    assert (short_folder / "talk.srt").read_text() == (
        "1\n00:00:01,000 --> 00:00:02,500\nmic: Hello <there> & welcome.\n\n"
        "2\n00:00:03,000 --> 00:00:05,950\n"
        "mic: We agreed to hire a second welder for\nthe harbor project in spring because the\n\n"
        "3\n00:00:06,000 --> 00:00:07,350\nmic: permit for the cranes ends in March.\n\n"
        "4\n00:00:09,000 --> 00:00:10,000\nsystem: After the pause.\n"
    )
    export(store, session, short_folder / "talk.vtt")
    assert (
        (short_folder / "talk.vtt")
        .read_text()
        .startswith("WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n<v mic>Hello &lt;there&gt; &amp; welcome.\n\n")
    )


def test_text_and_markdown_read_well(store: Store, session: Session, short_folder: Path) -> None:
    export(store, session, short_folder / "talk.txt")
    assert (short_folder / "talk.txt").read_text() == (
        "Harbor talk\n2027-01-15T08:00:00.000Z, 0:00:12 recorded, tagged work\n\nWe agreed to hire a welder.\n\n"
        "[0:00:01] mic: Hello <there> & welcome.\n[0:00:01] note: Ask *Bob*\n"
        f"[0:00:03] mic: {LONG}\n[0:00:11] system: After the pause.\n"
    )
    export(store, session, short_folder / "talk.md")
    assert (short_folder / "talk.md").read_text() == (
        "# Harbor talk\n\n2027-01-15T08:00:00.000Z, 0:00:12 recorded, tagged work\n\n"
        "## Summary\n\nWe agreed to hire a welder.\n\n- Ask Bob\n- Hire a welder\n\n"
        "## Notes\n\n- **0:00:01** Ask \\*Bob\\*\n\n## Transcript\n\n"
        f"**0:00:01** (mic) Hello \\<there\\> & welcome.\n\n**0:00:03** (mic) {LONG}\n\n"
        "**0:00:11** (system) After the pause.\n"
    )


def test_json_has_the_shape_of_the_contract(store: Store, session: Session, short_folder: Path) -> None:
    export(store, session, short_folder / "talk.json")
    value = json.loads((short_folder / "talk.json").read_text())
    assert {"title", "summary", "chapters", "transcript", "screen_text", "notes", "tags"} <= value.keys()
    assert (value["title"], value["summary"], value["chapters"]) == ("Harbor talk", "We agreed to hire a welder.", [])
    assert value["transcript"][2] == {
        "track": "audio.system", "start_ms": 11_000, "end_ms": 12_000, "text": "After the pause.", "words": [],
    }  # fmt: skip
    assert value["transcript"][1]["words"][0] == {"word": "We", "start_ms": 3000, "end_ms": 3150}
    assert [(shown["at_ms"], shown["end_ms"], shown["text"]) for shown in value["screen_text"]] == [
        (0, 4000, "first screen"),
        (4000, 8000, "second\nline"),
        (10_000, 12_000, "first screen"),
        (12_000, 14_000, "second\nline"),
    ]
    assert value["screen_text"][0]["boxes"] == [{"text": "first screen", "x": 0.1, "y": 0.2, "w": 0.3, "h": 0.05}]
    assert value["notes"][0]["at_ms"] == 1000 and value["notes"][0]["text"] == "Ask *Bob*"
    assert value["tags"] == ["work"]
    assert value["gaps"] == [{"start_ms": 8000, "end_ms": 10_000, "reason": "pause"}]


def test_an_existing_file_is_replaced_and_nothing_else_is_left(
    store: Store, session: Session, short_folder: Path
) -> None:
    folder = short_folder / "out"
    folder.mkdir()
    target = folder / "talk.MD"
    target.write_text("old")
    export(store, session, target)
    assert target.read_text().startswith("# Harbor talk")
    assert [path.name for path in folder.iterdir()] == ["talk.MD"]


def test_an_unnamed_session_takes_the_title_that_was_made(store: Store, short_folder: Path) -> None:
    name = make_session(store, Made(name="", sound=False, video=False))
    summary = {"stage": "summary", "unit": "u", "items": [to_json(Summary("Made title", "", ()))]}
    add_artifacts(store, name, [(ArtifactRef("summary", "u", "k", "", "test"), summary)])
    export(store, load(store, name), short_folder / "x.json")
    assert json.loads((short_folder / "x.json").read_text())["title"] == "Made title"


@pytest.mark.parametrize(
    ("target", "options", "kind", "words"),
    [
        ("film.avi", {}, Usage, "avi is no format"),
        ("film", {}, Usage, "no suffix"),
        ("film.mp4", {"track": "mic"}, Usage, "only wav"),
        ("sound.wav", {"track": "guitar"}, NotFound, "no sound track guitar"),
        ("nowhere/film.mp4", {}, NotFound, "does not exist"),
        (".", {"format": "md"}, Usage, "is not a file"),
    ],
)
def test_what_cannot_be_written_is_told_before_any_work(
    store: Store, session: Session, short_folder: Path, target: str, options: dict[str, Any], kind: type, words: str
) -> None:
    before = sorted(short_folder.iterdir())
    with pytest.raises(kind, match=words):
        export(store, session, short_folder / target, **options)
    assert sorted(short_folder.iterdir()) == before


def test_a_session_without_video_sound_or_transcript_says_so(store: Store, short_folder: Path) -> None:
    bare = load(store, make_session(store, Made(sound=False, video=False)))
    for suffix, words in (("mp4", "no video"), ("wav", "no sound"), ("srt", "no transcript")):
        with pytest.raises(NotFound, match=words) as caught:
            export(store, bare, short_folder / f"x.{suffix}")
        assert caught.value.remedy
    assert export(store, bare, short_folder / "x.json").bytes > 100


def test_an_interrupted_session_is_exported_like_any_other(store: Store, short_folder: Path) -> None:
    view = load(store, make_session(store, Made(ended=False)))
    assert view.state == "interrupted"
    assert export(store, view, short_folder / "x.mp4").bytes > 10_000


def test_a_full_disk_is_told_as_such_by_the_media_child_and_by_the_words(
    store: Store, session: Session, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {"session": session.id, "format": "wav", "to": "/dev/full", "lines": [[["audio.mic", 0]]]}
    child = start_child("pepys.move", store, order, stdout=subprocess.PIPE)
    answer = json.loads(child.communicate(timeout=60)[0].splitlines()[-1])
    assert child.returncode == StorageProblem.exit_code
    assert answer["error"]["code"] == "storage_problem"

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageProblem, match="No space left"):
        export(store, session, short_folder / "x.json")
    assert not list(short_folder.glob("*x.json*"))


def damage(store: Store, blob: str) -> None:
    """Flip a bit in the middle of a blob."""
    path = store.path / "blobs" / blob[3:5] / blob[5:7] / blob
    flip(path, path.stat().st_size // 2)


@pytest.mark.parametrize("track", ["video", "audio.mic"])
def test_a_damaged_segment_costs_itself_alone(
    store: Store, session: Session, short_folder: Path, track: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = session.track(track)
    assert found is not None and len(found.segments) > 1
    lost = found.segments[0]
    damage(store, lost.blob)
    target = short_folder / ("x.mp4" if track == "video" else "x.wav")
    alone = None if track == "video" else track
    made = export(store, session, target, track=alone)
    (missing,) = made.missing
    assert (missing.track, missing.start_ms) == (track, lost.at_ns // 1_000_000)
    with av.open(str(target)) as file:
        # What is lost leaves a hole: the rest keeps its place on the film's time.
        assert file.duration is not None and abs((file.duration + (file.start_time or 0)) / 1e6 - 12.0) < 0.1
    order = ["export", session.id, "--to", str(target), *([] if alone is None else ["--track", alone])]
    assert main(order) == 9
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and f"{track} 0:00 to 0:" in told[0]
    assert main([*order, "--json"]) == 9
    assert json.loads(capsys.readouterr().out)["missing"][0]["track"] == track


@pytest.mark.parametrize("what", ["segments", "inits"])
def test_where_nothing_is_whole_nothing_is_written(
    store: Store, session: Session, short_folder: Path, what: str
) -> None:
    for track in session.tracks:
        for part in track.segments if what == "segments" else track.inits:
            with contextlib.suppress(FileNotFoundError):
                path = store.path / "blobs" / part.blob[3:5] / part.blob[5:7] / part.blob
                path.unlink()
    for name in ("x.mp4", "x.wav"):
        with pytest.raises(Damaged, match="nothing of it"):
            export(store, session, short_folder / name)
    assert not list(short_folder.glob("*x.*"))


def test_ctrl_c_ends_the_child_and_leaves_no_file(
    store: Store, session: Session, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[subprocess.Popen[bytes]] = []

    def start(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        children.append(start_child(*args, **kwargs))
        return children[-1]

    def interrupt(share: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pepys.move.export.start_child", start)
    with pytest.raises(KeyboardInterrupt):
        export(store, session, short_folder / "x.wav", progress=interrupt)
    assert children[0].poll() is not None
    assert not list(short_folder.glob("*x.wav*"))


def test_a_child_that_crashes_is_an_error_and_leaves_no_file(
    store: Store, session: Session, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        code = "import os, sys; sys.stderr.write('codec burst\\n'); sys.stderr.flush(); os.abort()"
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    monkeypatch.setattr("pepys.move.export.start_child", start)
    with pytest.raises(PepysError, match="codec burst"):
        export(store, session, short_folder / "x.mp4")
    assert not list(short_folder.glob("*x.mp4*"))


def test_every_format_of_the_list_can_be_written(store: Store, session: Session, short_folder: Path) -> None:
    for kind in FORMATS:
        assert export(store, session, short_folder / f"all.{kind}").bytes > 0
