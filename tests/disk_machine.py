"""A store on a simulated disk, driven at random beside a plain model of what it has acknowledged.

One session is recorded, edited, left and resumed; others are recorded at one go and removed. Any call may fail, and the
power may go before any change (`tests.simulated_disk` has the fault model). After a power cut the store is opened on a
legal state of the disk, recovered, perhaps cut off in that too, and compared: everything acknowledged is there once and
in order, nothing is there that nobody wrote, `verify` finds no damage, and no head is older than one that was returned.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pepys.clock import FakeClock
from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.limits import FRAGMENT_NS
from pepys.model import events as ev
from pepys.store.blob_writer import BlobWriter
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.reader import events, load
from pepys.store.recover import recover_all
from pepys.store.remove import remove
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.disk_troubles import AFTER, ALLOWED, DEVICE, KEYS, SEEDS, SESSIONS, TROUBLE, InOneThread, Trouble
from tests.simulated_disk import Fault, PowerCut, SimulatedDisk
from tests.stored_session import WALL_NS, content, screen_text


class OnABadDisk(RuleBasedStateMachine):
    """What the module says."""

    seen: ClassVar[Counter[str]] = Counter()
    """How many faults of each kind struck, over all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="pt-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.home = Path(self.folder.name) / "state-0" / "home"
        self.seed = 0
        for name in (f"{DEVICE}.wrap", f"{DEVICE}.wrap.copy"):
            (self.home / "keys").mkdir(parents=True, exist_ok=True)
            (self.home / "keys" / name).write_bytes(KEYS.wrapping)
        self.open(self.home)
        self.writer: SessionWriter | None = None
        self.media: BlobWriter | None = None
        self.notes: list[str] = []
        self.tried: list[str] = []
        self.shots: list[str] = []
        self.tags: set[str] = set()
        self.units: set[str] = set()
        self.fragments: dict[tuple[int, int], bytes] = {}
        self.others: dict[str, str] = {}
        self.gone: set[str] = set()
        self.sequence = self.segment = self.at = self.span = self.cuts = 0
        self.listed: list[tuple[int, int, int, int]] = []
        self.unnamed = self.ended = False
        self.recovered: list[str] = []

    def open(self, home: Path) -> None:
        """Open the store on a new simulated disk at `home`."""
        self.home, self.disk = home, SimulatedDisk(home)
        self.store = Store(home, KEYS, FakeClock(wall_ns=WALL_NS), disk=self.disk)

    @initialize()
    def begin(self) -> None:
        """A session that is acknowledged."""
        self.session = SESSIONS[0]
        header = ev.SessionStarted(self.session, "Main", WALL_NS, self.store.keys.device_id)
        self.writer = InOneThread.create(self.store, header)
        self.begin_span()

    def begin_span(self) -> None:
        """A span here, with the video track."""
        assert self.writer is not None
        self.writer.append(
            ev.SpanStarted(self.span, self.at, self.at, "boot", self.at, WALL_NS),
            ev.TrackStarted("video", "video", "display", "h264", 64, 36),
        )
        self.writer.sync()
        self.span += 1

    # --- what may happen at any time

    def does(self, trouble: Trouble, action: Callable[[], None], *, goes_on: bool = True) -> bool:
        """Do it in trouble; whether it was acknowledged. A recorder that does not go on after an error dies."""
        self.disk.aim(*([trouble] if isinstance(trouble, Fault) else []))
        self.disk.cut_in(trouble if isinstance(trouble, int) and trouble != AFTER else None)
        try:
            action()
        except PowerCut:
            self.seed += 1
            self.power_goes(self.seed)
            return False
        except (StorageProblem, OSError, Damaged, NotFound):
            assert self.disk.struck, "an error that no fault explains"
        else:
            if trouble == AFTER:
                self.seed += 1
                self.power_goes(self.seed)
            return True
        finally:
            self.count()
            self.disk.aim()
            self.disk.cut_in(None)
        if not goes_on:
            self.die()
        return False

    def die(self) -> None:
        """The recorder's process ends: its descriptors close, whatever the disk does."""
        if self.media is not None:
            self.media.close()
        if self.writer is not None:
            self.writer.close()
        self.media = self.writer = None
        self.unnamed = False

    @rule(seed=SEEDS, again=st.sampled_from([None, None, 0, 3, 8, 15]))
    def power_cut(self, seed: int, again: int | None) -> None:
        """The power goes now, and perhaps once more in the recovery."""
        self.power_goes(seed, again)

    def power_goes(self, seed: int, again: int | None = None) -> None:
        """Open a legal state anew, recover it and compare it."""
        self.media = self.writer = None
        self.unnamed = False
        self.next_state(seed)
        if again is not None:
            self.disk.cut_in(again)
            with contextlib.suppress(PowerCut):
                recover_all(self.store)
                self.disk.cut_in(None)
            if self.disk.dead:
                self.next_state(seed + 1)
        recover_all(self.store)
        self.compare()

    def next_state(self, seed: int) -> None:
        """The disk after a power cut, and the store on it."""
        self.cuts += 1
        target = Path(self.folder.name) / f"state-{self.cuts}" / "home"
        target.parent.mkdir()
        self.disk.end()
        self.disk.after_power_cut(random.Random(seed), target)
        self.open(target)

    def count(self) -> None:
        self.seen.update(struck.partition(" ")[0] for struck in self.disk.struck)
        self.disk.struck = []

    # --- recording

    def recording(self) -> SessionWriter:
        assert self.writer is not None
        return self.writer

    @precondition(lambda self: self.writer)
    @rule(goes_on=st.booleans(), trouble=TROUBLE)
    def note(self, goes_on: bool, trouble: Trouble) -> None:
        """A note, acknowledged."""
        text = f"note {len(self.tried)}"
        self.tried.append(text)

        def act() -> None:
            self.recording().append(ev.NoteAdded(text, self.at, text))
            self.recording().sync()
            self.notes.append(text)

        self.does(trouble, act, goes_on=goes_on)

    @precondition(lambda self: self.writer)
    @rule(goes_on=st.booleans(), trouble=TROUBLE)
    def shot(self, goes_on: bool, trouble: Trouble) -> None:
        """A shot, acknowledged; every third shows what one before showed."""
        self.at += 1
        picture = content("shots", 0, self.at // 3, 3_000)

        def act() -> None:
            blob = self.recording().put(picture)
            self.recording().append(ev.ShotTaken(self.at, blob, 64, 36, False))
            self.recording().sync()
            self.shots.append(blob)

        if not self.does(trouble, act, goes_on=goes_on) and self.writer is not None:
            self.at += 1
            self.does(None, act)

    @precondition(lambda self: self.writer)
    @rule(size=st.sampled_from([100, 1_500, 70_000]), goes_on=st.booleans(), trouble=TROUBLE)
    def fragment(self, size: int, goes_on: bool, trouble: Trouble) -> None:
        """A fragment, acknowledged, in a segment that is begun where none is open."""

        def act() -> None:
            writer = self.recording()
            if self.media is None:
                self.segment += 1
                self.listed = []
                self.media = writer.open_segment("video", self.segment)
                writer.append(ev.SegmentOpened("video", self.segment, self.span - 1, self.media.name))
            number = len(self.listed)
            data = content("video", self.segment, number, size)
            offset = self.media.append(data)
            self.media.sync()
            self.listed.append((offset, size, self.at, FRAGMENT_NS))
            written = ev.FragmentWritten("video", self.segment, offset, size, self.at, FRAGMENT_NS, self.at)
            writer.append(written)
            writer.sync()
            self.fragments[self.segment, number] = data

        self.at += FRAGMENT_NS
        if not self.does(trouble, act, goes_on=goes_on) and self.media is not None:
            self.abandon()

    def abandon(self) -> None:
        """As the recorder does when a segment cannot be written: it is left open, for recovery."""
        if self.media is not None:
            self.media.close()
        self.media, self.unnamed = None, True

    @precondition(lambda self: self.writer and self.media)
    @rule(goes_on=st.booleans(), trouble=TROUBLE)
    def seal_segment(self, goes_on: bool, trouble: Trouble) -> None:
        """The segment gets its name."""
        media, parts = self.media, tuple(self.listed)
        assert media is not None

        def act() -> None:
            size = media.offset
            blob = media.seal()
            length, first = FRAGMENT_NS * len(parts), parts[0][2]
            self.recording().append(
                ev.SegmentSealed("video", self.segment, self.span - 1, blob, size, first, length, first, parts)
            )
            self.recording().sync()
            self.media = None

        if parts and not self.does(trouble, act, goes_on=goes_on) and self.media is not None:
            self.abandon()

    @precondition(lambda self: self.writer)
    @rule(goes_on=st.booleans(), trouble=TROUBLE)
    def seal_chunk(self, goes_on: bool, trouble: Trouble) -> None:
        """Events move into a chunk."""

        def act() -> None:
            self.recording().seal()
            self.sequence = self.store.heads.read(self.session).sequence

        if not self.does(trouble, act, goes_on=goes_on) and self.writer is not None:
            self.does(None, act)

    @precondition(lambda self: self.writer and not self.media and not self.unnamed and len(self.tried) > 3)
    @rule(trouble=TROUBLE)
    def end(self, trouble: Trouble) -> None:
        """The session ends in order."""

        def act() -> None:
            self.recording().append(ev.SpanEnded(self.span - 1, self.at, self.at))
            self.recording().end(self.at)
            self.ended = True
            self.writer = None

        self.does(trouble, act, goes_on=False)

    @precondition(lambda self: self.writer)
    @rule()
    def killed(self) -> None:
        """The recorder dies; the disk and its caches live."""
        self.die()

    @precondition(lambda self: not self.writer)
    @rule(trouble=TROUBLE)
    def recover(self, trouble: Trouble) -> None:
        """The next start recovers."""
        self.does(trouble, lambda: self.recovered.extend(recover_all(self.store)))

    @precondition(lambda self: not self.writer and not self.ended)
    @rule(trouble=TROUBLE)
    def resume(self, trouble: Trouble) -> None:
        """Somebody goes on with it."""

        def act() -> None:
            recover_all(self.store)
            if load(self.store, self.session).state == "completed":
                self.ended = True  # it had ended, only nobody was told
                return
            self.writer = InOneThread.resume(self.store, self.session)
            self.begin_span()

        self.does(trouble, act, goes_on=False)

    # --- beside the recording

    @rule(tag=st.sampled_from("abcdef"), trouble=TROUBLE)
    def edit(self, tag: str, trouble: Trouble) -> None:
        """A tag."""

        def act() -> None:
            self.sequence = max(self.sequence, apply_edit(self.store, self.session, ("tag", {"value": tag})).sequence)
            self.tags.add(tag)

        self.does(trouble, act)

    @rule(unit=st.sampled_from("uvw"), trouble=TROUBLE)
    def artifact(self, unit: str, trouble: Trouble) -> None:
        """What a stage made."""

        def act() -> None:
            head = add_artifacts(self.store, self.session, [screen_text(unit, "text")])
            self.sequence = max(self.sequence, head.sequence)
            self.units.add(unit)

        if not self.does(trouble, act):
            self.does(None, act)

    @precondition(lambda self: len(self.others) < 4)
    @rule(trouble=TROUBLE)
    def another(self, trouble: Trouble) -> None:
        """A whole session of a recorder of its own, that shares its shot with the first one's."""
        session = SESSIONS[1 + len(self.others)]
        self.others[session] = "maybe"
        writers: list[SessionWriter] = []

        def act() -> None:
            header = ev.SessionStarted(session, "Other", WALL_NS, self.store.keys.device_id)
            writers.append(InOneThread.create(self.store, header))
            self.others[session] = "begun"
            writers[0].append(ev.ShotTaken(1, writers[0].put(content("shots", 0, 0, 3_000)), 64, 36, False))
            writers[0].end(2)
            self.others[session] = "completed"

        if not self.does(trouble, act) and not self.disk.dead and writers:
            writers[0].close()

    @precondition(lambda self: "completed" in self.others.values())
    @rule(trouble=TROUBLE)
    def delete(self, trouble: Trouble) -> None:
        """One of them is removed."""
        session = next(one for one, state in self.others.items() if state == "completed")
        self.others[session] = "maybe deleted"

        def act() -> None:
            remove(self.store, session)
            self.others[session] = "deleted"

        self.does(trouble, act)

    # --- comparing

    def teardown(self) -> None:
        """At last everything is mended, recovered and compared, with all that was written and after a power cut."""
        if hasattr(self, "session"):
            self.die()
            recover_all(self.store)
            self.compare()
            self.power_goes(self.seed)
        self.disk.end()
        self.folder.cleanup()

    def compare(self) -> None:
        """The store, recovered, against the model."""
        assert verify(self.store).damages == ()
        view = load(self.store, self.session)
        assert self.store.heads.read(self.session).sequence >= self.sequence
        assert view.state == "completed" if self.ended else view.state in {"interrupted", "completed"}
        self.ended = view.state == "completed"
        told = list(events(self.store, self.session))
        notes = [event.text for event in told if isinstance(event, ev.NoteAdded)]
        assert [note for note in notes if note in self.notes] == self.notes
        assert len(notes) == len(set(notes)) and set(notes) <= set(self.tried)
        shots = [(event.at_ns, event.blob) for event in told if isinstance(event, ev.ShotTaken)]
        assert len(shots) == len(set(shots)) and not set(self.shots) - {blob for _, blob in shots}
        assert set(view.tags) >= self.tags
        assert {ref.unit for ref in view.artifacts} >= self.units
        self.compare_media(view.track("video"))
        for session, state in self.others.items():
            self.compare_other(session, state)

    def compare_media(self, track: object) -> None:
        segments = {segment.n: segment for segment in getattr(track, "segments", ())}
        for (n, number), data in self.fragments.items():
            offset, length, _, _ = segments[n].fragments[number]
            assert self.store.blobs.read_range(segments[n].blob, offset, length) == data

    def compare_other(self, session: str, state: str) -> None:
        found = ""
        with contextlib.suppress(NotFound):
            found = load(self.store, session).state
        assert found in ALLOWED[state], f"{session} is {found}, was {state}"
