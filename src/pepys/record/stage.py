"""Which sources are on show in a session and how they are arranged, from the start through every change.

Owns the feeds and the screen that shows them. Invariants: a start waits for what is asked for and leaves out what is
missing, unless it is required; a new composition is complete before it takes the place of the old one, and one that
fails leaves the old one as it was; a source that stays on show is not opened anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pepys import limits
from pepys.errors import Busy, PepysError, Usage
from pepys.media.encoders import Encoders
from pepys.record.adapters.opening import open_source
from pepys.record.exclusions import Exclusions
from pepys.record.feeds import Feed, Opener, shown_in_shots
from pepys.record.health import Health
from pepys.record.layouts import Layout, check_count, default_layout, fitting, parse_layout
from pepys.record.loop import Loop
from pepys.record.screen import Screen
from pepys.record.sources import OF_FOCUS, SourceName, Wish, parse_source
from pepys.record.spec import RecordSpec

_VIDEO = "video"

Done = Callable[[PepysError | None], None]


def names_of(spec: RecordSpec) -> tuple[SourceName, ...]:
    """The sources that a spec asks for: those it names, else its display.

    Raises:
        Usage: one of them means nothing.
    """
    if spec.sources:
        return tuple(parse_source(text) for text in spec.sources)
    return (SourceName("display", spec.display),) if spec.display is not None else ()


class Stage:
    """The sources of one session, and what is made of them."""

    def __init__(
        self,
        spec: RecordSpec,
        loop: Loop,
        health: Health,
        on_change: Callable[[str], None],
        opener: Opener = open_source,
    ) -> None:
        """Take what to show; nothing is opened yet.

        Args:
            spec: the order.
            loop: where sources are waited for.
            health: told how tracks are.
            on_change: told what a `Screen` tells.
            opener: opens sources.
        """
        self._spec, self._loop, self._health = spec, loop, health
        self._on_change, self._opener = on_change, opener
        exclusions = Exclusions(spec.exclude, spec.exclude_builtin)
        self.wish = Wish(spec.display, spec.cursor and spec.video, spec.fps, exclusions)
        self._encoders = Encoders(spec.encoder)
        self.screen: Screen | None = None
        self.why_not: PepysError | None = None
        """Why the first source that the start left out was not there."""
        self._feeds: list[Feed] = []
        self._numbers: dict[SourceName, int] = {}
        self._layout = Layout("passthrough")
        self._coming: tuple[list[Feed], Layout, Done] | None = None
        self._next: Screen | None = None

    # --- the start

    def open(self) -> None:
        """Begin to open everything.

        Raises:
            Usage: a source's name means nothing, or the layout does not fit their number.
        """
        spec, names = self._spec, names_of(self._spec)
        if not names or not (spec.video or spec.shots_interval_ns):
            return
        if spec.video:
            self._layout = parse_layout(spec.layout)
            check_count(self._layout, len(names))
        feeds = [self._feed(name) for name in names]
        self._feeds = feeds if spec.video else [shown_in_shots(feeds)]
        for feed in self._feeds:
            feed.open()

    @property
    def waits(self) -> bool:
        """Whether any source is still being opened."""
        return any(feed.opens for feed in self._feeds)

    def require(self) -> None:
        """Everything had its time: show what is there.

        Raises:
            PepysError: a required source is not there; why not.
        """
        there = [feed for feed in self._feeds if feed.source is not None]
        missing = [feed for feed in self._feeds if feed.source is None]
        if missing:
            self.why_not = missing[0].why_not
            if self._spec.sources_required:
                raise self.why_not
        for feed in missing:
            track = _VIDEO if len(self._feeds) == 1 else f"{_VIDEO}.{feed.number}"
            self._health.add(track, str(feed.name), "off", feed.why_not.message)
            feed.close()
        self._feeds = there
        if there:
            self._layout = fitting(self._layout, len(there))
            self.screen = self._make(there, self._layout)
            self.screen.enter()

    def suspend(self) -> None:
        """A pause: cameras are let go of, films stand still."""
        for feed in self._feeds:
            feed.suspend()
        if self.screen is not None:
            self.screen.drop_suspended()

    def reopen(self) -> None:
        """After a pause: films go on, and what is away is opened at once."""
        for feed in self._feeds:
            feed.open()

    def close(self) -> None:
        """Let go of everything."""
        if self._coming is not None:
            then = self._coming[2]
            self.drop_coming()
            then(Busy("the recording ends", "start another one"))
        if self.screen is not None:
            self.screen.close()
            self.screen = None
        for feed in self._feeds:
            feed.close()
        self._feeds = []

    # --- what there is

    @property
    def layout(self) -> str:
        """The layout in words; empty while nothing is shown."""
        return str(self._layout) if self.screen is not None and self._spec.video else ""

    @property
    def sources(self) -> list[str]:
        """The sources on show, in the order of the layout."""
        return [str(feed.name) for feed in self._feeds]

    @property
    def focus_display(self) -> str | None:
        """The display whose focused windows are in the pictures, or would be; None where no screen is recorded."""
        names = [feed.name for feed in self._feeds] if self._spec.video else names_of(self._spec)
        for name in names:
            if name.kind in OF_FOCUS:
                return name.arg if name.kind == "display" else self._spec.display
        return None

    # --- another composition

    def compose(self, layout: str | None, sources: Sequence[str] | None, then: Done) -> None:
        """Make another composition ready; `then` comes once `switch` can show it, or with why not.

        Args:
            layout: its layout; None for the one in force, or another that suits the sources.
            sources: what it shows; None for what is shown now.
            then: told the outcome.

        Raises:
            Busy: another one is being made ready.
            Usage: it makes no sense.
        """
        if self._coming is not None:
            raise Busy("the sources are being changed already", "wait a moment and try again")
        if not self._spec.video:
            raise Usage("this session records no video", "start one that does")
        names = [feed.name for feed in self._feeds] if sources is None else [parse_source(text) for text in sources]
        if not 1 <= len(names) <= limits.SOURCES_MAX or len(set(names)) < len(names):
            raise Usage(f"a session shows 1 to {limits.SOURCES_MAX} different sources", "name them with --source")
        chosen = parse_layout(layout) if layout is not None else self._suiting(names)
        check_count(chosen, len(names))
        known = {feed.name: feed for feed in self._feeds}
        feeds = [known.get(name) or self._feed(name) for name in names]
        fresh = [feed for feed in feeds if feed.name not in known]
        self._coming = feeds, chosen, then

        def look() -> None:
            if self._coming is None or any(feed.opens for feed in fresh):
                return
            failed = next((feed.why_not for feed in fresh if feed.source is None), None)
            if failed is not None:
                self.drop_coming()
            then(failed)

        for feed in fresh:
            feed.on_settled = look
            feed.open()
        if not fresh:
            # Never called from within: the caller's own work comes first.
            self._loop.set_timer("compose", self._loop.clock.now_ns(), look)

    def prepare_switch(self) -> None:
        """Make canvas and encoder of the composition that is ready, while the old one is still recorded.

        Raises:
            PepysError: it cannot be recorded.
        """
        assert self._coming is not None, "no composition is ready"
        self._next = self._make(*self._coming[:2])
        if self._next.lives:
            self._next.prepare()

    def switch(self, at_ns: int) -> None:
        """Show the composition that is ready, from `at_ns` on the axis on; between spans."""
        assert self._coming is not None, "no composition is ready"
        (feeds, layout, _), self._coming = self._coming, None
        coming, self._next = self._next or self._make(feeds, layout), None
        old, self._feeds, self._layout = self._feeds, feeds, layout
        before = set(self.screen.tracks) if self.screen is not None else set()
        if self.screen is not None:
            self.screen.close()
        for feed in old:
            if feed not in feeds:
                feed.close()
        self.screen = coming
        coming.enter()
        for track in sorted(before - set(self.screen.tracks)):
            alone = len(feeds) == 1 and track == f"{_VIDEO}.{feeds[0].number}"
            self._health.set(track, "off", at_ns, f"shown alone in {_VIDEO}" if alone else "it is not shown any more")

    def drop_coming(self) -> None:
        """Forget the composition that is being made ready, and what was opened for it."""
        coming, self._coming = self._coming, None
        if self._next is not None:
            self._next.close()
            self._next = None
        for feed in coming[0] if coming is not None else ():
            if feed not in self._feeds:
                feed.close()
        self._loop.clear_timer("compose")

    # --- inside

    def _suiting(self, names: Sequence[SourceName]) -> Layout:
        try:
            check_count(self._layout, len(names))
        except Usage:
            return default_layout([name.kind for name in names])
        return self._layout

    def _feed(self, name: SourceName) -> Feed:
        # A source keeps its number for the session, so that what is told of its track is told of it alone.
        number = self._numbers.setdefault(name, len(self._numbers) + 1)
        return Feed(name, self.wish, self._opener, self._loop, number)

    def _make(self, feeds: Sequence[Feed], layout: Layout) -> Screen:
        return Screen(self._spec, feeds, layout, self._loop, self._health, self._on_change, self._encoders)
