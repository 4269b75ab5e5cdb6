"""Which window is in front on an X display, by the properties that window managers keep (EWMH).

PropertyNotify on the root tells of another active window, on the active window of another title; nothing is polled.
Without a window manager there is no such property, and nothing is told. A connection of its own keeps these few round
trips away from the capture of pictures. A window is judged by the very answers that its title is taken from: the title
of an excluded one, or of its dialogs, never leaves this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import xcffib
import xcffib.xproto

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.record.activity import EXCLUDED, Focus
from pepys.record.adapters.x11.connection import AnswerLate, Connection, ServerSilent
from pepys.record.adapters.x11.family import Family
from pepys.record.adapters.x11.identity import Facts, IdentityReader, answer, longs
from pepys.record.exclusions import Exclusions
from pepys.record.ports import SourceEnded

_EVENTS: Final = int(xcffib.xproto.EventMask.PropertyChange)
_TITLE_CHARS: Final = 1024
_RELATIVES: Final = 16
_CLIENTS: Final = 256


class EwmhFocus:
    """The focus of one display."""

    def __init__(self, display: str, clock: Clock, exclusions: Exclusions) -> None:
        """Connect and ask for events; any thread may do so and hand the focus over to the loop.

        Raises:
            DeviceMissing: no X server answers.
        """
        self._clock = clock
        missing = DeviceMissing(f"no X server answers on display {display!r}", "start it, or name another")
        try:
            self._connection = Connection(display)
        except (xcffib.XcffibException, UnicodeEncodeError) as error:
            raise missing from error
        try:
            self._root = int(self._connection.setup.roots[self._connection.pref_screen].root)
            self._reader = IdentityReader(self._connection, self._root, exclusions)
            atoms = self._connection.atoms(("_NET_ACTIVE_WINDOW", "_NET_CLIENT_LIST"))
            self._active, self._clients = atoms.values()
            self._connection.watch(self._root, _EVENTS)
            self._connection.flush()
        except xcffib.XcffibException as error:
            self._connection.disconnect()
            raise missing from error
        self._window = 0
        # Without a window manager nothing is ever in front, and nothing is told.
        self._now = Focus(clock.now_ns(), "", "")
        self._found: list[Focus | SourceEnded] = []
        self._fresh = True
        self._ended = self._closed = False
        self._signs, self._heard_ns = 0, clock.now_ns()

    @property
    def heard_ns(self) -> int:
        """When the server told something last, or answered."""
        return self._heard_ns

    def fileno(self) -> int:
        """The connection's descriptor."""
        return self._connection.descriptor

    def poll(self) -> Sequence[Focus | SourceEnded]:
        """The window in front, when it is another one than last time or has another title."""
        if not self._ended:
            try:
                self._connection.answered()
                self._update()
                self._see_signs()
            except xcffib.XcffibException as error:
                self._end(error)
        found, self._found = self._found, []
        return found

    def ping(self) -> None:
        """Ask for a sign of life, once; not again before it has come."""
        if not self._ended:
            try:
                self._connection.ping()
            except xcffib.XcffibException as error:
                self._end(error)

    def now(self) -> Focus | None:
        """What is in front now; see `activity.FocusSource`."""
        if self._ended:
            return None
        until_ns = self._clock.now_ns() + limits.FOCUS_NOW_NS
        self._connection.hurry = lambda: (until_ns - self._clock.now_ns()) / limits.NS_PER_S
        try:
            # Once that is answered, everything that changed before it was asked has been told.
            self._connection.core.GetInputFocus().reply()
            self._update()
            self._see_signs()
        except AnswerLate:
            return None
        except xcffib.XcffibException as error:
            self._end(error)
            return None
        finally:
            self._connection.hurry = None
        return self._now

    def close(self) -> None:
        """Disconnect."""
        if not self._closed:
            self._closed = self._ended = True
            self._connection.disconnect()

    def _end(self, error: xcffib.XcffibException) -> None:
        self._ended = True
        if isinstance(error, ServerSilent):
            # Nothing that happened since its last sign of life was heard.
            ended = SourceEnded(self._heard_ns, "device_lost", "the X server does not answer")
        else:
            ended = SourceEnded(self._clock.now_ns(), "source_closed", "the X server has ended")
        self._found.append(ended)

    def _see_signs(self) -> None:
        if self._connection.signs != self._signs:
            self._signs, self._heard_ns = self._connection.signs, self._clock.now_ns()

    def _update(self) -> None:
        # Replies bring events along, of which no descriptor tells: look until there is none.
        while self._heard() or self._fresh:
            # Whatever ends the look early, it is taken up again.
            self._fresh = True
            now = self._look()
            self._fresh = False
            if now != (self._now.app, self._now.title, self._now.excluded, self._now.window):
                self._now = Focus(self._clock.now_ns(), *now)
                self._found.append(self._now)

    def _heard(self) -> bool:
        """Whether an event that matters has come."""
        matters = False
        while (event := self._connection.next_event()) is not None:
            if isinstance(event, xcffib.xproto.PropertyNotifyEvent):
                matters = matters or event.atom == self._active or event.atom in self._reader.relevant
        return matters

    def _look(self) -> tuple[str, str, bool, int]:
        window = next(iter(self._windows(self._root, self._active, 1)), 0)
        if window != self._window:
            if self._window:
                self._connection.ignore(self._window, _EVENTS)
            self._window = window
            if window:
                # Heard before it is read, or a change in between is never told.
                self._connection.watch(window, _EVENTS)
        if not window:
            return "", "", False, 0
        facts = self._relatives(window)
        now = facts.get(window)
        if now is None:
            return "", "", False, 0  # gone
        if Family(facts, self._reader.client_of, self._root).excludes(window, override=False):
            return EXCLUDED, "", True, window
        # The class stands last; it names the application.
        return (now.identity.applications or ("",))[-1], now.identity.title[:_TITLE_CHARS], False, window

    def _relatives(self, window: int) -> dict[int, Facts | None]:
        """Facts of a window and of all that its being excluded may depend on."""
        facts = self._reader.read([window])
        first = facts[window]
        if first is None:
            return facts
        wanted = {first.transient_for, *first.leaders}
        if first.transient_for or not first.identity.named:
            wanted.update(self._windows(self._root, self._clients, _CLIENTS))
        for _ in range(_RELATIVES):
            unread = wanted - facts.keys() - {0, self._root}
            if not unread:
                break
            # What is gone tells nothing.
            found = {other: told for other, told in self._reader.read(sorted(unread)).items() if told is not None}
            facts.update(found)
            wanted = {other for told in found.values() for other in (told.transient_for, *told.leaders)}
        return facts

    def _windows(self, window: int, name: int, most: int) -> tuple[int, ...]:
        kind = xcffib.xproto.GetPropertyType.Any
        reply = answer(self._connection.core.GetProperty(False, window, name, kind, 0, most))
        return longs(reply) if reply is not None else ()
