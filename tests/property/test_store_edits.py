"""Edit logs of several devices: merged in any order, any number of times, they give one session, the same everywhere.

Also deletion: what a device that was away brings back does not bring a deleted session back.
"""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepys.clock import FakeClock
from pepys.model.edits import apply_edits, in_order, joined
from pepys.model.manifest import Edit, decode_edits, encode_edits
from pepys.model.session import Note, Session
from pepys.store.catalog import Catalog
from pepys.store.edits import apply_edit
from pepys.store.pieces import read_edits
from pepys.store.reader import load
from pepys.store.rebuild import rebuild
from pepys.store.remove import remove
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from tests.stored_session import complete_session, make_store

MERGED = settings(max_examples=60, deadline=None)
STORED = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
DEVICES = ("aaaaaaaaaaaaa", "bbbbbbbbbbbbb", "ccccccccccccc")
WORDS = st.sampled_from(["one", "two", "drei", ""])
Logs = dict[str, tuple[Edit, ...]]


def changes() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Any one change that a user makes."""
    fields = st.sampled_from(["name", "description", "category"])
    noted = st.builds(
        lambda n, at, text: {"id": n, "at_ns": at, "text": text, "kind": "note"},
        st.sampled_from(["n1", "n2"]), st.integers(0, 3), WORDS,
    )  # fmt: skip
    return st.one_of(
        st.tuples(st.just("set"), st.builds(lambda field, value: {"field": field, "value": value}, fields, WORDS)),
        st.tuples(st.sampled_from(["tag", "untag"]), st.builds(lambda value: {"value": value}, WORDS)),
        st.tuples(st.just("note"), noted),
        st.tuples(st.just("delete"), st.just(dict[str, Any]())),
    )


@st.composite
def logs(draw: st.DrawFn, most: int = 6) -> tuple[Edit, ...]:
    """One device's log: counters that rise (with holes), and a wall clock with few values, so that ties are common."""
    counter, result = -1, []
    for op, values in draw(st.lists(changes(), max_size=most)):
        counter += draw(st.integers(1, 2))
        result.append(Edit(counter, draw(st.integers(0, 3)), op, values))
    return tuple(result)


@st.composite
def known(draw: st.DrawFn, whole: Logs) -> Logs:
    """What one place has heard of the logs of all: of each some beginning."""
    return {device: log[: draw(st.integers(0, len(log)))] for device, log in whole.items()}


ALL_LOGS = st.fixed_dictionaries({device: logs() for device in DEVICES})
THREE_VIEWS = ALL_LOGS.flatmap(lambda whole: st.tuples(st.just(whole), known(whole), known(whole), known(whole)))


def edits(store: Store, session: str) -> tuple[Edit, ...]:
    """The edits of a session, of all devices, in the order in which they are applied."""
    return read_edits(store, store.heads.manifest(session)[1], lambda: False)[0]


def session_of(merged: Logs) -> Session:
    begun = Session("0" * 26, "first name", "completed", 0, 10, tags=("made",), notes=(Note("n1", 1, "was"),))
    return apply_edits(begun, in_order(merged))


@MERGED
@given(views=THREE_VIEWS)
def test_merging_is_commutative_associative_and_idempotent(views: tuple[Logs, Logs, Logs, Logs]) -> None:
    """Would catch an order that depends on who merged first: two devices that show different names for good."""
    _, a, b, c = views
    assert joined(a, b) == joined(b, a)
    assert joined(a, joined(b, c)) == joined(joined(a, b), c)
    assert joined(a, a) == joined(a, {}) == joined({}, a)
    assert joined(joined(a, b), b) == joined(a, b)
    whole = [session_of(joined(joined(*pair), third)) for *pair, third in itertools.permutations((a, b, c))]
    assert all(session == whole[0] for session in whole)


@MERGED
@given(views=THREE_VIEWS)
def test_hearing_of_everything_is_enough(views: tuple[Logs, Logs, Logs, Logs]) -> None:
    """Would catch edits that get lost in a merge: whoever has heard of all sees the same, whatever came on the way."""
    whole, a, b, _ = views
    assert session_of(joined(joined(a, whole), b)) == session_of(joined(whole, {})) == session_of(whole)


@MERGED
@given(logs=ALL_LOGS)
def test_ties_have_one_order_for_all(logs: Logs) -> None:
    """Would catch an order of time alone: with equal clocks the device decides, and not the order of the folder."""
    assert in_order(logs) == in_order(dict(reversed(logs.items())))
    placed = [(e.wall_ns, e.counter, device) for device, log in logs.items() for e in log]
    assert [(e.wall_ns, e.counter) for e in in_order(logs)] == [key[:2] for key in sorted(placed)]
    for key, edit in zip(sorted(placed), in_order(logs), strict=True):
        assert edit in logs[key[2]]


@MERGED
@given(logs=ALL_LOGS)
def test_the_last_writer_wins_and_nothing_undoes_a_deletion(logs: Logs) -> None:
    """Would catch a `set` after a `delete` that brings the session back, and an older name that beats a newer."""
    session, order = session_of(logs), in_order(logs)
    assert (session.state == "deleted") == any(edit.op == "delete" for edit in order)
    for name in ("name", "description", "category"):
        said = [e.values["value"] for e in order if e.op == "set" and e.values["field"] == name]
        assert getattr(session, name) == (said[-1] if said else getattr(session_of({}), name))
    last = {e.values["value"]: e.op for e in order if e.op in {"tag", "untag"}}
    assert set(session.tags) == ({"made"} | {t for t, op in last.items() if op == "tag"}) - {
        t for t, op in last.items() if op == "untag"
    }
    assert len(set(session.tags)) == len(session.tags)
    texts = {e.values["id"]: e.values["text"] for e in order if e.op == "note"}
    assert {note.id: note.text for note in session.notes} == {"n1": "was", **texts}


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@MERGED
@given(
    op=st.sampled_from(["set", "tag", "untag", "note", "log", "later"]),
    values=st.dictionaries(
        st.sampled_from(["field", "value", "id", "at_ns", "text", "kind", "x"]), HOSTILE, max_size=5
    ),
)
def test_an_edit_that_makes_no_sense_is_passed_over(op: str, values: dict[str, Any]) -> None:
    """Would catch a log from a later version, or a hostile one, that keeps the whole session from being read."""
    (edit,) = decode_edits(encode_edits((Edit(0, 0, op, values),)))
    session = session_of({DEVICES[0]: (edit,)})
    assert all(isinstance(text, str) for text in (session.name, session.description, session.category, *session.tags))
    assert session.state == "completed"


@STORED
@given(steps=st.lists(st.integers(-3, 3), min_size=1, max_size=6))
def test_a_clock_that_steps_back_loses_no_edit(tmp_path_factory: Any, steps: list[int]) -> None:
    """Would catch an edit whose earlier time lets an older one win on the same device."""
    folder: Path = tmp_path_factory.mktemp("store")
    clock = FakeClock(wall_ns=1_750_000_000_000_000_000)
    store = open_store(folder / "home", clock=clock, config_dir=folder / "config")
    session = complete_session(store)
    for number, step in enumerate(steps):
        clock.step_wall(step * 3_600_000_000_000)
        apply_edit(
            store, session, ("set", {"field": "name", "value": f"name {number}"}), ("tag", {"value": f"{number}"})
        )
    view = load(store, session)
    assert view.name == f"name {len(steps) - 1}"
    assert view.tags == tuple(str(number) for number in range(len(steps)))
    log = edits(store, session)
    assert [edit.counter for edit in log] == list(range(len(log)))
    assert replace(view, name="") == replace(load(store, session), name="")


def away(store: Store, folder: Path) -> Store:
    """A copy of the store as another device has it."""
    shutil.copytree(store.path, folder)
    return Store(folder, replace(store.keys, device_id="b" * 13), store.clock)


def come_back(store: Store, other: Store, session: str) -> None:
    """What the other device has made meanwhile: its blobs and its own head."""
    for blob in list(other.blobs.ids()):
        store.blobs.put(other.blobs.read(blob))
    for path in (other.path / "heads" / session).glob("b" * 13 + "*"):
        shutil.copy(path, store.path / "heads" / session / path.name)


@STORED
@given(done=st.lists(st.tuples(st.booleans(), changes().filter(lambda change: change[0] != "delete")), max_size=6))
def test_edits_of_two_devices_that_did_not_meet_all_count(
    tmp_path_factory: Any, done: list[tuple[bool, tuple[str, dict[str, Any]]]]
) -> None:
    """Would catch a head that wins whole, and so loses what another device wrote into its own log."""
    folder: Path = tmp_path_factory.mktemp("store")
    store = make_store(folder)
    session = complete_session(store)
    first = load(store, session)
    other = away(store, folder / "other")
    assert isinstance(store.clock, FakeClock)
    for elsewhere, change in done:
        store.clock.step_wall(len(change[1]) - 2)
        apply_edit(other if elsewhere else store, session, change)
    come_back(store, other, session)
    merged = edits(store, session)
    said = [(edit.op, edit.values) for edit in merged if edit.op != "log"]
    assert sorted(said, key=repr) == sorted((change for _, change in done), key=repr)
    view = load(store, session)
    assert view == replace(apply_edits(first, merged), manifest=view.manifest)
    # It stays so when this device goes on.
    apply_edit(store, session, ("tag", {"value": "after"}))
    assert len(edits(store, session)) >= len(merged) + 1
    assert verify(store).damages == ()


@STORED
@given(later=st.integers(0, 8))
def test_a_device_that_was_away_does_not_bring_a_deleted_session_back(tmp_path_factory: Any, later: int) -> None:
    """Would catch a deletion that loses against a device whose head went further while it was away."""
    folder: Path = tmp_path_factory.mktemp("store")
    store = make_store(folder)
    session = complete_session(store)
    other = away(store, folder / "other")
    for number in range(later):
        apply_edit(other, session, ("set", {"field": "name", "value": f"of old {number}"}))
    remove(store, session)
    come_back(store, other, session)
    view = load(store, session)
    assert (view.state, view.name, view.tracks) == ("deleted", "", ())
    rebuild(store)
    with Catalog(store) as catalog:
        assert catalog.count() == 0
    assert verify(store).damages == ()


def test_an_edit_of_nothing_costs_nothing(tmp_path: Path) -> None:
    """Would catch the log being deleted as the one that it replaced itself."""
    store = make_store(tmp_path)
    session = complete_session(store)
    apply_edit(store, session, ("tag", {"value": "kept"}))
    apply_edit(store, session)
    assert "kept" in load(store, session).tags
    assert verify(store).damages == ()
