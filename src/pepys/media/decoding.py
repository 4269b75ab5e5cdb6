"""Decoding films, generated pictures and cameras into dense BGRA, through PyAV.

Owns the container and turning pictures of any kind into upright, square pixels on black: odd sizes, transparency,
oblong pixels, rotated films. Invariants: a film is a local file, and nothing that it names is opened from elsewhere; a
picture that cannot be decoded is left out. Whether a graph may be run, and when a picture is shown, is left to callers.
"""

from __future__ import annotations

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

from pepys.limits import PICTURE_SIDE_MAX

Pixels = NDArray[np.uint8]

_TEXT_PLAYERS: Final = frozenset({"tty", "bin", "xbin", "adf", "idf"})
"""Demuxers that turn any text into a film."""

_USUAL_RATE: Final = 25.0
_WORDS_MAX: Final = 200


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
        fits = bool(video) and min(video[0].width, video[0].height) > 1
        if not fits or max(video[0].width, video[0].height) > PICTURE_SIDE_MAX:
            container.close()
            raise NoFilm(f"has no pictures of 2 to {PICTURE_SIDE_MAX} pixels a side")
        self._stream = video[0]
        self._reformatter = VideoReformatter()

    def moments(self) -> Iterator[Moment]:
        """Every picture, in order, decoded when it is asked for.

        Raises:
            OSError: the film cannot be read any further.
        """
        rate = float(self._stream.average_rate or self._stream.guessed_rate or _USUAL_RATE)
        count = 0
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue  # a damaged picture; those after the next key picture are whole again
            for frame in frames:
                yield Moment(count / rate if frame.time is None else frame.time, frame)
                count += 1

    def dense(self, moment: Moment) -> Pixels:
        """Pixels of shape (height, width, 4), upright, square, on black; valid until the next call."""
        frame = moment.frame
        width = frame.width
        # Set in the film or by an encoder: how much wider than high one pixel is; nothing when it is not known.
        aspect = self._stream.sample_aspect_ratio
        if aspect:
            width = max(2, min(round(width * float(aspect)), PICTURE_SIDE_MAX))
        made = self._reformatter.reformat(frame, width=width, height=frame.height, format="bgra")
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
    try:
        # With the protocol in front nothing in the name is read as another one; a playlist reaches no network.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise NoFilm(f"is no film that can be read: {words(error)}") from error
    if container.format.name in _TEXT_PLAYERS:
        container.close()
        raise NoFilm("is no film but text")
    return Film(container)


def open_generator(graph: str) -> Film:
    """Pictures that a filter graph makes; the caller has looked at the graph.

    Raises:
        NoFilm: there is no such filter, or it refuses its options.
    """
    try:
        return Film(av.open(graph, format="lavfi"))
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise NoFilm(f"is no test picture: {words(error)}") from error


def open_video4linux(device: str, options: dict[str, str]) -> Film:
    """A camera.

    Raises:
        PermissionError: this user may not use it.
        NoFilm: it is in use, or gives nothing of that kind.
    """
    try:
        return Film(av.open(device, format="v4l2", options=options))
    except PermissionError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise NoFilm(f"cannot be opened: {words(error)}") from error


def words(error: BaseException) -> str:
    """What a library's error says, on one line."""
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(told).split())[:_WORDS_MAX]
