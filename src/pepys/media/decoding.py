"""Decoding films, generated pictures and cameras into dense BGRA, through PyAV.

Owns the container and turning pictures of any kind into upright, square pixels on black: odd sizes, transparency,
oblong pixels, rotated films. Invariants: a film is one local file of a kind that holds its pictures itself, and nothing
that it names is opened; a damaged picture is left out; no picture is decoded that is larger than
`limits.FILM_PICTURE_PX`, none given out that is larger than `limits.SHOWN_PICTURE_PX`. Whether a graph may be run, and
when a picture is shown, is left to callers.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import av.error
import av.stream
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pepys.limits import FILM_PICTURE_PX, PICTURE_SIDE_MAX, SHOWN_PICTURE_PX

Pixels = NDArray[np.uint8]

_CONTAINERS: Final = "mov matroska avi mpegts mpeg ogg flv asf gif apng mjpeg ivf mxf nut dv yuv4mpegpipe"
"""Demuxers that may read a film. Every other one is refused before it reads anything: playlists and lists of films open
what they name, some for ever, and some make a film of any text."""

_DECODER: Final = {"max_pixels": str(FILM_PICTURE_PX)}

_USUAL_RATE: Final = 25.0
_WORDS_MAX: Final = 200
_TOO_LARGE: Final = "a picture is damaged or too large"


class NoFilm(Exception):
    """There are no pictures to be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A decoded picture that may be turned into pixels, and its time in seconds of the film."""

    time_s: float
    frame: VideoFrame


class Film:
    """An open container with pictures; used by one thread at a time."""

    def __init__(self, container: InputContainer) -> None:
        """Take over a container.

        Raises:
            NoFilm: there are no pictures in it, or they are too small or too large; it is closed then.
        """
        self._container = container
        # The picture on a record's sleeve is no film.
        covers = av.stream.Disposition.attached_pic
        video = [stream for stream in container.streams.video if not stream.disposition & covers]
        if not video or not _fits(video[0].width, video[0].height):
            container.close()
            raise NoFilm(f"has no pictures of 2 to {PICTURE_SIDE_MAX} pixels a side, {FILM_PICTURE_PX} in all at most")
        self._stream = video[0]
        self._stream.codec_context.options = _DECODER
        self._reformatter = VideoReformatter()

    def moments(self) -> Iterator[Moment]:
        """Every picture, in order, decoded when it is asked for.

        Raises:
            OSError: the film cannot be read any further, or goes on with a picture that is too large.
        """
        rate = float(self._stream.average_rate or self._stream.guessed_rate or _USUAL_RATE)
        count = 0
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue  # a damaged picture; those after the next key picture are whole again
            except av.error.ArgumentError as error:
                raise OSError(errno.EINVAL, _TOO_LARGE) from error  # what a decoder answers beyond its `max_pixels`
            for frame in frames:
                if not _fits(frame.width, frame.height):
                    raise OSError(errno.EINVAL, _TOO_LARGE)
                yield Moment(count / rate if frame.time is None else frame.time, frame)
                count += 1

    def dense(self, moment: Moment) -> Pixels:
        """Pixels of shape (height, width, 4), upright, square, on black; valid until the next call.

        What is larger than can be shown is made smaller while it is converted.
        """
        frame = moment.frame
        # Set in the film or by an encoder: how much wider than high one pixel is; nothing when it is not known.
        width, height = _shown_size(frame.width, frame.height, float(self._stream.sample_aspect_ratio or 1))
        made = self._reformatter.reformat(frame, width=width, height=height, format="bgra")
        plane = made.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(made.height, plane.line_size // 4, 4)
        pixels: Pixels = rows[:, : made.width]
        if any(component.is_alpha for component in frame.format.components):
            pixels = pixels.copy()
            alpha = pixels[..., 3:].astype(np.uint16)
            pixels[..., :3] = (pixels[..., :3] * alpha + 127) // 255
        # A display matrix turns counterclockwise, as numpy does.
        turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels

    def close(self) -> None:
        """Let go of the container; not while another thread decodes."""
        self._container.close()


def open_file(path: Path) -> Film:
    """A film of this machine.

    Raises:
        NoFilm: it cannot be read, or holds no pictures.
    """
    options = {"format_whitelist": _CONTAINERS.replace(" ", ","), "protocol_whitelist": "file", **_DECODER}
    try:
        # With the protocol in front nothing in the name is read as another one.
        return Film(av.open(f"file:{path}", options=options, metadata_errors="replace"))
    except av.error.ArgumentError as error:
        raise NoFilm("is no film of a known kind, such as mp4, mov, mkv, webm, avi, mpeg, ogg or gif") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise NoFilm(f"is no film that can be read: {words(error)}") from error


def open_generator(graph: str) -> Film:
    """Pictures that a filter graph makes; the caller has looked at the graph.

    Raises:
        NoFilm: there is no such filter, or it refuses its options.
    """
    try:
        return Film(av.open(graph, format="lavfi", options=_DECODER))
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise NoFilm(f"is no test picture: {words(error)}") from error


def open_video4linux(device: str, options: dict[str, str]) -> Film:
    """A camera.

    Raises:
        PermissionError: this user may not use it.
        NoFilm: it is in use, or gives nothing of that kind.
    """
    try:
        return Film(av.open(device, format="v4l2", options=options | _DECODER))
    except PermissionError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise NoFilm(f"cannot be opened: {words(error)}") from error


def words(error: BaseException) -> str:
    """What a library's error says, on one line."""
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(told).split())[:_WORDS_MAX]


def _fits(width: int, height: int) -> bool:
    shorter, longer = sorted((width, height))
    return shorter > 1 and longer <= PICTURE_SIDE_MAX and width * height <= FILM_PICTURE_PX


def _shown_size(width: int, height: int, aspect: float) -> tuple[int, int]:
    """The size with square pixels, no larger than what can be shown; the proportions stay."""
    if aspect != 1:
        width = max(2, min(round(width * aspect), PICTURE_SIDE_MAX))
    if width * height <= SHOWN_PICTURE_PX:
        return width, height
    scale = math.sqrt(SHOWN_PICTURE_PX / (width * height))
    return max(2, int(width * scale) & ~1), max(2, int(height * scale) & ~1)
