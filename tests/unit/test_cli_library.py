"""`list`, `show`, `edit`, `rm`, `note`, `mark` on sessions that exist, in process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.cli.say import track_result
from pepys.clock import parse_rfc3339, rfc3339
from pepys.store.store import Store, open_store
from tests.web_session import Tape

MINUTE_NS = 60_000_000_000
START_NS = 1_795_442_700_000_000_000


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


@pytest.fixture
def sessions(store: Store) -> list[str]:
    """Two ended sessions and one that its recorder left behind, oldest first."""
    first = ended(Tape(store, "the first one", ("red", "old"), START_NS))
    second = ended(Tape(store, "the second one", ("red",), START_NS + MINUTE_NS))
    torn = Tape(store, "torn off", (), START_NS + 2 * MINUTE_NS)
    torn.begin_span()
    torn.write(2)
    torn.writer.close()
    return [first, second, torn.session]


def ended(tape: Tape) -> str:
    """A session of two spans with a minute's pause between them."""
    tape.begin_span()
    tape.shot(0, b"a picture")
    tape.write(4)
    tape.shot(tape.at_ns, b"another picture")
    tape.pause(MINUTE_NS)
    tape.begin_span()
    tape.write(2)
    return tape.end()


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """Run a command in process with `--json`; its document."""
    capsys.readouterr()
    assert main([*words, "--json"]) == code, capsys.readouterr()
    written = capsys.readouterr()
    assert code == 0 or written.err.startswith("pepys: ")
    return json.loads(written.out.splitlines()[-1])


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command tells people."""
    capsys.readouterr()
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_the_list_is_newest_first_and_has_the_contracts_fields(
    capsys: pytest.CaptureFixture[str], sessions: list[str]
) -> None:
    rows = run(capsys, "list")
    assert [row["id"] for row in rows] == sessions[::-1]
    assert [row["state"] for row in rows] == ["interrupted", "completed", "completed"]
    for row in rows:
        assert {"id", "name", "state", "started_at", "duration_ms", "tags"} <= set(row)
        assert rfc3339(parse_rfc3339(row["started_at"])) == row["started_at"]


def test_the_list_is_filtered(capsys: pytest.CaptureFixture[str], sessions: list[str]) -> None:
    def names(*words: str) -> list[str]:
        return [row["name"] for row in run(capsys, "list", *words)]

    assert names("--tag", "red") == ["the second one", "the first one"]
    assert names("--tag", "old") == ["the first one"]
    assert names("--state", "interrupted") == ["torn off"]
    assert names("--query", "second") == ["the second one"]
    assert names("--from", "2999-01-01T00:00:00Z") == []
    assert len(names("--to", "2999-01-01T00:00:00Z")) == 3
    started = run(capsys, "show", sessions[1])["started_at"]
    assert names("--from", started, "--to", "2999-01-01") == ["torn off", "the second one"]


def test_a_home_that_is_not_there_lists_nothing_and_is_not_made(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert run(capsys, "list") == []
    assert "pepys record" in told(capsys, "list")
    assert run(capsys, "show", "last", code=3)["error"]["code"] == "not_found"
    assert not home.exists()


def test_a_session_is_shown_by_id_prefix_and_last(capsys: pytest.CaptureFixture[str], sessions: list[str]) -> None:
    assert run(capsys, "show", sessions[0])["name"] == "the first one"
    assert run(capsys, "show", sessions[0][:20])["name"] == "the first one"
    assert run(capsys, "show", sessions[0].upper())["name"] == "the first one"
    assert run(capsys, "show", "last")["name"] == "torn off"
    assert run(capsys, "show", "0" * 26, code=3)["error"]["exit_code"] == 3
    assert run(capsys, "show", sessions[0][:3], code=2)["error"]["code"] == "usage"
    assert run(capsys, "show", "../../etc", code=3)["error"]["code"] == "not_found"


def test_recorded_time_and_gaps_make_the_wall_time(capsys: pytest.CaptureFixture[str], sessions: list[str]) -> None:
    shown = run(capsys, "show", sessions[0])
    wanted = {
        "id", "name", "state", "started_at", "duration_ms", "wall_ms", "spans", "gaps", "tracks", "shots", "tags",
        "enrichment", "bytes_on_disk", "manifest", "unread",
    }  # fmt: skip
    assert wanted <= set(shown)
    assert shown["gaps"][0]["reason"] == "pause"
    assert shown["gaps"][0]["end_ms"] - shown["gaps"][0]["start_ms"] == 60_000
    assert shown["duration_ms"] + 60_000 == shown["wall_ms"]
    assert (len(shown["spans"]), shown["shots"]["total"] >= 2, shown["bytes_on_disk"] > 0) == (2, True, True)
    assert {"kind", "source", "segments", "bytes", "codec", "frames_captured", "frames_encoded", "frames_dropped",
            "gaps"} <= set(shown["tracks"][0])  # fmt: skip
    assert {"state", "stages", "cost_usd"} <= set(shown["enrichment"])


def test_people_get_tables_that_fit_80_columns(
    capsys: pytest.CaptureFixture[str], sessions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    main(["edit", sessions[0], "--name", "a name that is far too long for the column it stands in " * 4])
    for words in (["list"], ["show", sessions[0]], ["show", "last"]):
        text = told(capsys, *words)
        assert max(len(line) for line in text.splitlines()) <= 80, words
    assert sessions[0][:10] in told(capsys, "list")


def test_names_tags_and_texts_are_edited(capsys: pytest.CaptureFixture[str], sessions: list[str]) -> None:
    edited = run(
        capsys, "edit", sessions[0], sessions[1], "--name", " new name ", "--tag", "blue", "--untag", "red",
        "--description", "long\ntext", "--category", "work", "--note", "seen",
    )  # fmt: skip
    assert [session["id"] for session in edited] == sessions[:2]
    for session in edited:
        assert (session["name"], session["description"], session["category"]) == ("new name", "long\ntext", "work")
        assert "blue" in session["tags"]
        assert "red" not in session["tags"]
        assert "seen" in [note["text"] for note in session["notes"]]
    assert [row["name"] for row in run(capsys, "list", "--tag", "blue")] == ["new name", "new name"]
    assert run(capsys, "edit", sessions[0], code=2)["error"]["message"] == "nothing was to be changed"
    assert run(capsys, "edit", sessions[0], "--name", "x" * 256, code=2)["error"]["code"] == "usage"
    assert run(capsys, "edit", sessions[0], "bogus", "--tag", "no", code=3)["error"]["code"] == "not_found"
    assert "no" not in run(capsys, "show", sessions[0])["tags"]


def test_notes_and_markers_are_put_where_they_belong(capsys: pytest.CaptureFixture[str], sessions: list[str]) -> None:
    session = sessions[0]
    shown = run(capsys, "show", session)
    assert run(capsys, "note", "at an offset", "--session", session, "--at", "1.5s")["at_ms"] == 1500
    moment = rfc3339(parse_rfc3339(shown["started_at"]) + 2_250_000_000)
    assert run(capsys, "mark", "at a moment", "--session", session[:20], "--at", moment)["at_ms"] == 2250
    assert run(capsys, "mark", "--session", session)["at_ms"] == shown["wall_ms"]
    added = {(note["kind"], note["at_ms"], note["text"]) for note in run(capsys, "show", session)["notes"]}
    assert added >= {
        ("note", 1500, "at an offset"), ("marker", 2250, "at a moment"), ("marker", shown["wall_ms"], ""),
    }  # fmt: skip
    assert run(capsys, "note", "late", "--session", session, "--at", "10h", code=2)["error"]["code"] == "usage"
    assert run(capsys, "note", "x" * 10_001, "--session", session, code=2)["error"]["code"] == "usage"
    assert run(capsys, "note", "who", "--session", "zzz", code=3)["error"]["code"] == "not_found"


def test_tags_are_told_apart_and_a_missing_one_is_named(
    capsys: pytest.CaptureFixture[str], sessions: list[str]
) -> None:
    told(capsys, "edit", sessions[0], "--tag", "tag two")
    assert "red, old, tag two" in told(capsys, "list")
    assert "red, old, tag two" in told(capsys, "show", sessions[0])
    assert main(["edit", sessions[0], "--untag", "nope"]) == 0
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", f"Session {sessions[0]} has no tag nope.\n")
    assert "is changed" in told(capsys, "edit", sessions[0], "--untag", "nope", "--untag", "old")


def test_an_ended_session_tells_results_and_what_a_crash_took(
    capsys: pytest.CaptureFixture[str], sessions: list[str]
) -> None:
    whole = told(capsys, "show", sessions[0])
    assert "RESULT" in whole
    assert "whole" in whole
    assert not {"healthy", "starting"} & set(whole.split())
    torn = told(capsys, "show", sessions[2])
    assert "crash, at most 1 s is missing" in torn
    assert "gap of 0:00" not in torn


def test_a_tracks_result_names_its_last_trouble() -> None:
    from pepys.cli.say import track_result

    gaps = [{"reason": "source_closed", "start_ms": 0, "end_ms": 5}, {"reason": "silent", "start_ms": 7, "end_ms": 9}]
    assert track_result({"state": "restarting", "detail": "", "gaps": gaps}) == "2 gaps, the last: silent"
    assert track_result({"state": "failed", "detail": "it ended", "gaps": gaps[:1]}) == "1 gap: it ended"
    crash = {"reason": "crash", "start_ms": 1, "end_ms": 2, "detail": ""}
    ended = {"state": "failed", "detail": "it ended", "gaps": gaps[:1]}
    assert track_result(ended, [crash]) == "1 gap: it ended; and the crash"
    assert track_result(ended, [crash, crash]) == "1 gap: it ended; and 2 crashes"
    assert track_result({"state": "off", "detail": "no display", "gaps": []}) == "left out: no display"
    assert track_result({"state": "healthy", "detail": "", "gaps": []}) == "whole"
    silent = {"state": "degraded", "detail": "recording, but nothing is heard: digital silence for 30 s", "gaps": []}
    assert track_result(silent) == "whole, but nothing is heard: digital silence for 30 s"


def test_a_moment_without_a_zone_is_local_and_may_be_the_second_of_the_start(
    capsys: pytest.CaptureFixture[str], sessions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        local = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(START_NS // 1_000_000_000))
        assert local.replace("T", " ")[:16] in told(capsys, "list")
        assert run(capsys, "note", "begun", "--session", sessions[0], "--at", local)["at_ms"] == 0
        assert "the first one" in told(capsys, "list", "--from", local)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_reader_that_goes_away_ends_a_command_quietly(sessions: list[str]) -> None:
    import subprocess
    import sys

    for words in (["show", "last"], ["list"], ["record", "--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "pepys", *words], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, ""), words


def test_removal_needs_a_yes_and_frees_what_it_tells(
    capsys: pytest.CaptureFixture[str], sessions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115, PTH123 - no terminal to ask
    assert run(capsys, "rm", sessions[0], code=2)["error"]["remedy"] == "add --yes"
    assert len(run(capsys, "list")) == 3
    assert run(capsys, "rm", "bogus", sessions[0], "--yes", code=3)["error"]["code"] == "not_found"
    removed = run(capsys, "rm", sessions[0], sessions[2], sessions[0], "--yes")
    assert removed["removed"] == [sessions[0], sessions[2]]
    assert removed["bytes_freed"] > 0
    assert [row["id"] for row in run(capsys, "list")] == [sessions[1]]
    assert run(capsys, "show", sessions[0], code=3)["error"]["code"] == "not_found"


def test_a_terminal_is_asked_before_a_removal(
    capsys: pytest.CaptureFixture[str], sessions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    capsys.readouterr()
    assert main(["rm", sessions[0]]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "pepys: nothing was deleted"
    assert len(run(capsys, "list")) == 3
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert main(["rm", sessions[0]]) == 0
    assert len(run(capsys, "list")) == 2


def test_an_interrupted_session_is_completed_without_a_daemon(
    capsys: pytest.CaptureFixture[str], sessions: list[str]
) -> None:
    assert run(capsys, "stop", "last") == {"session": sessions[2], "state": "completed"}
    assert run(capsys, "stop", "last") == {"session": sessions[2], "state": "completed"}
    assert run(capsys, "show", "last")["state"] == "completed"


def test_columns_count_the_cells_of_wide_letters() -> None:
    from pepys.cli.columns import cells, fit, widths

    assert (cells("abc"), cells("日本"), cells("e\u0301")) == (3, 4, 1)
    assert (fit("abc", 5), fit("abcdef", 4), fit("日本語", 4)) == ("abc  ", "abc…", "日… ")
    rows = [["id", "x" * 50, "y" * 30], ["id", "", ""]]
    assert widths(rows, None, (1, 2)) == [2, 50, 30]
    assert sum(widths(rows, 40, (1, 2))) + 4 == 40
    assert widths(rows, 10, (1, 2)) == [2, 8, 8]


@pytest.mark.parametrize("place", ["before", "after"])
def test_options_stand_before_or_after_the_command(
    capsys: pytest.CaptureFixture[str], sessions: list[str], home: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPYS_HOME", "/nonexistent/elsewhere")
    options = ["--home", str(home), "--json"]
    capsys.readouterr()
    assert main([*options, "list"] if place == "before" else ["list", *options]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert os.environ["PEPYS_HOME"] == str(home)


def test_an_error_without_a_name_is_one_line_and_a_traceback_needs_debug(
    capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("some\nlines")

    monkeypatch.setattr("pepys.cli.control.status_of", broken)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == (
        "pepys: unexpected RuntimeError: some lines; run it again with --debug for the details\n"
    )
    assert main(["status", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device"), 5),
        (OSError(30, "Read-only file system", "/x"), 5),
        (PermissionError(13, "Permission denied", "/x"), 4),
        (FileNotFoundError(2, "No such file or directory", "/x"), 1),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(32, "Broken pipe"), 141),
    ],
)
def test_errors_of_the_system_have_the_contracts_codes(
    home: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("pepys.cli.control.status_of", broken)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert main(["status", "--json"]) == code


def test_a_track_says_what_a_crash_cost_it() -> None:
    track = {"state": "healthy", "gaps": []}
    told = [track_result(track, [{"reason": "crash", "start_ms": 5, "end_ms": end}]) for end in (5, 9)]
    assert [track_result(track), *told] == ["whole", "whole up to the crash", "whole but for the crash"]
    crashes = [{"reason": "crash", "start_ms": at, "end_ms": at + 4} for at in (5, 20)]
    assert track_result(track, crashes) == "whole but for 2 crashes"
    crashes[1]["end_ms"] = 20
    assert track_result(track, crashes) == "whole up to the last crash"
