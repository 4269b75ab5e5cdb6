"""What a session had that is to be deleted: every blob that anything of it still names, damaged or not.

Everything that opens is asked: the heads of all devices, their manifests and those before the last, each chunk, the
journal. What does not open costs what only that named. Being on the list frees nothing by itself (`remove`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from pepys.errors import Damaged, NotFound
from pepys.model.events import Event, EventsLost
from pepys.model.manifest import Head, Manifest
from pepys.store.chunks import read_chunk
from pepys.store.head_blobs import before
from pepys.store.headless import manifests
from pepys.store.heads_taken import sealed_heads
from pepys.store.journal_reader import JournalReader
from pepys.store.reader import no_levels, read_root
from pepys.store.references import event_reference, root_references
from pepys.store.store import Store


def told_blobs(store: Store, session: str) -> tuple[set[str], bool]:
    """The blobs of a session that can still be told, and whether they are all that it had."""
    found = _Told(store, session)
    found.heads()
    found.manifests()
    found.journal()
    return found.blobs, found.whole


class _Told:
    def __init__(self, store: Store, session: str) -> None:
        self.blobs: set[str] = set()
        self.whole = True
        self._store = store
        self._session = session
        self._seen: set[str] = set()

    def heads(self) -> None:
        """What the heads that open name."""
        for data in sealed_heads(self._store, self._session).values():
            head = self._store.heads.opened(self._session, data)
            self.blobs |= {head.manifest, *filter(None, [head.previous]), *head.edits.values()}

    def manifests(self) -> None:
        """What the manifests name, and the events in their chunks."""
        try:
            self.whole = self._chunks(read_root(self._store, self._session)[1])
        except (Damaged, NotFound):
            self.whole = False
            # No head may be left to lead to one.
            for blob, known in manifests(self._store, list(self._store.blobs.ids())):
                if known.session == self._session:
                    self.blobs.add(blob)
                    self._chunks(known)
        with contextlib.suppress(Damaged):
            for known in before(self._store, self._session):
                self._chunks(known)  # some of those before the last were replaced since, and are gone

    def journal(self) -> None:
        """What the events in the journal name."""
        store = self._store
        try:
            reader = JournalReader(store.journal_path(self._session), store.keys, 0, no_levels, disk=store.disk)
            self._events(event for _, event in reader.read())
        except NotFound:
            return
        except Damaged:
            self.whole = False
        else:
            self.whole = self.whole and not reader.lost

    def _chunks(self, current: Manifest) -> bool:
        self.blobs |= {one.blob for one in root_references(Head(self._session, 0, ""), current)}
        whole = True
        for chunk in current.chunks:
            if chunk.blob not in self._seen:
                self._seen.add(chunk.blob)
                try:
                    found = read_chunk(self._store.blobs.read(chunk.blob), no_levels)
                    self._events(found.events)
                    whole = whole and found.refused is None
                except (Damaged, NotFound, ValueError):
                    whole = False
        return whole

    def _events(self, events: Iterable[Event]) -> None:
        for event in events:
            found = event_reference(event)
            if found is not None:
                self.blobs.add(found.blob)
            elif isinstance(event, EventsLost):
                self.whole = False
