"""When a key frame is due: what seeking costs is bounded by frames, what key frames cost by their age and bytes."""

from __future__ import annotations

import pytest

from pepys import limits
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.record.playback import SegmentRule
from pepys.record.video import EncodedFrame

CHEAP, DEAR = limits.SEGMENT_DEAR_BYTES - 1, limits.SEGMENT_DEAR_BYTES


def rule(key_bytes: int, frames: int, frame_bytes: int = 12) -> SegmentRule:
    """After a key frame and what makes `frames` together with it, a millisecond apart."""
    made = SegmentRule()
    made.see(EncodedFrame(0, bytes(key_bytes), True))
    for number in range(1, frames):
        made.see(EncodedFrame(number * NS_PER_MS, bytes(frame_bytes), False))
    return made


@pytest.mark.parametrize(("key_bytes", "most"), [(CHEAP, 300), (DEAR, 600)])
def test_a_dear_key_frame_serves_twice_as_many_frames(key_bytes: int, most: int) -> None:
    assert not rule(key_bytes, most - 1).due(20 * NS_PER_S, 0)
    assert rule(key_bytes, most).due(20 * NS_PER_S, 0)


def test_no_segment_lasts_longer_than_a_minute() -> None:
    assert not rule(DEAR, 75).due(60 * NS_PER_S - 1, 0)
    assert rule(DEAR, 75).due(60 * NS_PER_S, 0)


def test_motion_ends_a_segment_once_it_took_more_than_a_key_frame() -> None:
    assert not rule(DEAR, 89, 2_000).due(3 * NS_PER_S, 0), "too young"
    assert rule(DEAR, 90, 2_000).due(3 * NS_PER_S, 0)
    assert rule(DEAR, 60, 2_000).due(30 * NS_PER_S, 0)
    assert not rule(DEAR, 90, 1_000).due(3 * NS_PER_S, 0)


def test_no_segment_outgrows_its_blob() -> None:
    assert rule(DEAR, 2).due(NS_PER_S, limits.SEGMENT_BYTES)
