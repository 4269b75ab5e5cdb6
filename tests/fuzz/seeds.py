"""What the store writes in each place that is fuzzed: where a fuzzer begins.

Made by code, every kind of event among them, so that a field that is new is fuzzed from the day it is there.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any, Final

from pepys.model import events as ev
from pepys.model.manifest import ArtifactRef, ChunkRef, Edit, Manifest, encode_edits, encode_manifest

SESSION: Final = "01jxvq8z7k3m5n7p9r1s3t5v7w"
BLOB: Final = "b3-" + "0a" * 32
SECOND: Final = 1_000_000_000
_SPECIAL: Final[dict[str, Any]] = {
    "session": SESSION, "blob": BLOB, "track": "video", "kind": "video", "segment": 0, "span": 0,
    "name": f"{SESSION}-video-0", "fragments": ((0, 100, 0, SECOND),), "windows": (("XTerm", "a title", 0, 0, 64, 36),),
    "sources": ("screen",), "tags": ("a",), "reason": "pause", "end_ns": 2 * SECOND, "at_ns": SECOND,
    "peaks": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "loudness": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "origin": None,
    "started_wall_ns": 1_750_000_000 * SECOND, "config": {"sources": ["screen"]}, "lost": {"device_lost": 5},
    "graph": {"nodes": [{"name": "g", "kind": "gain", "params": {"db": 1}}], "edges": []}, "mime": "video/mp4",
}  # fmt: skip
_BY_TYPE: Final[dict[str, Any]] = {"int": 1, "str": "x", "bool": False, "float": 0.5, "int | None": 3}


def one_of_each() -> list[ev.Event]:
    """An event of each kind, every field filled as a recorder would."""
    kinds = [kind for kind in ev.Event.__subclasses__() if kind is not ev.UnknownEvent]
    return [kind(**{f.name: _value(f) for f in fields(kind)}) for kind in kinds]


def _value(field: Any) -> Any:
    if field.name in _SPECIAL:
        return _SPECIAL[field.name]
    if field.type in _BY_TYPE:
        return _BY_TYPE[field.type]
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else "x"


EVENTS: Final = tuple(one_of_each())
CHUNK: Final = b"".join(ev.encode(event) + b"\n" for event in EVENTS)
JOURNAL: Final = CHUNK.rstrip(b"\n")
MANIFEST: Final = encode_manifest(
    Manifest(
        SESSION, "completed", "a name", 1_750_000_000 * SECOND, (ChunkRef(BLOB, 0, len(EVENTS)),), len(EVENTS),
        (ArtifactRef("summary", "all", "key", BLOB, "engine", 0.5, 7),), {"0123456789abc": BLOB},
    )
)  # fmt: skip
HEAD: Final = json.dumps({"sequence": 3, "manifest": BLOB, "previous": BLOB}).encode()
EDITS: Final = encode_edits(
    (
        Edit(0, 1, "log", {"session": SESSION}), Edit(1, 2, "set", {"field": "name", "value": "new"}),
        Edit(2, 3, "tag", {"value": "t"}), Edit(3, 4, "untag", {"value": "t"}),
        Edit(4, 5, "note", {"id": "n", "at_ns": 5, "text": "a note", "kind": "note"}), Edit(5, 6, "delete"),
    )
)  # fmt: skip
ENTRIES: Final = b"\n".join(
    json.dumps([number, "spend", SESSION, 5, 7, "0123456789abc", '{"stage":"summary"}', None]).encode()
    for number in range(3)
)
