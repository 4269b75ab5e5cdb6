"""One source of a composition: its feed, its view, and how both are.

What becomes of that (gaps, pictures, shots) is left to `screen`.
"""

from __future__ import annotations

from pepys.record.compositor import View
from pepys.record.feeds import Feed


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
        source = self.feed.source
        if source is None:
            return "off" if self.feed.finished else "failed", self.feed.why_not.message
        if self.stale:
            return "degraded", "stale: it tells of changes and gives no pictures"
        return "healthy", "; ".join(source.capabilities.without)
