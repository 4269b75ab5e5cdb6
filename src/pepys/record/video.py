"""The video track: one source, its kept picture, its encoder and its schedule.

Invariants: times of frames rise; a frame's time is when its change was learnt, or exactly the grid point that was asked
for; between `close_span` and `open_span` nothing is captured; a source that died or was resized never stops the
heartbeat. Files, fragments and the grid itself belong to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pepys.clock import Clock
from pepys.limits import FRAME_MIN_NS
from pepys.media.colour import Picture, converter, even_size
from pepys.media.fmp4_init import VideoConfig
from pepys.media.swscale import Scaler
from pepys.media.video import H264Encoder
from pepys.record.pacing import Pacer
from pepys.record.ports import Changed, Resized, SourceEnded, VideoEvent, VideoSource


@dataclass(frozen=True, slots=True)
class Quality:
    """A named quality: most rows of pixels (columns of an upright screen), and the quantiser."""

    lines: int
    qp: int


QUALITIES: Final = {
    "low": Quality(720, 26),
    "medium": Quality(1080, 24),
    "high": Quality(1440, 23),
    "ultra": Quality(2**16, 20),
}


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One coded picture: length-prefixed NAL units, and its time on the clock of the track."""

    pts_ns: int
    data: bytes
    key: bool


@dataclass(slots=True)
class VideoCounters:
    """Pictures taken from the source, frames encoded (heartbeats too), changes that were due and were not encoded."""

    captured: int = 0
    encoded: int = 0
    dropped: int = 0


def target_size(width: int, height: int, lines: int) -> tuple[int, int]:
    """The even size at which a screen is encoded: its shorter side at most `lines`, never larger than it is."""
    shorter = min(width, height)
    if shorter > lines:
        width, height = width * lines // shorter, height * lines // shorter
    return even_size(width, height)


class _Canvas:
    """The kept picture of one size, fed with patches, scaled down where the screen is larger."""

    def __init__(self, width: int, height: int, lines: int) -> None:
        self.picture = Picture(*target_size(width, height, lines))
        native = even_size(width, height)
        scaled = native != (self.picture.width, self.picture.height)
        self._scaler = Scaler(*native) if scaled else None
        self._converter = converter()

    def take_from(self, source: VideoSource) -> bool:
        """Bring the picture up to date; whether anything changed."""
        patches = source.take(2 if self._scaler else self._converter.align)
        for patch in patches:
            if self._scaler is None:
                self._converter.convert(self.picture, patch.x, patch.y, patch.pixels)
            else:
                self._scaler.update(patch.x, patch.y, patch.pixels)
        if patches and self._scaler is not None:
            self._scaler.render(self.picture)
        return bool(patches)


class VideoTrack:
    """Turns a source's changes into frames. One thread; the caller waits on `fileno` and `next_due_ns`."""

    def __init__(self, source: VideoSource, clock: Clock, fps: int = 30, quality: str = "medium") -> None:
        self._source, self._clock, self._fps = source, clock, fps
        self._quality = QUALITIES[quality]
        self._pacer = Pacer(fps)
        self._canvas: _Canvas | None = None
        self._encoder: H264Encoder | None = None
        self._last_pts_ns = -1
        self.counters = VideoCounters()
        self.resized = False
        self.ended: SourceEnded | None = None

    def fileno(self) -> int:
        """Wait on it for reading, until `ended` is set."""
        return self._source.fileno()

    def open_span(self) -> VideoConfig:
        """Open an encoder for the size in force and take the whole picture; nothing is encoded yet.

        A span of a source that has ended shows a black picture: callers look at `ended` first.
        """
        self.close_span()
        self._handle(self._source.poll())
        self.resized = False
        size = self._source.geometry
        canvas = _Canvas(size.width, size.height, self._quality.lines)
        self._encoder = H264Encoder(canvas.picture.width, canvas.picture.height, self._fps, qp=self._quality.qp)
        self._canvas = canvas
        self._source.refresh()
        self._capture()
        return self._encoder.config

    def close_span(self) -> None:
        """Stop capturing: a pause, or the end. What was changed and not yet captured is forgotten."""
        if self._encoder is not None:
            self._encoder.close()
        self._encoder = self._canvas = None
        self._pacer.forget()

    def grid_frame(self, at_ns: int, key: bool = False) -> EncodedFrame:
        """The picture as of `at_ns`, encoded with exactly that time; it must lie after every earlier frame.

        Raises:
            ValueError: no span is open, or the time does not rise.
        """
        if at_ns <= self._last_pts_ns:
            raise ValueError(f"a grid frame at {at_ns} ns after a frame at {self._last_pts_ns} ns")
        changed_ns = self._pacer.changed_ns
        if changed_ns is not None and changed_ns <= at_ns and not self.resized:
            self._capture()
        return self._encode(at_ns, key)

    def poll(self, before_ns: int) -> list[EncodedFrame]:
        """Hear the source, and capture if a change is due.

        Args:
            before_ns: the next grid point. A frame never stands there or later: the grid frame carries its change.
        """
        self._handle(self._source.poll())
        due_ns, changed_ns = self._pacer.due_ns(), self._pacer.changed_ns
        if self._encoder is None or self.resized or due_ns is None or changed_ns is None:
            return []
        pts_ns = max(changed_ns, self._last_pts_ns + FRAME_MIN_NS)
        if due_ns > self._clock.now_ns() or pts_ns >= before_ns:
            return []
        return [self._encode(pts_ns, False)] if self._capture() else []

    def next_due_ns(self) -> int | None:
        """When `poll` is to be called even if nothing is readable."""
        if self._encoder is None or self.ended is not None:
            return None
        due_ns, wake_ns = None if self.resized else self._pacer.due_ns(), self._source.wake_ns()
        if due_ns is None or wake_ns is None:
            return wake_ns if due_ns is None else due_ns
        return min(due_ns, wake_ns)

    def close(self) -> None:
        """Close encoder and source."""
        self.close_span()
        self._source.close()

    def _handle(self, events: list[VideoEvent]) -> None:
        for event in events:
            if isinstance(event, Changed):
                if self._encoder is not None:
                    self._pacer.changed(event.at_ns, event.pointer_only)
            elif isinstance(event, Resized):
                self.resized = True
                self._pacer.forget()
            else:
                self.ended = event
                self._pacer.forget()

    def _capture(self) -> bool:
        if self._canvas is None:
            raise ValueError("no span is open")
        self.counters.dropped += self._pacer.captured(self._clock.now_ns())
        changed = self._canvas.take_from(self._source)
        self.counters.captured += changed
        # Replies have brought events along, of which no descriptor tells.
        self._handle(self._source.poll())
        return changed

    def _encode(self, pts_ns: int, key: bool) -> EncodedFrame:
        if self._canvas is None or self._encoder is None:
            raise ValueError("no span is open")
        data = self._encoder.encode(self._canvas.picture, pts_ns, key)
        self._last_pts_ns = pts_ns
        self.counters.encoded += 1
        return EncodedFrame(pts_ns, data, key)
