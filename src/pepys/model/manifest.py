"""The root of a session version: what a head points to.

A manifest is immutable and is stored as a blob; a session version is therefore one id. It names every blob of the
session directly (chunks, artifacts, edit logs) or through the events in its chunks (inits, segments, shots).

What decoding gives is of the form that is told here, whoever wrote it: ids are ids, integers lie between 0 and 2^63,
texts are Unicode. Anything else is refused; that a name prints is for who prints it.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from pepys.errors import NewerFormat
from pepys.model.ids import is_blob_id, is_session_id

FORMAT: Final = 1
_END: Final = 2**63  # what a database keeps in a column; as wall time, the year 2262
LATEST_NS: Final = _END - 1

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
    """The small file that says which manifest is current; `previous` is the one it replaced.

    `edits` are those of the manifest, told once more: where that does not open, the name and the tags are still known.
    """

    session: str
    sequence: int
    manifest: str
    previous: str | None = None
    edits: dict[str, str] = field(default_factory=dict, compare=False)


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as JSON with sorted keys, so that equal manifests are equal bytes."""
    return json.dumps(asdict(manifest), separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        NewerFormat: it is one of a later version.
        ValueError: the bytes are no manifest.
    """
    value = _object(_parsed(data), "a manifest")
    found = value.get("format")
    if type(found) is int and found > FORMAT:
        raise NewerFormat.of("the manifest", found, FORMAT)
    try:
        value["chunks"] = tuple(ChunkRef(**_known(ChunkRef, _object(item, "a chunk"))) for item in value["chunks"])
        value["artifacts"] = tuple(
            ArtifactRef(**_known(ArtifactRef, _object(item, "an artifact"))) for item in value["artifacts"]
        )
        manifest = Manifest(**_known(Manifest, value))
    except (TypeError, KeyError) as error:
        raise ValueError(f"no manifest: {error}") from error
    _check(manifest)
    return manifest


def decode_head(session: str, data: bytes) -> Head:
    """Read what a head seals.

    Raises:
        ValueError: the bytes are no head.
    """
    value = _object(_parsed(data), "a head")
    edits = _object(value.get("edits", {}), "the edits of a head")
    head = Head(session, value.get("sequence", -1), value.get("manifest", ""), value.get("previous"), edits)
    if not (
        _is_count(head.sequence)
        and _is_blob(head.manifest)
        and (head.previous is None or _is_blob(head.previous))
        and all(map(_is_text, edits))
        and all(map(_is_blob, edits.values()))
    ):
        raise ValueError("no head")
    return head


def _check(manifest: Manifest) -> None:
    """Refuse what is of another form; each test here keeps a stranger's value from a path, a database or a sum."""
    texts = [manifest.name, *manifest.edits] if isinstance(manifest.edits, dict) else [None]
    counts = [manifest.started_wall_ns, manifest.next_event, manifest.journal_offset]
    for artifact in manifest.artifacts:
        texts += [artifact.stage, artifact.unit, artifact.key, artifact.engine, artifact.error]
        counts.append(artifact.cost_nanos)
    tests = {
        "format": manifest.format == FORMAT and _is_count(manifest.format),
        "session": isinstance(manifest.session, str) and is_session_id(manifest.session),
        "state": isinstance(manifest.state, str) and manifest.state in STATES,
        "text": all(_is_text(text) for text in texts),
        "number": all(_is_count(count) for count in counts),
        "chunk": all(_is_chunk(chunk) for chunk in manifest.chunks),
        "artifact": all(_is_artifact(artifact) for artifact in manifest.artifacts),
        "edit log": isinstance(manifest.edits, dict) and all(map(_is_blob, manifest.edits.values())),
    }
    if wrong := [what for what, right in tests.items() if not right]:
        raise ValueError(f"no manifest: a {wrong[0]} in it is of another form")


def _is_chunk(chunk: ChunkRef) -> bool:
    return _is_blob(chunk.blob) and _is_count(chunk.first) and _is_count(chunk.end) and chunk.first <= chunk.end


def _is_artifact(artifact: ArtifactRef) -> bool:
    seconds = artifact.seconds
    timed = type(seconds) in {int, float} and math.isfinite(seconds) and seconds >= 0
    return timed and (artifact.blob == "" or _is_blob(artifact.blob))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _END


def _is_blob(value: Any) -> bool:
    return isinstance(value, str) and is_blob_id(value)


def _is_text(value: Any) -> bool:
    """Whether it is a text that UTF-8 can write: half of a surrogate pair is none."""
    # Most are ids: an hour's manifest holds three hundred texts.
    return isinstance(value, str) and (value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value))


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} in it is no JSON object")
    return value


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
        edits = tuple(Edit(**_known(Edit, _object(_parsed(line), "an edit"))) for line in data.split(b"\n") if line)
    except TypeError as error:
        raise ValueError(f"no edit log: {error}") from error
    for edit in edits:
        counted = _is_count(edit.counter) and _is_count(edit.wall_ns)
        if not (counted and isinstance(edit.op, str) and isinstance(edit.values, dict)):
            raise ValueError("no edit log: an edit in it is of another form")
    return edits


def _known(kind: type, value: dict[str, Any]) -> dict[str, Any]:
    """The fields that this version knows: a later version of the same format may have added some."""
    names = {f.name for f in fields(kind)}
    return {key: item for key, item in value.items() if key in names}
