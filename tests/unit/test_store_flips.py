"""One flipped bit, in any file of a home: `verify` finds it and says where, and it costs only the piece that it hit.

Catches: a field that no checksum and no tag covers, a damaged length that hides what follows it, a copy that nobody
looks at, damage in one session that keeps another from being read. What a flip may hide behind is told in
docs/FORMAT.md ("What is not found").
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pepys.errors import Damaged
from pepys.model.events import GapNoted, NoteAdded
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.journal_reader import HEADER_BYTES, JournalReader
from pepys.store.key_wrapping import is_whole
from pepys.store.ledger import Ledger
from pepys.store.ledger_anchor import anchor_path
from pepys.store.reader import events, load
from pepys.store.recover import recover
from pepys.store.removals import REMOVAL, write_list
from pepys.store.remove import remove
from pepys.store.store import Store
from pepys.store.verify import Damage, verify
from tests.stored_session import (
    SECOND,
    WALL_NS,
    Recording,
    blob_files,
    complete_session,
    flip,
    make_store,
    reopen,
    screen_text,
)

NOTES = 8


@dataclass
class Made:
    """A home with every kind of file."""

    folder: Path
    store: Store
    whole: str
    left: str
    gone: str
    recording: Recording

    @property
    def journal(self) -> Path:
        return self.store.journal_path(self.left)

    def files(self, *folders: str) -> list[Path]:
        found = [path for folder in folders for path in (self.store.path / folder).rglob("*") if path.is_file()]
        return sorted(path for path in found if "put-" not in path.name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("flips")
    store = make_store(folder)
    gone = complete_session(store, "Gone", wall_ns=WALL_NS - SECOND)
    remove(store, gone)
    write_list(store, gone, REMOVAL, [store.blobs.id_of(b"not there")])
    whole = complete_session(store, "Whole")
    add_artifacts(store, whole, [screen_text(load(store, whole).shots[0].blob, "text")])
    apply_edit(store, whole, ("tag", {"value": "t"}))
    recording = Recording.begin(store, "Left", wall_ns=WALL_NS + SECOND)
    recording.segment()
    recording.writer.seal()
    recording.open_segment()
    recording.fragment()
    for number in range(NOTES):
        recording.note(f"note {number}")
    Ledger(store).append("spend", whole, 1)
    yield Made(folder, store, whole, recording.session, gone, recording)
    recording.die()


@contextlib.contextmanager
def flipped(path: Path, at: int) -> Iterator[bytes]:
    """A file with one bit flipped for the moment of the block; which one goes with the place. Gives what it held."""
    with path.open("r+b", buffering=0) as file:
        data = file.read()
        try:
            os.pwrite(file.fileno(), bytes([data[at] ^ (1 << at % 8)]), at)
            yield data
        finally:
            os.pwrite(file.fileno(), data[at : at + 1], at)


def places(path: Path, sample: int) -> list[int]:
    """Places in every region of a file: its header, the first frame's length and tag, its end, and between."""
    size = path.stat().st_size
    return sorted({*range(0, min(size, 26), 5), *range(26, size, max(1, size // sample)), size - 1})


def found(made: Made) -> tuple[Damage, ...]:
    return verify(reopen(made.folder)).damages


def test_the_home_is_whole(made: Made) -> None:
    assert found(made) == ()


def unseen(made: Made) -> set[str]:
    """Blobs that nothing refers to any more, or only the head before."""
    heads = [made.store.heads.read(session) for session in (made.whole, made.left, made.gone)]
    return {blob for blob in made.store.blobs.ids() if blob in {head.previous for head in heads}}


def test_every_blob(made: Made) -> None:
    """Of whichever kind: it is named with its session, and every other piece is read."""
    for path in made.files("blobs"):
        if path.name.removesuffix(".copy") in unseen(made) or path.name.endswith(".sealed"):
            continue
        for at in places(path, 2):
            with flipped(path, at):
                damages = found(made)
                assert damages, f"{path} {at}"
                assert {damage.session for damage in damages} <= {made.whole, made.left, made.gone}
                hit = {damage.blob for damage in damages}
                twice = len(blob_files(made.store, path.name.removesuffix(".copy"))) == 2
                for damage in damages:
                    if damage.what.startswith(("segment", "open segment", "shot")):
                        assert damage.track and damage.start_ns is not None and damage.end_ns is not None
                if twice:
                    # What tells of others costs nothing: another file of it is whole.
                    (damage,) = damages
                    assert damage.problem == f"{path} is damaged; another copy is whole"
                elif path.parent.name != "open":
                    assert path.name in hit or any(path.name in damage.problem for damage in damages)
                    with pytest.raises(Damaged):
                        made.store.blobs.read(path.name)
                for other in made.store.blobs.ids():
                    assert (other == path.name and not twice) or made.store.blobs.read(other) is not None
    assert found(made) == ()


def test_every_second_byte_of_heads_and_their_copies(made: Made) -> None:
    """The one of the two that was hit is named, and the other is read."""
    for path in made.files("heads"):
        session = path.parent.name
        head = made.store.heads.read(session)
        for at in range(0, path.stat().st_size, 2):
            with flipped(path, at):
                assert made.store.heads.damaged(session) == [path], at
                assert made.store.heads.read(session) == head
                if at % 64 == 0:
                    assert [damage.session for damage in found(made)] == [session]


def test_every_byte_of_the_wrapped_keys(made: Made) -> None:
    """Opening restores it from another copy, and says so; `verify` counts it as damage found."""
    for path in made.files("keys"):
        for at in range(path.stat().st_size):
            with flipped(path, at) as before:
                assert not is_whole(path.read_bytes()), at
                if at % 16 == 0:
                    # One that hit while the home is open, and before.
                    assert [str(path) in damage.problem for damage in verify(made.store).damages] == [True]
                    (damage,) = found(made)
                    assert damage.what == "key" and str(path) in damage.problem
                    assert path.read_bytes() == before, "it was not restored"


def test_every_byte_of_a_list_of_blobs_to_free(made: Made) -> None:
    (path,) = made.files("removing")
    for at in range(0, path.stat().st_size, 3):
        with flipped(path, at):
            (damage,) = found(made)
            assert (damage.session, damage.what) == (made.gone, "blobs to free")


def told(made: Made) -> list[str]:
    reader = JournalReader(made.journal, made.store.keys)
    return [event.text for _, event in reader.read() if isinstance(event, NoteAdded)]


def test_every_byte_of_the_frames_of_a_journal(made: Made) -> None:
    """A record costs itself; a length, a salt or the header costs nothing; what comes after is never hidden."""
    size = made.journal.stat().st_size
    reader = JournalReader(made.journal, made.store.keys)
    ends = [HEADER_BYTES, *(offset for offset, _ in reader.read())]
    notes = [f"note {number}" for number in range(NOTES)]
    starts = sorted({*ends, made.store.heads.manifest(made.left)[1].journal_offset})
    frames = {start + byte for start in starts for byte in (0, 1, 2, 3, 4, 5, 19, 20, 27, 28, 31, 32, 60)}
    for at in sorted(at for at in {*range(HEADER_BYTES + 32), *frames, size - 1} if at < size):
        with flipped(made.journal, at):
            if at == 4:
                with pytest.raises(Damaged):  # the version: another one may read everything otherwise
                    told(made)
            elif at >= ends[-2] + 4:
                assert told(made) == notes[:-1]  # the last record, which cannot be told from a torn tail
            else:
                lost = [note for note in notes if note not in told(made)]
                assert len(lost) <= 1, at
                reader = JournalReader(made.journal, made.store.keys)
                for _ in reader.read():
                    pass
                assert reader.damaged or 5 <= at < HEADER_BYTES - 26, at
                assert reader.offset == size
                if at % 50 == 0:
                    assert [(damage.session, damage.what) for damage in found(made)] == [(made.left, "journal")]


def test_recovery_reads_past_a_flipped_length(made: Made, tmp_path: Path) -> None:
    """It would cut off everything after it, as a torn tail."""
    store = make_store(tmp_path)
    recording = Recording.begin(store)
    at = store.journal_path(recording.session).stat().st_size
    for number in range(NOTES):
        recording.note(f"note {number}")
    recording.die()
    flip(store.journal_path(recording.session), at + 1)
    assert recover(store, recording.session)
    kept = [event.text for event in events(store, recording.session) if isinstance(event, NoteAdded)]
    assert kept == [f"note {number}" for number in range(NOTES)]


def test_the_ledger(made: Made) -> None:
    """Its pages carry codes of their own; its anchor is sealed."""
    for path in (made.store.database_path("ledger"), anchor_path(made.store)):
        for at in places(path, 6):
            with flipped(path, at):
                assert [damage.what for damage in found(made)][:1] == ["ledger"], at


def test_fragments_before_a_flip_in_an_open_segment_are_kept(made: Made, tmp_path: Path) -> None:
    """Recovery keeps what lies before it, and says what is missing as a gap."""
    store = make_store(tmp_path)
    recording = Recording.begin(store)
    recording.open_segment()
    for _ in range(3):
        recording.fragment()
    recording.die()
    path = store.path / "blobs" / "open" / f"{recording.session}-video-0"
    flip(path, path.stat().st_size - 5)
    (damage,) = verify(store).damages
    assert (damage.track, damage.what) == ("video", "open segment 0")
    assert recover(store, recording.session)
    assert verify(store).damages == ()
    track = load(store, recording.session).track("video")
    assert track is not None and len(track.segments[0].fragments) == 2
    gaps = [event for event in events(store, recording.session) if isinstance(event, GapNoted)]
    assert [gap.detail for gap in gaps if gap.track == "video"] == ["its data were damaged"]
