"""An event that reading would refuse: it is not acknowledged, and one that lies in a store costs itself alone."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepys.errors import Partial
from pepys.model import event_forms
from pepys.model import events as ev
from pepys.model.session import Session
from pepys.store.chunks import compress, decompress, read_chunk
from pepys.store.reader import load
from pepys.store.recover import recover_all
from pepys.store.remove import remove
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.stored_session import Recording, make_store, reopen
from tests.unit.test_model_events import any_event

DEEP: list[Any] = []
for _ in range(5000):
    DEEP = [DEEP]


class _Number(IntEnum):
    FIVE = 5


def made(kind: Any, *values: Any) -> ev.Event:
    """An event whose fields hold what their types forbid."""
    event: ev.Event = kind(*values)
    return event


ODD: dict[str, ev.Event] = {
    "a number of more than 64 bits": made(ev.NoteAdded, "odd", 2**63, "x"),
    "a fraction": made(ev.AnchorNoted, 1.5, 2),
    "no number": made(ev.SpanEnded, 0, float("nan"), 0),
    "no blob": made(ev.ShotTaken, 1, "nothing", 1, 1),
    "no name of a file": made(ev.SegmentOpened, "video", 0, 0, "../x"),
    "a text that is none": made(ev.NoteAdded, "odd", 1, 5),
    "half a surrogate pair": made(ev.NoteAdded, "odd", 1, "\ud800"),
    "bytes": made(ev.NoteAdded, "odd", 1, b"x"),
    "a row that is too short": made(ev.WindowsNoted, 1, (("app", "title", 1, 2, 3),)),
    "a fragment that is too long": made(ev.SegmentSealed, "video", 0, 0, "", 1, 0, 1, 0, ((0, 1, 0, 1, 5),)),
    "what is nested deeply": made(ev.SoundGraphSet, 1, {"a": DEEP}),
    "counts that are words": made(ev.SoundAccounted, "audio.mic", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {"a": "b"}),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a recorder write what it likes, as one of an earlier or later version may."""
    monkeypatch.setattr(ev, "refuse_unfit", lambda *_: None)


def notes(view: Session) -> list[str]:
    return [note.id for note in view.notes]


def unread(view: Session) -> list[tuple[str, int, int]]:
    return [(part.what, part.first, part.end) for part in view.unread]


@pytest.mark.parametrize("what", ODD)
def test_what_reading_refuses_is_never_acknowledged(store: Store, what: str) -> None:
    """Catches a recorder that is told its event is safe, although nothing will ever read it."""
    recording = Recording.begin(store)
    recording.note("before")
    with pytest.raises(ValueError):
        recording.writer.commit(ODD[what])
    with pytest.raises(ValueError):
        recording.writer.append(ev.NoteAdded("beside", 1, "x"), ODD[what])
    recording.note("after")
    view = load(store, recording.end())
    assert notes(view) == ["before", "after"] and not view.unread and not verify(store).damages


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-5, 5).map(lambda n: 2**63 + n), st.floats(),
    st.text(max_size=3), st.just("b3-" + "a" * 64), st.just(_Number.FIVE), st.just(b"x"),
    st.lists(st.integers(), max_size=5), st.lists(st.text(max_size=2), max_size=2),
    st.tuples(st.tuples(st.integers(), st.integers(), st.integers(), st.floats())),
    st.dictionaries(st.text(max_size=2), st.integers() | st.text(max_size=2), max_size=2),
)  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(event=any_event(), data=st.data())
def test_what_is_written_can_be_read(event: ev.Event, data: st.DataObject) -> None:
    """Catches a form that writing takes and reading does not, or the other way round."""
    name = data.draw(st.sampled_from([one.name for one in fields(event)]))
    odd = replace(event, **{name: data.draw(VALUES)})
    try:
        line = ev.encode(odd)
    except ValueError:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(ev, "refuse_unfit", lambda *_: None)
            with pytest.raises((ValueError, TypeError)):
                ev.decode(ev.encode(odd))
    else:
        assert ev.decode(ev.encode(ev.decode(line))) == ev.decode(line)


def poisoned(store: Store, odd: ev.Event, *, seals: bool) -> Recording:
    """Forty notes, an odd event after the 20th; in chunks of ten notes, or all in the journal."""
    recording = Recording.begin(store)
    for n in range(40):
        recording.note(str(n))
        if n == 19:
            recording.writer.append(odd)
            recording.writer.sync()
        if seals and n % 10 == 9:
            recording.writer.seal()
    return recording


@pytest.mark.parametrize("what", ["a fraction", "no blob", "a number of more than 64 bits", "a row that is too short"])
def test_an_odd_line_of_a_chunk_costs_itself_alone(store: Store, unchecked: None, what: str) -> None:
    """Catches one line that takes all other events of its chunk with it, and a merge that spreads that further."""
    recording = poisoned(store, ODD[what], seals=True)
    everything = [str(n) for n in range(40)]
    view = load(store, recording.session)
    number = 4 + 20  # after the events of the span
    assert notes(view) == everything and unread(view) == [("events", number + 1, number + 2)]
    view = load(store, recording.end())
    assert notes(view) == everything and unread(view) == [("events", number + 1, number + 2)]
    chunks = store.heads.manifest(recording.session)[1].chunks
    assert 1 < len(chunks) < 5  # what is whole was merged
    assert [damage.what for damage in verify(store).damages] == [f"events {number + 1} to {number + 2}"]
    with pytest.raises(Partial):  # nobody knows what the line named
        remove(store, recording.session)
    assert not {chunk.blob for chunk in chunks} & set(store.blobs.ids())


@pytest.mark.parametrize("last", [False, True])
def test_an_odd_record_of_a_journal_costs_itself_alone(
    store: Store, tmp_path: Path, unchecked: None, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    """Catches a record that is whole, and is taken for a torn tail: it is then lost without a word."""
    recording = Recording.begin(store)
    recording.note("one")
    recording.writer.append(ODD["a fraction"])
    recording.writer.sync()
    if not last:
        recording.note("two")
    recording.die()
    monkeypatch.undo()
    again = reopen(tmp_path)
    assert unread(load(again, recording.session)) == [("journal", 6, 7)]
    assert recover_all(again) == [recording.session]
    view = load(again, recording.session)
    assert notes(view) == (["one"] if last else ["one", "two"]) and unread(view) == [("lost", 6, 7)]


def test_where_lines_of_a_chunk_are_odd_is_told() -> None:
    """Catches a stretch that is told too short, so that somebody takes for read what is not."""
    good, bad = ev.encode(ev.SessionEnded(1)), b'{"t":"SessionEnded","at_ns":"x"}'
    lines = [good] * 600
    for n in (3, 299, 598):
        lines[n] = bad
    found = read_chunk(compress(b"\n".join([b'{"t":"Chunk","session":"x"}', *lines, b""])))
    assert (found.lines, found.refused, found.around, len(found.events)) == (600, (3, 599), (3, 596), 597)
    beats = [ev.encode(ev.Beat("video", 1, 1, 1, 1))] * 5
    wanted = ev.encode(ev.SessionEnded(1))[:18]
    mixed = read_chunk(compress(b"\n".join([*beats, bad, *beats, good])), lambda line: line.startswith(wanted))
    assert (mixed.lines, mixed.refused, mixed.around, len(mixed.events)) == (12, (5, 6), (0, 0), 1)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("check", [True, False])
def test_a_frame_that_is_cut_is_refused(told: bool, check: bool) -> None:
    """Catches half of a text that is taken for all of it, as a stream ends where its bytes end."""
    text = os.urandom(3 << 20) + bytes(3 << 20)
    frame = zstandard.ZstdCompressor(write_content_size=told, write_checksum=check).compress(text)
    assert decompress(frame) == text
    for kept in (len(frame) // 2, len(frame) - 1, len(frame) - 3, 20, 5, 1):
        with pytest.raises(ValueError):
            decompress(frame[:kept])


def test_every_field_has_a_form() -> None:
    """Catches a new type of event that is written without being looked at."""
    assert set(ev._FORMS) == {kind.__name__ for kind in ev.Event.__subclasses__()} - {"UnknownEvent"}
    assert event_forms.END == 2**63
