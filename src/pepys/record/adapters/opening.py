"""Opening a source of any kind: in a thread of its own, with a deadline, cancellable.

Owns the way from a `SourceName` to a `VideoSource`. Invariants: nobody who asks is ever blocked, though a server or a
driver may hang; what comes after the deadline or after `cancel` is closed unseen; a source that shows windows and
cannot keep excluded ones out is refused while exclusions are active. Which source to open, and when to try again, is
left to the recorder.
"""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing, PepysError
from pepys.record.adapters.wake import Wake
from pepys.record.ports import VideoSource
from pepys.record.sources import OF_DISPLAY, SourceName, Wish


class _Closable(Protocol):
    def close(self) -> None: ...


Opened = TypeVar("Opened", bound=_Closable)

_SLACK_S: Final = 1.0


class InThread(Generic[Opened]):
    """Something that a thread opens.

    The descriptor stays valid until `cancel`, which is to be called when the opening is over, however it ended.
    """

    def __init__(self, name: str, opener: Callable[[], Opened], deadline_s: float = limits.OPEN_S) -> None:
        """Begin.

        Raises:
            OSError: this process may open nothing more.
            RuntimeError: it may have no more threads.
        """
        self._name, self._opener = name, opener
        self._wake = Wake()
        self._lock = threading.Lock()
        self._over = False
        self._source: Opened | None = None
        self._error: PepysError | None = None
        late = DeviceMissing(
            f"{name} does not answer within {deadline_s:g} s", "look whether its server or driver hangs, then try again"
        )
        self._timer = threading.Timer(deadline_s, lambda: self._settle(None, late))
        self._timer.daemon = True
        self._thread = threading.Thread(target=self._run, name=f"open {name}"[:15], daemon=True)
        try:
            self._timer.start()
            self._thread.start()
        except RuntimeError:
            self.cancel()
            raise

    @property
    def name(self) -> str:
        """Which source it is going to be."""
        return self._name

    def fileno(self) -> int:
        """Readable when the source is there, or it is certain that it will not be."""
        return self._wake.fileno()

    def poll(self) -> Opened | None:
        """The open source, once; raises what opening ended with, each time it is asked."""
        with self._lock:
            source, self._source = self._source, None
            if source is not None:
                self._wake.quiet()
            if self._error is not None:
                raise self._error
        return source

    @property
    def hangs(self) -> bool:
        """Whether the thread still tries: nobody can end it from outside."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Give up, and let go of the descriptor."""
        with self._lock:
            self._over = True
            source, self._source = self._source, None
            self._timer.cancel()
            self._wake.close()
        if source is not None:
            source.close()

    def _run(self) -> None:
        try:
            source = self._opener()
        except PepysError as error:
            self._settle(None, error)
        except Exception as error:  # noqa: BLE001 - libraries and drivers fail in their own ways; none may end a thread unseen
            told = " ".join(str(error).split())[: limits.UNIT_ERROR_CHARS]
            reason = f"{self._name} cannot be opened: {type(error).__name__}: {told}"
            self._settle(None, DeviceMissing(reason, "see `pepys doctor`"))
        else:
            if not self._settle(source, None):
                source.close()

    def _settle(self, source: Opened | None, error: PepysError | None) -> bool:
        """The first outcome counts; whether this was it."""
        with self._lock:
            if self._over:
                return False
            self._over = True
            self._source, self._error = source, error
            self._timer.cancel()
            self._wake.ring()
            return True


class OpeningSource(InThread[VideoSource]):
    """A source of pictures that a thread opens; made by `open_source`."""


def open_source(name: SourceName, wish: Wish, clock: Clock) -> OpeningSource:
    """Begin to open a source; errors come from the opening's `poll`."""
    return OpeningSource(str(name), lambda: _guarded(name, wish, clock))


def open_now(name: SourceName, wish: Wish, clock: Clock) -> VideoSource:
    """Open a source and wait for it, `limits.OPEN_S` at most.

    Raises:
        DeviceMissing: there is no such source, or it cannot be recorded; the message says why.
        Usage: the name means nothing, or too many things.
    """
    opening = open_source(name, wish, clock)
    try:
        while True:
            select.select([opening.fileno()], [], [], limits.OPEN_S + _SLACK_S)
            source = opening.poll()
            if source is not None:
                return source
    finally:
        opening.cancel()


def _guarded(name: SourceName, wish: Wish, clock: Clock) -> VideoSource:
    source = _open(name, wish, clock)
    if wish.exclusions.active and source.capabilities.exclusion == "refused":
        source.close()
        raise DeviceMissing(
            f"{name} cannot keep excluded windows out of its pictures",
            "record the display or one window instead, or everything with --no-exclude",
        )
    return source


def _open(name: SourceName, wish: Wish, clock: Clock) -> VideoSource:
    """Each kind loads what it needs here, in the thread: libraries of the system may be missing."""
    if name.kind in OF_DISPLAY:
        if sys.platform != "linux":
            raise DeviceMissing(f"{name}: X11 is recorded on Linux only", "record a screen by its number: mss:1")
        from pepys.record.adapters.x11.display import open_x11

        return open_x11(name, wish, clock)
    if name.kind == "mss":
        from pepys.record.adapters.mss_source import open_mss

        return open_mss(name, wish, clock)
    if name.kind == "webcam":
        from pepys.record.adapters.camera import open_camera

        return open_camera(name, wish, clock)
    from pepys.record.adapters.film_source import open_film, open_pattern

    return open_film(name, wish, clock) if name.kind == "file" else open_pattern(name, wish, clock)
