"""The video track: what the compositor shows, its encoder and its schedule.

Invariants: times of frames rise; a frame's time is when the newest change in it was learnt, or exactly the grid point
that was asked for; between `close_span` and `open_span` nothing is captured; no source that died, hangs or was resized
stops the heartbeat. A canvas that would need another size waits until sizes have rested, so that a window that is
dragged gives one new span and not fifty. Files, fragments and the grid itself belong to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

from pepys.clock import Clock
from pepys.limits import FRAME_MIN_NS, RESIZE_SETTLE_NS
from pepys.media.encoders import X264, EncoderFailed, Encoders, VideoEncoder
from pepys.media.fmp4_init import VideoConfig
from pepys.record.compositor import Compositor, View
from pepys.record.layouts import Layout
from pepys.record.pacing import Pacer
from pepys.record.ports import Changed, Resized, SourceEnded, VideoSource
from pepys.record.quality import QUALITIES, target_size

__all__ = ["EncodedFrame", "VideoCounters", "VideoTrack", "target_size", "track_of"]


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One coded picture: length-prefixed NAL units, and its time on the clock of the track."""

    pts_ns: int
    data: bytes
    key: bool


@dataclass(slots=True)
class VideoCounters:
    """Pictures taken from the sources, frames encoded (heartbeats too), changes that were due and were not encoded."""

    captured: int = 0
    encoded: int = 0
    dropped: int = 0


def track_of(source: VideoSource, clock: Clock, fps: int = 30, quality: str = "medium") -> VideoTrack:
    """The track of one source that fills the picture."""
    chosen = QUALITIES[quality]
    views = [View(source)]
    return VideoTrack(Compositor(views, Layout("passthrough"), chosen.lines), clock, fps, chosen.qp)


class VideoTrack:
    """Turns changes of its views into frames. One thread; the caller waits on the sources and `next_due_ns`."""

    def __init__(
        self, compositor: Compositor, clock: Clock, fps: int, qp: int, encoders: Encoders | None = None
    ) -> None:
        """Take what to encode.

        Args:
            compositor: what is shown.
            clock: the time.
            fps: most frames a second.
            qp: the encoder's quantiser.
            encoders: gives encoders; None for x264.
        """
        self._compositor, self._clock, self._fps, self._qp = compositor, clock, fps, qp
        self._encoders = encoders if encoders is not None else Encoders(X264)
        self._pacer = Pacer(fps)
        self._encoder: VideoEncoder | None = None
        self._last_pts_ns = -1
        self._settle_ns: int | None = None
        self._failed = False
        self._ends: list[tuple[View, SourceEnded]] = []
        self.counters = VideoCounters()
        self.renewal = False
        """The span cannot go on as it is: the canvas needs another size, and sizes have rested; or a driver failed."""

    @property
    def encoder(self) -> str:
        """Which encoder is used, and why it is not another."""
        return self._encoders.choice.told

    def open_span(self) -> VideoConfig:
        """Open an encoder for the sizes in force and take everything; nothing is encoded yet.

        A span without any living view shows a black picture: callers look before.
        """
        self.close_span()
        self._hear()
        self.renewal, self._failed, self._settle_ns = False, False, None
        picture = self._compositor.open()
        self._encoder = self._encoders.open(picture.width, picture.height, self._fps, self._qp)
        self._capture()
        return self._encoder.config

    def close_span(self) -> None:
        """Stop capturing: a pause, or the end. What was changed and not yet captured is forgotten."""
        if self._encoder is not None:
            self._encoder.close()
        self._encoder = None
        self._compositor.close()
        self._pacer.forget()

    def grid_frame(self, at_ns: int, key: bool = False) -> EncodedFrame | None:
        """The picture as of `at_ns`, encoded with exactly that time; it must lie after every earlier frame.

        None when the encoder has failed: a new span is due.

        Raises:
            ValueError: no span is open, or the time does not rise.
        """
        if at_ns <= self._last_pts_ns:
            raise ValueError(f"a grid frame at {at_ns} ns after a frame at {self._last_pts_ns} ns")
        changed_ns = self._pacer.changed_ns
        if changed_ns is not None and changed_ns <= at_ns:
            self._capture()
        return self._encode(at_ns, key)

    def poll(self, before_ns: int) -> list[EncodedFrame]:
        """Hear the sources, and capture if a change is due.

        Args:
            before_ns: the next grid point. A frame never stands there or later: the grid frame carries its change.
        """
        self._hear()
        self._settle()
        due_ns, newest_ns = self._pacer.due_ns(), self._pacer.newest_ns
        if self._encoder is None or due_ns is None or newest_ns is None:
            return []
        pts_ns = max(newest_ns, self._last_pts_ns + FRAME_MIN_NS)
        if due_ns > self._clock.now_ns() or pts_ns >= before_ns:
            return []
        frame = self._encode(pts_ns, False) if self._capture() else None
        return [] if frame is None else [frame]

    def next_due_ns(self) -> int | None:
        """When `poll` is to be called even if nothing is readable."""
        if self._encoder is None:
            return None
        times = [self._pacer.due_ns(), self._settle_ns]
        times += [view.source.wake_ns() for view in self._compositor.views if view.source is not None]
        return min((at_ns for at_ns in times if at_ns is not None), default=None)

    def take_ends(self) -> list[tuple[View, SourceEnded]]:
        """Views whose source has ended since the last call; an only one goes on showing its last picture."""
        ends, self._ends = self._ends, []
        return ends

    def show(self, view: View, source: VideoSource) -> None:
        """A view has a source again."""
        view.show(source)
        self.look_again(view)

    def look_again(self, view: View) -> None:
        """A view's whole picture is due: it is a new one, or somebody else took from its source meanwhile."""
        if view.source is not None:
            view.measure()
            view.source.refresh()
            view.pending = True
        self._pacer.changed(self._clock.now_ns())
        self._measure()

    def _hear(self) -> None:
        for view in self._compositor.views:
            if view.source is not None:
                self._listen(view, view.source)

    def _listen(self, view: View, source: VideoSource) -> None:
        for event in source.poll():
            if isinstance(event, Changed):
                if self._encoder is not None:
                    view.pending = True
                    self._pacer.changed(event.at_ns, event.pointer_only)
            elif isinstance(event, Resized):
                # Pending though the size may be the one it was: another came and went, and the pixels went with it.
                view.measure()
                view.pending = True
                self._pacer.changed(event.at_ns)
                self._measure()
            else:
                view.drop()
                self._ends.append((view, event))
                if self._compositor.alone:
                    self._pacer.forget()
                else:
                    self._pacer.changed(event.at_ns)

    def _measure(self) -> None:
        """Sizes have changed: wait until they rest, where the canvas does not suit them."""
        if self._encoder is None:
            return
        config = self._encoder.config
        fits = self._compositor.wanted == (config.width, config.height)
        self._settle_ns = None if fits else self._clock.now_ns() + RESIZE_SETTLE_NS

    def _settle(self) -> None:
        if self._settle_ns is not None and self._clock.now_ns() >= self._settle_ns:
            self._settle_ns, self.renewal = None, True

    def _capture(self) -> bool:
        """Take what is pending; whether there is a new picture."""
        now_ns = self._clock.now_ns()
        self.counters.dropped += self._pacer.captured(now_ns)
        self.counters.captured += self._compositor.take(now_ns)
        # Replies have brought events along, of which no descriptor tells.
        self._hear()
        return self._compositor.dirty

    def _encode(self, pts_ns: int, key: bool) -> EncodedFrame | None:
        if self._encoder is None:
            raise ValueError("no span is open")
        if self._failed:
            return None
        try:
            if key or self._compositor.dirty:
                data = self._encoder.encode(self._compositor.picture, pts_ns, key, self._compositor.take_areas())
            else:
                data = self._encoder.repeat(pts_ns)
        except EncoderFailed as error:
            self._encoders.give_up(str(error))
            self._failed = self.renewal = True
            return None
        self._compositor.dirty = False
        self._last_pts_ns = pts_ns
        self.counters.encoded += 1
        return EncodedFrame(pts_ns, data, key)
