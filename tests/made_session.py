"""A small session made with the real encoders and the real store: no display, no sound server, no recorder.

What stands in its pictures and what is said in its sound are the caller's; times are exact, so that tests can compare.
"""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pepys.limits import FRAGMENT_NS, NS_PER_MS, NS_PER_S
from pepys.media.colour import Picture, converter
from pepys.media.fmp4 import FragmentWriter, SoundSample, VideoSample, init_segment, mime_type
from pepys.media.image import encode_png
from pepys.media.meter import Meter
from pepys.media.sound import AacEncoder, OpusEncoder, SoundEncoder
from pepys.media.video import H264Encoder
from pepys.model import events as ev
from pepys.model.ids import new_session_id, new_short_id
from pepys.model.sound_levels import pack
from pepys.store.store import Store
from pepys.store.writer import SessionWriter

RATE = 48_000
SPEECH = (
    "Good morning. Today we review the quarterly budget for the harbor project. The secret ingredient is marmalade."
)
TEXTS = (
    "The invoice for the zanzibar project was paid on Tuesday.",
    "A second window shows the quokka report for March.",
)
FRAMES_A_FRAGMENT = 4


@dataclass(frozen=True)
class Made:
    """What a session is made of.

    Attributes:
        name: the session's name.
        spans: length of each span in seconds; 2 s of pause lie between two of them.
        texts: what stands on the screen, in equal shares of the time; each is one distinct shot, taken once a second.
        speech: samples at 48 kHz for the microphone; cut or padded with silence; None for silence.
        mix: samples (n, 2) of the mix, in the film or, without video, a track `audio.mix`; None: speech in the film.
        sound: whether there are sound tracks (`audio.mic` with the speech, `audio.system` silent).
        video: whether there is a playback stream.
        size: of the screen.
        segment_s: length of a segment.
        ended: whether the session was ended; a session that was not is `interrupted`.
        levels: whether the levels of the sound tracks are noted, as a recorder does; older sessions have none.
    """

    name: str = "Made session"
    spans: tuple[float, ...] = (8.0,)
    texts: tuple[str, ...] = TEXTS
    speech: NDArray[np.int16] | None = None
    mix: NDArray[np.int16] | None = None
    sound: bool = True
    video: bool = True
    size: tuple[int, int] = (960, 540)
    segment_s: float = 4.0
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ended: bool = True
    levels: bool = False
    focus: tuple[tuple[str, str], ...] = field(default=(("xterm", "notes.txt - editor"),))


def make_session(store: Store, made: Made | None = None) -> str:
    """Write the session; its id."""
    made = made or Made()
    wall_ns = store.clock.wall_ns()
    session = new_session_id(wall_ns)
    writer = SessionWriter.create(store, ev.SessionStarted(session, made.name, wall_ns, "made", made.tags))
    _tracks(writer, made)
    at_ns = media_ns = 0
    for number, seconds in enumerate(made.spans):
        length_ns = round(seconds * NS_PER_S) // FRAGMENT_NS * FRAGMENT_NS
        if number:
            writer.append(ev.GapNoted(at_ns, at_ns + 2 * NS_PER_S, "pause"))
            at_ns += 2 * NS_PER_S
        writer.append(
            ev.SpanStarted(number, at_ns, media_ns, store.clock.boot_id(), store.clock.now_ns(), wall_ns + at_ns)
        )
        _shots(writer, made, at_ns, length_ns)
        _media(writer, made, number, at_ns, media_ns, length_ns)
        at_ns, media_ns = at_ns + length_ns, media_ns + length_ns
        writer.append(ev.SpanEnded(number, at_ns, media_ns))
    for index, note in enumerate(made.notes):
        writer.append(ev.NoteAdded(new_short_id(), (index + 1) * NS_PER_S, note))
    writer.sync()
    if made.ended:
        writer.end(at_ns)
    else:
        writer.close()
    return session


def say(text: str, folder: Path) -> NDArray[np.int16]:
    """The text spoken by a synthetic voice, at 48 kHz."""
    program = shutil.which("espeak-ng")
    assert program, "espeak-ng is in the list of test packages"
    path = folder / "speech.wav"
    subprocess.run([program, "-w", str(path), text], check=True, timeout=30)
    with wave.open(str(path)) as file:
        rate, frames = file.getframerate(), file.readframes(file.getnframes())
    samples = np.frombuffer(frames, np.int16).astype(np.float64)
    places = np.arange(0, len(samples), rate / RATE)
    spoken: NDArray[np.int16] = np.interp(places, np.arange(len(samples)), samples).astype(np.int16)
    return spoken


def screen(text: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A screen as BGRA: a dark terminal with the text on a light desktop."""
    width, height = size
    image = Image.new("RGB", size, (205, 210, 215))
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, width - 20, height // 2), fill=(10, 10, 16))
    font = ImageFont.load_default(15)
    for row, line in enumerate(("user@desk:~$ cat notes.txt", text)):
        draw.text((32, 32 + row * 24), line, fill=(225, 225, 225), font=font)
    draw.text((32, height - 60), "A light window lies below the dark one.", fill=(20, 20, 20), font=font)
    rgb = np.asarray(image)
    bgra = np.full((height, width, 4), 255, np.uint8)
    bgra[:, :, :3] = rgb[:, :, ::-1]
    return bgra


def _tracks(writer: SessionWriter, made: Made) -> None:
    width, height = made.size
    if made.video:
        writer.append(ev.TrackStarted("video", "video", ":99", "avc1", width, height))
    if made.sound:
        writer.append(ev.TrackStarted("audio.mic", "audio", "made mic", "opus"))
        writer.append(ev.TrackStarted("audio.system", "audio", "made system", "opus"))
    if made.mix is not None and not made.video:
        writer.append(ev.TrackStarted("audio.mix", "audio", "mix", "aac"))
    if made.texts:
        writer.append(ev.TrackStarted("shots", "shots", ":99", "png", width, height))
    writer.append(ev.TrackStarted("activity", "activity", ":99"))
    writer.sync()


def _shots(writer: SessionWriter, made: Made, at_ns: int, length_ns: int) -> None:
    for index, (app, title) in enumerate(made.focus):
        writer.append(ev.FocusChanged(at_ns + index * length_ns // len(made.focus), app, title))
    seen: set[str] = set()
    for second in range(0, length_ns // NS_PER_S, 1):
        if not made.texts:
            return
        text = made.texts[min(len(made.texts) - 1, second * NS_PER_S * len(made.texts) // length_ns)]
        blob = writer.put(encode_png(screen(text, made.size)))
        writer.append(ev.ShotTaken(at_ns + second * NS_PER_S, blob, *made.size, repeat=blob in seen))
        seen.add(blob)


def _media(writer: SessionWriter, made: Made, span: int, at_ns: int, media_ns: int, length_ns: int) -> None:
    samples = _cut(made.speech, media_ns, length_ns)
    silent = np.zeros_like(samples)
    mix = np.stack((samples, samples), axis=1) if made.mix is None else _cut(made.mix, media_ns, length_ns)
    if made.video:
        _video(writer, made, span, at_ns, media_ns, length_ns, mix)
    elif made.mix is not None:
        _coded(writer, made, "audio.mix", AacEncoder(RATE, 2), span, at_ns, media_ns, mix)
    if made.sound:
        for track, sound in (("audio.mic", samples), ("audio.system", silent)):
            _coded(writer, made, track, OpusEncoder(RATE, 1), span, at_ns, media_ns, sound)
            if made.levels:
                meter = Meter(1)
                meter.add(sound)
                writer.append(*(pack(level, track, at_ns) for level in (*meter.take(), *meter.end())))


def _cut(whole: NDArray[np.int16] | None, media_ns: int, length_ns: int) -> NDArray[np.int16]:
    """A span's part of all samples, silence where they are none or too few."""
    first, count = media_ns * RATE // NS_PER_S, length_ns * RATE // NS_PER_S
    part = np.zeros(0, np.int16) if whole is None else whole[first : first + count]
    samples = np.zeros((count, *part.shape[1:]), np.int16)
    samples[: len(part)] = part
    return samples


def _video(
    writer: SessionWriter, made: Made, span: int, at_ns: int, media_ns: int, length_ns: int, mix: NDArray[np.int16]
) -> None:
    width, height = made.size
    encoder, sound = H264Encoder(width, height, 10), AacEncoder(RATE, 2)
    picture, convert = Picture(width, height), converter()
    blob = writer.put(init_segment(encoder.config, sound.config))
    writer.append(ev.InitWritten("video", span, blob, mime_type(encoder.config, sound.config)))
    fragments = FragmentWriter(encoder.config, sound.config, media_ns)
    packets = [*sound.encode(mix), *sound.flush()]
    grid = range(0, length_ns, FRAGMENT_NS)
    starts = _segment_starts(made, length_ns)
    data: list[bytes] = []
    for offset in grid:
        text = made.texts[offset * len(made.texts) // length_ns] if made.texts else "nothing"
        convert.convert(picture, 0, 0, screen(text, made.size))
        step = FRAGMENT_NS // FRAMES_A_FRAGMENT
        frames = [
            VideoSample(media_ns + at, encoder.encode(picture, media_ns + at, at in starts), at in starts)
            for at in range(offset, offset + FRAGMENT_NS, step)
        ]
        until_ns = media_ns + offset + FRAGMENT_NS
        last = offset + FRAGMENT_NS >= length_ns
        sounds = _take(packets, fragments.sound_end_ns, until_ns, last)
        data.append(fragments.write(frames, until_ns, sounds))
    encoder.close()
    _write_segments(writer, "video", span, at_ns, media_ns, starts, data)


def _coded(
    writer: SessionWriter,
    made: Made,
    track: str,
    encoder: SoundEncoder,
    span: int,
    at_ns: int,
    media_ns: int,
    samples: NDArray[np.int16],
) -> None:
    blob = writer.put(init_segment(None, encoder.config))
    writer.append(ev.InitWritten(track, span, blob, mime_type(None, encoder.config)))
    fragments = FragmentWriter(None, encoder.config, media_ns)
    packets = [*encoder.encode(samples), *encoder.flush()]
    length_ns = len(samples) * NS_PER_S // RATE
    data = []
    for offset in range(0, length_ns, FRAGMENT_NS):
        until_ns = media_ns + offset + FRAGMENT_NS
        last = offset + FRAGMENT_NS >= length_ns
        data.append(fragments.write((), until_ns, _take(packets, fragments.sound_end_ns, until_ns, last)))
    _write_segments(writer, track, span, at_ns, media_ns, _segment_starts(made, length_ns), data)


def _take(packets: list[SoundSample], end_ns: int, until_ns: int, last: bool) -> list[SoundSample]:
    """The packets up to `until_ns`."""
    taken: list[SoundSample] = []
    while packets and (last or end_ns < until_ns - NS_PER_MS):
        packet = packets.pop(0)
        taken.append(packet)
        end_ns += packet.duration * NS_PER_S // RATE
    return taken


def _segment_starts(made: Made, length_ns: int) -> list[int]:
    step = max(1, round(made.segment_s * NS_PER_S) // FRAGMENT_NS) * FRAGMENT_NS
    return list(range(0, length_ns, step))


def _write_segments(
    writer: SessionWriter,
    track: str,
    span: int,
    at_ns: int,
    media_ns: int,
    starts: Sequence[int],
    data: Sequence[bytes],
) -> None:
    bounds = [*(start // FRAGMENT_NS for start in starts), len(data)]
    for index, (first, end) in enumerate(pairwise(bounds)):
        number = span * 1000 + index
        blob_writer = writer.open_segment(track, number)
        writer.append(ev.SegmentOpened(track, number, span, blob_writer.name))
        written = []
        for place in range(first, end):
            offset = blob_writer.append(data[place])
            written.append((offset, len(data[place]), media_ns + place * FRAGMENT_NS, FRAGMENT_NS))
        size = sum(len(part) for part in data[first:end])
        start_ns, duration_ns = first * FRAGMENT_NS, (end - first) * FRAGMENT_NS
        blob_writer.sync()
        blob = blob_writer.seal()
        writer.append(
            ev.SegmentSealed(
                track, number, span, blob, size, media_ns + start_ns, duration_ns, at_ns + start_ns, tuple(written)
            )
        )
    writer.sync()
