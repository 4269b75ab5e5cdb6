"""The fold from events and edits to a session, and the map between its axis and the playback timeline."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pepys.model import events as ev
from pepys.model.edits import in_order
from pepys.model.manifest import Edit, Manifest
from pepys.model.projection import project
from pepys.model.session import Gap, Session, Span, Timeline
from pepys.sessions.activity_shape import shots_shape

S = 1_000_000_000
MANIFEST = Manifest("0" * 26, "completed", "Name", 100)


def started(**more: Any) -> ev.SessionStarted:
    return ev.SessionStarted("0" * 26, "Name", 100, "device", **more)


def fold(*events: ev.Event, edits: tuple[Edit, ...] = (), manifest: Manifest = MANIFEST) -> Session:
    return project(manifest, events, edits)


def span(number: int, at_s: int, media_s: int) -> ev.SpanStarted:
    return ev.SpanStarted(number, at_s * S, media_s * S, "boot", at_s * S, 0)


def test_an_empty_session_is_its_manifest() -> None:
    view = fold()
    assert (view.id, view.name, view.state, view.started_wall_ns, view.end_ns) == (
        "0" * 26,
        "Name",
        "completed",
        100,
        0,
    )
    assert (view.duration_ns, view.spans, view.tracks) == (0, (), ())


def test_spans_pauses_and_times_add_up() -> None:
    view = fold(
        started(tags=("a",), origin={"kind": "k", "id": "i"}, config={"fps": 30}),
        span(0, 0, 0), ev.SpanEnded(0, 10 * S, 10 * S), ev.GapNoted(10 * S, None, "pause"),
        ev.GapNoted(10 * S, 15 * S, "pause"), span(1, 15, 10), ev.SpanEnded(1, 20 * S, 15 * S), ev.SessionEnded(20 * S),
    )  # fmt: skip
    assert (view.duration_ns, view.end_ns) == (15 * S, 20 * S)
    assert view.gaps == (Gap(10 * S, 15 * S, "pause"),)
    assert view.duration_ns + sum(gap.end_ns - gap.start_ns for gap in view.gaps) == view.end_ns
    assert (view.tags, view.config, view.device) == (("a",), {"fps": 30}, "device")
    assert view.origin == {"kind": "k", "id": "i"}


def test_what_is_open_reaches_to_the_last_thing_seen() -> None:
    view = fold(
        span(0, 0, 0), ev.Beat("video", 7 * S, 9, 8, 1), ev.GapNoted(3 * S, None, "device_lost", "audio.mic", "x")
    )
    assert view.spans == (Span(0, 0, 7 * S, 0, open=True),)
    assert view.gaps == ()
    track = view.track("audio.mic")
    assert track is not None and track.gaps == (Gap(3 * S, 7 * S, "device_lost", "audio.mic", "x"),)
    video = view.track("video")
    assert video is not None and (video.captured, video.encoded, video.dropped) == (9, 8, 1)


def test_a_segment_grows_and_is_sealed_whatever_is_repeated() -> None:
    opened = ev.SegmentOpened("video", 0, 0, "file")
    fragments = [ev.FragmentWritten("video", 0, 10 * n, 10, n * S, S, n * S) for n in range(3)]
    view = fold(ev.TrackStarted("video", "video", ":0", "h264", 4, 3), opened, *fragments)
    (segment,) = view.tracks[0].segments
    assert (segment.blob, segment.name, segment.bytes, segment.duration_ns) == ("", "file", 30, 3 * S)
    assert [fragment[0] for fragment in segment.fragments] == [0, 10, 20]
    sealed = ev.SegmentSealed("video", 0, 0, "b3-x", 30, 0, 3 * S, 0, segment.fragments)
    for order in ([opened, *fragments, sealed], [sealed], [opened, sealed, fragments[2]]):
        (segment,) = fold(*order).tracks[0].segments
        assert (segment.blob, segment.name, segment.bytes, len(segment.fragments)) == ("b3-x", "", 30, 3)
    assert fold(opened).tracks[0].segments == ()
    assert fold(ev.FragmentWritten("video", 5, 0, 1, 0, 1, 0)).tracks == ()


def test_shots_focus_and_notes() -> None:
    view = fold(
        span(0, 0, 0), ev.ShotTaken(S, "a", 1, 1), ev.ShotTaken(2 * S, "a", 1, 1, repeat=True),
        ev.ShotTaken(3 * S, "b", 1, 1),
        ev.FocusChanged(0, "XTerm", "t"), ev.FocusChanged(4 * S, "", "", excluded=True),
        ev.NoteAdded("n", 2 * S, "old"),
        ev.NoteAdded("n", 2 * S, "new"), ev.NoteAdded("m", S, "mark", "marker"), ev.SpanEnded(0, 5 * S, 5 * S),
    )  # fmt: skip
    assert (len(view.shots), [shot.blob for shot in view.distinct_shots]) == (3, ["a", "b"])
    assert [(focus.start_ns, focus.end_ns, focus.excluded) for focus in view.focus] == [
        (0, 4 * S, False),
        (4 * S, 5 * S, True),
    ]
    assert [(note.id, note.text) for note in view.notes] == [("m", "mark"), ("n", "new")]


def test_nothing_was_in_front_during_a_pause() -> None:
    view = fold(span(0, 0, 0), ev.FocusChanged(S, "A", ""), ev.SpanEnded(0, 3 * S, 3 * S), span(1, 9, 3),
                ev.FocusChanged(9 * S, "B", ""), ev.SpanEnded(1, 10 * S, 4 * S))  # fmt: skip
    assert [(focus.start_ns, focus.end_ns) for focus in view.focus] == [(S, 3 * S), (9 * S, 10 * S)]


def test_unknown_events_are_passed_over() -> None:
    assert fold(ev.UnknownEvent("Later"), span(0, 0, 0)).spans != ()


EDITS = (
    Edit(0, 1, "log", {"session": "x"}),
    Edit(1, 10, "set", {"field": "name", "value": "First"}),
    Edit(2, 30, "set", {"field": "name", "value": "Last"}),
    Edit(1, 20, "set", {"field": "name", "value": "Another device"}),
    Edit(3, 40, "tag", {"value": "t"}),
    Edit(4, 41, "tag", {"value": "t"}),
    Edit(5, 42, "tag", {"value": "u"}),
    Edit(6, 43, "untag", {"value": "u"}),
    Edit(7, 44, "note", {"id": "n", "at_ns": 5, "text": "x", "kind": "marker"}),
    Edit(8, 45, "set", {"field": "state", "value": "no such field"}),
    Edit(9, 46, "later", {}),
)


@given(edits=st.permutations(EDITS))
def test_edits_apply_by_their_time_in_whatever_order_the_logs_come(edits: list[Edit]) -> None:
    view = fold(edits=in_order({"device": tuple(edits)}))
    assert (view.name, view.tags, view.state) == ("Last", ("t",), "completed")
    assert [(note.id, note.kind) for note in view.notes] == [("n", "marker")]


def test_a_deleted_session_is_deleted() -> None:
    assert fold(edits=(Edit(1, 1, "delete"),)).state == "deleted"


@given(lengths=st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 10**12)), min_size=1, max_size=6))
def test_the_timeline_maps_there_and_back(lengths: list[tuple[int, int]]) -> None:
    spans, at, media = [], 0, 0
    for number, (length, gap) in enumerate(lengths):
        spans.append(Span(number, at, at + length, media))
        at, media = at + length + gap, media + length
    timeline = Timeline(tuple(spans))
    for one in spans:
        for inside in (0, one.duration_ns // 2, one.duration_ns - 1):
            assert timeline.media_ns(one.start_ns + inside) == one.media_ns + inside
            assert timeline.at_ns(one.media_ns + inside) == one.start_ns + inside
        assert timeline.media_ns(one.end_ns) == one.media_ns + one.duration_ns
    assert timeline.at_ns(media + 1) == spans[-1].end_ns
    assert timeline.media_ns(at + 10**13) == media
    assert Timeline(()).media_ns(5) == Timeline(()).at_ns(5) == 0


def test_a_picture_that_a_recorder_took_again_after_a_crash_is_a_repeat_and_its_bytes_count_once() -> None:
    view = fold(
        span(0, 0, 0), ev.TrackStarted("shots", "shots", ":1"), ev.ShotTaken(S, "a", 1, 1, bytes=40),
        ev.Beat("shots", S, 1, 1, 0), ev.ShotTaken(2 * S, "a", 1, 1, repeat=True), ev.GapNoted(3 * S, 4 * S, "crash"),
        span(1, 4, 3), ev.ShotTaken(4 * S, "a", 1, 1, bytes=40, trigger="start"),
        ev.ShotTaken(5 * S, "b", 1, 1, bytes=7),
        ev.Beat("shots", 5 * S, 3, 3, 2), ev.ShotTaken(6 * S, "b", 1, 1, repeat=True, near=True),
    )  # fmt: skip
    shots = view.track("shots")
    assert shots is not None
    assert shots.bytes == 47
    assert [shot.repeat for shot in view.shots] == [False, True, True, False, True]
    shape = shots_shape(view)
    assert (shape["total"], shape["distinct"], shape["repeats"], shape["near"]) == (5, 2, 2, 1)
    assert (shots.captured, shots.encoded, shots.dropped) == (5 + 2, 2, 2)
