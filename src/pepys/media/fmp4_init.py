"""The header of a span: `ftyp` and `moov` of fragmented MP4, written and read.

Owns track configurations and their codec strings. There is no edit list: sound and picture lie on the timeline where
their decode times say, priming is dropped before (`sound`). Written here and not by libavformat because the bytes must
not change with the version of a library, and because a muxer would want an encoder of its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

from pepys.media.boxes import box, find_all, full_box, walk

VIDEO_TIMESCALE: Final = 90_000
"""Ticks a second of video tracks; sound tracks tick with their sample rate."""

_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED: Final = 0x55C4  # the language code "und"
_AAC_OBJECT: Final = 0x40
_AUDIO_STREAM: Final = 0x15


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """What a decoder must know of an H.264 track; `avcc` is its AVCDecoderConfigurationRecord."""

    width: int
    height: int
    avcc: bytes

    @property
    def codec(self) -> str:
        """The RFC 6381 name, such as `avc1.42c028`."""
        return f"avc1.{self.avcc[1:4].hex()}"


@dataclass(frozen=True, slots=True)
class SoundConfig:
    """What a decoder must know of a sound track; `extradata` is AAC's AudioSpecificConfig and empty for Opus."""

    codec: Literal["aac", "opus"]
    rate: int
    channels: int
    extradata: bytes = b""

    @property
    def codec_string(self) -> str:
        """The RFC 6381 name."""
        return "mp4a.40.2" if self.codec == "aac" else "opus"


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """One track of an init segment, as read back."""

    track_id: int
    timescale: int
    config: VideoConfig | SoundConfig


def mime_type(video: VideoConfig | None, sound: SoundConfig | None) -> str:
    """What `MediaSource.addSourceBuffer` takes."""
    codecs = [video.codec] if video else []
    codecs += [sound.codec_string] if sound else []
    return f'{"video" if video else "audio"}/mp4; codecs="{",".join(codecs)}"'


def init_segment(video: VideoConfig | None, sound: SoundConfig | None) -> bytes:
    """The header of a stream with these tracks; video is track 1 where there is video, sound the next."""
    configs = [config for config in (video, sound) if config is not None]
    if not configs:
        raise ValueError("an init segment needs a track")
    header = full_box(
        b"mvhd", 0, 0,
        struct.pack(">IIIIIH10x", 0, 0, 1000, 0, 0x10000, 0x100), _MATRIX,
        struct.pack(">24xI", len(configs) + 1),
    )  # fmt: skip
    tracks = [_track(number, config) for number, config in enumerate(configs, 1)]
    extends = [full_box(b"trex", 0, 0, struct.pack(">5I", number + 1, 1, 0, 0, 0)) for number in range(len(configs))]
    brands = box(b"ftyp", b"iso5", struct.pack(">I", 512), b"iso5iso6mp41")
    return brands + box(b"moov", header, *tracks, box(b"mvex", *extends))


def _track(number: int, config: VideoConfig | SoundConfig) -> bytes:
    video = isinstance(config, VideoConfig)
    timescale = VIDEO_TIMESCALE if isinstance(config, VideoConfig) else config.rate
    size = (config.width << 16, config.height << 16) if isinstance(config, VideoConfig) else (0, 0)
    header = full_box(
        b"tkhd", 0, 3,
        struct.pack(">5I8xHHHH", 0, 0, number, 0, 0, 0, 0, 0 if video else 0x100, 0), _MATRIX,
        struct.pack(">II", *size),
    )  # fmt: skip
    media_header = full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale, 0, _UNDETERMINED, 0))
    handler = full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide" if video else b"soun"), b"pepys\0")
    about = full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4))
    here = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    entry = _video_entry(config) if isinstance(config, VideoConfig) else _sound_entry(config)
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
    return box(b"trak", header, box(b"mdia", media_header, handler, box(b"minf", about, here, table)))


def _video_entry(config: VideoConfig) -> bytes:
    fixed = struct.pack(">6xH16xHHII4xH32xHh", 1, config.width, config.height, 0x480000, 0x480000, 1, 0x18, -1)
    return box(b"avc1", fixed, box(b"avcC", config.avcc))


def _sound_entry(config: SoundConfig) -> bytes:
    fixed = struct.pack(">6xH8xHHHHI", 1, config.channels, 16, 0, 0, config.rate << 16)
    if config.codec == "opus":
        # No pre-skip: the encoder drops the priming itself, so that sample 0 decodes to position 0 in every player.
        return box(b"Opus", fixed, box(b"dOps", struct.pack(">BBHIhB", 0, config.channels, 0, config.rate, 0, 0)))
    specific = _descriptor(5, config.extradata)
    decoder = _descriptor(4, struct.pack(">BB3xII", _AAC_OBJECT, _AUDIO_STREAM, 0, 0), specific)
    stream = _descriptor(3, struct.pack(">HB", 0, 0), decoder, _descriptor(6, b"\x02"))
    return box(b"mp4a", fixed, full_box(b"esds", 0, 0, stream))


def _descriptor(tag: int, *payload: bytes) -> bytes:
    body = b"".join(payload)
    if len(body) > 127:
        raise ValueError("an MPEG-4 descriptor of more than 127 bytes")
    return struct.pack(">BB", tag, len(body)) + body


def parse_init(init: bytes) -> list[TrackHeader]:
    """The tracks of an init segment that `init_segment` wrote.

    Raises:
        ValueError: it is none.
    """
    tracks = []
    for track in find_all(init, b"moov", b"trak"):
        (header,) = find_all(init, b"tkhd", start=track.start, end=track.end)
        (media,) = find_all(init, b"mdia", b"mdhd", start=track.start, end=track.end)
        (table,) = find_all(init, b"mdia", b"minf", b"stbl", b"stsd", start=track.start, end=track.end)
        entry = next(walk(init, table.start + 8, table.end))
        config = _read_entry(init, entry.kind, entry.start, entry.end)
        number, timescale = (
            struct.unpack_from(">I", init, header.start + 12),
            struct.unpack_from(">I", init, media.start + 12),
        )
        tracks.append(TrackHeader(number[0], timescale[0], config))
    if not tracks:
        raise ValueError("not an init segment")
    return tracks


def _read_entry(init: bytes, kind: bytes, start: int, end: int) -> VideoConfig | SoundConfig:
    if kind == b"avc1":
        width, height = struct.unpack_from(">HH", init, start + 24)
        (avcc,) = find_all(init, b"avcC", start=start + 78, end=end)
        return VideoConfig(width, height, init[avcc.start : avcc.end])
    channels, rate = struct.unpack_from(">H6xI", init, start + 16)
    if kind == b"Opus":
        return SoundConfig("opus", rate >> 16, channels)
    if kind != b"mp4a":
        raise ValueError(f"unknown sample entry {kind!r}")
    (esds,) = find_all(init, b"esds", start=start + 28, end=end)
    # Fixed places: ES (2 + 3 bytes), decoder configuration (2 + 13), then tag and length of the specific part.
    at = esds.start + 4 + 5 + 15
    return SoundConfig("aac", rate >> 16, channels, init[at + 2 : at + 2 + init[at + 1]])
