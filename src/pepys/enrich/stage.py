"""The port of a stage: one step of enrichment, a pure function from named inputs to an artifact.

Owns what a unit of work is and how its cache key is made. A stage splits a session into units so that a killed run
loses one unit at most. Units and results are plain JSON values and running a unit twice gives the same, so that a
durable queue can carry them. Leaves order, cache, retries and records to `runner`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pepys.errors import PepysError
from pepys.model.session import Session
from pepys.model.sound_levels import Ranges

Item = dict[str, Any]
"""One part of an artifact, as JSON: a spoken turn, the text of a shot, a summary."""


class EngineMissing(PepysError):
    """The engine of a stage is not installed, or is not the one that was checked; the stage is skipped."""

    exit_code = 9


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a stage's work.

    Attributes:
        name: names the place and the inputs, so that a unit of the same name has the same inputs.
        inputs: ids of the blobs, or keys of the artifacts, that it is made from; their order counts.
        values: what else it depends on, as JSON.
    """

    name: str
    inputs: tuple[str, ...]
    values: dict[str, Any] = field(default_factory=dict)


class Source(Protocol):
    """What a running unit may read."""

    @property
    def session(self) -> Session:
        """The session as it is now."""
        ...

    def blob(self, blob: str) -> bytes:
        """The bytes of a blob, verified.

        Raises:
            Damaged: the blob is not what its name says.
        """
        ...

    def items(self, stage: str) -> list[Item]:
        """What another stage has produced for this session so far."""
        ...

    def heard(self, track: str) -> tuple[Ranges, Ranges]:
        """Where levels of a track were noted, and where of that somebody may speak; axis time."""
        ...


class Stage(Protocol):
    """One step of enrichment."""

    @property
    def name(self) -> str:
        """The stage's name in commands, manifests and exports."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever the same inputs give another artifact."""
        ...

    def units(self, session: Session) -> tuple[Unit, ...]:
        """The session's work in this stage; empty where the stage does not apply. Pure and cheap."""
        ...

    def engine(self) -> str:
        """The engine's name, version and model, part of every key.

        Raises:
            EngineMissing: it is not there.
        """
        ...

    def run(self, unit: Unit, source: Source) -> list[Item]:
        """Do one unit. Idempotent; raises what its engine raises."""
        ...


def unit_name(place: str, inputs: Sequence[str]) -> str:
    """Name a unit by its place in the session and by its inputs."""
    return f"{place}-{_digest(list(inputs))[:12]}"


def unit_key(stage: Stage, engine: str, unit: Unit) -> str:
    """The cache key: a hash of all that goes into the artifact.

    The inputs are keyed hashes and the key is kept only in the encrypted manifest, so that a plain hash tells nothing.
    """
    return _digest([stage.name, stage.version, engine, list(unit.inputs), unit.values])


def _digest(value: list[Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
