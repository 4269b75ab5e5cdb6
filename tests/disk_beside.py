"""The bad disk of tests/disk_machine.py under a recorder that goes on while a chunk is sealed beside it.

All in one thread, so that the same calls come in the same order: before one of the calls of the seal, whichever is
drawn, a note is given and acknowledged, or refused, as another thread would.
"""

from __future__ import annotations

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pepys.clock import FakeClock
from pepys.errors import StorageProblem
from pepys.limits import CHUNK_INTERVAL_NS
from pepys.model import events as ev
from tests.disk_machine import OnABadDisk
from tests.disk_troubles import TROUBLE, InOneThread, Trouble


class OnABadDiskBeside(OnABadDisk):
    """What the module says."""

    beside: ClassVar[list[bool]] = []
    """Of each note that was given meanwhile, over all examples, whether it was acknowledged."""

    @precondition(lambda self: self.writer)
    @rule(at=st.integers(0, 34), goes_on=st.booleans(), trouble=TROUBLE)
    def seal_beside(self, at: int, goes_on: bool, trouble: Trouble) -> None:
        """A chunk is due; a note is written before the call of that number of what seals it."""
        writer, clock = self.recording(), self.store.clock
        assert isinstance(writer, InOneThread) and isinstance(clock, FakeClock)
        text = f"note {len(self.tried)}"
        self.tried.append(text)

        def meanwhile() -> None:
            try:
                writer.append(ev.NoteAdded(text, self.at, text))
                writer.sync()
            except (StorageProblem, OSError):
                self.beside.append(False)
            else:
                self.notes.append(text)
                self.beside.append(True)

        def act() -> None:
            clock.advance(CHUNK_INTERVAL_NS)
            writer.sync()
            self.sequence = max(self.sequence, self.store.heads.read(self.session).sequence)

        with writer.meanwhile(self.disk, at, meanwhile):
            self.does(trouble, act, goes_on=goes_on)
