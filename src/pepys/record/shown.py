"""One source of a composition: its feed, its view, how both are, and whether its pictures go.

What becomes of that (gaps, pictures, shots) is left to `screen`, what stands still to `coordinator`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pepys.record.compositor import View
from pepys.record.feeds import Feed
from pepys.record.health import Health
from pepys.record.ports import Lives, VideoSource


class Shown:
    """One feed in the composition.

    Attributes:
        feed: where its source comes from.
        tracks: the tracks that need it.
        view: how the compositor sees it.
        stale: what was told last of whether it gives pictures.
    """

    def __init__(self, feed: Feed, tracks: list[str]) -> None:
        """Show what the feed has now."""
        self.feed, self.tracks = feed, tracks
        self.view = View(feed.source)
        self.stale = False

    @property
    def label(self) -> str:
        """What tracks name as their source."""
        source = self.feed.source
        return source.name if source is not None else str(self.feed.name)

    @property
    def health(self) -> tuple[str, str]:
        """State and detail."""
        feed, source = self.feed, self.feed.source
        if source is None:
            if feed.finished:
                return "off", feed.why_not.message
            # What was closed is waited for: there is nothing to start again.
            gone = feed.awaited or feed.tries.in_vain
            return "failed" if gone else "restarting", feed.why_not.message
        if self.stale:
            return "degraded", "stale: it tells of changes and gives no pictures"
        return "healthy", "; ".join(source.capabilities.without)


class WatchedPictures:
    """A track of pictures, for the coordinator: they go while a source is there and shows that it lives."""

    def __init__(
        self, track: str, shown: Sequence[Shown], health: Health, restart: Callable[[], None] = lambda: None
    ) -> None:
        """Take what it is made of.

        Args:
            track: its name.
            shown: its source, or all that are composed in it.
            health: where its report is.
            restart: closes its source and opens it again; nothing for a composition, whose parts are watched too.
        """
        self.tracks: Sequence[str] = (track,)
        self.restart = restart
        self._shown, self._health = shown, health

    def due(self, now_ns: int) -> bool:
        """Whether any source is there; when one of them lived last is noted."""
        alive = [_alive_ns(shown.feed.source, now_ns) for shown in self._shown if shown.feed.source is not None]
        if alive:
            report = self._health.tracks[self.tracks[0]]
            report.capture_ns = max(report.capture_ns, *alive)
        return bool(alive)

    def looked(self, now_ns: int) -> None:
        """A grid point: the sources were looked at."""
        self._health.tracks[self.tracks[0]].attempt_ns = now_ns
        self.due(now_ns)


def watched_pictures(
    whole: str, shown: Sequence[Shown], health: Health, restart: Callable[[Shown], None]
) -> dict[str, WatchedPictures]:
    """All that is to be watched of a composition, by track: each source, and the `whole` where they are several."""
    watched = {
        each.tracks[0]: WatchedPictures(each.tracks[0], [each], health, partial(restart, each)) for each in shown
    }
    if len(shown) > 1:
        watched[whole] = WatchedPictures(whole, shown, health)
    return watched


def _alive_ns(source: VideoSource, now_ns: int) -> int:
    alive_ns = source.alive_ns if isinstance(source, Lives) else None
    return now_ns if alive_ns is None else alive_ns
