"""How much the user did, and when nobody did anything: counts for ten seconds each, and idle stretches.

Owns what becomes of single inputs. Pure: it is told inputs and times. Invariants: an input is counted in the stretch in
which it happened, once, and only while a span is open; an idle stretch begins at the last input (or at the span's
start) and ends at the next one (or at the span's end). Which inputs there are is left to whoever hears them: here only
their kind and moment are known.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, get_args

from pepys import limits
from pepys.model.events import IdleNoted, InputCounted
from pepys.record.playback import SpanPlace

Kind = Literal["keys", "clicks", "scrolls", "moves"]


class Input(NamedTuple):
    """One thing that the user did, at a moment on the clock."""

    at_ns: int
    kind: Kind


class InputLedger:
    """Counts inputs of a span after another, and notes what came of them."""

    def __init__(self, note: Callable[[InputCounted | IdleNoted], None]) -> None:
        """Take where to note."""
        self._note = note
        self._place: SpanPlace | None = None
        self._stretch = 0
        self._counts: Counter[Kind] = Counter()
        self._last_ns = 0
        self._idle_ns: int | None = None
        self._clicks: deque[int] = deque(maxlen=limits.CLICKS_KEPT)

    def begin(self, place: SpanPlace, now_ns: int) -> None:
        """A span is open, and inputs are told of from now on."""
        self._place, self._stretch, self._idle_ns = place, 0, None
        self._last_ns = max(place.base_ns, now_ns)
        self._counts.clear()

    def take(self, inputs: Iterable[Input]) -> None:
        """Count inputs, oldest first; what came before the span is counted at its start."""
        place = self._place
        if place is None:
            return
        for item in inputs:
            at_ns = max(item.at_ns, self._last_ns)
            self._settle(place, at_ns)
            self._end_idle(place, at_ns)
            self._last_ns = at_ns
            self._counts[item.kind] += 1
            if item.kind == "clicks":
                self._clicks.append(at_ns)

    def look(self, now_ns: int) -> None:
        """Note what is complete; everything that happened until now was taken."""
        if self._place is not None:
            self._settle(self._place, now_ns)

    def due_ns(self) -> int | None:
        """When to `look` next, if nothing happens; None while that changes nothing."""
        if self._place is None:
            return None
        stretch_ns = self._place.base_ns + (self._stretch + 1) * limits.INPUT_COUNT_NS
        times = [stretch_ns] if self._counts else []
        times += [self._last_ns + limits.IDLE_NS] if self._idle_ns is None else []
        return min(times, default=None)

    def end(self, now_ns: int) -> None:
        """The span is over."""
        place = self._place
        if place is None:
            return
        now_ns = max(now_ns, self._last_ns)
        self._settle(place, now_ns)
        self._end_idle(place, now_ns)
        self._tell_counts(place, now_ns)
        self._place = None

    def clicks(self, since_ns: int) -> int:
        """How many clicks there were since then, of the last `limits.CLICKS_KEPT`."""
        return sum(at_ns >= since_ns for at_ns in self._clicks)

    def _settle(self, place: SpanPlace, now_ns: int) -> None:
        """Note the stretch that is over by now, and that nobody has done anything for long."""
        stretch = (now_ns - place.base_ns) // limits.INPUT_COUNT_NS
        if stretch > self._stretch:
            self._tell_counts(place, now_ns)
            self._stretch = stretch
        if self._idle_ns is None and now_ns - self._last_ns >= limits.IDLE_NS:
            self._idle_ns = self._last_ns
            self._note(IdleNoted(place.axis(self._idle_ns), None))

    def _tell_counts(self, place: SpanPlace, now_ns: int) -> None:
        if self._counts:
            start_ns = place.base_ns + self._stretch * limits.INPUT_COUNT_NS
            duration_ns = min(limits.INPUT_COUNT_NS, now_ns - start_ns)
            keys, clicks, scrolls, moves = (self._counts[kind] for kind in get_args(Kind))
            self._note(InputCounted(place.axis(start_ns), duration_ns, keys, clicks, scrolls, moves))
            self._counts.clear()

    def _end_idle(self, place: SpanPlace, at_ns: int) -> None:
        if self._idle_ns is not None:
            self._note(IdleNoted(place.axis(self._idle_ns), place.axis(at_ns)))
            self._idle_ns = None
