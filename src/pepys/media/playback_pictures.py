"""Stored pictures back to planes of brightness and colour, with their media times: for what looks into recordings.

One picture at a time is held; its planes are views into the decoder's memory and hold only until the next is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from pepys.errors import Damaged
from pepys.limits import NS_PER_S
from pepys.media.fmp4 import TrackHeader, VideoConfig, parse_fragments, parse_init
from pepys.media.pcm import Span

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A decoded picture: `luma` of its full size, `blue` and `red` (Cb, Cr) of half of it each way."""

    media_ns: int
    luma: Plane
    blue: Plane
    red: Plane


def decode_pictures(spans: Iterable[Span]) -> Iterator[StoredPicture]:
    """The pictures of the playback stream in order; sound is passed over.

    Raises:
        Damaged: a picture does not decode.
    """
    for span in spans:
        for header in parse_init(span.init):
            if isinstance(header.config, VideoConfig):
                yield from _decode_span(header, header.config, span.fragments)


def _decode_span(header: TrackHeader, config: VideoConfig, fragments: Iterable[bytes]) -> Iterator[StoredPicture]:
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.extradata = config.avcc
    try:
        for data in fragments:
            for run in parse_fragments(data):
                if run.track_id != header.track_id:
                    continue
                at = run.decode_time
                for sample in run.samples:
                    packet: Any = av.Packet(sample.data)
                    packet.pts = packet.dts = at
                    at += sample.duration
                    for frame in decoder.decode(packet):
                        yield _picture(frame, header.timescale)
        for frame in decoder.decode(None):
            yield _picture(frame, header.timescale)
    except av.FFmpegError as error:
        raise Damaged(f"a picture does not decode: {error.strerror}", "pepys verify names what is lost") from error


def _picture(frame: Any, timescale: int) -> StoredPicture:
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = frame.reformat(format="yuv420p")
    planes = []
    for plane in frame.planes[:3]:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : plane.width])
    return StoredPicture(int(frame.pts) * NS_PER_S // timescale, *planes)
