"""Proof of a store: every root opens, every blob it names is there, decrypts and is what its name says.

Reads everything once, takes no lock, writes nothing, and works beside a recording: what moved while it was looked at is
looked at again. It tells damage in the words of the user: session, track, time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from pepys.clock import rfc3339
from pepys.errors import ODD, Damaged, NewerFormat, NotFound, PepysError, odd
from pepys.model.events import Event, EventsLost, SegmentSealed
from pepys.model.manifest import Head, Manifest, decode_edits
from pepys.model.projection import project
from pepys.store.chunks import decode_json
from pepys.store.disk import NoFile
from pepys.store.files import moved_away
from pepys.store.head_blobs import beside, own
from pepys.store.head_files import COPY
from pepys.store.headless import headless
from pepys.store.journal_reader import JournalReader
from pepys.store.key_wrapping import is_whole
from pepys.store.key_wrapping import read_journal as read_wrapping
from pepys.store.keys import damaged_copies
from pepys.store.ledger import Ledger
from pepys.store.pieces import Pieces
from pepys.store.reader import read_root, session_ids
from pepys.store.references import Reference, event_reference, root_references
from pepys.store.removals import EDIT, MERGE, REMOVAL, listed_sessions, read_list
from pepys.store.store import Store
from pepys.store.twice import damaged_half
from pepys.store.verify_remote import Elsewhere

_TRIES = 3
BACKUP: Final = "restore the home from a backup"
REBUILD: Final = "run pepys rebuild, which restores it from its copy"
_RESTORED: Final = "restored from another copy"
_DONE: Final = "nothing is left to do for what was restored"
_WRITABLE: Final = "make the home writable: the next command restores the copy of the key"
_HEADER = "its header is damaged; its name and its records still tell what it is"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was stored; times are axis time where it has a place on the axis.

    `remedy` is what helps, in the words of the command line.
    """

    session: str | None
    what: str
    problem: str
    track: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    blob: str | None = None
    remedy: str = BACKUP


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found.

    Attributes:
        sessions: how many were looked at; deleted ones count, as their tombstones are kept.
        blobs: how many different ones were proven or found damaged.
        bytes: their plaintext.
        unreferenced: blobs that nothing refers to: garbage, not damage; or, where events do not open, of those. Only
            counted over all sessions.
        lost: what earlier damage cost for good: all that is stored now is whole, and no backup of it has more.
        elsewhere: blobs of film, sound and shots that only the remote in force has: they are there, and not proven.
        left: those that were left at a remote which is not in force, or could not be asked.
        left_at: where that is.
        unreached: why the remote in force could not be asked; empty where it was, or where nothing was missed.
    """

    damages: tuple[Damage, ...]
    sessions: int
    blobs: int
    bytes: int
    unreferenced: int = 0
    unreferenced_bytes: int = 0
    lost: tuple[Damage, ...] = ()
    elsewhere: int = 0
    left: int = 0
    left_at: tuple[str, ...] = ()
    unreached: str = ""


@dataclass
class _Proof:
    """One run: what was read so far, and what was found."""

    store: Store
    progress: Progress | None
    total: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    remedies: dict[str, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    lost: list[Damage] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    elsewhere: Elsewhere = field(init=False)

    def __post_init__(self) -> None:
        self.elsewhere = Elsewhere(self.store)

    def read(self, blob: str) -> bytes | None:
        """Prove a blob, once; its content, or None when it is damaged or missing."""
        try:
            data = self.store.blobs.read(blob)
        except (Damaged, NotFound) as error:
            self.problems[blob] = error.message
            if isinstance(error, NewerFormat):
                self.remedies[blob] = error.remedy
            return None
        new = blob not in self.sizes
        self.problems.pop(blob, None)
        self.sizes[blob] = len(data)
        if self.progress and new:
            self.progress(len(self.sizes), max(self.total, len(self.sizes)))
        return data

    def has_seen(self, blob: str) -> bool:
        """Whether something refers to a blob."""
        return blob in self.sizes or blob in self.problems or blob in self.kept

    def problem(self, session: str, blob: str) -> str | None:
        """What is wrong with a blob of a session's media, without reading it a second time."""
        if blob not in self.sizes and not self.elsewhere.has(session, blob):
            self.read(blob)
        return self.problems.get(blob)


def verify(store: Store, session: str | None = None, progress: Progress | None = None) -> Report:
    """Prove one session, or the whole store.

    Args:
        store: what.
        session: only this one.
        progress: told `(blobs proven, blobs in the store)`; the second only of a whole store.

    Raises:
        NotFound: no such session.
    """
    proof = _Proof(store, progress, sum(1 for _ in store.blobs.ids()) if session is None else 0)
    damages = [] if session else list(_store_damage(store))
    sessions = session_ids(store) if session is None else [session]
    if session is not None and session not in session_ids(store):
        raise NotFound(f"there is no session {session}", "pepys list shows what there is")
    for one in sessions:
        try:
            damages.extend(_session_damage(proof, one))
        except ODD as error:
            damages.append(Damage(one, "session", odd(error)))
    if session is not None and session not in proof.known:
        damages.extend(damage for damage in _headless(proof, store.blobs.ids()) if damage.session == session)
    unreferenced = unreferenced_bytes = 0
    if session is None:
        proof.lost += [Damage(None, "ledger", problem) for problem in Ledger(store).losses()]
        rest = [blob for blob in store.blobs.ids() if not proof.has_seen(blob)]
        unreferenced, unreferenced_bytes = len(rest), sum(map(store.blobs.disk_bytes, rest))
        damages.extend(_headless(proof, rest))
    proven, total = len(proof.sizes.keys() | proof.problems.keys()), sum(proof.sizes.values())
    lost = tuple(dict.fromkeys(proof.lost))
    found = (len(sessions), proven, total, unreferenced, unreferenced_bytes)
    elsewhere = proof.elsewhere
    left = len(elsewhere.left), tuple(sorted(set(elsewhere.left.values()))), elsewhere.unreached
    return Report(tuple(damages), *found, lost, len(elsewhere.there), *left)


def _store_damage(store: Store) -> Iterator[Damage]:
    for notice in store.notices:
        yield Damage(None, "key", notice, remedy=_DONE if notice.endswith(_RESTORED) else _WRITABLE)
    for path in damaged_copies(store.path):
        if not any(str(path) in notice for notice in store.notices):
            yield Damage(None, "key", f"{path} is damaged or missing", remedy=_WRITABLE)
    try:
        for problem in Ledger(store).problems():
            yield Damage(None, "ledger", problem)
    except PepysError as error:
        yield _told(None, "ledger", error)
    for kind in (REMOVAL, MERGE, EDIT):
        for session in listed_sessions(store, kind):
            try:
                read_list(store, session, kind)
            except Damaged as error:
                yield Damage(session, "blobs to free", error.message, remedy=error.remedy)


def _headless(proof: _Proof, blobs: Iterable[str]) -> Iterator[Damage]:
    for gone in headless(proof.store, blobs, proof.known):
        yield Damage(gone, "head", "its head is gone, though its manifest is there: it was deleted by hand")


def _session_damage(proof: _Proof, session: str) -> list[Damage]:
    """What is wrong with a session; looked at again when it moved meanwhile."""
    found: list[Damage] = []
    for _ in range(_TRIES):
        try:
            head, current = read_root(proof.store, session)
        except Damaged as error:
            proof.known.add(session)
            return [_told(session, "head", error)]
        except NotFound:
            return []  # a journal without an event, or a folder without a head: its manifest tells if there was more
        proof.known.add(session)
        if head.previous:
            proof.kept.add(head.previous)
        with contextlib.suppress(Damaged, NotFound):
            # What another device's head leads to is in use, though nobody reads it before that one is the furthest.
            proof.kept |= own(proof.store, session)
        looked = _look(proof, head, current)
        found = [replace(one, remedy=proof.remedies.get(one.blob or "", one.remedy)) for one in looked]
        if not found or read_root(proof.store, session)[0] == head:
            break
    return [*_damaged_heads(proof.store, session), *found]


def _damaged_heads(store: Store, session: str) -> Iterator[Damage]:
    """Heads and copies that do not open, of a session that another one of them still opens."""
    damaged = store.heads.damaged(session)
    whole = store.heads.devices(session)
    for path in damaged:
        if path.name.removesuffix(COPY) in whole and not store.disk.is_folder(path):
            yield Damage(session, "head", f"{path} is damaged; another copy is whole", remedy=REBUILD)
        elif store.disk.is_folder(path) or not store.disk.is_file(path):
            away = f"move it away ({moved_away(path)}), then {REBUILD}"
            yield Damage(session, "head", f"{path} is no file", remedy=away)
        else:
            yield Damage(session, "head", f"{path} is damaged", remedy=BACKUP)


def _look(proof: _Proof, head: Head, current: Manifest) -> Iterator[Damage]:
    session = current.session
    pieces, chunks = Pieces(proof.store, current, None, lambda: False), {chunk.blob: chunk for chunk in current.chunks}
    untold: list[Damage] = []
    for reference in (*root_references(head, current), *beside(proof.store, head, current)):
        data, chunk = proof.read(reference.blob), chunks.get(reference.blob)
        problem = proof.problems[reference.blob] if data is None else ""
        if chunk is not None:
            if part := pieces.take_chunk(chunk, data):
                untold.append(replace(_damage(session, reference, problem or part[1]), what=part[0]))
        elif data is not None:
            problem = _problem_within(current, reference.blob, data)
        if half := damaged_half(proof.store, reference):
            yield _damage(session, reference, half[0], half[1] + REBUILD)
        if problem and chunk is None:
            yield _damage(session, reference, problem)
    yield from _numbering(current)
    yield from _journal(proof, current, pieces)
    # What follows a chunk that does not open tells when that one ended.
    times = {str(part): part for part in pieces.unread}
    for damage in untold:
        yield replace(damage, start_ns=times[damage.what].start_ns, end_ns=times[damage.what].end_ns)
    events = pieces.events
    proof.lost.extend(_lost(session, event) for event in events if isinstance(event, EventsLost))
    told: set[str] = set()
    for event in events:
        for damage in _event(proof, session, event):
            # A picture that was taken again and again is damaged once.
            if damage.blob not in told:
                told.add(damage.blob or "")
                yield damage
    yield from _open_segments(proof, current, events)
    yield from _nameless_segments(current, events)


def _numbering(current: Manifest) -> Iterator[Damage]:
    """Chunks follow each other without holes."""
    expected = 0
    for chunk in current.chunks:
        if chunk.first != expected:
            yield Damage(current.session, "manifest", f"events {expected} to {chunk.first} are in no chunk")
        expected = chunk.end
    if current.state != "deleted" and current.next_event != expected:
        yield Damage(current.session, "manifest", f"events {expected} to {current.next_event} are in no chunk")


def _lost(session: str, event: EventsLost) -> Damage:
    which = f"events {event.first} to {event.end}" if event.first < event.end else f"events from {event.first} on"
    problem = f"{which} could not be read when it was recovered, {rfc3339(event.wall_ns)}"
    return Damage(session, "journal", problem, None, event.start_ns, event.end_ns)


def _journal(proof: _Proof, current: Manifest, pieces: Pieces) -> Iterator[Damage]:
    path = proof.store.journal_path(current.session)
    if not proof.store.has_journal(current.session):
        if current.state == "recording":  # it is there until the head moves on from that
            pieces.passed_over("journal", current.next_event, current.next_event)
            gone = pieces.unread[-1]
            yield Damage(current.session, "journal", f"it is gone, and {gone} with it", None, gone.start_ns)
        return
    try:
        reader = JournalReader(path, proof.store.keys, disk=proof.store.disk)
        pieces.read_on(reader)
    except NotFound:
        return
    except Damaged as error:
        yield _told(current.session, "journal", error)
        return
    lost = [part for part in pieces.unread if part.what == "journal"]
    for part in lost:
        places = ", ".join(str(offset) for offset in reader.damaged if offset)
        problem = f"{part} do not open: damaged at byte {places}"
        yield Damage(current.session, "journal", problem, None, part.start_ns, part.end_ns)
    for offset in reader.damaged:
        what = f"the record at byte {offset} does not open, or a bit of its frame is wrong" if offset else _HEADER
        if not (offset and lost):
            yield Damage(current.session, "journal", what)
    if not is_whole(read_wrapping(path, proof.store.disk)):
        yield Damage(current.session, "journal", "its copy of the wrapped key is damaged")


def _problem_within(current: Manifest, blob: str, data: bytes) -> str:
    """Whether what a root names, and is no chunk, is what it should be inside its blob: what is wrong, or nothing."""
    try:
        if any(blob == artifact.blob for artifact in current.artifacts):
            decode_json(data)
        elif blob in current.edits.values():
            decode_edits(data)
    except ValueError as error:
        return str(error)
    return ""


def _event(proof: _Proof, session: str, event: Event) -> Iterator[Damage]:
    reference = event_reference(event)
    if reference is None:
        return
    problem = proof.problem(session, reference.blob)
    if problem:
        yield _damage(session, reference, problem)
    elif isinstance(event, SegmentSealed) and reference.blob in proof.sizes:
        end = max((offset + length for offset, length, _, _ in event.fragments), default=0)
        if end > proof.sizes[reference.blob]:
            yield _damage(session, reference, "its fragments reach past its end")


def _open_segments(proof: _Proof, current: Manifest, events: list[Event]) -> Iterator[Damage]:
    """What a recording, or a crash, has not sealed yet: every journalled fragment opens."""
    if current.state != "recording":
        return
    for track in project(current, events).tracks:
        for segment in track.segments:
            if segment.blob or not segment.name:
                continue
            try:
                data = proof.store.blobs.read_open(segment.name, 0, segment.bytes)
                problem = "" if len(data) == segment.bytes else "the open file is shorter than its fragments"
            except (Damaged, NotFound) as error:
                problem = error.message
            if problem and not _sealed_meanwhile(proof, current.session, track.track, segment.n):
                end = segment.at_ns + segment.duration_ns
                what = f"open segment {segment.n}"
                yield Damage(current.session, what, problem, track.track, segment.at_ns, end)


def _nameless_segments(current: Manifest, events: list[Event]) -> Iterator[Damage]:
    """What has ended, or was recovered, has a name for every segment that holds fragments."""
    if current.state not in {"completed", "interrupted"}:
        return
    for track in project(current, events).tracks:
        for segment in track.segments:
            if segment.fragments and not segment.blob:
                problem = f"{len(segment.fragments)} fragments were written that no blob holds"
                end = segment.at_ns + segment.duration_ns
                yield Damage(current.session, f"segment {segment.n}", problem, track.track, segment.at_ns, end)


def _sealed_meanwhile(proof: _Proof, session: str, track: str, n: int) -> bool:
    """Whether a segment got its name after the journal was read; a dead recorder may have left it half way there."""
    try:
        reader = JournalReader(proof.store.journal_path(session), proof.store.keys, disk=proof.store.disk)
    except NotFound:
        return True
    events = [event for _, event in reader.read()]
    opened = any(isinstance(e, SegmentSealed) and e.track == track and e.segment == n for e in events)
    return opened or proof.store.blobs.became(f"{session}-{track}-{n}") is not None


def _told(session: str | None, what: str, error: PepysError) -> Damage:
    """What was refused as an error: a newer version is no damage that a backup would mend."""
    newer = isinstance(error, NewerFormat)
    # What has the name of a file and is none is in the way of any backup.
    in_the_way = isinstance(error.__cause__, NoFile)
    return Damage(session, what, error.message, remedy=error.remedy if newer or in_the_way else BACKUP)


def _damage(session: str, reference: Reference, problem: str, remedy: str = BACKUP) -> Damage:
    begin_ns, end_ns = reference.start_ns, reference.end_ns
    return Damage(session, reference.what, problem, reference.track, begin_ns, end_ns, reference.blob, remedy)
