"""Fragments: moof and mdat, written and read.

Written here and not by libavformat, which holds up to 1.6 s of samples back and guesses the last duration of a
fragment. Invariants, asserted by the writer because browsers drop pictures silently where they do not hold:

- a fragment's video begins exactly where the last one ended (a browser drops frames up to the next key frame after a
  jump of more than twice the last *declared* duration), so every duration is exact;
- decode times rise strictly;
- sound has no hole: its position is the count of samples written.

Its only state is a sequence number and two positions: a crash loses nothing of it, and there is no trailer.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pepys.limits import NS_PER_S
from pepys.media.boxes import Box, box, find_all, full_box, walk, whole_fragments
from pepys.media.fmp4_init import (
    VIDEO_TIMESCALE,
    SoundConfig,
    TrackHeader,
    VideoConfig,
    init_segment,
    mime_type,
    parse_init,
)

__all__ = [
    "VIDEO_TIMESCALE",
    "FragmentWriter",
    "Sample",
    "SoundConfig",
    "SoundSample",
    "TrackHeader",
    "TrackRun",
    "VideoConfig",
    "VideoSample",
    "init_segment",
    "mime_type",
    "parse_fragments",
    "parse_init",
    "whole_fragments",
]

_KEY_FLAGS, _OTHER_FLAGS = 0x02000000, 0x01010000
_BASE_IS_MOOF, _DEFAULT_DURATION, _DEFAULT_FLAGS = 0x020000, 0x08, 0x20
_DATA_OFFSET, _DURATIONS, _SIZES, _FLAGS = 0x1, 0x100, 0x200, 0x400


@dataclass(frozen=True, slots=True)
class VideoSample:
    """One coded picture (length-prefixed NAL units) and its media time."""

    media_ns: int
    data: bytes
    key: bool


@dataclass(frozen=True, slots=True)
class SoundSample:
    """One coded sound frame that stands for `duration` samples."""

    data: bytes
    duration: int


class FragmentWriter:
    """Writes the fragments of one span. `start_ns` is the media time at which the span begins."""

    def __init__(self, video: VideoConfig | None, sound: SoundConfig | None, start_ns: int) -> None:
        self._video = video is not None
        self._rate = sound.rate if sound else 0
        self._sound_track = 2 if video else 1
        self._sequence = 0
        self._video_end_ns = start_ns
        self._sound_end = _ticks(start_ns, self._rate)

    @property
    def video_end_ns(self) -> int:
        """Where the next fragment's first picture must stand."""
        return self._video_end_ns

    @property
    def sound_end_ns(self) -> int:
        """The media time up to which sound is written."""
        return self._sound_end * NS_PER_S // self._rate if self._rate else self._video_end_ns

    def write(self, video: Sequence[VideoSample], until_ns: int, sound: Sequence[SoundSample]) -> bytes:
        """One fragment: pictures that fill the time up to `until_ns`, and the sound that has been encoded.

        Raises:
            ValueError: the pictures do not begin where the last fragment ended, or do not rise, or there is nothing,
                or a track is written that the span does not have.
        """
        if (video and not self._video) or (sound and not self._rate) or not (video or sound):
            raise ValueError("a fragment holds samples of the tracks of its span")
        durations = self._durations(video, until_ns) if video else []
        lengths = sum(len(sample.data) for sample in video)
        # Data offsets count from the moof's start, whose size does not depend on them: write once to measure.
        size = len(self._moof(video, durations, sound, 0, 0))
        moof = self._moof(video, durations, sound, size + 8, size + 8 + lengths)
        body = b"".join([sample.data for sample in video] + [sample.data for sample in sound])
        self._sequence += 1
        if video:
            self._video_end_ns = until_ns
        self._sound_end += sum(sample.duration for sample in sound)
        return moof + box(b"mdat", body)

    def _durations(self, video: Sequence[VideoSample], until_ns: int) -> list[int]:
        if video[0].media_ns != self._video_end_ns:
            raise ValueError(f"a fragment begins at {video[0].media_ns} ns, the last ended at {self._video_end_ns} ns")
        places = [_ticks(sample.media_ns, VIDEO_TIMESCALE) for sample in video] + [_ticks(until_ns, VIDEO_TIMESCALE)]
        durations = [after - before for before, after in pairwise(places)]
        if min(durations) <= 0:
            raise ValueError("media times do not rise")
        return durations

    def _moof(
        self,
        video: Sequence[VideoSample],
        durations: list[int],
        sound: Sequence[SoundSample],
        video_at: int,
        sound_at: int,
    ) -> bytes:
        tracks = []
        if video:
            rows = [
                struct.pack(">III", duration, len(sample.data), _KEY_FLAGS if sample.key else _OTHER_FLAGS)
                for sample, duration in zip(video, durations, strict=True)
            ]
            header = full_box(b"tfhd", 0, _BASE_IS_MOOF, struct.pack(">I", 1))
            place = _ticks(self._video_end_ns, VIDEO_TIMESCALE)
            tracks.append(_traf(header, place, _DURATIONS | _SIZES | _FLAGS, video_at, rows))
        if sound:
            tracks.append(self._sound_traf(sound, sound_at))
        return box(b"moof", full_box(b"mfhd", 0, 0, struct.pack(">I", self._sequence + 1)), *tracks)

    def _sound_traf(self, sound: Sequence[SoundSample], data_at: int) -> bytes:
        usual = sound[0].duration
        header = full_box(
            b"tfhd", 0, _BASE_IS_MOOF | _DEFAULT_DURATION | _DEFAULT_FLAGS,
            struct.pack(">III", self._sound_track, usual, _KEY_FLAGS),
        )  # fmt: skip
        if all(sample.duration == usual for sample in sound):
            rows = [struct.pack(">I", len(sample.data)) for sample in sound]
            return _traf(header, self._sound_end, _SIZES, data_at, rows)
        rows = [struct.pack(">II", sample.duration, len(sample.data)) for sample in sound]
        return _traf(header, self._sound_end, _DURATIONS | _SIZES, data_at, rows)


def _ticks(media_ns: int, timescale: int) -> int:
    return media_ns * timescale // NS_PER_S


def _traf(header: bytes, decode_time: int, flags: int, data_at: int, rows: Sequence[bytes]) -> bytes:
    run = full_box(b"trun", 0, flags | _DATA_OFFSET, struct.pack(">Ii", len(rows), data_at), *rows)
    return box(b"traf", header, full_box(b"tfdt", 1, 0, struct.pack(">Q", decode_time)), run)


@dataclass(frozen=True, slots=True)
class Sample:
    """One coded frame as read back; `duration` in ticks of its track."""

    data: bytes
    duration: int
    key: bool


@dataclass(frozen=True, slots=True)
class TrackRun:
    """The samples of one track in one fragment; the first decodes at tick `decode_time`."""

    track_id: int
    decode_time: int
    samples: list[Sample]


def parse_fragments(data: bytes) -> list[TrackRun]:
    """The runs of all whole fragments in `data`, in order."""
    runs = []
    for offset, length in whole_fragments(data):
        moof = next(walk(data, offset, offset + length))
        runs += [_read_traf(data, offset, traf) for traf in find_all(data, b"traf", start=moof.start, end=moof.end)]
    return runs


def _read_traf(data: bytes, moof_at: int, traf: Box) -> TrackRun:
    boxes = {found.kind: found.start for found in walk(data, traf.start, traf.end)}
    flags, track_id = struct.unpack_from(">II", data, boxes[b"tfhd"])
    usual_duration, usual_flags = 0, 0
    if flags & _DEFAULT_DURATION:
        usual_duration, usual_flags = struct.unpack_from(">II", data, boxes[b"tfhd"] + 8)
    (decode_time,) = struct.unpack_from(">Q", data, boxes[b"tfdt"] + 4)
    present, count, data_at = struct.unpack_from(">IIi", data, boxes[b"trun"])
    row_at, sample_at = boxes[b"trun"] + 12, moof_at + data_at
    samples = []
    for _ in range(count):
        row = {}
        for field in (_DURATIONS, _SIZES, _FLAGS):
            if present & field:
                (row[field],) = struct.unpack_from(">I", data, row_at)
                row_at += 4
        size = row[_SIZES]
        sample_flags = row.get(_FLAGS, usual_flags)
        key = not sample_flags & 0x10000
        samples.append(Sample(bytes(data[sample_at : sample_at + size]), row.get(_DURATIONS, usual_duration), key))
        sample_at += size
    return TrackRun(track_id, decode_time, samples)
