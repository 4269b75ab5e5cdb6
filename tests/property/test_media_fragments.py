"""Fragments of any shape read back as they were written, and any cut leaves the whole ones before it."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from pepys.media.fmp4 import (
    FragmentWriter,
    SoundConfig,
    SoundSample,
    VideoConfig,
    VideoSample,
    parse_fragments,
    whole_fragments,
)

STEP_NS = 1_000_000
payload = st.binary(min_size=1, max_size=40)
# Distances of pictures in milliseconds and their bytes; frames of sound and how many samples each stands for.
pictures = st.lists(st.tuples(st.integers(1, 800), payload, st.booleans()), max_size=8)
sounds = st.lists(st.tuples(st.sampled_from([1024, 1024, 1024, 300]), payload), max_size=8)
fragments = st.lists(st.tuples(pictures, sounds).filter(lambda pair: pair[0] or pair[1]), min_size=1, max_size=6)


@given(fragments, st.integers(0, 10**14), st.data())
def test_what_is_written_is_read_back(
    shape: list[tuple[list[tuple[int, bytes, bool]], list[tuple[int, bytes]]]], start_ns: int, data: st.DataObject
) -> None:
    writer = FragmentWriter(VideoConfig(2, 2, b""), SoundConfig("aac", 48_000, 2), start_ns)
    stream, lengths = b"", []
    at_ns = start_ns
    for video, sound in shape:
        places = list(accumulate((step * STEP_NS for step, _, _ in video), initial=at_ns))
        samples = [VideoSample(place, body, key) for place, (_, body, key) in zip(places, video, strict=False)]
        written = writer.write(samples, places[-1], [SoundSample(body, duration) for duration, body in sound])
        at_ns = places[-1]
        stream += written
        lengths.append(len(written))
    runs = parse_fragments(stream)
    for track, expected in (
        (1, [(body, key) for video, _ in shape for _, body, key in video]),
        (2, [(body, True) for _, sound in shape for _, body in sound]),
    ):
        mine = [run for run in runs if run.track_id == track]
        assert [(sample.data, sample.key) for run in mine for sample in run.samples] == expected
        for run, following in pairwise(mine):
            assert run.decode_time + sum(sample.duration for sample in run.samples) == following.decode_time
    assert writer.video_end_ns == at_ns
    ends = list(accumulate(lengths))
    cut = data.draw(st.integers(0, len(stream)))
    assert whole_fragments(stream[:cut]) == [
        (end - length, length) for end, length in zip(ends, lengths, strict=True) if end <= cut
    ]


@given(st.binary(max_size=200))
def test_walking_garbage_ends(data: bytes) -> None:
    assert all(offset + length <= len(data) for offset, length in whole_fragments(data))
