"""Whether an X server lives: by whatever it sends, else by asking, without ever waiting for the answer.

Invariants: a server that was silent for `limits.X11_SILENCE_S` though it was asked is given up, for all connections to
its display; it is asked only when nothing else came for a while, so that a screen that is watched costs nothing more;
a time in which this process did not run is no silence. What a silence means is left to the source.
"""

from __future__ import annotations

from pepys.clock import Clock
from pepys.limits import LOOP_SLACK_NS, NS_PER_S, X11_PING_NS, X11_SILENCE_S
from pepys.record.adapters.x11.connection import Connection

_SILENCE_NS = int(X11_SILENCE_S * NS_PER_S)


class Signs:
    """The signs of life on one connection.

    Attributes:
        alive_ns: when the last one was heard.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection, self._clock = connection, clock
        self._seen, self._asked_ns = connection.signs, 0
        self.alive_ns = clock.now_ns()

    def note(self) -> None:
        """Answers or events may have come just now."""
        if self._connection.signs != self._seen:
            self._seen, self.alive_ns = self._connection.signs, self._clock.now_ns()

    def look(self) -> None:
        """Ask if it is time, or judge that no answer came. Call it after `answered` and all events were heard.

        Raises:
            ServerSilent: the server has not answered for too long.
        """
        self.note()
        connection, now_ns = self._connection, self._clock.now_ns()
        if not connection.asked:
            # Earlier than `due_ns`: whoever is awake for something else need not be woken for this.
            if now_ns - self.alive_ns >= X11_PING_NS // 2:
                connection.ping()
                self._asked_ns = now_ns
            return
        late_ns = now_ns - self.due_ns
        if late_ns > LOOP_SLACK_NS:
            # We were not there to hear it: whoever slept with us has a moment to answer.
            self._asked_ns = now_ns - _SILENCE_NS + LOOP_SLACK_NS // 2
        elif late_ns >= 0:
            connection.give_up()

    @property
    def due_ns(self) -> int:
        """When `look` is to be called at the latest."""
        if self._connection.asked:
            return max(self._asked_ns, self.alive_ns) + _SILENCE_NS
        return self.alive_ns + X11_PING_NS
