"""Which blobs a session refers to, and from what: the one list that `verify` proves and `remove` frees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pepys.model.events import Event, InitWritten, SegmentSealed, ShotTaken
from pepys.model.manifest import Head, Manifest


@dataclass(frozen=True, slots=True)
class Reference:
    """One use of a blob; times are axis time, None where it has no place on the axis.

    `twice`: it tells of other blobs, or of edits, and lies twice.
    """

    blob: str
    what: str
    track: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    twice: bool = False


def root_references(head: Head, manifest: Manifest) -> Iterator[Reference]:
    """The blobs that head and manifest name by themselves."""
    if head.manifest:
        yield Reference(head.manifest, "manifest", twice=True)
    for chunk in manifest.chunks:
        yield Reference(chunk.blob, f"events {chunk.first} to {chunk.end}", twice=True)
    for artifact in manifest.artifacts:
        if artifact.blob:
            yield Reference(artifact.blob, f"artifact {artifact.stage} {artifact.unit}")
    for device in sorted(manifest.edits):
        yield Reference(manifest.edits[device], f"edits of device {device}", twice=True)


def event_reference(event: Event) -> Reference | None:
    """The blob that an event names, if it names one."""
    if isinstance(event, InitWritten) and event.blob:
        return Reference(event.blob, f"init of span {event.span}", event.track)
    if isinstance(event, SegmentSealed) and event.blob:
        end = event.at_ns + event.duration_ns
        return Reference(event.blob, f"segment {event.segment}", event.track, event.at_ns, end)
    if isinstance(event, ShotTaken) and event.blob:
        return Reference(event.blob, "shot", "shots", event.at_ns, event.at_ns)
    return None
