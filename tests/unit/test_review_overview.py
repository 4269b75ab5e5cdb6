"""What the review page is told of a session: sizes that hold, times that agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pepys import limits
from pepys.errors import NotFound
from pepys.limits import NS_PER_S
from pepys.model.artifacts import ScreenText, Summary, TextLine, Utterance, Word, to_json
from pepys.model.session import ClockStep, Focus, Gap, Note, Session, Track
from pepys.review.apps import stretches
from pepys.review.items import items
from pepys.review.overview import overview
from pepys.review.playback import find_segment, init_mime, playback
from pepys.review.rows import Extras, one_line
from pepys.review.shelf import Shelf
from pepys.review.shots import find_shot, shot_text
from pepys.review.texts import Texts, read_texts
from pepys.store.store import Store, open_store
from tests.web_session import FRAGMENT_NS, MIME, SOUND_MIME, Tape, busy_hour, is_gapless, two_spans


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


def _sent(told: dict[str, Any]) -> int:
    return len(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode())


def test_overview_of_a_busy_hour_is_small(store: Store) -> None:
    tape = busy_hour(store)
    session = Shelf(store).session(tape.session)
    told = overview(session, Texts(), Extras())
    assert _sent(told) < limits.OVERVIEW_BYTES
    assert len(session.focus) == 900 and 20 < len(told["apps"]) <= 110
    assert sum(bucket["shots"] for bucket in told["buckets"]) == len(session.shots) == 720
    assert all(note["cut"] for note in told["notes"])


def test_overview_stays_small_whatever_is_in_it(store: Store) -> None:
    base = Shelf(store).session(two_spans(store).session)
    wide = "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 500
    monster = Session(
        base.id, wide, "completed", base.started_wall_ns, 40_000 * NS_PER_S, spans=base.spans, tags=(wide[:60],) * 20,
        focus=tuple(Focus(n * NS_PER_S, (n + 1) * NS_PER_S, f"{n}{wide}", f"{n}{wide}") for n in range(5_000)),
        notes=tuple(Note(f"n{n}", n, wide * 5) for n in range(500)), description=wide,
    )  # fmt: skip
    texts = Texts(summary=Summary(wide, wide * 20, (wide,) * 40))
    told = overview(monster, texts, Extras())
    assert _sent(told) < limits.OVERVIEW_BYTES


def test_overview_tells_the_longest_idle_times_and_steps_of_the_clock(store: Store) -> None:
    base = Shelf(store).session(two_spans(store).session)
    idle = tuple((n * 10 * NS_PER_S, (n * 10 + 1 + n % 7) * NS_PER_S) for n in range(2_000))
    steps = tuple(ClockStep(n * NS_PER_S, -n * NS_PER_S) for n in range(100))
    told = overview(replace(base, idle=idle, clock_steps=steps), Texts(), Extras())
    assert _sent(told) < limits.OVERVIEW_BYTES
    assert len(told["idle"]) == 120 and all(end - start == 7_000 for start, end in told["idle"])
    assert told["idle"] == sorted(told["idle"])
    assert told["clock_steps"][-1] == {"at_ms": 99_000, "step_ms": -99_000} and len(told["clock_steps"]) == 20


def test_overview_stays_small_with_many_sources_that_came_and_went(store: Store) -> None:
    base = Shelf(store).session(two_spans(store).session)
    gaps = tuple(Gap(n * NS_PER_S, (n + 1) * NS_PER_S, "source_closed", "video.1", "x" * 500) for n in range(50))
    parts = tuple(
        Track(f"video.{n}", "video", f"window:{'t' * 500}", gaps=gaps) for n in range(1, limits.SOURCES_MAX + 1)
    )
    whole = Track("video", "video", " + ".join(part.source for part in parts), "h264", 640, 480, "grid:4", "x264")
    told = overview(replace(base, tracks=(whole, *parts)), Texts(), Extras())
    assert _sent(told) < limits.OVERVIEW_BYTES
    first, second = told["session"]["tracks"][:2]
    assert (first["layout"], first["encoder"], second["segments"]) == ("grid:4", "x264", 0)
    assert second["gaps"]


def test_overview_tells_spans_gaps_notes_and_figures(store: Store) -> None:
    tape = two_spans(store, tags=("demo",))
    told = overview(Shelf(store).session(tape.session), Texts(), Extras(bytes_on_disk=7))
    row = told["session"]
    assert (row["name"], row["state"], row["tags"], row["bytes_on_disk"]) == ("made up", "completed", ["demo"], 7)
    assert row["duration_ms"] == 9 * 800 and row["wall_ms"] == 9 * 800 + 60_000
    assert told["spans"] == [
        {"start_ms": 0, "end_ms": 5_600, "media_start_ns": 0},
        {"start_ms": 65_600, "end_ms": 67_200, "media_start_ns": 7 * FRAGMENT_NS},
    ]
    assert [(gap["start_ms"], gap["end_ms"], gap["reason"]) for gap in told["gaps"]] == [(5_600, 65_600, "pause")]
    assert told["notes"] == [{"id": "note1", "kind": "note", "at_ms": 3_200, "text": "remember the milk", "cut": False}]
    assert row["shots"] == {"total": 3, "distinct": 2}
    video = next(track for track in row["tracks"] if track["kind"] == "video")
    assert video["segments"] == 3 and video["bytes"] == 9 * 2_000


def test_stretches_keep_what_lasted_and_lose_no_time() -> None:
    focus = [Focus(0, 100, "long", "a"), Focus(100, 101, "short", "b"), Focus(101, 300, "longer", "c")]
    merged = stretches(focus, 2, titles=True, title_chars=10)
    assert [(part.app, part.start_ns, part.end_ns) for part in merged] == [("long", 0, 101), ("longer", 101, 300)]


def test_stretches_leave_gaps_and_exclusions_alone() -> None:
    focus = [Focus(0, 10, "a", ""), Focus(20, 30, "a", ""), Focus(30, 40, "", "", excluded=True)]
    parts = stretches(focus, 10, titles=False)
    assert [(part.start_ns, part.end_ns, part.excluded) for part in parts] == [
        (0, 10, False), (20, 30, False), (30, 40, True),
    ]  # fmt: skip


def test_items_are_told_in_the_bucket_where_they_begin(store: Store) -> None:
    tape = Tape(store)
    tape.begin_span()
    first, second = tape.shot(0, b"first"), tape.shot(310 * NS_PER_S, b"second")
    tape.shot(320 * NS_PER_S, b"second")
    tape.write(500)
    session = Shelf(store).session(tape.end())
    words = (Word("hello", 299_900, 300_100),)
    texts = read_texts([
        ("transcript", [to_json(Utterance("audio.mic", 299_900, 301_000, "hello", words))]),
        ("screen_text", [to_json(ScreenText(second, (TextLine("zebra", 0.1, 0.2, 0.3, 0.04),)))]),
        ("later", [{"what": "is unknown"}]),
    ])  # fmt: skip
    early, late = items(session, texts, 0), items(session, texts, 1)
    assert early["shots"] == {"at_ms": [0], "id": [first], "distinct": [True], "trigger": [""]}
    assert late["shots"] == {
        "at_ms": [310_000, 320_000],
        "id": [second] * 2,
        "distinct": [True, False],
        "trigger": ["", ""],
    }
    assert early["transcript"]["words"] == [[["hello", 299_900, 300_100]]] and late["transcript"]["text"] == []
    assert late["screen_text"] == {"at_ms": [310_000], "end_ms": [400_000], "shot": [second], "text": ["zebra"]}
    assert items(session, texts, 99)["shots"]["at_ms"] == []
    lines = shot_text(find_shot(session, second), texts)["lines"]
    assert lines == [{"text": "zebra", "x": 0.1, "y": 0.2, "w": 0.3, "h": 0.04}]


def test_a_blob_that_is_no_shot_of_the_session_is_not_served(store: Store) -> None:
    session = Shelf(store).session(two_spans(store).session)
    with pytest.raises(NotFound):
        find_shot(session, store.blobs.put(b"something else"))


def test_playback_of_a_finished_session_covers_it_without_a_hole(store: Store) -> None:
    tape = two_spans(store)
    told = playback(Shelf(store).session(tape.session), "completed")
    assert told["live"] is False and told["tail"] is None
    assert [(span["span"], span["media_start_ns"], span["media_end_ns"]) for span in told["spans"]] == [
        (0, 0, 7 * FRAGMENT_NS), (1, 7 * FRAGMENT_NS, 9 * FRAGMENT_NS),
    ]  # fmt: skip
    assert is_gapless([(part["media_start_ns"], part["duration_ns"]) for part in told["segments"]])


def test_playback_grows_with_a_live_session(store: Store) -> None:
    tape = Tape(store)
    shelf = Shelf(store)
    tape.begin_span()
    assert playback(shelf.session(tape.session), "recording")["spans"] == []
    tape.write(2, seal=False)
    first = playback(shelf.session(tape.session), "recording")
    assert first["live"] and [part["i"] for part in first["tail"]["fragments"]] == [0, 1]
    again = playback(shelf.session(tape.session), "recording")
    assert again["version"] == first["version"]
    tape.write(1, seal=False)
    second = playback(shelf.session(tape.session), "recording")
    assert second["version"] != first["version"] and len(second["tail"]["fragments"]) == 3
    assert second["spans"][0]["media_end_ns"] == 3 * FRAGMENT_NS
    tape.seal_segment()
    sealed = playback(shelf.session(tape.session), "recording")
    assert sealed["tail"] is None and [part["n"] for part in sealed["segments"]] == [0]
    assert playback(shelf.session(tape.session), "paused")["version"] != sealed["version"]
    tape.end()
    assert playback(shelf.session(tape.session), "completed")["live"] is False


def test_a_session_of_sound_alone_plays_its_mix(store: Store) -> None:
    tape = Tape(store, track="audio.mix")
    tape.begin_span()
    tape.write(3)
    tape.write(1, seal=False)
    session = Shelf(store).session(tape.session)
    told = playback(session, "recording")
    assert [(span["mime"], span["media_end_ns"]) for span in told["spans"]] == [(SOUND_MIME, 4 * FRAGMENT_NS)]
    assert [part["n"] for part in told["segments"]] == [0] and told["tail"]["n"] == 1
    assert init_mime(session, 0) == "audio/mp4"
    segment = find_segment(session, 0)
    assert segment is not None and segment.blob
    tape.end()


def test_a_span_without_video_plays_its_mix_between_the_others(store: Store) -> None:
    tape = Tape(store)
    tape.begin_span()
    tape.write(2)
    tape.write(1)
    tape.pause(FRAGMENT_NS)
    tape.turn_to("audio.mix")
    tape.begin_span()
    tape.write(2)
    tape.pause(FRAGMENT_NS)
    tape.turn_to("video")
    tape.begin_span()
    tape.write(1, seal=False)
    session = Shelf(store).session(tape.session)
    told = playback(session, "recording")
    assert [span["mime"] for span in told["spans"]] == [MIME, SOUND_MIME, MIME]
    assert [part["n"] for part in told["segments"]] == [0, 1, 2] and told["tail"]["n"] == 3
    assert is_gapless([(part["media_start_ns"], part["duration_ns"]) for part in told["segments"]])
    assert init_mime(session, 1) == "audio/mp4"
    between, growing = find_segment(session, 2), find_segment(session, 3)
    assert between is not None and between.span == 1
    assert growing is not None and growing.span == 2 and not growing.blob
    tape.end()


def test_a_recorder_that_died_ends_the_live_view(store: Store) -> None:
    tape = Tape(store)
    tape.begin_span()
    tape.write(1)
    shelf = Shelf(store)
    assert shelf.session(tape.session).state == "recording"
    tape.writer.close()
    assert shelf.session(tape.session).state == "interrupted"


def test_a_summary_is_one_line_in_a_list() -> None:
    assert one_line("a\n b  c") == "a b c"
    assert one_line(" ") is None and one_line(None) is None
    assert len(one_line("word " * 100) or "") <= 201


def test_an_unknown_session_is_not_found(store: Store) -> None:
    for name in ("0" * 26, "no-id", "../heads"):
        with pytest.raises(NotFound):
            Shelf(store).session(name)
