"""The picture sources of a session: opened beside everything else, and again when they were lost.

Owns a source's life: its opening, its descriptor in the loop, and when to try again (`limits.REOPEN_MIN_NS`, doubled
up to `limits.REOPEN_MAX_NS`, for what comes and goes too; what a display shows as soon as that is there again).
Invariants: nobody waits for a source; one that was closed is never heard again; a film that has come to its end is not
played again; nothing is opened beside an opening that hangs; in a pause no camera is open and nothing is decoded. What
a source shows is left to `compositor`, what its coming and going means to `screen` and `capture`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing, PepysError
from pepys.record.loop import Loop
from pepys.record.ports import Holds, Opening, SourceEnded, VideoSource
from pepys.record.probe import display_gone
from pepys.record.sources import AWAITED, OF_DISPLAY, SCREENS, SourceName, Wish
from pepys.record.standing import Tries

Opener = Callable[[SourceName, Wish, Clock], Opening]

_FILMS = frozenset({"file", "pattern"})
_LET_GO = frozenset({"webcam", "mss"})
"""Sources that look at something all the time: a pause lets go of them. A screen that tells by itself is only heard."""

_serials = itertools.count(1)


class Feed:
    """One source that is asked for, whether it is there or not.

    Attributes:
        name: which one.
        number: by which tracks tell it from the others of the session, from 1 on.
        source: the open source, or None.
        ended: how it ended last, until it is there again.
        error: why the last try to open it failed; None while it is being opened and once it is open.
        tries: how often it was tried again.
        on_settled: told of each opening's outcome, as long as nobody has joined.
    """

    def __init__(self, name: SourceName, wish: Wish, opener: Opener, loop: Loop, number: int = 1) -> None:
        """Take what to open; nothing is opened yet."""
        self.name, self.number = name, number
        self.source: VideoSource | None = None
        self.ended: SourceEnded | None = None
        self.error: PepysError | None = None
        self.on_settled: Callable[[], None] = _nothing
        self._on_open: Callable[[], None] | None = None
        self._on_failed: Callable[[], None] = _nothing
        self._on_news: Callable[[], None] = _nothing
        self._wish, self._opener, self._loop = wish, opener, loop
        self._opening: Opening | None = None
        self._fd: int | None = None
        self._timer = f"feed {next(_serials)}"
        self.tries = Tries(limits.REOPEN_MIN_NS, limits.REOPEN_MAX_NS)
        self._retries = self._finished = self._suspended = False
        self._given_up: Opening | None = None
        self._due_ns = 0

    @property
    def opens(self) -> bool:
        """Whether it is being opened right now."""
        return self._opening is not None

    @property
    def shows_screen(self) -> bool:
        """Whether it shows a screen, or a part of one."""
        return self.name.kind in SCREENS

    @property
    def returns(self) -> bool:
        """Whether it is away and may well come back: a closed window, a monitor unplugged, a hung server."""
        lost = self.ended is not None and self.ended.reason == "device_lost"
        if self.source is not None or not self._retries:
            return False
        return lost or (self.name.kind in AWAITED and self._display_lives)

    @property
    def awaited(self) -> bool:
        """Whether it was closed or unplugged, as such things are: there is nothing to start again."""
        lost = self.ended is not None and self.ended.reason == "device_lost"
        return self.source is None and self.name.kind in AWAITED and not lost and self._display_lives

    @property
    def _display_lives(self) -> bool:
        return not display_gone(self._wish.display or "")

    @property
    def finished(self) -> bool:
        """Whether it was a film and has come to its end, as films do."""
        return self._finished

    @property
    def why_not(self) -> PepysError:
        """Why it is not there."""
        if self.error is not None:
            return self.error
        message = self.ended.message if self.ended is not None else f"{self.name} does not answer"
        return DeviceMissing(message, "look whether its server or driver hangs, then try again")

    def open(self) -> None:
        """Begin to open it now, unless it is there or under way, or a film that is over."""
        self._suspended = False
        if isinstance(self.source, Holds):
            self.source.hold(False)
        if self.source is not None or self._opening is not None or self._finished:
            return
        self._loop.clear_timer(self._timer)
        if self.ended is not None or self.error is not None:
            self.tries.tried()
        if self._given_up is not None and self._given_up.hangs:
            # Another thread would hang beside it, each with what it has opened.
            self._retry_later()
            return
        self.error = self._given_up = None
        try:
            self._opening = self._opener(self.name, self._wish, self._loop.clock)
        except (OSError, RuntimeError) as error:
            self.error = DeviceMissing(f"{self.name} cannot be opened now: {error}", "close other programs")
            # Never told from within: whoever asks may open others too.
            self._loop.set_timer(self._timer, self._loop.clock.now_ns(), self._settle_failed)
            return
        self._watch(self._opening.fileno(), self._on_opening)

    def suspend(self) -> None:
        """A pause: a camera is let go of, a film stands still; `open` goes on."""
        self._suspended = True
        if self.name.kind in _LET_GO:
            self._loop.clear_timer(self._timer)
            self._drop_opening()
            self._drop_source()
        elif isinstance(self.source, Holds):
            self.source.hold(True)

    def join(self, on_open: Callable[[], None], on_failed: Callable[[], None], on_news: Callable[[], None]) -> None:
        """Listen to it from now on, and open it again whenever it is lost.

        Args:
            on_open: told when it is there again.
            on_failed: told of each try that failed.
            on_news: called when the source has news.
        """
        self._on_open, self._on_failed, self._on_news = on_open, on_failed, on_news
        self._retries = True
        self._listen()

    def end(self, ended: SourceEnded) -> None:
        """Its source has ended."""
        self.ended = ended
        self._drop_source()
        self._finished = self.name.kind in _FILMS and ended.reason == "source_closed"
        self.tries.went(self._loop.clock.now_ns(), in_order=self.awaited)
        self._retry_later()

    def close(self) -> None:
        """Let go of it for good."""
        self._retries = False
        # Whoever listened is let go of too, or both live on until garbage is collected.
        self._on_open, self._on_failed, self._on_news, self.on_settled = None, _nothing, _nothing, _nothing
        self._loop.clear_timer(self._timer)
        self._drop_opening()
        self._drop_source()

    def _on_opening(self) -> None:
        opening = self._opening
        if opening is None:
            return
        try:
            source = opening.poll()
        except PepysError as error:
            self._drop_opening()
            self.error = error
            self._settle_failed()
            return
        if source is None:
            return
        self._drop_opening()
        self.source, self.ended = source, None
        self.tries.came(self._loop.clock.now_ns())
        if self._on_open is None:
            self.on_settled()
        else:
            self._listen()
            self._on_open()

    def _settle_failed(self) -> None:
        self._retry_later()
        (self.on_settled if self._on_open is None else self._on_failed)()

    def _listen(self) -> None:
        # Not before somebody takes what it tells: a readable descriptor wakes the loop again and again.
        if self.source is not None and self._fd is None:
            self._watch(self.source.fileno(), lambda: self._on_news())

    def _retry_later(self) -> None:
        if self._retries and not self._finished and not (self._suspended and self.name.kind in _LET_GO):
            self._due_ns = self._loop.clock.now_ns() + self.tries.wait_ns
            self._wait()

    def _wait(self) -> None:
        """Wait for the next try; a display that is gone is looked for meanwhile, which costs two system calls."""
        until_ns = self._due_ns
        if self._display_is_gone:
            until_ns = min(until_ns, self._loop.clock.now_ns() + limits.DISPLAY_GONE_LOOK_NS)
        self._loop.set_timer(self._timer, until_ns, self._on_due)

    def _on_due(self) -> None:
        if self._loop.clock.now_ns() < self._due_ns and self._display_is_gone:
            self._wait()
        else:
            self.open()

    @property
    def _display_is_gone(self) -> bool:
        display = self.name.arg if self.name.kind == "display" else self._wish.display or ""
        return self.name.kind in OF_DISPLAY and display_gone(display)

    def _watch(self, fd: int, call: Callable[[], None]) -> None:
        # Kept: a connection that is gone need not tell its descriptor any more.
        self._fd = fd
        self._loop.add_reader(fd, call)

    def _unwatch(self) -> None:
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._fd = None

    def _drop_opening(self) -> None:
        if self._opening is not None:
            self._unwatch()
            self._opening.cancel()
            self._given_up, self._opening = self._opening, None

    def _drop_source(self) -> None:
        if self.source is not None:
            self._unwatch()
            self.source.close()
            self.source = None


def shown_in_shots(feeds: Sequence[Feed]) -> Feed:
    """Whose pictures the shots are: the first screen's, else the first source's."""
    return next((feed for feed in feeds if feed.shows_screen), feeds[0])


def _nothing() -> None:
    pass
