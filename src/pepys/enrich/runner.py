"""Runs the stages of one session, unit by unit, and keeps what they make.

The manifest is the memory: a unit whose key stands there costs nothing; each finished unit is stored before the next
one begins, so that a kill loses the unit under way and no other. A unit that fails is tried again once, then recorded
with its error while the others go on; the next run tries it anew. What no unit asks for any more is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pepys import limits
from pepys.enrich.stage import EngineMissing, Item, Stage, Unit, unit_key
from pepys.enrich.state import SKIPPED
from pepys.errors import PepysError
from pepys.model.manifest import ArtifactRef, Manifest
from pepys.model.session import Session
from pepys.model.sound_levels import Ranges, heard
from pepys.store import edits, reader
from pepys.store.store import Store

SKIPPED_UNIT: Final = "engine"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is, in units; `state` is `running`, `completed`, `skipped` or `failed`."""

    session: str
    stage: str
    done: int
    total: int
    state: str


@dataclass(slots=True)
class _Made:
    """What a unit gave."""

    items: list[Item] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0


class Cancelled(Exception):
    """The job was cancelled; what was finished is kept."""


class StoredSession:
    """The `Source` of running units: one session in one store."""

    def __init__(self, store: Store, session: Session) -> None:
        self._store = store
        self._session = session
        self._heard: dict[str, tuple[Ranges, Ranges]] = {}

    @property
    def session(self) -> Session:
        """The session as it was when its stage began."""
        return self._session

    def blob(self, blob: str) -> bytes:
        """The bytes of a blob, verified."""
        return self._store.media.read(self._session.id, blob)

    def items(self, stage: str) -> list[Item]:
        """What another stage has produced so far."""
        made: list[Item] = []
        for ref in self._session.artifacts:
            if ref.stage == stage and not ref.error:
                made.extend(reader.load_artifact(self._store, ref)["items"])
        return made

    def heard(self, track: str) -> tuple[Ranges, Ranges]:
        """Where levels of a track were noted, and where of that somebody may speak; read once."""
        if track not in self._heard:
            self._heard[track] = heard(reader.levels(self._store, self._session.id, track))
        return self._heard[track]


def run_stages(
    store: Store,
    session: str,
    stages: Sequence[Stage],
    report: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> tuple[str, ...]:
    """Run the stages in their order, as far as they have not run.

    Args:
        store: where the session lies.
        session: its id.
        stages: what to run.
        report: called when a stage begins and after each unit.
        cancelled: asked before each unit.

    Returns:
        The errors of the units that failed; empty when all is well or skipped.

    Raises:
        Cancelled: between two units.
        NotFound: the session is gone.
        StorageProblem: an artifact cannot be written.
    """
    failures: list[str] = []
    for stage in stages:
        failures.extend(_run_stage(store, session, stage, report, cancelled))
    return tuple(failures)


def is_settled(session: Session, stages: Sequence[Stage]) -> bool:
    """Whether `run_stages` would do nothing; a stage whose engine is missing may have got it meanwhile."""
    try:
        return all(_is_stage_settled(session, stage) for stage in stages)
    except EngineMissing:
        return False


def _is_stage_settled(session: Session, stage: Stage) -> bool:
    units = stage.units(session)
    wanted = {unit.name for unit in units}
    if any(ref.stage == stage.name and (ref.error or ref.unit not in wanted) for ref in session.artifacts):
        return False
    return not units or not _undone(session, stage, stage.engine(), units)


def _run_stage(
    store: Store, session: str, stage: Stage, report: Callable[[Progress], None], cancelled: Callable[[], bool]
) -> list[str]:
    source = StoredSession(store, reader.load_whole(store, session))
    units = stage.units(source.session)
    wanted = {unit.name for unit in units}
    _drop_others(store, source.session, stage.name, {*wanted, SKIPPED_UNIT})
    if not units:
        return []
    try:
        engine = stage.engine()
        todo = _undone(source.session, stage, engine, units)
        if not todo:
            report(Progress(session, stage.name, len(units), len(units), "completed"))
            return []
        failures: list[str] = []
        for done, unit in enumerate(todo, start=len(units) - len(todo)):
            report(Progress(session, stage.name, done, len(units), "running"))
            if cancelled():
                raise Cancelled
            error = _run_unit(store, source, stage, engine, unit)
            if error:
                failures.append(f"{stage.name}: {error}")
    except EngineMissing as missing:
        _keep(
            store,
            source.session,
            stage,
            Unit(SKIPPED_UNIT, ()),
            "",
            _Made(error=f"{SKIPPED}{missing.message}; {missing.remedy}"),
        )
        report(Progress(session, stage.name, 0, len(units), "skipped"))
        return []
    _drop_others(store, reader.load(store, session), stage.name, wanted)
    report(Progress(session, stage.name, len(units), len(units), "failed" if failures else "completed"))
    return failures


def _undone(session: Session, stage: Stage, engine: str, units: Sequence[Unit]) -> list[Unit]:
    keys = {ref.key for ref in session.artifacts if ref.stage == stage.name and not ref.error}
    return [unit for unit in units if unit_key(stage, engine, unit) not in keys]


def _run_unit(store: Store, source: StoredSession, stage: Stage, engine: str, unit: Unit) -> str:
    """Run one unit and keep what it makes; the error when every try failed."""
    started_ns = store.clock.now_ns()
    made = _Made()
    for _ in range(limits.UNIT_TRIES):
        try:
            made = _Made(stage.run(unit, source))
            break
        except EngineMissing:
            raise
        except PepysError as problem:
            made = _Made(error=problem.message)
        except Exception as problem:  # noqa: BLE001 - engines raise what they like, and other units must go on
            made = _Made(error=f"{type(problem).__name__}: {problem}")
    made.seconds = (store.clock.now_ns() - started_ns) / limits.NS_PER_S
    _keep(store, source.session, stage, unit, engine, made)
    return made.error


def _keep(store: Store, session: Session, stage: Stage, unit: Unit, engine: str, made: _Made) -> None:
    """Store what was made. A failure never takes the place of something good, nor of the same failure."""
    error = " ".join(made.error.split())[: limits.UNIT_ERROR_CHARS]
    there = next((ref for ref in session.artifacts if (ref.stage, ref.unit) == (stage.name, unit.name)), None)
    if error and there is not None and there.error in ("", error):
        return
    ref = ArtifactRef(
        stage.name, unit.name, unit_key(stage, engine, unit), "", engine, seconds=round(made.seconds, 3), error=error
    )
    edits.add_artifacts(store, session.id, [(ref, {"stage": stage.name, "unit": unit.name, "items": made.items})])


def _drop_others(store: Store, session: Session, stage: str, wanted: Collection[str]) -> None:
    """Drop the stage's artifacts that no unit asks for: their inputs have vanished, or the engine is there now."""

    def stale(ref: ArtifactRef) -> bool:
        return ref.stage == stage and ref.unit not in wanted

    def without(manifest: Manifest) -> Manifest:
        return replace(manifest, artifacts=tuple(ref for ref in manifest.artifacts if not stale(ref)))

    if any(stale(ref) for ref in session.artifacts):
        store.heads.update(session.id, without)
