"""Flipped bits at rest, for the store on a simulated disk: each is named by `verify` and costs only the piece it hit.

A bit is flipped in some file of the home, at any moment of a random life; what can be read is compared with what could
be read before; then the bit is put back, and everything is as it was. docs/FORMAT.md ("What is not found") says what a
flip may hide behind; only those are left out.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from pepys.errors import Damaged, NotFound
from pepys.model import events as ev
from pepys.store.chunks import decode_chunk
from pepys.store.head_files import COPY
from pepys.store.journal_reader import HEADER_BYTES, JournalReader
from pepys.store.reader import load, load_artifact, read_root, session_ids
from pepys.store.references import event_reference, root_references
from pepys.store.sealing import HEADER_BYTES as SEALED_HEADER
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.disk_beside import OnABadDiskBeside
from tests.disk_troubles import SEEDS
from tests.stored_session import blob_files

Piece = tuple[str, str, str]
"""A session, a kind of piece, and which one."""
COSTS: dict[str, set[str]] = {
    "head": set(),
    "key": set(),
    "list": set(),
    "manifest": set(),
    "chunk": set(),
    "edits": set(),
    "artifact": {"artifact"},
    "media": {"shot", "fragment"},
    "open": {"fragment"},
    "journal": {"note", "shot", "fragment"},
}
"""What of its session a flip in a file of each kind may cost: nothing, of what lies twice."""
ALL = {"session", "note", "shot", "fragment", "tag", "artifact"}


@dataclass(frozen=True)
class Place:
    """A file of a home, its kind, and the bytes of it in which a flip must be found."""

    path: Path
    kind: str
    begin: int
    end: int


def places(store: Store) -> list[Place]:
    """All files of which `verify` proves every byte, or some."""
    found = [Place(path, "key", 0, path.stat().st_size) for path in (store.path / "keys").iterdir()]
    kinds: dict[str, str] = {}
    for session in session_ids(store):
        try:
            _whole_session(store, session, kinds, found)
        except NotFound:
            continue  # it recorded nothing
    for folder, kind in (("heads", "head"), ("removing", "list")):
        # What is kept for a full disk says nothing.
        names = (path for path in (store.path / folder).rglob("*") if path.name[0] != "." and path.name != "room")
        files = [path for path in names if path.is_file()]
        found += [Place(path, kind, 0, path.stat().st_size) for path in files]
    for blob, kind in kinds.items():
        found += [Place(path, kind, 0, path.stat().st_size) for path in blob_files(store, blob)]
    return sorted(found, key=lambda place: str(place.path))


def _whole_session(store: Store, session: str, kinds: dict[str, str], found: list[Place]) -> None:
    head, current = read_root(store, session)
    for reference in root_references(head, current):
        word = reference.what.split()[0]
        kinds[reference.blob] = {"events": "chunk"}.get(word, word)
    for chunk in current.chunks:
        for event in ev_of_chunk(store, chunk.blob):
            _named(event, kinds)
    path = store.journal_path(session)
    if not path.exists():
        return
    reader = JournalReader(path, store.keys)
    last, end = HEADER_BYTES, HEADER_BYTES
    for offset, event in reader.read():
        if reader.next_event > current.next_event:
            _named(event, kinds)
        last, end = end, offset
    found.append(Place(path, "journal", 5, max(6, last)))
    for track in load(store, session).tracks if current.state == "recording" else ():
        for segment in track.segments:
            open_file = store.path / "blobs" / "open" / segment.name
            if not segment.blob and segment.fragments and open_file.exists():
                sure = SEALED_HEADER + 4 + min(65_536, segment.fragments[0][1])
                found.append(Place(open_file, "open", 0, sure))


def ev_of_chunk(store: Store, blob: str) -> Iterator[ev.Event]:
    """The events of one chunk."""
    return decode_chunk(store.blobs.read(blob))


def _named(event: ev.Event, kinds: dict[str, str]) -> None:
    reference = event_reference(event)
    if reference is not None:
        kinds.setdefault(reference.blob, "media")


def readable(store: Store) -> set[Piece]:
    """Every piece of every session that can be read now."""
    pieces: set[Piece] = set()
    for session in session_ids(store):
        try:
            view = load(store, session)
        except (Damaged, NotFound):
            continue
        pieces.add((session, "session", view.state))
        pieces |= {(session, "note", note.id) for note in view.notes}
        pieces |= {(session, "tag", tag) for tag in view.tags}
        for ref in view.artifacts:
            if _reads(lambda ref=ref: load_artifact(store, ref)):
                pieces.add((session, "artifact", ref.unit))
        for shot in view.shots:
            if _reads(lambda shot=shot: store.blobs.read(shot.blob)):
                pieces.add((session, "shot", f"{shot.at_ns} {shot.blob}"))
        for track in view.tracks:
            for segment in track.segments:
                read = store.blobs.read_range if segment.blob else store.blobs.read_open
                for n, (offset, length, _, _) in enumerate(segment.fragments):
                    name = segment.blob or segment.name
                    if _reads(lambda r=read, name=name, o=offset, s=length: r(name, o, s)):
                        pieces.add((session, "fragment", f"{segment.n}/{n}"))
    return pieces


def _reads(read: object) -> bool:
    try:
        read()  # type: ignore[operator]  # one of the readers above
    except (Damaged, NotFound):
        return False
    return True


class OnARottingDisk(OnABadDiskBeside):
    """A bad disk that flips bits too."""

    flips: ClassVar[Counter[str]] = Counter()
    """How many of each kind of file were hit, over all examples."""

    @rule(kind=st.sampled_from(sorted(COSTS)), seed=SEEDS)
    def a_bit_flips(self, kind: str, seed: int) -> None:
        """One, anywhere; it is put back at last."""
        chance = random.Random(seed)
        there = places(self.store)
        rare = [place for place in there if place.kind in {"open", "list"}]
        place = chance.choice([place for place in there if place.kind == kind] or rare or there)
        kind = place.kind
        at, bit = chance.randrange(place.begin, place.end), chance.randrange(8)
        sound, could = set(verify(self.store).damages), readable(self.store)
        before = place.path.read_bytes()
        self.flips[kind] += 1
        try:
            place.path.write_bytes(before[:at] + bytes([before[at] ^ 1 << bit]) + before[at + 1 :])
            told = set(verify(self.store).damages) - sound
            lost = could - readable(self.store)
        finally:
            place.path.write_bytes(before)
        where = f"bit {bit} of byte {at} of {place}"
        assert told, f"nobody says anything about {where}"
        assert {session for session, _, _ in lost} <= {damage.session for damage in told}, where
        other = place.path.name.removesuffix(COPY) if place.path.name.endswith(COPY) else place.path.name + COPY
        alone = kind == "head" and not place.path.with_name(other).exists()  # its copy could not be written
        assert {what for _, what, _ in lost} <= (ALL if alone else COSTS[kind]), f"{where} cost {lost}"
        if kind == "journal":
            assert len({one for one in lost if one[1] in {"note", "shot"}}) <= 1, where
            assert len({one[2].partition("/")[0] for one in lost if one[1] == "fragment"}) <= 1, where
        assert set(verify(self.store).damages) == sound and readable(self.store) == could


def main(examples: int, steps: int) -> None:
    """Run so many random lives, each of at most so many steps; the first one that fails is told as it is."""
    run_state_machine_as_test(
        OnARottingDisk,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            # Salts differ from run to run, so that making an example smaller can take minutes.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
