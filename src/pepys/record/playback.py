"""From frames and samples to fragments and segments: the playback stream and the tracks of single devices.

Invariants: a fragment of pictures begins with a frame exactly on the grid and ends exactly at the next grid point (or
at the span's end); sound goes into the fragment that closes after it was encoded; a segment begins with a key frame at
a grid point. When a fragment was refused by the writer, the next one begins a new segment, so that nothing decodes
from a hole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pepys import limits
from pepys.media.fmp4 import FragmentWriter, SoundSample, VideoConfig, VideoSample, init_segment, mime_type
from pepys.media.sound import SoundEncoder
from pepys.record.sound import Pcm, duration_of
from pepys.record.video import EncodedFrame
from pepys.record.writing import Fragment, InitHeader

Give = Callable[[Fragment | InitHeader], bool]
OnTaken = Callable[[str, int, bool], None]
"""Told once that the disk refuses a track's media from an axis time on (False), and once that it takes it again."""


@dataclass(frozen=True, slots=True)
class SpanPlace:
    """Where a span lies: `base_ns` on the clock is `at_ns` on the axis and `media_ns` on the playback timeline."""

    span: int
    base_ns: int
    at_ns: int
    media_ns: int

    def media(self, clock_ns: int) -> int:
        """The playback position of a moment on the clock."""
        return clock_ns - self.base_ns + self.media_ns

    def axis(self, clock_ns: int) -> int:
        """The axis time of a moment on the clock."""
        return clock_ns - self.base_ns + self.at_ns

    def at(self, media_ns: int) -> int:
        """The axis time of a playback position."""
        return media_ns - self.media_ns + self.at_ns


class SegmentRule:
    """When a segment of pictures ends: by frames, time and bytes since its key frame.

    Each frame costs whoever seeks half a millisecond, whatever it holds; each key frame costs its bytes. So a key frame
    that was dear serves for more of them (docs/decisions/0005).
    """

    def __init__(self) -> None:
        self._frames = self._key_bytes = self._bytes = self._key_ns = 0

    def see(self, frame: EncodedFrame) -> None:
        """Count a frame."""
        if frame.key:
            self._frames = self._bytes = 0
            self._key_bytes, self._key_ns = len(frame.data), frame.pts_ns
        else:
            self._bytes += len(frame.data)
        self._frames += 1

    def due(self, at_ns: int, segment_bytes: int) -> bool:
        """Whether the frame at a grid point begins a new segment."""
        age_ns = at_ns - self._key_ns
        if segment_bytes >= limits.SEGMENT_BYTES:
            return True
        dear = self._key_bytes >= limits.SEGMENT_DEAR_BYTES
        most = limits.SEGMENT_DEAR_FRAMES if dear else limits.SEGMENT_MAX_FRAMES
        if self._frames >= most or age_ns >= limits.SEGMENT_MAX_NS:
            return True
        young = self._frames < limits.SEGMENT_MIN_FRAMES and age_ns < limits.SEGMENT_MIN_NS
        return not young and self._bytes >= self._key_bytes


class _Taken:
    """Gives the fragments of one track, and tells where a hole begins and ends."""

    def __init__(self, give: Give, on_taken: OnTaken) -> None:
        self._give, self._on_taken = give, on_taken
        self._hole = False

    def give(self, fragment: Fragment) -> bool:
        """Give a fragment; whether it was taken."""
        taken = self._give(fragment)
        if taken is self._hole:
            self._hole = not taken
            self._on_taken(fragment.track, fragment.at_ns, taken)
        return taken


class PictureStream:
    """The playback stream of one span: pictures, with the mixed sound beside them when there is any."""

    track = "video"

    def __init__(
        self, place: SpanPlace, video: VideoConfig, encoder: SoundEncoder | None, give: Give, on_taken: OnTaken
    ) -> None:
        """Begin the stream at `place`; `on_taken` is told of what the disk did not take."""
        self._place, self._taken = place, _Taken(give, on_taken)
        self._encoder = encoder
        sound = encoder.config if encoder is not None else None
        self._muxer = FragmentWriter(video, sound, place.media_ns)
        self._rule = SegmentRule()
        self._frames: list[EncodedFrame] = []
        self._sound: list[SoundSample] = []
        self._segment_bytes = 0
        self._cut = True
        self._refused = False
        give(InitHeader(self.track, place.span, init_segment(video, sound), mime_type(video, sound)))

    def key_due(self, at_ns: int) -> bool:
        """Whether the frame at the grid point `at_ns` must be a key frame."""
        return not self._frames or self._refused or self._rule.due(at_ns, self._segment_bytes)

    def begin(self, frame: EncodedFrame) -> None:
        """A frame at a grid point: close the fragment before it, and begin the next."""
        self.close(frame.pts_ns)
        if frame.key:
            self._cut, self._segment_bytes, self._refused = True, 0, False
        self.add(frame)

    def add(self, frame: EncodedFrame) -> None:
        """A frame between grid points."""
        self._rule.see(frame)
        self._frames.append(frame)

    def sound(self, pcm: Pcm, active: bool = True) -> None:
        """The next mixed samples; `active` is False when nothing is to be heard in them."""
        if self._encoder is not None and len(pcm):
            self._sound += self._encoder.encode(pcm, active)

    def close(self, until_ns: int) -> None:
        """Close the fragment at `until_ns` on the clock, with what is there."""
        if not self._frames:
            return
        frames = [VideoSample(self._place.media(frame.pts_ns), frame.data, frame.key) for frame in self._frames]
        data = self._muxer.write(frames, self._place.media(until_ns), self._sound)
        start_ns = frames[0].media_ns
        fragment = Fragment(
            self.track, self._place.span, data, start_ns, self._place.media(until_ns) - start_ns,
            self._place.at(start_ns), self._cut, pictures=True,
        )  # fmt: skip
        self._refused = not self._taken.give(fragment) or self._refused
        self._segment_bytes += len(data)
        self._cut = False
        self._frames, self._sound = [], []

    def finish(self, until_ns: int) -> None:
        """The span ends at `until_ns`: nothing that was captured is left out."""
        if self._encoder is not None:
            self._sound += self._encoder.flush()
        self.close(until_ns)


class SoundStream:
    """One stream of sound in fragments of its own: a device's track, or the mix where there are no pictures."""

    def __init__(self, track: str, place: SpanPlace, encoder: SoundEncoder, give: Give, on_taken: OnTaken) -> None:
        """Begin a track at `place`; `on_taken` is told of what the disk did not take."""
        self.track = track
        self.samples = self.refused = 0
        self._place, self._encoder, self._taken = place, encoder, _Taken(give, on_taken)
        self._muxer = FragmentWriter(None, encoder.config, place.media_ns)
        self._sound: list[SoundSample] = []
        self._segment_ns = place.media_ns
        self._position = 0
        self._cut = True
        header = init_segment(None, encoder.config)
        give(InitHeader(track, place.span, header, mime_type(None, encoder.config)))

    def sound(self, pcm: Pcm, active: bool = True) -> None:
        """The next samples; `active` is False when nothing is to be heard in them."""
        if len(pcm):
            self.samples += len(pcm)
            self._sound += self._encoder.encode(pcm, active)

    def close(self) -> None:
        """Close a fragment with what has been encoded."""
        if not self._sound:
            return
        start_ns = self._place.media_ns + duration_of(self._position)
        count = sum(sample.duration for sample in self._sound)
        self._position += count
        end_ns = self._place.media_ns + duration_of(self._position)
        cut = self._cut or start_ns - self._segment_ns >= limits.SOUND_SEGMENT_NS
        data = self._muxer.write((), 0, self._sound)
        fragment = Fragment(
            self.track,
            self._place.span,
            data,
            start_ns,
            end_ns - start_ns,
            self._place.at(start_ns),
            cut,
            pictures=False,
        )
        given = self._taken.give(fragment)
        if not given:
            self.refused += count
        if cut:
            self._segment_ns = start_ns
        self._cut = not given
        self._sound = []

    def finish(self) -> None:
        """The span ends: give the rest."""
        self._sound += self._encoder.flush()
        self.close()
