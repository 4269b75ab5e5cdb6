"""The video track: what the compositor shows, its encoder and its schedule.

Invariants: times of frames rise; a frame's time is when the newest change in it was learnt, or exactly the grid point
that was asked for; between `close_span` and `open_span` nothing is captured; while a picture is encoded nothing is
drawn into it; no source that died, hangs or was resized stops the heartbeat. A canvas that would need another size
waits until sizes have rested, so that a window that is dragged gives one new span and not fifty. Files, fragments and
the grid itself belong to the caller, the thread that encodes to `encoding`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pepys.clock import Clock
from pepys.limits import FRAME_MIN_NS, RESIZE_SETTLE_NS
from pepys.media.encoders import X264, EncoderFailed, Encoders, VideoEncoder
from pepys.media.fmp4_init import VideoConfig
from pepys.record.compositor import Compositor, View
from pepys.record.encoding import AtOnce, Encoding
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
        self,
        compositor: Compositor,
        clock: Clock,
        fps: int,
        qp: int,
        encoders: Encoders | None = None,
        encoding: Encoding | None = None,
    ) -> None:
        """Take what to encode.

        Args:
            compositor: what is shown.
            clock: the time.
            fps: most frames a second.
            qp: the encoder's quantiser.
            encoders: gives encoders; None for x264.
            encoding: where they run; None for at once, in the caller's thread.
        """
        self._encoding: Encoding = encoding if encoding is not None else AtOnce()
        self._under_way: tuple[int, bool] | None = None
        """Time of the picture that is being encoded, and whether it is a key frame."""
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
        self._finish(wait=True)
        if self._encoder is not None:
            self._encoder.close()
        self._encoder = None
        self._compositor.close()
        self._pacer.forget()

    def close(self) -> None:
        """Let go of everything; the track cannot be opened again."""
        self.close_span()
        self._encoding.close()
        self._encoding = AtOnce()

    def grid_frame(self, at_ns: int, key: bool = False) -> EncodedFrame | None:
        """The picture as of `at_ns`, encoded with exactly that time; it must lie after every earlier frame.

        None when the encoder has failed: a new span is due.

        Raises:
            ValueError: no span is open, the time does not rise, or a frame before it was not taken (see `rest`).
        """
        if at_ns <= self._last_pts_ns or self._under_way is not None:
            raise ValueError(f"a grid frame at {at_ns} ns after a frame at {self._last_pts_ns} ns")
        changed_ns = self._pacer.changed_ns
        if changed_ns is not None and changed_ns <= at_ns:
            self._capture()
        self._encode(at_ns, key)
        return self._finish(wait=True)

    def rest(self) -> list[EncodedFrame]:
        """The frame that is being encoded, waited for: before a grid point, or the end."""
        frame = self._finish(wait=True)
        return [] if frame is None else [frame]

    def poll(self, before_ns: int) -> list[EncodedFrame]:
        """Hear the sources, and capture if a change is due; what was captured before may come out only now.

        Args:
            before_ns: the next grid point. A frame never stands there or later: the grid frame carries its change.
        """
        self._hear()
        self._settle()
        frames = [self._finish(wait=False)]
        due_ns, newest_ns = self._pacer.due_ns(), self._pacer.newest_ns
        ready = self._encoder is not None and self._under_way is None
        if ready and due_ns is not None and newest_ns is not None and due_ns <= self._clock.now_ns():
            pts_ns = max(newest_ns, self._last_pts_ns + FRAME_MIN_NS)
            if pts_ns < before_ns and self._capture():
                self._encode(pts_ns, False)
                frames.append(self._finish(wait=False))
        return [frame for frame in frames if frame is not None]

    def next_due_ns(self) -> int | None:
        """When `poll` is to be called even if nothing is readable."""
        if self._encoder is None:
            return None
        # While a picture is encoded none is taken; who waits is told when that is done.
        times = [self._settle_ns, None if self._under_way is not None else self._pacer.due_ns()]
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
            view.pending = view.drawn = True
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
                    view.drawn = view.drawn or not event.pointer_only
                    self._pacer.changed(event.at_ns, event.pointer_only)
            elif isinstance(event, Resized):
                # Pending though the size may be the one it was: another came and went, and the pixels went with it.
                view.measure()
                view.pending = view.drawn = True
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

    def _encode(self, pts_ns: int, key: bool) -> None:
        """Begin to encode the picture as it stands."""
        encoder = self._encoder
        if encoder is None:
            raise ValueError("no span is open")
        if self._failed:
            return
        self._under_way = pts_ns, key
        if key or self._compositor.dirty:
            picture, areas = self._compositor.picture, self._compositor.take_areas()
            self._compositor.dirty = False
            self._encoding.give(lambda: encoder.encode(picture, pts_ns, key, areas))
        else:
            self._encoding.give(lambda: encoder.repeat(pts_ns))

    def _finish(self, *, wait: bool) -> EncodedFrame | None:
        """The frame under way, once it is encoded."""
        if self._under_way is None:
            return None
        try:
            data = self._encoding.take(wait=wait)
        except EncoderFailed as error:
            self._under_way = None
            self._encoders.give_up(str(error))
            self._failed = self.renewal = True
            return None
        if data is None:
            return None
        (pts_ns, key), self._under_way = self._under_way, None
        self._last_pts_ns = pts_ns
        self.counters.encoded += 1
        return EncodedFrame(pts_ns, data, key)
