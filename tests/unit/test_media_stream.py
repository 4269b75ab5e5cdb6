"""Encoder, fragments and remuxing, checked by decoding with PyAV."""

from __future__ import annotations

import io
import itertools
import struct
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
import pytest

from pepys.errors import Damaged
from pepys.media.boxes import find_all, walk
from pepys.media.colour import Picture
from pepys.media.fmp4 import (
    FragmentWriter,
    SoundConfig,
    SoundSample,
    VideoConfig,
    VideoSample,
    init_segment,
    mime_type,
    parse_fragments,
    parse_init,
    whole_fragments,
)
from pepys.media.pcm import _Timeline
from pepys.media.remux import PcmBlock, Span, decode_pcm, write_mp4, write_wav
from pepys.media.sound import AacEncoder, OpusEncoder, SoundEncoder
from pepys.media.video import H264Encoder, decoder_configuration, length_prefixed, nal_units, parameter_sets

MS = 1_000_000
GRID = 800 * MS
RATE = 48_000


@dataclass
class Recorded:
    """A made-up span: grey pictures whose level tells their number, and a tone."""

    init: bytes
    fragments: list[bytes]
    levels: list[int] = field(default_factory=list)
    end_ns: int = 0

    @property
    def span(self) -> Span:
        return Span(self.init, self.fragments)


def record(fragments: int, *, start_ns: int = 0, size: tuple[int, int] = (64, 48), sound: bool = True) -> Recorded:
    encoder, picture, aac = H264Encoder(*size, 30), Picture(*size), AacEncoder()
    sound_config = aac.config if sound else None
    writer = FragmentWriter(encoder.config, sound_config, start_ns)
    recorded = Recorded(init_segment(encoder.config, sound_config), [], end_ns=start_ns)
    for number in range(fragments):
        video = []
        for offset in (0, 33 * MS, 500 * MS):
            level = 40 + 12 * (len(recorded.levels) % 15)
            recorded.levels.append(level)
            picture.luma[:] = level
            at, key = recorded.end_ns + offset, number == 0 and offset == 0
            video.append(VideoSample(at, encoder.encode(picture, at, key), key))
        recorded.end_ns += GRID
        pcm = np.full((RATE * 8 // 10, 2), 3000, np.int16)
        samples = aac.encode(pcm) if sound else []
        if sound and number == fragments - 1:
            samples += aac.flush()
        recorded.fragments.append(writer.write(video, recorded.end_ns, samples))
    return recorded


def pictures(data: bytes) -> list[tuple[float, int]]:
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
    return [(round(float(frame.time or 0), 3), int(frame.to_ndarray(format="gray").mean())) for frame in frames]


def test_the_encoder_gives_one_unit_a_picture_and_key_frames_only_where_asked() -> None:
    encoder, picture = H264Encoder(64, 48, 30), Picture(64, 48)
    rng = np.random.default_rng(3)
    kinds = []
    for number in range(12):
        picture.array[:] = rng.integers(16, 235, picture.array.shape)  # a scene cut each time
        data = encoder.encode(picture, number * 40 * MS, number in (0, 7))
        units = []
        while data:
            (length,) = struct.unpack_from(">I", data)
            units.append(data[4] & 31)
            data = data[4 + length :]
        kinds.append(units[-1])
        assert units in ([1], [5], [6, 5])  # only the first carries the encoder's settings besides
    assert kinds == [5 if number in (0, 7) else 1 for number in range(12)]
    encoder.close()


def test_a_picture_that_stays_the_same_costs_next_to_nothing() -> None:
    encoder, picture = H264Encoder(1920, 1080, 30), Picture(1920, 1080)
    picture.luma[:] = np.random.default_rng(5).integers(16, 235, picture.luma.shape)
    sizes = [len(encoder.encode(picture, number * GRID, number == 0)) for number in range(4)]
    assert sizes[0] > 100_000
    assert sizes[1] < 1000 and max(sizes[2:]) < 200, "what rounding left over is made up once"


def test_byte_streams_become_length_prefixed() -> None:
    stream = b"\0\0\0\1\x67abc\0\0\1\x68d\0\0\0\1\x09\xf0\0\0\1\x65ef"
    assert nal_units(stream) == [b"\x67abc", b"\x68d", b"\x09\xf0", b"\x65ef"]
    assert length_prefixed(stream) == b"\0\0\0\4\x67abc\0\0\0\2\x68d\0\0\0\3\x65ef"
    avcc = decoder_configuration(b"\0\0\0\1\x67\x42\xc0\x28z\0\0\0\1\x68d")
    assert parameter_sets(avcc) == b"\0\0\0\5\x67\x42\xc0\x28z\0\0\0\2\x68d"
    assert VideoConfig(2, 2, avcc).codec == "avc1.42c028"


def test_the_stream_is_tagged_with_its_colours() -> None:
    recorded = record(1)
    with av.open(io.BytesIO(recorded.init + recorded.fragments[0])) as container:
        frame: Any = next(container.decode(video=0))
    assert (int(frame.colorspace), int(frame.color_range)) == (6, 1)


def test_init_segments_read_back_and_name_their_codecs() -> None:
    video = H264Encoder(640, 360, 30).config
    aac, opus = AacEncoder().config, OpusEncoder().config
    for tracks in ((video, None), (video, aac), (None, aac), (None, opus)):
        configs = [track for track in tracks if track is not None]
        init = init_segment(*tracks)
        assert [header.config for header in parse_init(init)] == configs
        assert [header.track_id for header in parse_init(init)] == list(range(1, len(configs) + 1))
        assert not list(find_all(init, b"moov", b"trak", b"edts"))
    assert mime_type(video, aac) == f'video/mp4; codecs="{video.codec},mp4a.40.2"'
    assert mime_type(None, opus) == 'audio/mp4; codecs="opus"'
    with pytest.raises(ValueError, match="track"):
        init_segment(None, None)
    with pytest.raises(ValueError, match="init"):
        parse_init(b"")


def test_fragments_decode_with_exact_times_and_pictures() -> None:
    recorded = record(4)
    shown = pictures(recorded.init + b"".join(recorded.fragments))
    times = [round(number * 0.8 + offset, 3) for number in range(4) for offset in (0, 0.033, 0.5)]
    assert [time for time, _ in shown] == times
    assert all(abs(level - expected) <= 14 for (_, level), expected in zip(shown, recorded.levels, strict=True))


def test_each_declared_duration_reaches_exactly_to_the_next_picture() -> None:
    recorded = record(5)
    runs = [run for run in parse_fragments(b"".join(recorded.fragments)) if run.track_id == 1]
    for run, following in itertools.pairwise(runs):
        assert run.decode_time + sum(sample.duration for sample in run.samples) == following.decode_time
    assert runs[0].samples[-1].duration == 27_000
    assert [sample.key for sample in runs[0].samples] == [True, False, False]


def test_sound_has_no_hole_between_fragments() -> None:
    recorded = record(5)
    runs = [run for run in parse_fragments(b"".join(recorded.fragments)) if run.track_id == 2]
    for run, following in itertools.pairwise(runs):
        assert run.decode_time + sum(sample.duration for sample in run.samples) == following.decode_time
    assert sum(sample.duration for run in runs for sample in run.samples) == 4 * RATE


def test_the_writer_refuses_what_a_browser_would_drop() -> None:
    config = VideoConfig(2, 2, b"")
    writer = FragmentWriter(config, None, 5 * GRID)
    good = VideoSample(5 * GRID, b"x", True)
    with pytest.raises(ValueError, match="begins at"):
        writer.write([VideoSample(5 * GRID + MS, b"x", True)], 6 * GRID, ())
    with pytest.raises(ValueError, match="rise"):
        writer.write([good], 5 * GRID, ())
    with pytest.raises(ValueError, match="rise"):
        writer.write([good, VideoSample(5 * GRID, b"y", False)], 6 * GRID, ())
    with pytest.raises(ValueError, match="tracks"):
        writer.write([good], 6 * GRID, [SoundSample(b"s", 1024)])
    with pytest.raises(ValueError, match="tracks"):
        writer.write([], 6 * GRID, ())
    assert writer.video_end_ns == 5 * GRID
    writer.write([good], 6 * GRID, ())
    assert writer.video_end_ns == 6 * GRID


def test_a_torn_end_is_cut_after_the_last_whole_fragment() -> None:
    recorded = record(3)
    data = b"".join(recorded.fragments)
    lengths = [len(fragment) for fragment in recorded.fragments]
    for cut in (1, 7, 100, lengths[2] - 1):
        found = whole_fragments(data[:-cut])
        assert found == [(0, lengths[0]), (lengths[0], lengths[1])]
    assert len(whole_fragments(data)) == 3
    assert whole_fragments(b"") == []
    assert [found.kind for found in walk(recorded.init)] == [b"ftyp", b"moov"]
    assert whole_fragments(bytes(64)) == []


def test_spans_of_two_sizes_become_one_file_that_holds_its_last_picture() -> None:
    first = record(3)
    second = record(2, start_ns=first.end_ns, size=(96, 64))
    target = io.BytesIO()
    write_mp4([first.span, second.span], target)
    shown = pictures(target.getvalue())
    assert len(shown) == 15
    assert shown[9][0] == 2.4
    levels = first.levels + second.levels
    assert all(abs(level - expected) <= 14 for (_, level), expected in zip(shown, levels, strict=True))
    with av.open(io.BytesIO(target.getvalue())) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert float(video.duration * video.time_base) == pytest.approx(4.0)
        assert float(sound.duration * sound.time_base) == pytest.approx(4.0)


def test_a_span_without_pictures_gives_its_sound_to_the_film() -> None:
    coder = AacEncoder()
    packets = coder.encode(np.zeros((RATE, 2), np.int16)) + coder.flush()
    alone = Span(init_segment(None, coder.config), [_sound_at(packets, coder, 0)])
    film = record(2, start_ns=1_000 * MS)
    for spans in ([alone, film.span], [record(2).span, Span(alone.init, [_sound_at(packets, coder, 1_600 * MS)])]):
        target = io.BytesIO()
        write_mp4(spans, target)
        with av.open(io.BytesIO(target.getvalue())) as container:
            video, sound = container.streams.video[0], container.streams.audio[0]
            assert float(sound.duration * sound.time_base) == pytest.approx(2.6, abs=0.01)
            assert video.frames == 6 and (sound.codec_context.channels, sound.codec.name) == (2, "aac")


def _sound_at(packets: list[SoundSample], coder: SoundEncoder, start_ns: int) -> bytes:
    return FragmentWriter(None, coder.config, start_ns).write((), 0, packets)


def test_packets_are_moved_and_not_coded_anew() -> None:
    recorded = record(2, sound=False)
    target = io.BytesIO()
    write_mp4([recorded.span], target)
    for run in parse_fragments(b"".join(recorded.fragments)):
        assert all(sample.data in target.getvalue() for sample in run.samples)


def test_nothing_to_export_is_an_error() -> None:
    with pytest.raises(Damaged):
        write_mp4([], io.BytesIO())


def opus_span(start_ns: int, hertz: int, *, hole: int = 0) -> Span:
    """One second, a hole of so many samples, one second more."""
    opus = OpusEncoder()
    writer = FragmentWriter(None, opus.config, start_ns)
    pcm = np.sin(2 * np.pi * hertz * np.arange(2 * RATE) / RATE) * 8000
    samples = opus.encode(pcm.astype(np.int16)) + opus.flush()
    at, first, second = 0, [], []
    for sample in samples:
        (first if at < RATE else second).append(sample)
        at += sample.duration
    fragments = [writer.write((), 0, first)]
    behind_ns = start_ns + (sum(sample.duration for sample in first) + hole) * 1_000 * MS // RATE
    fragments.append(FragmentWriter(None, opus.config, behind_ns).write((), 0, second))
    return Span(init_segment(None, opus.config), fragments)


def test_sound_is_decoded_at_its_place_and_holes_stay_holes() -> None:
    blocks = list(decode_pcm([opus_span(GRID, 440, hole=RATE)], 16_000))
    starts = [block.media_ns for block in blocks]
    assert starts[0] == GRID
    assert sum(len(block.samples) for block in blocks) == 2 * 16_000
    jumps = [
        after.media_ns - block.media_ns - len(block.samples) * 62_500 for block, after in itertools.pairwise(blocks)
    ]
    assert max(jumps) == 1_000 * MS
    assert list(decode_pcm([record(1, sound=False).span])) == []


def test_tracks_are_mixed_into_a_wav_file_at_their_places() -> None:
    target = io.BytesIO()
    length_ns = write_wav([[opus_span(0, 330)], [opus_span(GRID, 750)]], target, 16_000)
    assert length_ns == 2800 * MS
    with av.open(io.BytesIO(target.getvalue())) as container:
        assert container.streams.audio[0].rate == 16_000
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(samples) == 44_800
    alone, both = np.abs(samples[4000:12000]).mean(), np.abs(samples[20000:30000]).mean()
    assert both > 1.2 * alone > 0


def test_a_timeline_fills_holes_and_forgives_rounding() -> None:
    blocks = [PcmBlock(0, np.ones(10, np.int16)), PcmBlock(10 * MS + 1, np.full(5, 2, np.int16))]
    blocks.append(PcmBlock(20 * MS, np.full(2, 3, np.int16)))
    timeline = _Timeline(iter(blocks), 1000)
    heard = np.concatenate([timeline.read(6), timeline.read(6), timeline.read(100)])
    assert heard.tolist() == [1] * 10 + [2] * 5 + [0] * 5 + [3] * 2
    assert len(timeline.read(4)) == 0


def test_a_packet_that_is_no_sound_is_named_damaged() -> None:
    config = SoundConfig("aac", RATE, 2, AacEncoder().config.extradata)
    writer = FragmentWriter(None, config, 0)
    data = writer.write((), 0, [SoundSample(bytes(range(200)), 1024)] * 4)
    with pytest.raises(Damaged):
        list(decode_pcm([Span(init_segment(None, config), [data])]))
