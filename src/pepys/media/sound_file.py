"""Sound of a file of any kind as int16 at 48 kHz, through PyAV.

Invariants: a file is one local file of a kind that holds its sound itself, and nothing that it names is opened; what
is decoded at a time is bounded, whatever rate the file claims; a damaged packet is left out. Times within the file are
not looked at: its sound is one stretch. When it is played is left to callers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from numpy.typing import NDArray

from pepys.limits import SOUND_FILE_CHANNELS, SOUND_FILE_RATES_HZ, SOUND_RATE
from pepys.media.decoding import words

Pcm = NDArray[np.int16]

_CONTAINERS: Final = (
    "wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr,wv,tta,ape,ogg,mov,matroska,avi,mpegts,mpeg,flv,asf,mxf,nut"
)
"""Demuxers that may read sound; every other one is refused before it reads anything: playlists open what they name."""


class NoSound(Exception):
    """There is no sound to be had; the text says why."""


class SoundFile:
    """An open file with sound; used by one thread at a time."""

    def __init__(self, path: Path, channels: int) -> None:
        """Open a file; `channels` are what it is mixed to.

        Raises:
            NoSound: it cannot be read, or holds no sound.
        """
        options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
        self._layout = "mono" if channels == 1 else "stereo"
        self._channels = channels
        try:
            # With the protocol in front nothing in the name is read as another one.
            self._container: InputContainer = av.open(f"file:{path}", options=options, metadata_errors="replace")
        except av.error.ArgumentError as error:
            raise NoSound("is no sound of a known kind, such as wav, flac, mp3, ogg, opus, m4a or mkv") from error
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise NoSound(f"is no sound that can be read: {words(error)}") from error
        if not self._container.streams.audio:
            self._container.close()
            raise NoSound("holds no sound")
        self._stream = self._container.streams.audio[0]

    def blocks(self) -> Iterator[Pcm]:
        """The sound from the first sample to the last, as arrays of shape (n, channels), decoded when asked for.

        Raises:
            NoSound: it cannot be read any further.
        """
        resampler: Any = None
        form: tuple[object, ...] = ()
        for frame in self._frames():
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if now != form:
                yield from self._made(resampler, None)
                _check(frame)
                resampler, form = av.AudioResampler("s16", self._layout, SOUND_RATE), now
            # Times of its own would make the resampler fill holes.
            frame.pts = None
            yield from self._made(resampler, frame)
        yield from self._made(resampler, None)

    def close(self) -> None:
        """Let go of the file; not while another thread decodes."""
        self._container.close()

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else ()
            except av.error.InvalidDataError:
                continue
            except (av.error.FFmpegError, OSError, ValueError) as error:
                raise NoSound(f"cannot be read any further: {words(error)}") from error
            if packet is None:
                return
            yield from (frame for frame in frames if isinstance(frame, AudioFrame))

    def _made(self, resampler: Any, frame: AudioFrame | None) -> Iterator[Pcm]:
        try:
            made = resampler.resample(frame) if resampler is not None else ()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise NoSound(f"cannot be read any further: {words(error)}") from error
        for item in made:
            samples: Pcm = item.to_ndarray().reshape(-1, self._channels)
            if len(samples):
                yield samples


def _check(frame: AudioFrame) -> None:
    low, high = SOUND_FILE_RATES_HZ
    if not low <= frame.sample_rate <= high or len(frame.layout.channels) > SOUND_FILE_CHANNELS:
        raise NoSound(
            f"has {len(frame.layout.channels)} channels at {frame.sample_rate} Hz;"
            f" there may be {SOUND_FILE_CHANNELS} at {low} to {high} Hz"
        )
