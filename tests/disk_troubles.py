"""What befalls a store on a simulated disk, for Hypothesis to draw; and the names that are always the same in it."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator

from hypothesis import strategies as st

from pepys.store.key_wrapping import wrap
from pepys.store.keys import StoreKeys
from pepys.store.writer import SessionWriter
from tests.simulated_disk import FULL, Fault, SimulatedDisk

DEVICE = "0000000000001"
KEYS = StoreKeys.from_bytes(bytes(range(32)) + wrap(bytes(32), bytes(range(32)), DEVICE))
"""Always the same ones: they decide in which folders blobs lie, and so how many calls there are."""
SESSIONS = [f"01jxt21q000000000000000{number:03}" for number in range(8)]
ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE)
STRUCK = (
    "open", "write", "truncate", "sync_data", "replace", "link", "unlink", "mkdir", "sync_folder", "touch", "read",
    "pread",
)  # fmt: skip
FAULTS = st.builds(
    Fault,
    calls=st.sampled_from([(call,) for call in STRUCK]),
    nth=st.integers(1, 6),
    error=st.sampled_from(ERRORS),
    take=st.sampled_from([None, 1, 40, 600]),
    lasting=st.sampled_from([False, False, True]),
)
SHORT = st.builds(Fault, calls=st.just(("write",)), take=st.sampled_from([1, 40, 600]), nth=st.integers(1, 4))
FILLED = st.builds(
    Fault, calls=st.just(FULL), nth=st.integers(1, 12), error=st.just(errno.ENOSPC), lasting=st.just(True)
)
AFTER = -1
TROUBLE = st.one_of(st.none(), FAULTS, FAULTS, SHORT, FILLED, st.integers(0, 30), st.just(AFTER), st.just(AFTER))
"""What happens in an action: nothing, a fault until it ends, a power cut before a change of that number, or one right
after it was acknowledged."""
SEEDS = st.integers(0, 1 << 20)


class InOneThread(SessionWriter):
    """A writer that seals and merges chunks in the thread that writes: the same calls come in the same order."""

    _meanwhile: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext

    @contextlib.contextmanager
    def meanwhile(self, disk: SimulatedDisk, at: int, act: Callable[[], None]) -> Iterator[None]:
        """Within the block, `act` comes before the `at`th change that a seal makes beside what is written."""
        self._meanwhile = lambda: disk.before(at, act)
        try:
            yield
        finally:
            del self._meanwhile

    def _beside(self, name: str, work: Callable[[], None]) -> None:
        with self._meanwhile() if name == "seal" else contextlib.nullcontext():
            work()


Trouble = Fault | int | None
ALLOWED = {
    "maybe": {"", "interrupted", "completed"},
    "begun": {"interrupted", "completed"},
    "completed": {"completed"},
    "maybe deleted": {"completed", "deleted"},
    "deleted": {"deleted"},
}
"""What may be found of a session of which that much was acknowledged."""
