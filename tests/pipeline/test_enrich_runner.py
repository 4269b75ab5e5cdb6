"""The runner: each unit once, failures apart, nothing stale; with a fake engine that counts in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pepys.enrich import runner
from pepys.enrich.plan import screen_text_units
from pepys.enrich.runner import Cancelled, Progress, is_settled, run_stages
from pepys.enrich.stage import EngineMissing, Item, Source, Stage, Unit
from pepys.enrich.stages.summary import SummaryStage
from pepys.enrich.state import enrichment_state
from pepys.errors import Damaged
from pepys.limits import NS_PER_S
from pepys.media.image import encode_png
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.model.session import Session
from pepys.store.edits import apply_edit
from pepys.store.reader import load, load_artifact
from pepys.store.store import Store, open_store
from pepys.store.writer import SessionWriter
from tests.made_session import Made, make_session, screen

SHOTS = tuple(f"number {n}" for n in range(20))


class Counting:
    """Stands in for the reading of screens: writes a line a run, and does what its test wants."""

    name = "screen_text"

    def __init__(
        self, log: Path, *, version: int = 1, engine: str = "fake 1", broken: int = -1, tries: int = 99
    ) -> None:
        self.version = version
        self._log, self._engine, self._broken, self._tries = log, engine, broken, tries

    @property
    def runs(self) -> int:
        return len(self._log.read_text().splitlines()) if self._log.exists() else 0

    def units(self, session: Session) -> tuple[Unit, ...]:
        return screen_text_units(session)

    def engine(self) -> str:
        if not self._engine:
            raise EngineMissing("no eyes", "get some")
        return self._engine

    def run(self, unit: Unit, source: Source) -> list[Item]:
        with self._log.open("a") as file:
            file.write(unit.name + "\n")
        if unit.name.startswith(f"{self._broken:05d}") and self._tries > 0:
            self._tries -= 1
            raise ValueError("the picture broke")
        assert source.blob(unit.inputs[0]).startswith(b"\x89PNG")
        return [{"shot": shot, "lines": []} for shot in unit.inputs]


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


@pytest.fixture
def session(store: Store) -> str:
    return make_session(store, Made(texts=SHOTS, spans=(20.0,), sound=False, video=False, size=(320, 96)))


@pytest.fixture
def log(short_folder: Path) -> Path:
    return short_folder / "runs"


def run(store: Store, session: str, *stages: Stage) -> tuple[str, ...]:
    return run_stages(store, session, stages, lambda progress: None, lambda: False)


def test_every_unit_runs_once_and_a_second_run_costs_nothing(store: Store, session: str, log: Path) -> None:
    stage = Counting(log)
    told: list[Progress] = []
    assert run_stages(store, session, [stage, SummaryStage()], told.append, lambda: False) == ()
    assert stage.runs == 3
    assert [(p.stage, p.done, p.total, p.state) for p in told] == [
        ("screen_text", 0, 3, "running"),
        ("screen_text", 1, 3, "running"),
        ("screen_text", 2, 3, "running"),
        ("screen_text", 3, 3, "completed"),
        ("summary", 0, 1, "running"),
        ("summary", 1, 1, "completed"),
    ]
    head = store.heads.read(session)
    assert run(store, session, stage, SummaryStage()) == ()
    assert stage.runs == 3
    assert store.heads.read(session) == head
    assert enrichment_state(load(store, session))["state"] == "completed"
    assert is_settled(load(store, session), [stage, SummaryStage()])


def test_what_was_finished_before_a_cancellation_is_not_done_again(store: Store, session: str, log: Path) -> None:
    stage = Counting(log)
    with pytest.raises(Cancelled):
        run_stages(store, session, [stage], lambda progress: None, lambda: stage.runs == 2)
    assert stage.runs == 2
    run(store, session, stage)
    assert stage.runs == 3


def test_a_unit_that_fails_is_tried_twice_and_recorded_while_the_others_go_on(
    store: Store, session: str, log: Path
) -> None:
    failures = run(store, session, Counting(log, broken=1), SummaryStage())
    assert failures == ("screen_text: ValueError: the picture broke",)
    state = enrichment_state(load(store, session))
    assert state["state"] == "failed"
    assert [stage["state"] for stage in state["stages"]] == ["failed", "completed"]
    assert state["stages"][0]["error"] == "ValueError: the picture broke"
    refs = [ref for ref in load(store, session).artifacts if ref.stage == "screen_text"]
    assert [bool(ref.error) for ref in refs] == [False, True, False]
    assert all(load_artifact(store, ref)["unit"] == ref.unit for ref in refs)
    log.unlink()
    stage = Counting(log)
    assert run(store, session, stage, SummaryStage()) == ()
    assert stage.runs == 1
    assert enrichment_state(load(store, session))["state"] == "completed"


def test_a_second_try_may_succeed(store: Store, session: str, log: Path) -> None:
    stage = Counting(log, broken=1, tries=1)
    assert run(store, session, stage) == ()
    assert stage.runs == 4


def test_a_damaged_blob_fails_its_unit_alone(
    store: Store, session: str, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = load(store, session).distinct_shots[0].blob
    read = store.blobs.read

    def damaged(blob: str) -> bytes:
        if blob == bad:
            raise Damaged(f"the blob {blob} does not verify")
        return read(blob)

    monkeypatch.setattr(store.blobs, "read", damaged)
    assert len(run(store, session, Counting(log))) == 1
    assert sum(not ref.error for ref in load(store, session).artifacts) == 2


def test_another_engine_or_version_makes_it_again_and_leaves_nothing_of_the_old_one(
    store: Store, session: str, log: Path
) -> None:
    for expected, stage in enumerate([Counting(log), Counting(log, engine="fake 2"), Counting(log, version=2)], 1):
        run(store, session, stage)
        assert stage.runs == 3 * expected
        assert len(load(store, session).artifacts) == 3


def test_a_failure_does_not_take_the_place_of_what_an_older_engine_made(store: Store, session: str, log: Path) -> None:
    run(store, session, Counting(log))
    before = load(store, session).artifacts
    failures = run(store, session, Counting(log, engine="fake 2", broken=0))
    assert len(failures) == 1
    after = load(store, session).artifacts
    assert [ref for ref in after if ref.unit == before[0].unit] == [before[0]]


def test_a_missing_engine_skips_the_stage_until_it_is_there(store: Store, session: str, log: Path) -> None:
    assert run(store, session, Counting(log, engine=""), SummaryStage()) == ()
    head = store.heads.read(session)
    run(store, session, Counting(log, engine=""), SummaryStage())
    assert store.heads.read(session) == head
    state = enrichment_state(load(store, session))
    assert state["state"] == "completed"
    assert (state["stages"][0]["state"], state["stages"][0]["error"]) == ("skipped", "no eyes; get some")
    run(store, session, Counting(log), SummaryStage())
    state = enrichment_state(load(store, session))
    assert [stage["state"] for stage in state["stages"]] == ["completed", "completed"]
    assert not any(ref.unit == runner.SKIPPED_UNIT for ref in load(store, session).artifacts)


def test_artifacts_of_inputs_that_vanished_are_dropped(store: Store, session: str, log: Path) -> None:
    class Fewer(Counting):
        def units(self, session: Session) -> tuple[Unit, ...]:
            return screen_text_units(replace(session, shots=session.shots[:8]))

    run(store, session, Counting(log))
    stage = Fewer(log)
    run(store, session, stage)
    assert stage.runs == 3
    assert len(load(store, session).artifacts) == 1


def test_an_interrupted_session_is_enriched_like_any_other(store: Store, log: Path) -> None:
    left = make_session(
        store, Made(texts=SHOTS[:2], spans=(4.0,), sound=False, video=False, size=(320, 96), ended=False)
    )
    assert run(store, left, Counting(log), SummaryStage()) == ()
    found = load(store, left)
    assert (found.state, enrichment_state(found)["state"]) == ("interrupted", "completed")


def test_a_session_still_being_recorded_is_enriched_as_far_as_it_got(store: Store, log: Path) -> None:
    wall_ns = store.clock.wall_ns()
    writer = SessionWriter.create(store, ev.SessionStarted(new_session_id(wall_ns), "live", wall_ns, "d"))
    try:
        stage = Counting(log)
        for number in range(2):
            blob = writer.put(encode_png(screen(f"shot {number}", (320, 96))))
            writer.append(ev.ShotTaken(number, blob, 320, 96))
            writer.sync()
            assert run(store, writer.session, stage, SummaryStage()) == ()
            assert stage.runs == number + 1
            found = load(store, writer.session)
            assert (found.state, enrichment_state(found)["state"]) == ("recording", "pending")
            assert {stage["state"] for stage in enrichment_state(found)["stages"]} == {"pending"}
        assert len([ref for ref in found.artifacts if ref.stage == "screen_text"]) == 1
    finally:
        writer.end(NS_PER_S)
    states = {part["name"]: part["state"] for part in enrichment_state(load(store, writer.session))["stages"]}
    # Nothing new was shown, but the summary is of a part.
    assert states == {"screen_text": "completed", "summary": "pending"}
    assert not is_settled(load(store, writer.session), [stage, SummaryStage()])
    assert run(store, writer.session, stage, SummaryStage()) == ()
    assert stage.runs == 2
    found = load(store, writer.session)
    assert enrichment_state(found)["state"] == "completed"
    assert is_settled(found, [stage, SummaryStage()])


def test_a_note_written_later_makes_only_the_summary_again(store: Store, session: str, log: Path) -> None:
    stage = Counting(log)
    run(store, session, stage, SummaryStage())
    apply_edit(store, session, ("note", {"id": "n", "at_ns": 0, "text": "remember the permit", "kind": "note"}))
    assert enrichment_state(load(store, session))["state"] == "completed"
    assert not is_settled(load(store, session), [stage, SummaryStage()])
    run(store, session, stage, SummaryStage())
    assert stage.runs == 3
    ref = next(ref for ref in load(store, session).artifacts if ref.stage == "summary")
    assert load_artifact(store, ref)["items"][0]["points"] == ["remember the permit"]
