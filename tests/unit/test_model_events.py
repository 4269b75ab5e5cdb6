"""Events, manifests, edits and ids: round trips, tolerance of what later versions add, refusal of what is none."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepys.model import events as ev
from pepys.model.artifacts import (
    ScreenText,
    Summary,
    TextLine,
    Utterance,
    Word,
    screen_text_from_json,
    summary_from_json,
    to_json,
    utterance_from_json,
)  # fmt: skip
from pepys.model.ids import is_blob_id, is_session_id, new_session_id, new_short_id
from pepys.model.manifest import (
    ArtifactRef,
    ChunkRef,
    Edit,
    Manifest,
    decode_edits,
    decode_manifest,
    encode_edits,
    encode_manifest,
)  # fmt: skip

TEXT = st.text(max_size=20)
NUMBER = st.integers(0, (1 << 63) - 1)
BLOB = st.just("") | st.from_regex(r"b3-[0-9a-f]{64}", fullmatch=True)
OPEN = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,30}", fullmatch=True)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT, "int": NUMBER, "bool": st.booleans(), "int | None": st.none() | NUMBER, "str | None": st.none() | TEXT,
    "tuple[str, ...]": st.lists(TEXT, max_size=3).map(tuple),
    "dict[str, Any]": st.dictionaries(TEXT, TEXT | NUMBER, max_size=3),
    "dict[str, int]": st.dictionaries(TEXT, NUMBER, max_size=3),
    "dict[str, str] | None": st.none() | st.dictionaries(TEXT, TEXT, max_size=3),
    "Sequence[Fragment]":
        st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER), max_size=3).map(tuple),
    "tuple[tuple[str, str, int, int, int, int], ...]":
        st.lists(st.tuples(TEXT, TEXT, NUMBER, NUMBER, NUMBER, NUMBER), max_size=3).map(tuple),
}  # fmt: skip
KINDS = list(ev._TYPES.values())


@st.composite
def any_event(draw: st.DrawFn) -> ev.Event:
    """An event of any type, with any values."""
    kind = draw(st.sampled_from(KINDS))
    values = {f.name: draw(BLOB if f.name == "blob" else VALUES[str(f.type)]) for f in fields(kind)}
    if kind is ev.SegmentOpened:
        values["name"] = draw(OPEN)
    return kind(**values)


@given(event=any_event())
def test_every_event_comes_back(event: ev.Event) -> None:
    data = ev.encode(event)
    assert ev.decode(data) == event
    assert b"\n" not in data
    value = json.loads(data)
    assert ev.decode(json.dumps({**value, "later": 1}).encode()) == event


@given(data=st.binary(max_size=60))
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        ev.decode(data)


def test_an_unknown_event_is_kept_apart() -> None:
    assert ev.decode(b'{"t":"LaterThing","x":1}') == ev.UnknownEvent("LaterThing")
    for data in (b"{}", b"[]", b"null", b'{"t":"NoteAdded"}', b"[" * 100_000):
        with pytest.raises(ValueError):
            ev.decode(data)


MANIFEST = Manifest(
    "0" * 26, "completed", "Näme", 5, (ChunkRef("b3-" + "a" * 64, 0, 7),), 7,
    (ArtifactRef("summary", "all", "k", "b3-" + "b" * 64, "engine", 1.5, 3, ""),), {"dev": "b3-" + "c" * 64}, 99,
)  # fmt: skip


def test_a_manifest_comes_back_and_equal_ones_are_equal_bytes() -> None:
    data = encode_manifest(MANIFEST)
    assert decode_manifest(data) == MANIFEST
    value = json.loads(data)
    assert encode_manifest(decode_manifest(json.dumps(dict(reversed(value.items()))).encode())) == data


def test_a_manifest_of_the_same_format_may_have_more_or_fewer_fields() -> None:
    value = json.loads(encode_manifest(MANIFEST))
    value["later"] = value["chunks"][0]["later"] = value["artifacts"][0]["later"] = 1
    del value["journal_offset"]
    assert decode_manifest(json.dumps(value).encode()).chunks == MANIFEST.chunks


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format":1}', b'{"format":2}', b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_manifest(data)


def test_edit_logs() -> None:
    log = (Edit(0, 1, "log", {"session": "x"}), Edit(1, 2, "set", {"field": "name", "value": "a\nb\u2028"}))
    assert decode_edits(encode_edits(log)) == log
    assert decode_edits(b'{"counter":1,"wall_ns":2,"op":"tag","values":{},"later":1}\n') == (Edit(1, 2, "tag", {}),)
    for data in (b"1\n", b"{}\n", b"nonsense"):
        with pytest.raises(ValueError):
            decode_edits(data)


def test_ids_sort_by_time_and_are_safe_names() -> None:
    ids = [new_session_id(wall_ns) for wall_ns in range(0, 10**19, 10**18)]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    assert all(is_session_id(found) for found in ids)
    assert len({new_short_id() for _ in range(100)}) == 100 and len(new_short_id()) == 13
    for text in ("", "../" + "0" * 23, "I" * 26, "u" * 26, "0" * 27, "0" * 25 + "\n"):
        assert not is_session_id(text)
    assert is_blob_id("b3-" + "0a" * 32)
    for text in ("b3-", "b3-" + "0A" * 32, "sha-" + "0a" * 32, "b3-" + "0a" * 32 + "\n"):
        assert not is_blob_id(text)


def test_artifacts_come_back() -> None:
    spoken = Utterance("audio.mic", 1, 2, "hi", (Word("hi", 1, 2),))
    assert utterance_from_json(to_json(spoken)) == spoken
    seen = ScreenText("b3-x", (TextLine("a", 0.0, 0.1, 0.2, 0.3), TextLine("b", 0.0, 0.1, 0.2, 0.3)))
    assert screen_text_from_json(to_json(seen)) == seen and seen.text == "a\nb"
    summed = Summary("t", "x", ("p", "q"))
    assert summary_from_json(to_json(summed)) == summed
