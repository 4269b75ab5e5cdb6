"""The screen of a session: its source, the playback stream's pictures, and the shots.

Invariants: every grid point gets its frame; when the display is gone the last picture is held (with a gap noted for the
tracks that show it), so that sound goes on in the same stream; a shot is taken only when something changed since the
last one.
"""

from __future__ import annotations

from collections.abc import Callable

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.media.fmp4 import VideoConfig
from pepys.media.sound import SoundEncoder
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import Give, PictureStream, SpanPlace
from pepys.record.ports import Changed, SourceEnded, VideoSource
from pepys.record.shots import ShotTaker
from pepys.record.spec import RecordSpec
from pepys.record.video import VideoTrack


class Screen:
    """One display over all spans of a session."""

    def __init__(
        self,
        spec: RecordSpec,
        source: VideoSource,
        clock: Clock,
        loop: Loop,
        health: Health,
        on_change: Callable[[], None],
    ) -> None:
        """Take an open source.

        Args:
            spec: what is asked for.
            source: the display.
            clock: the time.
            loop: where the source is waited for.
            health: told of the tracks.
            on_change: called when `ended` or `resized` has become true.
        """
        self._spec, self._source, self._clock, self._loop, self._health = spec, source, clock, loop, health
        self._on_change = on_change
        self._video = VideoTrack(source, clock, spec.fps, spec.quality) if spec.video else None
        self._shots: ShotTaker | None = None
        self._stream: PictureStream | None = None
        self._place: SpanPlace | None = None
        self._config: VideoConfig | None = None
        self._next_grid_ns = 0
        self._changed = True
        self._seen_captured = -1
        self.pressed = False
        """While the writer is behind, only the grid's frames are encoded."""
        self.ended: SourceEnded | None = None
        # Kept: a connection that is gone need not tell its descriptor any more.
        self._fd = source.fileno()
        loop.add_reader(self._fd, self.hear)
        if self._video is not None:
            health.add("video", source.name)
        if spec.shots_interval_ns:
            health.add("shots", source.name)

    @property
    def tracks(self) -> list[str]:
        """The tracks that need this display."""
        return [track for track in ("video", "shots") if track in self._health.tracks]

    def size(self, track: str) -> tuple[int, int]:
        """Width and height of a track's pictures; zeros for a track without pictures."""
        if track == "video" and self._config is not None:
            return self._config.width, self._config.height
        if track == "shots":
            return self._source.geometry.width, self._source.geometry.height
        return 0, 0

    @property
    def resized(self) -> bool:
        """Whether the display has another size than the span's encoder."""
        return self._video is not None and self._video.resized

    def use_shots(self, shots: ShotTaker) -> None:
        """Where shots go, once there is a session."""
        self._shots = shots

    # --- a span

    def prepare(self) -> None:
        """Open the encoder and take the whole picture, before the span's media time begins."""
        if self._video is not None:
            self._config = self._video.open_span()

    def begin(self, place: SpanPlace, encoder: SoundEncoder | None, give: Give) -> PictureStream | None:
        """The span starts: its first frame stands at its first moment."""
        self._place = place
        if self._video is not None and self._config is not None:
            self._stream = PictureStream(place, self._config, encoder, give)
            self._stream.begin(self._video.grid_frame(place.base_ns, key=True))
            self._next_grid_ns = place.base_ns + limits.FRAGMENT_NS
        now_ns = self._clock.now_ns()
        for track in self.tracks:
            if self.ended is None:
                self._health.set(track, "healthy", self._at(now_ns))
        if self._shots is not None and self.ended is None:
            self._seen_captured, self._changed = -1, True
            self._on_shot()
        self.hear()
        return self._stream

    def grid(self, at_ns: int) -> None:
        """A grid point has come: its frame ends a fragment and begins the next."""
        if self._stream is None or self._video is None:
            return
        self._take()
        self._stream.begin(self._video.grid_frame(at_ns, key=self._stream.key_due(at_ns)))
        self._next_grid_ns = at_ns + limits.FRAGMENT_NS
        self._count()
        self.hear()

    def halt(self, until_ns: int) -> None:
        """The span ends at `until_ns`, which is now: what was told before is captured, then nothing any more."""
        if self._stream is not None and self._video is not None:
            self._next_grid_ns = until_ns
            self._take()
            self._count()
            self._video.close_span()
        self._place = None
        for timer in ("video", "shot"):
            self._loop.clear_timer(timer)

    def finish(self, until_ns: int) -> None:
        """Close the last fragment, once the last sound was given to the stream."""
        if self._stream is not None:
            self._stream.finish(until_ns)
        self._stream = None

    def close(self) -> None:
        """Let go of the display."""
        self._loop.remove_reader(self._fd)
        if self._video is not None:
            self._video.close()
        self._source.close()

    # --- what the display tells

    def hear(self) -> None:
        """Take what the display tells, capture what is due, and wait for the next."""
        if self.ended is not None:
            return
        self._take()
        if self._video is not None:
            due_ns = self._video.next_due_ns()
            if due_ns is None:
                self._loop.clear_timer("video")
            else:
                # At a grid point the grid's frame shows the change: no need to wake twice.
                self._loop.set_timer("video", due_ns, self.hear)
        if self.ended is not None or self.resized:
            self._on_change()

    def _take(self) -> None:
        if self._video is None:
            for event in self._source.poll():
                if isinstance(event, SourceEnded):
                    self._end(event)
                self._changed = self._changed or isinstance(event, Changed)
            return
        if not (self.pressed and self._stream is not None):
            # A frame closer than this to the grid would have no duration in the stream's ticks.
            for frame in self._video.poll(self._next_grid_ns - limits.FRAME_MIN_NS):
                if self._stream is not None:
                    self._stream.add(frame)
        if self._video.ended is not None and self.ended is None:
            self._end(self._video.ended)

    def _end(self, ended: SourceEnded) -> None:
        self.ended = ended
        self._loop.remove_reader(self._fd)
        for timer in ("video", "shot"):
            self._loop.clear_timer(timer)

    def count(self) -> None:
        """Bring the counters of the shots up to date."""
        if self._shots is not None:
            report, counters = self._health.tracks["shots"], self._shots.counters
            report.captured, report.encoded, report.dropped = counters.captured, counters.encoded, counters.dropped

    def _count(self) -> None:
        if self._video is None:
            return
        report, counters = self._health.tracks["video"], self._video.counters
        report.captured, report.encoded, report.dropped = counters.captured, counters.encoded, counters.dropped
        report.attempt_ns = self._clock.now_ns()
        if self.ended is None:
            report.capture_ns = report.attempt_ns

    # --- shots

    def _on_shot(self) -> None:
        place, shots = self._place, self._shots
        if place is None or shots is None or self.ended is not None:
            return
        now_ns = self._clock.now_ns()
        report = self._health.tracks["shots"]
        report.attempt_ns = now_ns
        captured = self._video.counters.captured if self._video is not None else -1
        if self._changed or captured != self._seen_captured:
            self._changed, self._seen_captured = False, captured
            try:
                if self._video is None:
                    list(self._source.take(2))  # spends the damage told so far: a later change is told again
                shots.take(self._at(now_ns), self._source.grab())
                report.capture_ns = now_ns
            except DeviceMissing:
                self._changed = True  # its end is told by the source's next event
        else:
            shots.repeat(self._at(now_ns))
            report.capture_ns = now_ns
        self._loop.set_timer("shot", now_ns + self._spec.shots_interval_ns, self._on_shot)
        self.hear()

    def _at(self, clock_ns: int) -> int:
        assert self._place is not None
        return self._place.at_ns + clock_ns - self._place.base_ns
