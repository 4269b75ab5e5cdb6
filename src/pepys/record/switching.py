"""Other sources on show, or the same in another layout, while it records.

Owns the order of a switch: what is new is ready before the old goes, and one that cannot be leaves the old one as it
was. Between the two spans no time is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pepys.errors import Busy, PepysError
from pepys.model import events as ev
from pepys.record.capture import Capture
from pepys.record.spans import Spans
from pepys.record.writing import Then, Writer


class Switched(Protocol):
    """The recorder whose pictures are switched."""

    state: str
    capture: Capture
    spans: Spans

    def end_span(self, *, rests: bool = False) -> int:
        """Close the span; from when on the axis what follows counts."""
        ...

    def begin_span(self, at_ns: int) -> None:
        """Begin the span that is prepared."""
        ...

    def prepare(self, *, pictures: bool = True) -> bool:
        """Prepare the next span; whether it can be begun."""
        ...

    def settle(self, state: str, done: Then, error: PepysError | None) -> None:
        """Come to rest in a state, and answer."""
        ...


class Switching:
    """Switches what one recorder shows."""

    def __init__(self, recorder: Switched, work: Callable[[], Writer]) -> None:
        self._recorder, self._work = recorder, work

    def compose(self, layout: str | None, sources: Sequence[str] | None, done: Then) -> None:
        """Begin; `done` when it is durable, or with why it cannot be."""
        self._recorder.capture.compose(layout, sources, lambda error: self._switch(error, done))

    def _switch(self, error: PepysError | None, done: Then) -> None:
        recorder, capture, spans = self._recorder, self._recorder.capture, self._recorder.spans
        if error is None and recorder.state not in {"recording", "paused"}:
            capture.give_up_switch()
            error = Busy(f"the recording is {recorder.state}", "wait a moment and try again")
        if error is not None:
            done(error)
            return
        if recorder.state == "paused":
            capture.switch(spans.now())
            capture.let_go()
        else:
            try:
                capture.prepare_switch()
            except PepysError as problem:
                capture.give_up_switch()
                done(problem)
                return
            at_ns = recorder.end_span()
            capture.switch(at_ns)
            if not recorder.prepare(pictures=False):
                done(Busy("the recording ends", "start another one"))
                return
            recorder.begin_span(at_ns)
        shown = ev.CompositionSet(spans.now(), tuple(capture.sources), capture.layout)
        self._work().events(shown, then=lambda error: recorder.settle(recorder.state, done, error))
