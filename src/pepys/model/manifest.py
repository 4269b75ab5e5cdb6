"""The root of a session version: what a head points to.

A manifest is immutable and is stored as a blob; a session version is therefore one id. It names every blob of the
session directly (chunks, artifacts, edit logs) or through the events in its chunks (inits, segments, shots).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

FORMAT: Final = 1

STATES: Final = ("recording", "interrupted", "completed", "deleted")


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """A sealed chunk: its blob and the sequence numbers of its first event and of the one after its last."""

    blob: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """What a stage made of one unit of work: `key` is the hash of all that went in, so that it is made once."""

    stage: str
    unit: str
    key: str
    blob: str
    engine: str
    seconds: float = 0.0
    cost_nanos: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change after recording, from one device: `op` with its values.

    Ops: `set` (field, value), `tag` and `untag` (value), `note` (id, at_ns, text, kind), `delete`, and `log` (session),
    which stands first in each log and makes it the session's own.
    """

    counter: int
    wall_ns: int
    op: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version of a session.

    Attributes:
        session: the session's id.
        state: one of `STATES`.
        started_wall_ns: wall time of media time 0, nanoseconds since the epoch.
        next_event: sequence number of the first event that no chunk holds; the journal continues there.
        edits: the blob of each device's edit log.
        journal_offset: where the journal's opening for `next_event` begins; 0 where it has none of its own.
    """

    session: str
    state: str
    name: str
    started_wall_ns: int
    chunks: tuple[ChunkRef, ...] = ()
    next_event: int = 0
    artifacts: tuple[ArtifactRef, ...] = ()
    edits: dict[str, str] = field(default_factory=dict)
    journal_offset: int = 0
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Head:
    """The small file that says which manifest is current; `previous` is the one it replaced."""

    session: str
    sequence: int
    manifest: str
    previous: str | None = None


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as JSON with sorted keys, so that equal manifests are equal bytes."""
    return json.dumps(asdict(manifest), separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ValueError: the bytes are no manifest, or one of a newer format.
    """
    try:
        value = json.loads(data)
        if value["format"] > FORMAT:
            raise ValueError(f"manifest format {value['format']} needs a newer pepys; this one reads up to {FORMAT}")
        value["chunks"] = tuple(ChunkRef(**_known(ChunkRef, item)) for item in value["chunks"])
        value["artifacts"] = tuple(ArtifactRef(**_known(ArtifactRef, item)) for item in value["artifacts"])
        return Manifest(**_known(Manifest, value))
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"no manifest: {error}") from error


def encode_edits(edits: tuple[Edit, ...]) -> bytes:
    """Write one device's edit log, one JSON object a line."""
    lines = (json.dumps(asdict(edit), separators=(",", ":"), ensure_ascii=False) for edit in edits)
    return "".join(f"{line}\n" for line in lines).encode()


def decode_edits(data: bytes) -> tuple[Edit, ...]:
    """Read an edit log.

    Raises:
        ValueError: a line is no edit.
    """
    try:
        return tuple(Edit(**_known(Edit, json.loads(line))) for line in data.split(b"\n") if line)
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no edit log: {error}") from error


def _known(kind: type, value: dict[str, Any]) -> dict[str, Any]:
    """The fields that this version knows: a later version of the same format may have added some."""
    names = {f.name for f in fields(kind)}
    return {key: item for key, item in value.items() if key in names}
