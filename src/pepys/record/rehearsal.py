"""A recorder that only tries: everything that was asked for is opened, and let go again.

Owns the answer to "could it be recorded now", which nobody can give without opening displays and devices as a recorder
does. Invariant: nothing is written, no session exists afterwards.
"""

from __future__ import annotations

from pepys.errors import PepysError
from pepys.record.recorder import Recorder


class Rehearsal(Recorder):
    """Opens the sources of its order, tells whether what is required is there, and ends."""

    def _begin_session(self) -> None:
        try:
            self.capture.require()
        except PepysError as error:
            self.fail_start(error)
            return
        self._report({"ready": {"session": self.spec.session, "tracks": []}})
        self.capture.close()
        self._loop.stop()
