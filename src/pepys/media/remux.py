"""Stored fragments to one MP4 file that any player plays: packets are moved, never coded anew.

Media times become the file's timeline: pauses and gaps are closed, every picture keeps its exact duration, and the last
one is held to the end of its span. Spans of another picture size carry their parameter sets in their key frames.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, BinaryIO

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from pepys.errors import Damaged
from pepys.media.fmp4 import VIDEO_TIMESCALE, Sample, SoundConfig, TrackRun, VideoConfig, parse_fragments, parse_init
from pepys.media.pcm import PcmBlock, Span, decode_pcm, write_wav
from pepys.media.video import parameter_sets

__all__ = ["PcmBlock", "Span", "decode_pcm", "write_mp4", "write_wav"]


def write_mp4(spans: Sequence[Span], target: BinaryIO) -> None:
    """Write the playback stream of `spans` to `target`, which can seek.

    Raises:
        Damaged: there is nothing to write, or it is not what pepys recorded.
    """
    if not spans:
        raise Damaged("there is no recorded span to export", "pepys show tells what a session holds")
    try:
        with av.open(target, "w", format="mp4", options={"video_track_timescale": str(VIDEO_TIMESCALE)}) as output:
            mixer = _Output(output, spans)
            for span in spans:
                mixer.add(span)
    except av.FFmpegError as error:
        raise Damaged(
            f"the recorded stream cannot be muxed: {error.strerror}", "pepys verify names what is lost"
        ) from error


class _Track:
    """One track of the file: its stream, and up to where it is filled."""

    def __init__(self, stream: Stream, timescale: int, avcc: bytes = b"") -> None:
        self.stream, self.time_base, self.avcc = stream, Fraction(1, timescale), avcc
        self._end = 0

    def packet(self, sample: Sample, at: int, prefix: bytes) -> Packet[Stream] | None:
        """A sample as a packet at tick `at`; None for one that mostly lies on what is already there."""
        if self._end - at > sample.duration // 2:
            return None
        at = max(at, self._end)
        self._end = at + sample.duration
        packet: Packet[Stream] = Packet(prefix + sample.data if sample.key else sample.data)
        packet.stream, packet.time_base = self.stream, self.time_base
        packet.pts = packet.dts = at
        packet.duration, packet.is_keyframe = sample.duration, sample.key
        return packet


class _Output:
    """The file being written; its tracks are those of the first span that has them."""

    def __init__(self, output: OutputContainer, spans: Iterable[Span]) -> None:
        self._output = output
        self._tracks: dict[str, _Track] = {}
        for span in spans:
            self._open_tracks(span.init)

    def add(self, span: Span) -> None:
        """Append a span."""
        kinds, prefix = {}, b""
        for header in parse_init(span.init):
            kinds[header.track_id] = "video" if isinstance(header.config, VideoConfig) else "sound"
            if isinstance(header.config, VideoConfig) and header.config.avcc != self._tracks["video"].avcc:
                prefix = parameter_sets(header.config.avcc)
        for data in span.fragments:
            for run in parse_fragments(data):
                kind = kinds[run.track_id]
                self._mux(self._tracks[kind], run, prefix if kind == "video" else b"")

    def _mux(self, track: _Track, run: TrackRun, prefix: bytes) -> None:
        at = run.decode_time
        for sample in run.samples:
            packet = track.packet(sample, at, prefix)
            at += sample.duration
            if packet is not None:
                self._output.mux_one(packet)

    def _open_tracks(self, init: bytes) -> None:
        with av.open(io.BytesIO(init), format="mp4") as template:
            for header, stream in zip(parse_init(init), template.streams, strict=True):
                kind = "video" if isinstance(header.config, VideoConfig) else "sound"
                if kind in self._tracks:
                    continue
                added: Any = self._output.add_stream_from_template(stream)
                added.time_base = Fraction(1, header.timescale)
                avcc = header.config.avcc if isinstance(header.config, VideoConfig) else b""
                self._tracks[kind] = _Track(added, header.timescale, avcc)
                if isinstance(header.config, SoundConfig) and header.config.codec == "opus":
                    added.codec_tag = "Opus"
