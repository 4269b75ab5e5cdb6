"""`pepys enrich` and `pepys export` as a user calls them: output, exit codes, remedies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.limits import NS_PER_S
from pepys.store.store import Store, open_store
from pepys.store.work import WorkQueue
from tests.made_session import Made, make_session
from tests.stored_session import Recording

pytestmark = pytest.mark.unhurried

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


@pytest.fixture
def session(store: Store) -> str:
    return make_session(store, Made(sound=False, size=(480, 160)))


def call(capture: Capture, *words: str) -> tuple[int, str, str]:
    capture.readouterr()
    code = main(words)
    told = capture.readouterr()
    return code, told.out, told.err


def document(capture: Capture, *words: str) -> tuple[int, Any]:
    code, out, _ = call(capture, *words, "--json")
    return code, json.loads(out)


def test_enrich_does_it_tells_it_and_the_second_time_does_nothing(session: str, store: Store, capsys: Capture) -> None:
    code, value = document(capsys, "enrich", "last")
    assert code == 0
    (told,) = value["sessions"]
    assert (told["id"], told["state"], told["cost_usd"]) == (session, "completed", 0)
    assert {stage["name"]: stage["state"] for stage in told["stages"]} == {
        "screen_text": "completed",
        "summary": "completed",
    }
    jobs = WorkQueue(store).list()
    code, out, err = call(capsys, "enrich", session[:12], "--stages", "local")
    assert (code, err) == (0, "")
    assert "completed" in out
    assert WorkQueue(store).list() == jobs
    code, shown = document(capsys, "show", session)
    assert shown["enrichment"]["state"] == "completed"
    assert [stage["name"] for stage in shown["enrichment"]["stages"]] == ["screen_text", "summary"]


def test_a_failed_stage_is_exit_9_and_the_rest_is_done(session: str, store: Store, capsys: Capture) -> None:
    # A shot whose blob is gone: its unit fails, the summary is made all the same.
    from pepys.store.reader import load

    shot = load(store, session).distinct_shots[0].blob
    store.blobs.delete(shot)
    code, out, err = call(capsys, "enrich", session, "--json")
    assert code == 9
    value = json.loads(out)
    states = {stage["name"]: stage["state"] for stage in value["sessions"][0]["stages"]}
    assert states == {"screen_text": "failed", "summary": "completed"}
    assert "some stages failed" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("enrich",), 2, "needs the id"),
        (("enrich", "last", "--stages", "ocr"), 2, "no stage ocr"),
        (("enrich", "nobody"), 3, "nobody"),
        (("export", "last"), 2, "to"),
        (("export", "last", "--to", "x.avi"), 2, "mp4, wav, srt, vtt, txt, md, json"),
        (("export", "last", "--to", "/no/where/x.md"), 3, "/no/where"),
        (("export", "last", "--to", "x.wav", "--track", "mic"), 3, "no sound track"),
        (("export", "nobody", "--to", "x.md"), 3, "nobody"),
    ],
)
def test_wrong_use_is_one_line_with_a_remedy(
    session: str, capsys: Capture, words: tuple[str, ...], code: int, told: str
) -> None:
    found, _, err = call(capsys, *words)
    assert found == code
    assert told in err
    assert err.startswith("pepys: ") and err.count("\n") == 1


def test_of_a_session_being_recorded_it_says_that_only_a_part_was_read(store: Store, capsys: Capture) -> None:
    recording = Recording.begin(store, "Live")
    try:
        recording.note("remember the permit")
        code, out, _ = call(capsys, "enrich", recording.session)
        assert (code, out.splitlines()[0]) == (0, f"{recording.session}: pending")
        assert "only what is sealed so far was read" in out
    finally:
        recording.at_ns = 5 * NS_PER_S
        recording.end()
    assert document(capsys, "show", recording.session)[1]["enrichment"]["state"] == "pending"
    code, out, _ = call(capsys, "enrich", recording.session)
    assert (code, out.splitlines()[0]) == (0, f"{recording.session}: completed")
    assert "sealed so far" not in out


def test_resume_takes_up_what_was_left(session: str, store: Store, capsys: Capture) -> None:
    assert call(capsys, "enrich", "--resume")[0] == 0
    WorkQueue(store).enqueue(session, ["screen_text", "summary"])
    code, value = document(capsys, "enrich", "--resume")
    assert (code, value["sessions"][0]["state"]) == (0, "completed")


def test_export_writes_and_tells(session: str, short_folder: Path, capsys: Capture) -> None:
    target = short_folder / "a film.mp4"
    code, value = document(capsys, "export", "last", "--to", str(target))
    assert code == 0
    assert value["bytes"] == target.stat().st_size > 10_000
    assert (value["format"], value["duration_ms"], value["path"]) == ("mp4", 8000, str(target))
    code, out, _ = call(capsys, "export", "last", "--to", str(short_folder / "notes"), "--format", "md")
    assert code == 0
    assert "notes" in out
    assert (short_folder / "notes").read_text().startswith("# Made session")


def test_a_skipped_stage_is_told_with_its_remedy_and_is_no_failure(session: str, store: Store, capsys: Capture) -> None:
    from pepys.enrich.adapters.tesseract import Tesseract
    from pepys.enrich.runner import run_stages
    from pepys.enrich.stage import EngineMissing
    from pepys.enrich.stages.screen_text import ScreenTextStage

    class Blind(Tesseract):
        def engine(self) -> str:
            raise EngineMissing("tesserocr is not installed", "install the extra `ocr`")

    run_stages(store, session, [ScreenTextStage(Blind())], lambda progress: None, lambda: False)
    code, shown = document(capsys, "show", session)
    assert code == 0
    stage = shown["enrichment"]["stages"][0]
    assert (stage["state"], stage["error"]) == ("skipped", "tesserocr is not installed; install the extra `ocr`")
