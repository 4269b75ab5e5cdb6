"""Every parser of the store, and whole homes, against hostile bytes; and again what fuzzing found before.

Catches: a value of another form in an event, a list, a row or an artifact that reaches the fold, a path, a column or a
sum and ends `list`, `verify` or `rebuild` for all sessions. tests/soak/test_soak_fuzz.py runs the same for minutes.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepys.model.events import decode
from pepys.store.chunks import pack
from pepys.store.journal_reader import JournalReader
from pepys.store.sealing import LENGTH
from tests.fuzz import homes
from tests.fuzz.changes import HOSTILE, changed
from tests.fuzz.every import EVERY
from tests.fuzz.guard import writing_within
from tests.fuzz.seeds import CHUNK, SESSION
from tests.fuzz.targets import KEY, keys

_EXAMPLES: Final = {"home": 10, "journal": 60, "journal_bytes": 60}


@pytest.mark.parametrize("name", EVERY)
def test_what_the_store_writes_is_read(name: str) -> None:
    """The targets reach the parsers: what is right is not refused before it gets there."""
    for seed in EVERY[name].seeds:
        EVERY[name].run(seed)


@pytest.mark.parametrize("name", EVERY)
def test_hostile_bytes_are_refused_in_order(name: str) -> None:
    """Catches whatever is neither read nor refused."""

    @settings(
        max_examples=_EXAMPLES.get(name, 150), deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(seed=st.integers(0, 2**40))
    def tried(seed: int) -> None:
        random = Random(seed)
        data = random.choice(EVERY[name].seeds)
        for _ in range(random.choice((1, 1, 2, 3))):
            data = changed(data, random)
        EVERY[name].run(data)

    tried()


def _event(kind: str, **fields: Any) -> dict[str, Any]:
    line = next(line for line in CHUNK.splitlines() if json.loads(line)["t"] == kind)
    return {**json.loads(line), **fields}


FOUND: Final[dict[str, dict[str, Any]]] = {
    "a text for a time": _event("SpanStarted", at_ns="later"),
    "a list for a name": _event("Beat", track=["video"]),
    "an object for a span": _event("SpanEnded", span={}),
    "a blob outside": _event("ShotTaken", blob="../../../etc/passwd"),
    "a blob that is nearly one": _event("SegmentSealed", blob="b3-" + "0" * 63),
    "fragments of texts": _event("SegmentSealed", fragments=["wxyz"]),
    "fragments out of the world": _event("SegmentSealed", fragments=[[2**63, 0, 0, 0]]),
    "a row that is too short": _event("WindowsNoted", windows=[["app", "title"]]),
    "a number out of the world": _event("AnchorNoted", wall_ns=10**30),
    "no number": _event("AnchorNoted", wall_ns=float("nan")),
    "without end": _event("AnchorNoted", wall_ns=float("inf")),
    "half a surrogate pair": _event("NoteAdded", text="\ud800"),
    "what was lost as a list": _event("SoundAccounted", lost=[1]),
}


@pytest.mark.parametrize("what", FOUND)
def test_an_event_of_another_form_is_none(what: str) -> None:
    """Catches a field that reaches the fold, a path or a database as it stands; each was found by fuzzing."""
    with pytest.raises(ValueError):
        decode(json.dumps(FOUND[what]).encode())


@pytest.mark.parametrize(("written", "read"), [(1.0, 1), (True, 1)])
def test_a_whole_number_is_one_however_it_is_written(written: Any, read: int) -> None:
    """Catches a session of another writer that is refused for nothing."""
    found = decode(json.dumps(_event("SpanEnded", span=written)).encode())
    assert found.span == read and type(found.span) is int


def test_a_graph_of_any_nodes_folds() -> None:
    for nodes in HOSTILE:
        graph = {"nodes": [{"kind": nodes, "name": nodes}, nodes], "edges": nodes}
        for line in ({"nodes": nodes}, graph):
            EVERY["chunk"].run(json.dumps(_event("SoundGraphSet", graph=line)).encode())


@pytest.mark.parametrize(
    "data", [b'[null,["b3-"],{},1.5]', b"[" * 5000, b'{"number":1e999,"hash":""}', b'{"number":[]}']
)
def test_lists_and_anchors_of_another_form_are_told(data: bytes) -> None:
    for name in ("removal", "anchor", "ledger", "head"):
        EVERY[name].run(data)


def test_a_journal_whose_end_was_put_right_is_known_again(tmp_path: Path) -> None:
    """Catches a live reader that takes a journal for another one, as the last record that it read had a wrong bit."""
    path = _written(CHUNK.splitlines()[:9], tmp_path)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"\xff\xff\xff\xff")
    assert LENGTH.unpack_from(data, len(data) - 4)[0] == zlib.crc32(data[at + 4 : -4]), "a salt record ends it"
    data[-20] ^= 4
    path.write_bytes(data)
    reader = JournalReader(path, keys())
    before = len(list(reader.read()))
    assert reader.is_current() and before == 8 and reader.damaged


def _written(lines: list[bytes], folder: Path) -> Path:
    from pepys.store.journal_reader import MAGIC
    from tests.fuzz.targets import _records

    records = list(_records(b"\n".join(lines)))
    path = folder / f"{SESSION}.journal"
    # Of the ninth event only the salt record before it came to the disk.
    path.write_bytes(MAGIC + keys().wrapping + SESSION.encode() + b"".join(records[:-1]))
    return path


def test_the_guard_sees_what_is_written_outside(tmp_path: Path) -> None:
    """A guard that sees nothing would prove nothing."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    with writing_within(inside):
        (inside / "x").write_bytes(KEY)
        (inside / "x").replace(inside / "y")
    for act in (lambda: (outside / "x").write_bytes(b""), lambda: (inside / "y").replace(outside / "y")):
        with pytest.raises(AssertionError, match="outside"), writing_within(inside):
            act()


def test_a_line_of_two_types_is_none_for_a_merge() -> None:
    """Catches an assertion where a line begins as one type and ends as another."""
    sealed, ended = json.dumps(_event("SegmentSealed"), separators=(",", ":")), '"t":"SessionEnded","at_ns":1}'
    with pytest.raises(ValueError, match="two types"):
        pack(SESSION, [f"{sealed[:-1]},{ended}".encode()])


ARTIFACTS: Final = (
    {"items": ["title"]}, {"items": 5}, {"items": [{"title": 1, "text": [], "points": "x"}]}, {"items": None},
)  # fmt: skip


@pytest.mark.parametrize("content", ARTIFACTS)
def test_an_artifact_of_another_form_costs_itself(content: dict[str, Any]) -> None:
    """Catches a summary of another form that ends `pepys list` of all sessions."""
    parts = homes.SEED.split(b"\n!\n")
    EVERY["home"].run(b"\n!\n".join([*parts[:4], b"\n".join([json.dumps(content).encode()] * 3)]))
