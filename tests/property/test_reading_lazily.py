"""What is read lazily, or many at a time, is what reading each part whole would give, of all that can be written."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepys.errors import Damaged
from pepys.model import events as ev
from pepys.model.event_lines import Choice, PackedFragments, beginning, decode_lines, is_packed
from pepys.model.manifest import Manifest
from pepys.model.projection import project
from pepys.review.outlines import shown_in, starts_in
from pepys.review.texts import StoredTexts, read_texts
from pepys.store.chunks import compress, decode_chunk, decompress, encode_json
from pepys.store.reader import no_levels, only_levels
from tests.stored_session import encode_chunk
from tests.unit.test_model_events import any_event

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
TIME = st.integers(0, 10**13)
ROWS = st.lists(st.tuples(TIME, TIME, TIME, TIME), max_size=6).map(tuple)
SEALED = st.builds(
    ev.SegmentSealed, st.sampled_from(["video", "audio.mic"]), st.integers(0, 9), st.integers(0, 2),
    st.just("b3-" + "a" * 64), TIME, TIME, TIME, TIME, ROWS,
)  # fmt: skip
LEVELS = st.builds(ev.LevelsNoted, st.just("audio.mic"), TIME, st.just("AAAA"), st.just("AAAA"), st.integers(0, 9))
# What stands in an artifact around the parts that are looked for, so that it may turn up within a text.
TRAPS = st.sampled_from([
    ',"text":"', ',"words":[', '],"shot":"x"', '{"lines":[', '{"end_ms":1,"start_ms":2', '],"stage":"', '"', "\\", "\n"
])  # fmt: skip
TEXT = st.lists(st.text(st.characters(codec="utf-8"), max_size=4) | TRAPS, max_size=4).map("".join)
MS = st.integers(-5, 10**7)
TURN = st.fixed_dictionaries({
    "track": TEXT, "start_ms": MS | st.just(2.0), "end_ms": MS, "text": TEXT,
    "words": st.lists(st.fixed_dictionaries({"word": TEXT, "start_ms": MS, "end_ms": MS}), max_size=2),
})  # fmt: skip
SIDE = st.floats(0, 1)
LINE = st.fixed_dictionaries({"text": TEXT, "x": SIDE, "y": SIDE, "w": SIDE, "h": SIDE})
SCREEN = st.fixed_dictionaries(
    {"shot": st.sampled_from(["b3-1", "b3-2", 'b"3']) | TEXT, "lines": st.lists(LINE, max_size=2)}
)
SUMMARY = st.fixed_dictionaries({"title": TEXT, "text": TEXT, "points": st.lists(TEXT, max_size=2)})


def artifacts(stage: str, item: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Artifacts of one stage."""
    return st.tuples(
        st.just(stage),
        st.fixed_dictionaries({"stage": st.just(stage), "unit": TEXT, "items": st.lists(item, max_size=3)}),
    )


ARTIFACTS = st.lists(
    artifacts("transcript", TURN) | artifacts("screen_text", SCREEN) | artifacts("summary", SUMMARY)
    | artifacts("later_stage", SUMMARY), max_size=5,
)  # fmt: skip


@QUICK
@given(events=st.lists(any_event() | SEALED | LEVELS, max_size=300))
def test_a_chunk_says_what_its_lines_say(events: list[ev.Event]) -> None:
    """Would catch an event that is lost, doubled or changed between many that are parsed together."""
    data = encode_chunk(events)
    lines = [line for line in decompress(data).split(b"\n") if line]
    singly = [ev.decode(line) for line in lines]
    assert list(decode_chunk(data)) == singly
    assert list(decode_chunk(data, no_levels)) == [event for event in singly if not isinstance(event, ev.LevelsNoted)]
    assert list(decode_chunk(data, only_levels)) == [event for event in singly if isinstance(event, ev.LevelsNoted)]
    assert [ev.encode(event) for event in decode_chunk(data)] == lines
    choice = Choice(beginning(ev.ShotTaken), inside=True)
    assert choice.of(lines) == [line for line in lines if choice(line)]


@QUICK
@given(events=st.lists(SEALED | any_event(), max_size=40))
def test_a_session_is_folded_the_same(events: list[ev.Event]) -> None:
    """Would catch fragments that a fold sees otherwise while they are packed: none, too many, or none of a segment."""
    root = Manifest("0" * 26, "completed", "", 0)
    packed = list(decode_chunk(encode_chunk(events)))
    singly = [ev.decode(line) for line in decompress(encode_chunk(events)).split(b"\n") if line]
    assert project(root, packed) == project(root, singly)


@QUICK
@given(event=SEALED, at=st.integers(0, 400), new=st.binary(max_size=3), cut=st.integers(0, 3))
def test_a_changed_line_is_refused_by_both_or_by_none(event: ev.Event, at: int, new: bytes, cut: int) -> None:
    """Would catch a form of fragments that only one of the two ways takes, such as `[[1,,2,3]]` or `[[01,2,3,4]]`."""
    line = ev.encode(event)
    at %= len(line)
    line = (line[:at] + new + line[at + cut :]).replace(b"\n", b"")
    try:
        wanted = ev.decode(line)
    except ValueError:
        with pytest.raises(ValueError):
            decode_lines([line])
    else:
        assert decode_lines([line]) == [wanted]


GOOD = ev.encode(ev.SegmentSealed("video", 1, 0, "", 4, 0, 5, 0, ((0, 4, 0, 5),)))
NEIGHBOURS: dict[str, list[bytes]] = {
    "a text that goes on": [b'{"t":"A"},{"t":"B","x":"', b'"}'],
    "a list that goes on": [b'{"t":"A"},{"t":"B","x":[1', b"2]}"],
    "an object that goes on": [b'{"t":"A"},{"t":"B","x":{"a":1', b'"b":2}}'],
    "lists of lists": [b'{"t":"A"}],[{"t":"B","x":[[1', b"2]]}"],
    "two in one": [b'{"t":"A"},{"t":"B"}', GOOD],
    "another segment's fragments": [GOOD[: GOOD.index(b',"fragments"')] + b'},{"t":"SegmentSealed","z":"', b'"}'],
    "two types": [GOOD.replace(b'"t":"SegmentSealed"', b'"t":"SegmentSealed","t":"Beat"')],
    "fragments twice": [GOOD.replace(b'"bytes":4', b'"fragments":5,"bytes":4')],
    "fragments by another name": [GOOD[:-1] + b',"fr\\u0061gments":[[9,9,9,9]]}'],
    "a mark of the order of bytes": [b'\xef\xbb\xbf{"t":"SessionEnded","at_ns":1}', GOOD],
    "bytes of two": [*('{"t":"SessionEnded","at_ns":1}'.encode(code) for code in ("utf-16-le", "utf-32-be")), GOOD],
    "no UTF-8": [b'{"t":"NoteAdded","id":"a","at_ns":0,"text":"\xff"}', GOOD],
    "half a surrogate pair": [b'{"t":"NoteAdded","id":"a","at_ns":0,"text":"\\ud800"}', GOOD],
    "an escape": [b'{"t":"NoteAdded","id":"a","at_ns":0,"text":"\\u0041"}', GOOD],
    "white space": [b' {"t": "SessionEnded", "at_ns": 1} ', GOOD],
    "nothing": [b"", b" ", b"null", b"[]", b'"x"', GOOD],
    "too deep": [b'{"t":"A","x":' + b"[" * 100_000, GOOD],
}  # fmt: skip


@pytest.mark.parametrize("what", NEIGHBOURS)
def test_a_line_is_read_as_if_it_were_alone(what: str) -> None:
    """Would catch a line that reaches into the next: it swallows events, or makes some that nobody wrote."""
    wanted: list[ev.Event] = []
    odd: list[int] = []
    for index, line in enumerate(NEIGHBOURS[what]):
        try:
            wanted.append(ev.decode(line))
        except ValueError:
            odd.append(index)
    refused: list[int] = []
    assert decode_lines(list(NEIGHBOURS[what]), refused.append) == wanted
    assert refused == odd
    if odd:
        with pytest.raises(ValueError):
            decode_lines(list(NEIGHBOURS[what]))


@pytest.mark.parametrize(
    "text", [
        "", "[]", "[[]]", "[[1,2,3]]", "[[1,2,3,4],]", "[[1,2,3,4]", "[[1,2,3,-4]]", "[[1,2,3,4.0]]", "[[01,2,3,4]]",
        "[[1,,3,4]]", "[[1, 2,3,4]]", "[[1,2,3,4]]x", "[[1,2,3,4],[1,2,3,4,5]]", f"[[1,2,3,{10**18}]]",
    ],
)  # fmt: skip
def test_what_is_no_list_of_fragments_stays_unpacked(text: str) -> None:
    assert not is_packed(text.encode())
    assert is_packed(b"[[0,2,3,4],[999999999999999999,0,10,7]]")


def test_packed_fragments_are_a_sequence() -> None:
    """Would catch a use of fragments that a tuple allows and these do not; several threads may unpack at once."""
    rows = tuple((n, 2 * n, 3 * n, 4) for n in range(2000))
    found: list[Any] = []
    for _ in range(20):
        packed = PackedFragments(json.dumps(rows, separators=(",", ":")).encode())
        threads = [threading.Thread(target=lambda: found.append(tuple(packed))) for _ in range(4)]  # noqa: B023 - joined
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [rows] * 80
    assert bool(packed) and len(packed) == 2000 and packed[-1] == rows[-1] and packed[1:3] == rows[1:3]
    assert (
        packed == rows
        and rows == packed
        and packed == PackedFragments(str(list(map(list, rows))).replace(" ", "").encode())
    )
    assert hash(packed) == hash(rows) and packed != rows[1:] and rows[5] in packed and (*packed,) == rows


@QUICK
@given(made=ARTIFACTS)
def test_texts_say_the_same_before_and_after_they_are_parsed(made: list[tuple[str, dict[str, Any]]]) -> None:
    """Would catch an outline that takes a word on the screen for a part of the artifact, or misses a turn or a shot."""
    whole = read_texts((stage, value["items"]) for stage, value in made)
    stored = StoredTexts((stage, encode_json(value)) for stage, value in made)
    assert sorted(stored.starts_ms) == sorted(whole.starts_ms)
    assert set(stored.shown) == set(whole.shown)
    assert stored.summary == whole.summary
    assert (stored.transcript, stored.screen) == (whole.transcript, whole.screen)


@QUICK
@given(
    items=st.lists(TURN.filter(lambda turn: isinstance(turn["start_ms"], int)), max_size=4),
    screens=st.lists(SCREEN, max_size=4),
)
def test_outlines_are_found_without_parsing(items: list[dict[str, Any]], screens: list[dict[str, Any]]) -> None:
    """Would catch an artifact as this version writes it that is parsed all the same, which costs what was saved."""
    said = decompress(encode_json({"stage": "transcript", "unit": "at 3", "items": items}))
    assert starts_in(said) == [item["start_ms"] for item in items]
    plain = [screen for screen in screens if json.dumps(screen["shot"], ensure_ascii=False) == f'"{screen["shot"]}"']
    seen = decompress(encode_json({"stage": "screen_text", "unit": "batch 1", "items": plain}))
    assert shown_in(seen) == [screen["shot"] for screen in plain if screen["lines"]]


def test_what_is_no_artifact_is_damaged() -> None:
    """Would catch a traceback where a page is to say that a part does not open."""
    for stage, text in (
        ("transcript", b"[]"), ("summary", b"{}"), ("screen_text", b"nothing"), ("later_stage", b"{}"),
        ("transcript", b'{"items":[{"start_ms":1}]}'), ("summary", b'{"items":[5]}'),
    ):  # fmt: skip
        with pytest.raises(Damaged):
            StoredTexts([(stage, compress(text))])
    with pytest.raises(Damaged):
        StoredTexts([("transcript", b"no zstd")])
