"""The part of the activity track that may wait: windows that can be seen, counts of inputs, idle stretches.

Owns when the desk is listened to. At rest it wakes the loop by itself; after it told something it is left alone for
`limits.DESK_LULL_NS` and then asked for all that came together, so that a pointer that moves wakes the loop once a
second and not at each step. Invariants: of a pause nothing is noted, and while it lasts the server tells of no input;
windows are noted at most once in that time, and for titles alone every `limits.DESK_TITLES_NS`. What inputs amount to
is `inputs`' business.
"""

from __future__ import annotations

from collections.abc import Callable

from pepys import limits
from pepys.model.events import IdleNoted, InputCounted, WindowsNoted
from pepys.record.activity import DeskSource, WindowsShown
from pepys.record.inputs import Input, InputLedger
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import SourceEnded

_TIMER = "desk"


class DeskTrack:
    """Notes what the desk tells while a span is open."""

    def __init__(
        self,
        source: DeskSource,
        loop: Loop,
        note: Callable[[WindowsNoted | InputCounted | IdleNoted], None],
        on_ended: Callable[[SourceEnded], None],
    ) -> None:
        """Take a source, and listen to it.

        Args:
            source: tells of windows and inputs.
            loop: where it is waited for.
            note: takes what is to be noted.
            on_ended: told that the source is over; it is closed then.
        """
        self._source, self._loop, self._note, self._on_ended = source, loop, note, on_ended
        self._ledger = InputLedger(note)
        self._place: SpanPlace | None = None
        self._windows: WindowsShown | None = None
        self._noted: WindowsShown | None = None
        self._noted_ns = 0
        self._waits = False
        self._fd = source.fileno()
        self._wait(busy=False)

    @property
    def without(self) -> str:
        """What it cannot tell, in words; empty when it tells all."""
        return "" if self._source.counts else "input is not counted: the X server has no XInput 2.2"

    def clicks(self, since_ns: int) -> int | None:
        """How many clicks there were since then; None where inputs are not told of."""
        return self._ledger.clicks(since_ns) if self._source.counts else None

    def begin(self, place: SpanPlace) -> None:
        """A span is open; what can be seen is noted first."""
        self._place, self._noted, self._noted_ns = place, None, 0
        self._source.listen(inputs=True)
        if self._source.counts:
            self._ledger.begin(place, self._loop.clock.now_ns())
        self._hear()

    def end(self, until_ns: int) -> None:
        """The span ends at `until_ns` on the clock: what was done until then is counted, then nothing any more."""
        if self._place is not None:
            # The moment of an input is known to a while only: none is left out for that.
            past = self._loop.clock.now_ns() - until_ns > limits.LATE_NS
            for _ in range(limits.DESK_LAST_TAKES):
                if self._take(until_ns, late=not past) is None or not self._source.behind:
                    break
            self._ledger.end(until_ns)
            self._place = None
            self._source.listen(inputs=False)

    def close(self) -> None:
        """Let go of the source."""
        self._ledger.end(self._loop.clock.now_ns())
        self._place = None
        self._loop.clear_timer(_TIMER)
        self._stop_waiting()
        self._source.close()

    def _hear(self) -> None:
        busy = self._take()
        if busy is not None:
            self._wait(busy=busy)

    def _take(self, until_ns: int | None = None, *, late: bool = False) -> bool | None:
        """Take what the source tells: whether it told anything, or None when it is over.

        Of inputs those `until_ns`; with `late` those that are told of later count as of then.
        """
        inputs: list[Input] = []
        turned_ns = self._loop.turned_ns
        missed = bool(turned_ns) and self._loop.clock.now_ns() - turned_ns > limits.STALL_NS
        if missed and self._place is not None:
            # This process did not run: what was done meanwhile lies in the gap that the session is about to have.
            until_ns = max(turned_ns, self._place.base_ns)
        told = False
        for item in self._source.poll():
            told = True
            if isinstance(item, SourceEnded):
                self._ledger.take(inputs)
                self.close()
                self._on_ended(item)
                return None
            if isinstance(item, WindowsShown):
                self._windows = item
            elif until_ns is None or item.at_ns <= until_ns:
                inputs.append(item)
            elif late and not missed:
                inputs.append(item._replace(at_ns=until_ns))
        self._ledger.take(inputs)
        if until_ns is None or (self._windows is not None and self._windows.at_ns <= until_ns):
            self._note_windows()
        if not self._source.behind and until_ns is None:
            self._ledger.look(self._loop.clock.now_ns())
        return told or self._source.behind

    def _note_windows(self) -> None:
        now, place, due_ns = self._windows, self._place, self._windows_due_ns()
        clock_ns = self._loop.clock.now_ns()
        if now is not None and place is not None and due_ns is not None and clock_ns >= due_ns:
            self._noted, self._noted_ns = now, clock_ns
            self._note(WindowsNoted(place.axis(max(now.at_ns, place.base_ns)), now.windows))

    def _windows_due_ns(self) -> int | None:
        """When what can be seen is to be noted; None while it stands as it was noted."""
        now, noted = self._windows, self._noted
        if self._place is None or now is None or (noted is not None and now.windows == noted.windows):
            return None
        if noted is None:
            return self._noted_ns
        # A title that tells of progress changes for ever; that of the window in front is noted with the focus.
        titles_alone = _untitled(now) == _untitled(noted)
        return self._noted_ns + (limits.DESK_TITLES_NS if titles_alone else limits.DESK_LULL_NS)

    def _wait(self, *, busy: bool) -> None:
        """Listen again: after a lull where something was told just now, else at once."""
        clock_ns = self._loop.clock.now_ns()
        due_ns = min(filter(None, (self._ledger.due_ns(), self._windows_due_ns())), default=None)
        slack_ns = limits.LOOP_SLACK_NS
        if self._source.behind:
            due_ns, slack_ns = clock_ns + limits.DESK_BEHIND_NS, 0
        elif busy:
            due_ns = min(clock_ns + limits.DESK_LULL_NS, due_ns or clock_ns + limits.DESK_LULL_NS)
        if busy:
            self._stop_waiting()
        elif not self._waits:
            self._loop.add_reader(self._fd, self._hear)
            self._waits = True
        if due_ns is None:
            self._loop.clear_timer(_TIMER)
        else:
            self._loop.set_timer(_TIMER, due_ns, self._hear, slack_ns)

    def _stop_waiting(self) -> None:
        if self._waits:
            self._loop.remove_reader(self._fd)
            self._waits = False


def _untitled(shown: WindowsShown) -> list[tuple[str | int, ...]]:
    return [(app, *place) for app, _title, *place in shown.windows]
