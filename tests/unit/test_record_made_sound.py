"""Tones, silence and files give their samples by the clock: none early, none left out, and an end with its reason."""

from __future__ import annotations

import os
import re
import select
import struct
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.clock import FakeClock
from pepys.errors import Usage
from pepys.limits import NS_PER_MS, NS_PER_S, STALL_NS
from pepys.record.adapters.made_sound import FileSound, MadeSound, Tone
from pepys.record.adapters.sound_opening import open_sound
from pepys.record.ports import SoundBlock, SoundSource, SourceEnded
from tests.sound_sources import frequency, wav
from tests.waiting import wait_until

TONE = {"frequency_hz": 440.0, "level_db": -6.0, "channels": 2}


def due(source: SoundSource) -> tuple[list[SoundBlock], SourceEnded | None]:
    """Everything that is due now."""
    blocks: list[SoundBlock] = []
    while events := source.poll():
        (event,) = events
        if isinstance(event, SourceEnded):
            return blocks, event
        blocks.append(event)
    return blocks, None


def begin(source: SoundSource) -> None:
    """Wait until a file plays: its first sample is due from now on."""
    assert isinstance(source, FileSound)
    while not source.begun:
        assert select.select([source.fileno()], [], [], 6)[0] and not source.poll()


def played(source: SoundSource, clock: FakeClock, seconds: float = 60) -> tuple[NDArray[np.int16], SourceEnded]:
    """A source to its end, in steps of a tenth of a second; its decoder is waited for."""
    parts: list[NDArray[np.int16]] = []
    begin(source)
    for _ in range(int(seconds * 10)):
        clock.advance(NS_PER_S // 10)

        def step() -> object:
            blocks, ended = due(source)
            parts.extend(block.samples for block in blocks)
            return ended or blocks

        if isinstance(ended := wait_until(step, what="samples or the end"), SourceEnded):
            return np.concatenate(parts), ended
    raise AssertionError("it has no end")


def test_samples_come_as_time_passes_and_never_ahead_of_it() -> None:
    clock = FakeClock()
    begun_ns = clock.now_ns()
    with closing(open_sound("tone", TONE, clock)) as tone:
        assert not tone.poll()
        clock.advance(20_000)
        assert not tone.poll(), "the first sample is due after 20.83 us"
        clock.advance(10 * NS_PER_MS - 20_000)
        (block,), _ = due(tone)
        assert (len(block.samples), block.at_ns) == (480, begun_ns + 10 * NS_PER_MS)
        clock.advance(NS_PER_S + 7)
        blocks, _ = due(tone)
        assert sum(len(block.samples) for block in blocks) == 48_000
        assert blocks[-1].at_ns == begun_ns + 10 * NS_PER_MS + NS_PER_S


def test_a_tone_has_its_frequency_its_level_and_no_seam() -> None:
    clock = FakeClock()
    with closing(Tone(1234.5, -6, 2, clock)) as tone:
        parts = []
        for step_ns in (NS_PER_MS, 333 * NS_PER_MS, 17 * NS_PER_MS, NS_PER_S):
            clock.advance(step_ns)
            parts += [block.samples for block in due(tone)[0]]
    pcm = np.concatenate(parts)
    wave = 32767 * 10 ** (-6 / 20) * np.sin(2 * np.pi * 1234.5 * np.arange(len(pcm)) / 48_000)
    assert np.abs(pcm[:, 0] - wave).max() <= 0.51
    assert np.array_equal(pcm[:, 0], pcm[:, 1])


def test_after_a_stall_the_sound_goes_on_from_where_it_was_and_what_waits_is_bounded() -> None:
    clock = FakeClock()
    with closing(Tone(440, 0, 1, clock)) as tone:
        clock.advance(NS_PER_S)
        first, _ = due(tone)
        clock.advance(3600 * NS_PER_S)
        after, _ = due(tone)
        assert sum(len(block.samples) for block in after) == STALL_NS * 48_000 // NS_PER_S
        assert after[-1].at_ns == clock.now_ns()
        clock.advance(NS_PER_S)
        last, _ = due(tone)
        assert sum(len(block.samples) for block in last) == 48_000
    times = [block.at_ns for block in first + after + last]
    assert times == sorted(set(times))
    pcm = np.concatenate([block.samples[:, 0] for block in first + after + last])
    whole = 32767 * np.sin(2 * np.pi * 440 * np.arange(len(pcm)) / 48_000)
    assert np.abs(pcm - whole).max() <= 0.51


def test_silence_is_silent() -> None:
    clock = FakeClock()
    with closing(open_sound("silence", {"channels": 1}, clock)) as silence:
        assert isinstance(silence, MadeSound)
        clock.advance(NS_PER_S)
        blocks, _ = due(silence)
        assert sum(block.samples.size for block in blocks) == 48_000
        assert not any(block.samples.any() for block in blocks)


@pytest.mark.parametrize(
    ("rate", "has", "name"), [(8_000, 1, "a.wav"), (192_000, 8, "b.flac"), (44_100, 2, "c d é.wav")]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_of_any_rate_and_channels_is_played_whole(
    tmp_path: Path, rate: int, has: int, name: str, channels: int
) -> None:
    clock = FakeClock()
    params = {"path": str(wav(tmp_path / name, 1.3, rate, has)), "loop": False, "channels": channels}
    with closing(open_sound("file", params, clock)) as source:
        pcm, ended = played(source, clock)
    assert pcm.shape[1] == channels
    assert len(pcm) == 62_400
    assert abs(frequency(pcm) - 440) < 2
    assert (ended.reason, ended.message) == ("source_closed", f"{tmp_path / name} has ended")
    assert abs(ended.at_ns - FakeClock().now_ns() - len(pcm) * NS_PER_S // 48_000) < 2
    assert not source.poll(), "the end is told once"


def test_a_file_is_played_again_and_again(tmp_path: Path) -> None:
    clock = FakeClock()
    path = wav(tmp_path / "a.wav", 0.25, 48_000, 1)
    with closing(FileSound(path, 1, clock, loop=True)) as source:
        parts: list[NDArray[np.int16]] = []

        def enough() -> bool:
            clock.advance(NS_PER_S // 20)
            parts.extend(block.samples for block in due(source)[0])
            return sum(map(len, parts)) >= 48_000

        wait_until(enough, what="four rounds")
    pcm = np.concatenate(parts)[:48_000, 0]
    assert all(np.array_equal(pcm[:12_000], pcm[start : start + 12_000]) for start in (12_000, 24_000, 36_000))
    assert pcm[:12_000].any()


def test_a_looped_file_that_goes_away_is_lost(tmp_path: Path) -> None:
    clock = FakeClock()
    path = wav(tmp_path / "a.wav", 3)
    with closing(FileSound(path, 1, clock, loop=True)) as source:
        begin(source)
        path.unlink()
        ended = played(source, clock)[1]
    assert ended.reason == "device_lost" and "No such file" in ended.message


def header(rate: int, channels: int) -> bytes:
    """A WAV file that claims a format."""
    form = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, min(2**32 - 1, rate * 2 * channels), 2 * channels, 16
    )
    return struct.pack("<4sI4s", b"RIFF", 2**31, b"WAVE") + form + struct.pack("<4sI", b"data", 2**31) + bytes(200_000)


def _cut(path: Path) -> None:
    path.write_bytes(wav(path.with_suffix(".flac")).read_bytes()[:30])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, "does not exist"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "a pipe": (lambda path: os.mkfifo(path), "is no plain file"),
    "empty": (lambda path: path.write_bytes(b""), "is no sound that can be read"),
    "text": (lambda path: path.write_text("words " * 1000), "is no sound"),
    "a playlist": (
        lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"),
        "is no sound",
    ),
    "a list of files": (lambda path: path.write_text("ffconcat version 1.0\nfile /etc/hostname\n"), "is no sound"),
    "one sample a second": (lambda path: path.write_bytes(header(1, 1)), "1 channels at 1 Hz"),
    "the highest rate": (lambda path: path.write_bytes(header(2**31 - 1, 1)), "no sound|Hz"),
    "too many channels": (lambda path: path.write_bytes(header(48_000, 1000)), "no sound|channels|cannot be read"),
    "cut short": (_cut, "no sound"),
    "without samples": (lambda path: path.write_bytes(header(48_000, 1)[:44]), "holds no sound|is no sound"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_without_sound_is_refused_in_words(tmp_path: Path, what: str) -> None:
    make, words = BROKEN[what]
    path = tmp_path / "thing.wav"
    make(path)
    with closing(FileSound(path, 2, FakeClock())) as source:
        _, ended = wait_until(lambda: (told := due(source))[1] and told, what="its end")
        assert ended.reason == "device_lost" and ended.message.startswith(f"{path} ")
        assert re.search(words, ended.message)
        assert not source.poll(), "the end is told once"


def test_a_file_is_opened_by_nobody_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, gate = wav(tmp_path / "a.wav"), threading.Event()
    is_dir = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda given: gate.wait(10) and is_dir(given))
    clock = FakeClock()
    with closing(FileSound(path, 1, clock)) as source:
        clock.advance(NS_PER_S)
        assert not source.poll(), "a disk that does not answer holds nobody up"
        gate.set()
        begin(source)
        assert not source.poll(), "it begins now, not when it was opened"
        pcm, _ = played(source, clock)
    assert len(pcm) == 48_000


def test_a_file_that_does_not_answer_has_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, gate = wav(tmp_path / "a.wav"), threading.Event()
    is_dir = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda given: gate.wait(10) and is_dir(given))
    FileSound(path, 1, FakeClock()).close()
    for _ in range(3):
        with closing(FileSound(path, 1, FakeClock())) as again:
            (ended,) = again.poll()
            assert isinstance(ended, SourceEnded) and ended.message == f"{path} does not answer"
    assert [thread.name for thread in threading.enumerate()].count("sound file") == 1
    gate.set()
    wait_until(lambda: "sound file" not in [thread.name for thread in threading.enumerate()], what="its end")
    with closing(FileSound(path, 1, FakeClock())) as source:
        begin(source)
        assert not source.poll()


def test_a_user_who_does_not_exist_has_no_files() -> None:
    with pytest.raises(Usage, match=r"~nosuchuser/x\.wav names a user who does not exist"):
        open_sound("file", {"path": "~nosuchuser/x.wav", "loop": False, "channels": 1}, FakeClock())


def test_damage_within_a_file_is_passed_over(tmp_path: Path) -> None:
    clock = FakeClock()
    path = wav(tmp_path / "a.flac", 4)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = os.urandom(3000)
    path.write_bytes(data)
    with closing(FileSound(path, 1, clock)) as source:
        pcm, ended = played(source, clock)
    assert ended.reason == "source_closed"
    assert 2 * 48_000 < len(pcm) < 4.5 * 48_000


def test_a_source_that_is_closed_leaves_no_thread_behind(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", 60)
    for loop in (False, True):
        source = FileSound(path, 2, FakeClock(), loop=loop)
        source.close()
        source.close()
        assert (list(source.poll()), source.fileno()) == ([], -1)
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("sound")], what="their threads' end")


def test_another_kind_of_source_is_none() -> None:
    with pytest.raises(Usage, match="no source of sound called 'mix'"):
        open_sound("mix", {"channels": 1}, FakeClock())
