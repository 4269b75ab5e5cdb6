"""What is seen in a session: the composed pictures of the playback stream, and the shots.

Invariants: every grid point gets its frame; when the only source is gone its last picture is held, among several the
place of one that is gone turns black, and sound goes on in the same stream; what is gone is a gap of the tracks that
show it until it is back; a shot is taken only when something changed since the last one. Opening sources is left to
`feeds`, drawing to `compositor`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pepys import limits
from pepys.media.encoders import Encoders
from pepys.media.fmp4 import VideoConfig
from pepys.media.sound import SoundEncoder
from pepys.record.compositor import Compositor
from pepys.record.coordinator import Watched
from pepys.record.encoding import InThread
from pepys.record.feeds import Feed, shown_in_shots
from pepys.record.health import Health
from pepys.record.layouts import Layout
from pepys.record.loop import Loop
from pepys.record.playback import Give, PictureStream, SpanPlace
from pepys.record.ports import SourceEnded
from pepys.record.quality import QUALITIES
from pepys.record.shooting import TRACK as _SHOTS
from pepys.record.shooting import InFront, Shooting
from pepys.record.shots import ShotTaker
from pepys.record.shown import Shown, watched_pictures
from pepys.record.sources import AWAITED
from pepys.record.spec import RecordSpec
from pepys.record.video import EncodedFrame, VideoTrack

_VIDEO: Final = "video"
_SCREEN: Final = "screen"


class Screen:
    """A composition of feeds, over all spans until another takes its place."""

    def __init__(
        self,
        spec: RecordSpec,
        feeds: Sequence[Feed],
        layout: Layout,
        loop: Loop,
        health: Health,
        on_change: Callable[[str], None],
        encoders: Encoders | None = None,
    ) -> None:
        """Take feeds, open ones or such as are away.

        Args:
            spec: what is asked for.
            feeds: the sources in the order of the layout.
            layout: one that fits their number.
            loop: where they are waited for.
            health: told of the tracks.
            on_change: told `renewal` when the span cannot go on as it is, `ended` or `back` when a source went or came.
            encoders: gives encoders, one after another; None for x264.
        """
        self._spec, self._clock, self._loop, self._health = spec, loop.clock, loop, health
        self._on_change = on_change
        self.feeds, self.layout = tuple(feeds), layout
        several = len(feeds) > 1
        self._several = several and spec.video
        in_shots = shown_in_shots(feeds) if spec.shots_interval_ns else None
        self._shown = [
            Shown(
                feed,
                [f"{_VIDEO}.{feed.number}" if several else _VIDEO] * spec.video + [_SHOTS] * (feed is in_shots),
            )
            for feed in feeds
        ]
        shot = next((shown for shown in self._shown if shown.feed is in_shots), None)
        self.shooting = Shooting(spec, shot, loop, health, self.hear)
        quality = QUALITIES[spec.quality]
        compositor = Compositor([shown.view for shown in self._shown], layout, quality.lines)
        encoding = InThread(lambda: loop.post(self._on_encoded))
        self._watched = watched_pictures(_VIDEO, self._shown, health, self._restart) if spec.video else {}
        self._video = (
            VideoTrack(compositor, self._clock, spec.fps, quality.qp, encoders, encoding) if spec.video else None
        )
        self._stream: PictureStream | None = None
        self._place: SpanPlace | None = None
        self._config: VideoConfig | None = None
        self._next_grid_ns = 0
        self.pressed = False
        """While the writer is behind, only the grid's frames are encoded."""
        self._entered = False

    def watched(self) -> dict[str, Watched]:
        """What the coordinator looks after, by name."""
        shots: dict[str, Watched] = {_SHOTS: self.shooting} if self.shooting.of is not None else {}
        return {**self._watched, **shots}

    def enter(self) -> None:
        """Listen to the feeds from now on; whoever listened before has made its last picture."""
        self._entered = True
        self._add_tracks()
        for shown in self._shown:
            self._join(shown)

    def _add_tracks(self) -> None:
        if self._several:
            self._health.add(_VIDEO, " + ".join(shown.label for shown in self._shown))
        for shown in self._shown:
            for track in shown.tracks:
                # Shots are counted by their thread, which serves every composition.
                self._health.add(track, shown.label, same=track == _SHOTS)

    def _join(self, shown: Shown) -> None:
        if shown.feed.source is None:
            shown.view.drop()
        if self._config is not None and self._video is not None:
            # It was prepared while another still took from the same sources.
            self._video.look_again(shown.view)
        shown.feed.join(lambda: self._on_back(shown), lambda: self._on_failed(shown), self.hear)

    @property
    def tracks(self) -> list[str]:
        """The tracks that stand for what is shown."""
        own = [track for shown in self._shown for track in shown.tracks]
        return [_VIDEO, *own] if self._several else own

    @property
    def lives(self) -> bool:
        """Whether any source is there."""
        return any(shown.feed.source is not None for shown in self._shown)

    @property
    def returns(self) -> bool:
        """Whether nothing is there and something may well come back."""
        return not self.lives and any(feed.returns for feed in self.feeds)

    @property
    def waits(self) -> bool:
        """Whether a window or monitor may be there again: nothing to record is what was asked for meanwhile."""
        return any(feed.returns and feed.name.kind in AWAITED for feed in self.feeds)

    @property
    def finished(self) -> bool:
        """Whether films were shown and all of them have come to their end."""
        return all(feed.finished for feed in self.feeds)

    def size(self, track: str) -> tuple[int, int]:
        """Width and height of a track's pictures; zeros for a track without pictures."""
        if track == _VIDEO and self._config is not None:
            return self._config.width, self._config.height
        for shown in self._shown:
            if track in shown.tracks:
                shown.view.measure()
                return shown.view.size
        return 0, 0

    @property
    def encoder(self) -> str:
        """What codes the pictures; empty where none are."""
        return self._video.encoder if self._video is not None else ""

    def use_shots(self, shots: ShotTaker, front: InFront | None = None) -> None:
        """Where shots go, once there is a session, and who knows what is in front."""
        self.shooting.use(shots, front)

    # --- a span

    def prepare(self) -> None:
        """Open the encoder and take all pictures, before the span's media time begins."""
        if self._video is not None:
            self._config = self._video.open_span()

    def begin(self, place: SpanPlace, encoder: SoundEncoder | None, give: Give) -> PictureStream | None:
        """The span starts: its first frame stands at its first moment."""
        self._place = place
        if self._video is not None and self._config is not None:
            self._stream = PictureStream(place, self._config, encoder, give, self._health.disk_takes)
            self._begin_fragment(place.base_ns, key=True)
            self._next_grid_ns = place.base_ns + limits.FRAGMENT_NS
        for shown in self._shown:
            self._tell(shown)
        self._look()
        self.shooting.begin(place)
        self.hear()
        return self._stream

    def grid(self, at_ns: int) -> None:
        """A grid point has come: its frame ends a fragment and begins the next."""
        if self._stream is None or self._video is None:
            return
        self._take()
        self._add(self._video.rest())
        self._begin_fragment(at_ns, key=self._stream.key_due(at_ns))
        self._next_grid_ns = at_ns + limits.FRAGMENT_NS
        self._look()
        self.hear()

    def _begin_fragment(self, at_ns: int, *, key: bool) -> None:
        assert self._video is not None and self._stream is not None
        frame = self._video.grid_frame(at_ns, key)
        if frame is not None:
            self._stream.begin(frame)

    def halt(self, until_ns: int) -> None:
        """The span ends at `until_ns`, which is now: what was told before is captured, then nothing any more."""
        if self._stream is not None and self._video is not None:
            self._next_grid_ns = until_ns
            self._take()
            self._add(self._video.rest())
            self.count()
            self._video.close_span()
        self._place = None
        self.shooting.halt()
        for timer in ("video", _SCREEN):
            self._loop.clear_timer(timer)

    def finish(self, until_ns: int) -> None:
        """Close the last fragment, once the last sound was given to the stream."""
        if self._stream is not None:
            self._stream.finish(until_ns)
        self._stream = None

    def close(self) -> None:
        """Let go of what is kept; the feeds are the caller's."""
        if self._entered:
            self.shooting.halt()
            for timer in ("video", _SCREEN, f"{_SCREEN} ended", f"{_SCREEN} back"):
                self._loop.clear_timer(timer)
        self.shooting.close()
        self._watched = {}
        if self._video is not None:
            self._video.close()
        for shown in self._shown:
            # A source may hold much memory, and feeds that go on know the one who listened last.
            shown.view.drop()

    def drop_suspended(self) -> None:
        """A pause has let go of some sources; they come back as others."""
        for shown in self._shown:
            if shown.feed.source is None:
                shown.view.drop()

    # --- what the sources tell

    def hear(self) -> None:
        """Take what the sources tell, capture what is due, and wait for the next."""
        self._take()
        due_ns = self._video.next_due_ns() if self._video is not None else self._wake_ns()
        if due_ns is None or (self.pressed and self._video is not None):
            self._loop.clear_timer("video")
        else:
            # At a grid point the grid's frame shows the change: no need to wake twice.
            self._loop.set_timer("video", due_ns, self.hear)
        if self._video is not None and self._video.renewal:
            self._change("renewal")

    def _wake_ns(self) -> int | None:
        """When shots without video need a look at what does not tell: a mask that is lifted, a silent server."""
        if self._place is None:
            return None
        sources = [shown.view.source for shown in self._shown]
        times = [source.wake_ns() for source in sources if source is not None]
        return min((at_ns for at_ns in times if at_ns is not None), default=None)

    def _take(self) -> None:
        if self._video is None:
            self._take_for_shots()
            return
        # A frame closer than this to the grid would have no duration in the stream's ticks.
        until_ns = 0 if self.pressed else self._next_grid_ns - limits.FRAME_MIN_NS
        self._add(self._video.poll(until_ns))
        for view, ended in self._video.take_ends():
            self._on_end(next(shown for shown in self._shown if shown.view is view), ended)
        for shown in self._shown:
            if shown.view.stale != shown.stale:
                shown.stale = shown.view.stale
                self._tell(shown)

    def _on_encoded(self) -> None:
        # Told from another thread: the span may be over by now, and what waits be another's.
        if self._place is not None:
            self.hear()

    def _add(self, frames: Sequence[EncodedFrame]) -> None:
        if self._stream is not None:
            for frame in frames:
                self._stream.add(frame)

    def _take_for_shots(self) -> None:
        for shown in self._shown:
            source = shown.view.source
            for event in source.poll() if source is not None else ():
                if isinstance(event, SourceEnded):
                    shown.view.drop()
                    self._on_end(shown, event)
                else:
                    self.shooting.changed()

    def _on_end(self, shown: Shown, ended: SourceEnded) -> None:
        shown.feed.end(ended)
        shown.stale = False
        self._tell(shown, max(ended.at_ns, self._place.base_ns) if self._place is not None else 0)
        self._change("ended")

    def _restart(self, shown: Shown) -> None:
        """A source is there and shows no life: let go of it, and open it again."""
        if shown.feed.source is None or self._video is None:
            return
        since_ns = self._health.tracks[shown.tracks[0]].capture_ns
        shown.view.drop()
        self._video.look_again(shown.view)
        self._on_end(shown, SourceEnded(since_ns, "device_lost", f"{shown.feed.name} shows no life"))

    def _on_failed(self, shown: Shown) -> None:
        self._tell(shown)
        if not self.lives:
            # What was waited for may never come: that is judged anew.
            self._change("ended")

    def _on_back(self, shown: Shown) -> None:
        source = shown.feed.source
        if source is None:
            return
        if self._video is not None:
            self._video.show(shown.view, source)
        else:
            shown.view.show(source)
        for track in shown.tracks if shown.feed.tries.count else ():
            self._health.tracks[track].restarts += 1
        self._tell(shown)
        if shown is self.shooting.of:
            self.shooting.back()
        if self._place is not None and self._video is not None and self._stream is None:
            self._change("renewal")
        self._change("back")
        self.hear()

    def _change(self, what: str) -> None:
        """Tell of it from the loop: whoever hears it may end the span that is being served right now."""
        timer = _SCREEN if what == "renewal" else f"{_SCREEN} {what}"
        self._loop.set_timer(timer, self._clock.now_ns(), lambda: self._on_change(what))

    # --- health

    def _tell(self, shown: Shown, clock_ns: int | None = None) -> None:
        """Bring state and gaps of a feed's tracks up to date, as of `clock_ns` or now."""
        at_ns = None if self._place is None else self._at(self._clock.now_ns() if clock_ns is None else clock_ns)
        state, detail = shown.health
        for track in shown.tracks:
            self._note(track, state, detail, shown, at_ns)
            self._health.tracks[track].tries = shown.feed.tries.count if shown.feed.source is None else 0
        if not self._several:
            return
        away = [other for other in self._shown if other.feed.source is None and not other.feed.finished]
        if self.finished:
            self._note(_VIDEO, "off", "the films have ended", shown, at_ns)
        elif not self.lives:
            tried = any(other.health[0] == "restarting" for other in away)
            self._note(_VIDEO, "restarting" if tried else "failed", "no source is there", shown, at_ns)
        else:
            names = ", ".join(str(other.feed.name) for other in away)
            self._note(_VIDEO, "degraded" if away else "healthy", f"without {names}" if away else "", shown, at_ns)

    def _note(self, track: str, state: str, detail: str, shown: Shown, at_ns: int | None) -> None:
        self._health.set(track, state, at_ns, detail)
        if at_ns is None:
            return
        if state in {"failed", "restarting"} or (state == "off" and shown.feed.finished):
            ended = shown.feed.ended
            self._health.open_gap(track, ended.reason if ended is not None else "source_closed", at_ns, detail)
        else:
            self._health.close_gaps_of(track, at_ns)

    def count(self) -> None:
        """Bring the counters up to date."""
        tracks = self._health.tracks
        self.shooting.count()
        if self._video is None:
            return
        for shown in self._shown if self._several else ():
            report = tracks[shown.tracks[0]]
            report.captured = report.encoded = shown.view.captured
        for watched in self._watched.values() if self._place is not None else ():
            watched.due(self._clock.now_ns())
        video, report = self._video.counters, tracks[_VIDEO]
        report.captured, report.encoded, report.dropped = video.captured, video.encoded, video.dropped

    def _look(self) -> None:
        """The sources were looked at just now."""
        if self._video is None:
            return
        now_ns = self._clock.now_ns()
        for watched in self._watched.values():
            watched.looked(now_ns)

    def _at(self, clock_ns: int) -> int:
        assert self._place is not None
        return self._place.axis(clock_ns)
