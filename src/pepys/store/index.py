"""From a session on disk to its row and documents in the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pepys.errors import ODD, Damaged, NotFound, odd
from pepys.model.ids import began_ns
from pepys.model.manifest import Manifest
from pepys.model.session import Session
from pepys.store.documents import Artifact, Document, documents
from pepys.store.earlier import earlier
from pepys.store.reader import load, load_artifact, read_root
from pepys.store.row import SHOWN_STAGE, Row, make_row
from pepys.store.store import Store

if TYPE_CHECKING:
    from pepys.store.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Text:
    """What can be searched for in a session; `problem` is what of it did not open."""

    started_wall_ns: int
    documents: list[Document]
    problem: str | None


def index_session(catalog: Catalog, store: Store, session: str, stamp: str | None = None) -> str | None:
    """Index one session, row and text; a damaged one is listed with what can still be told of it.

    Args:
        catalog: where.
        store: from where.
        session: its id; one that recorded nothing is left out.
        stamp: what `Catalog.refresh` compares, taken before anything was read; None takes it now.

    Returns:
        What of it did not open; None when all of it did.
    """
    stamp = catalog.stamp(session) if stamp is None else stamp
    problem = index_row(catalog, store, session, stamp)
    return index_text(catalog, store, session, stamp) or problem


def index_row(catalog: Catalog, store: Store, session: str, stamp: str) -> str | None:
    """Index what a list shows of a session; its text follows by `index_text`, unless there is none to be found.

    Returns:
        What of it did not open.
    """
    try:
        return _index_row(catalog, store, session, stamp)
    except NotFound:
        catalog.remove(session)
        return None
    except Damaged as error:
        _write_damaged(catalog, store, session, stamp)
        return error.message
    except ODD as error:
        # Whatever one session holds, the list of all others is whole.
        catalog.write(_damaged_row(session), stamp, [])
        return odd(error)


def _index_row(catalog: Catalog, store: Store, session: str, stamp: str) -> str | None:
    head, manifest = read_root(store, session)
    view, problem = _view(store, session, manifest)
    if view.state == "deleted":
        catalog.write(make_row(_bare(manifest), (), 0, head.sequence), stamp, [])
        return None
    artifacts, lost = _artifacts(store, view, SHOWN_STAGE)
    catalog.write(make_row(view, artifacts, _bytes_on_disk(store, view, manifest), head.sequence), stamp)
    return problem or lost


def _write_damaged(catalog: Catalog, store: Store, session: str, stamp: str) -> None:
    """List a session that is damaged as a whole, with what an earlier manifest still tells of it."""
    try:
        view = earlier(store, session)
    except Damaged:
        view = None
    if view is None:
        catalog.write(_damaged_row(session), stamp, [])
        return
    artifacts, _ = _artifacts(store, view)
    size = _bytes_on_disk(store, view, Manifest(session, "completed", view.name, view.started_wall_ns))
    row = replace(make_row(view, artifacts, size, 0), enrichment_state="failed")
    catalog.write(row, stamp, list(documents(view, artifacts)))


def index_text(catalog: Catalog, store: Store, session: str, stamp: str) -> str | None:
    """Index what can be searched for in a session that has a row of this stamp; nothing where it has another by now.

    Returns:
        What of it did not open.
    """
    text = read_text(store, session) if catalog.untold(session, stamp) else None
    if text is None:
        return None
    catalog.write_text(session, text.started_wall_ns, stamp, text.documents)
    return text.problem


def read_text(store: Store, session: str) -> Text | None:
    """Read what can be searched for in a session; None where it was deleted or damaged since its row was made."""
    try:
        return _read_text(store, session)
    except (Damaged, NotFound):
        return None  # the next look finds that it moved
    except ODD as error:
        return Text(began_ns(session), [], odd(error))


def _read_text(store: Store, session: str) -> Text | None:
    _, manifest = read_root(store, session)
    view, problem = _view(store, session, manifest)
    if view.state == "deleted":
        return None
    artifacts, lost = _artifacts(store, view)
    return Text(view.started_wall_ns, list(documents(view, artifacts)), problem or lost)


def read_texts(store: Store, sessions: Sequence[str]) -> Iterator[Text | None]:
    """The text of several sessions in their order: while the caller writes one, the next one is read."""
    if len(sessions) < 2:
        yield from (read_text(store, session) for session in sessions)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "pepys-text") as reader:
        following = reader.submit(read_text, store, sessions[0])
        for session in sessions[1:]:
            text = following.result()
            following = reader.submit(read_text, store, session)
            yield text
        yield following.result()


def _view(store: Store, session: str, manifest: Manifest) -> tuple[Session, str | None]:
    """The session, or what its manifest alone tells of it; and what of it does not open."""
    try:
        view = load(store, session)
        unread = [part for part in view.unread if not part.is_lost]
        return view, f"{unread[0]} do not open" if unread else None
    except (Damaged, NotFound) as error:
        return _bare(manifest), error.message


def _artifacts(store: Store, view: Session, stage: str | None = None) -> tuple[list[Artifact], str | None]:
    """The artifacts, or those of one stage, that open, and what is wrong with one that does not."""
    found: list[Artifact] = []
    problem = None
    for ref in view.artifacts:
        if ref.blob and stage in (None, ref.stage):
            # One that is damaged keeps nobody from finding the rest.
            try:
                found.append((ref.stage, load_artifact(store, ref)))
            except (Damaged, NotFound) as error:
                problem = error.message
    return found, problem


def _bytes_on_disk(store: Store, view: Session, manifest: Manifest) -> int:
    """Bytes of the files that the session refers to; what two sessions share counts in both."""
    twice = {chunk.blob for chunk in manifest.chunks} | set(manifest.edits.values())
    if view.manifest:
        twice.add(view.manifest)
    blobs = {ref.blob for ref in view.artifacts if ref.blob} | {shot.blob for shot in view.shots if shot.blob}
    growing = 0
    for track in view.tracks:
        blobs |= {init.blob for init in track.inits if init.blob}
        blobs |= {segment.blob for segment in track.segments if segment.blob}
        growing += sum(segment.bytes for segment in track.segments if not segment.blob)
    growing += sum(store.blobs.disk_bytes(blob) for blob in twice)
    return growing + sum(store.blobs.file_bytes(blob) for blob in blobs)


def _bare(manifest: Manifest) -> Session:
    """A session of which only the manifest opens."""
    state = "interrupted" if manifest.state == "recording" else manifest.state
    return Session(manifest.session, manifest.name, state, manifest.started_wall_ns, 0)


def _damaged_row(session: str) -> Row:
    """A session of which not even the manifest opens; its id tells when it began."""
    bare = Session(session, "", "damaged", began_ns(session), 0)
    return replace(make_row(bare, (), 0, 0), enrichment_state="failed", description="damaged: see pepys verify")
