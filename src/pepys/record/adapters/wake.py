"""A descriptor by which one thread wakes another that waits on descriptors.

Owns a pair of sockets (pipes cannot be waited on everywhere). Invariants: ringing never blocks and never fails, also
when it is closed; many rings are one; nothing is written to a descriptor that was closed and given to somebody else.
"""

from __future__ import annotations

import contextlib
import socket
import threading

_ENOUGH = 4096


class Wake:
    """Rung by one thread, heard by another."""

    def __init__(self) -> None:
        self._heard, self._rung = socket.socketpair()
        self._heard.setblocking(False)
        self._rung.setblocking(False)
        self._lock = threading.Lock()
        self._ringing = self._closed = False

    def fileno(self) -> int:
        """Readable while it rings; -1 when it is closed."""
        return self._heard.fileno()

    def ring(self) -> None:
        """Make the descriptor readable."""
        with self._lock:
            if not self._closed and not self._ringing:
                self._ringing = True
                self._rung.send(b"!")

    def quiet(self) -> None:
        """Make the descriptor unreadable until it is rung again."""
        with self._lock:
            if not self._closed and self._ringing:
                self._ringing = False
                with contextlib.suppress(BlockingIOError):
                    self._heard.recv(_ENOUGH)

    def close(self) -> None:
        """Let go of both ends; safe to call twice."""
        with self._lock:
            self._closed = True
            self._heard.close()
            self._rung.close()
