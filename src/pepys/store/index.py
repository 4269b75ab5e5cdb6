"""From a session on disk to its row and documents in the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pepys.errors import Damaged, NotFound
from pepys.model.manifest import Manifest
from pepys.model.session import Session
from pepys.store.documents import Artifact, documents
from pepys.store.reader import load, load_artifact, read_root
from pepys.store.row import Row, make_row
from pepys.store.store import Store

if TYPE_CHECKING:
    from pepys.store.catalog import Catalog


def index_session(catalog: Catalog, store: Store, session: str, stamp: str | None = None) -> str | None:
    """Index one session; a damaged one is listed with what can still be told of it.

    Args:
        catalog: where.
        store: from where.
        session: its id; one that recorded nothing is left out.
        stamp: what `Catalog.refresh` compares, taken before anything was read; None takes it now.

    Returns:
        What of it did not open; None when all of it did.
    """
    stamp = catalog.stamp(session) if stamp is None else stamp
    try:
        head, manifest = read_root(store, session)
    except NotFound:
        catalog.remove(session)
        return None
    except Damaged as error:
        catalog.write(_damaged_row(session), stamp, [])
        return error.message
    problem = None
    try:
        view = load(store, session)
    except (Damaged, NotFound) as error:
        view, problem = _bare(manifest), error.message
    if view.state == "deleted":
        catalog.write(make_row(_bare(manifest), (), 0, head.sequence), stamp, [])
        return None
    artifacts, lost = _artifacts(store, view)
    row = make_row(view, artifacts, _bytes_on_disk(store, view, manifest), head.sequence)
    catalog.write(row, stamp, list(documents(view, artifacts)))
    return problem or lost


def _artifacts(store: Store, view: Session) -> tuple[list[Artifact], str | None]:
    """The artifacts that open, and what is wrong with one that does not."""
    found: list[Artifact] = []
    problem = None
    for ref in view.artifacts:
        if ref.blob:
            # One that is damaged keeps nobody from finding the rest.
            try:
                found.append((ref.stage, load_artifact(store, ref)))
            except (Damaged, NotFound) as error:
                problem = error.message
    return found, problem


def _bytes_on_disk(store: Store, view: Session, manifest: Manifest) -> int:
    """Bytes of the files that the session refers to; what two sessions share counts in both."""
    blobs = {chunk.blob for chunk in manifest.chunks} | {ref.blob for ref in view.artifacts if ref.blob}
    blobs |= set(manifest.edits.values()) | {shot.blob for shot in view.shots if shot.blob}
    if view.manifest:
        blobs.add(view.manifest)
    growing = 0
    for track in view.tracks:
        blobs |= {init.blob for init in track.inits if init.blob}
        blobs |= {segment.blob for segment in track.segments if segment.blob}
        growing += sum(segment.bytes for segment in track.segments if not segment.blob)
    return growing + sum(store.blobs.file_bytes(blob) for blob in blobs)


def _bare(manifest: Manifest) -> Session:
    """A session of which only the manifest opens."""
    state = "interrupted" if manifest.state == "recording" else manifest.state
    return Session(manifest.session, manifest.name, state, manifest.started_wall_ns, 0)


def _damaged_row(session: str) -> Row:
    """A session of which not even the manifest opens; its id tells when it began."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    value = 0
    for char in session:
        value = value << 5 | alphabet.index(char)
    bare = Session(session, "", "interrupted", (value >> 80) * 1_000_000, 0)
    return replace(make_row(bare, (), 0, 0), enrichment_state="failed", description="damaged: see pepys verify")
