"""Films, patterns and cameras: what is bad is refused in clear words, what is odd is shown as it is meant."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pepys import limits
from pepys.clock import SystemClock
from pepys.errors import DeviceMissing, PepysError, Usage
from pepys.media.decoding import NoFilm, open_file, open_generator
from pepys.record.adapters import camera, film_source
from pepys.record.adapters.opening import open_now
from pepys.record.cameras import Camera, list_cameras
from pepys.record.ports import Changed, SourceEnded, VideoEvent, VideoSource
from pepys.record.sources import Wish, parse_source
from tests.video_stage import FILM_PICTURES, NOTHING_EXCLUDED, make_film
from tests.waiting import wait_until


@contextlib.contextmanager
def opened(name: str, fps: int = 60) -> Iterator[VideoSource]:
    wish = Wish(None, fps=fps, exclusions=NOTHING_EXCLUDED)
    with contextlib.closing(open_now(parse_source(name), wish, SystemClock())) as source:
        yield source


def to_the_end(source: VideoSource) -> list[VideoEvent]:
    events: list[VideoEvent] = []

    def ended() -> bool:
        select.select([source.fileno()], [], [], 0.05)
        events.extend(source.poll())
        source.take(2)
        return bool(events) and isinstance(events[-1], SourceEnded)

    wait_until(ended, 10, "the end")
    return events


def first_picture(path: Path) -> NDArray[np.uint8]:
    with contextlib.closing(open_file(path)) as film:
        return film.dense(next(iter(film.moments()))).copy()


def test_what_is_no_film_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("only words\n" * 50)
    (tmp_path / "screen.nfo").write_text("only words\n" * 50)
    (tmp_path / "talk.mp4").write_bytes(b"no film at all" * 99)
    (tmp_path / "empty.mkv").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    make_film(tmp_path / "whole.mkv")
    (tmp_path / "cut.mkv").write_bytes((tmp_path / "whole.mkv").read_bytes()[:300])
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
    refused = ["notes.txt", "screen.nfo", "talk.mp4", "empty.mkv", "fifo", "cut.mkv", "sound.wav", "none"]
    for name in (*refused, "."):
        with pytest.raises(DeviceMissing) as told, opened(f"file:{tmp_path / name}"):
            raise AssertionError(f"{name} was opened")
        assert str(tmp_path / name) in told.value.message and told.value.remedy and "\n" not in told.value.message


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile private.mkv\n",
        "ffconcat version 1.0\nfile talk.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nprivate.ts\n",
        "#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:"><Period/></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ],
)
def test_a_list_of_films_is_refused_before_anything_that_it_names_is_opened(tmp_path: Path, text: str) -> None:
    make_film(tmp_path / "private.mkv")
    make_film(tmp_path / "private.ts", codec="mpeg2video", form="yuv420p")
    for name in ("talk.mp4", "talk.m3u8"):
        (tmp_path / name).write_text(text)
        with pytest.raises(NoFilm, match="is no film"), contextlib.closing(open_file(tmp_path / name)):
            raise AssertionError("it was opened")


@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [
        ("a.mp4", "libx264", "yuv420p"), ("a.mov", "png", "rgb24"), ("a.mkv", "ffv1", "bgr0"),
        ("a.webm", "libvpx", "yuv420p"), ("a.avi", "mjpeg", "yuvj420p"), ("a.ts", "mpeg2video", "yuv420p"),
        ("a.mpg", "mpeg2video", "yuv420p"), ("a.ogv", "libtheora", "yuv420p"), ("a.flv", "flv", "yuv420p"),
        ("a.wmv", "wmv2", "yuv420p"), ("a.gif", "gif", "rgb8"), ("a.apng", "apng", "rgb24"),
        ("a.mjpeg", "mjpeg", "yuvj420p"), ("a.mxf", "mpeg2video", "yuv420p"), ("a.y4m", "rawvideo", "yuv420p"),
    ],
)  # fmt: skip
def test_a_film_of_every_usual_kind_is_read(tmp_path: Path, name: str, codec: str, form: str) -> None:
    if codec not in av.codecs_available:
        codec = "mpeg4" if codec == "libtheora" else "libx264"
        name = Path(name).with_suffix(".nut").name
    make_film(tmp_path / name, codec=codec, form=form)
    assert first_picture(tmp_path / name).shape == (200, 320, 4)


def test_a_film_whose_pictures_grow_beyond_all_bounds_ends(tmp_path: Path) -> None:
    path = tmp_path / "grow.mjpeg"
    path.write_bytes(jpeg(64, 64) + jpeg(8000, 8000) + jpeg(64, 64))
    script = (
        "import resource, sys; from pathlib import Path; from pepys.media.decoding import open_file\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "film = open_file(Path(sys.argv[1]))\n"
        "try:\n  for moment in film.moments(): print(film.dense(moment).shape)\n"
        "except OSError as error: print(error.strerror)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    told = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    *shown, grown_mib = told.stdout.splitlines()
    assert shown == ["(64, 64, 4)", "a picture is damaged or too large"]
    assert int(grown_mib) < 200
    with opened(f"file:{path}") as source:
        ended = to_the_end(source)[-1]
    assert isinstance(ended, SourceEnded) and ended.reason == "device_lost" and "too large" in ended.message


def test_pictures_larger_than_a_screen_are_made_smaller_in_their_proportions(tmp_path: Path) -> None:
    write(tmp_path / "large.mkv", np.zeros((2000, 8000, 4), np.uint8), "mjpeg", "yuvj420p")
    height, width, _ = first_picture(tmp_path / "large.mkv").shape
    assert 0.99 * limits.SHOWN_PICTURE_PX < width * height <= limits.SHOWN_PICTURE_PX
    assert width == pytest.approx(4 * height, abs=8)
    write(tmp_path / "high.mkv", np.zeros((3840, 2160, 4), np.uint8), "mjpeg", "yuvj420p")
    assert first_picture(tmp_path / "high.mkv").shape == (3840, 2160, 4)


def test_a_film_whose_times_jump_goes_on_at_once(tmp_path: Path) -> None:
    path, day_ms = tmp_path / "jump.mkv", 86_400_000
    make_film(path, pictures=6, times_ms=(0, 40, 80, 20 * day_ms, 20 * day_ms + 40, 20 * day_ms + 80))
    with opened(f"file:{path}") as source:
        events = to_the_end(source)
    assert isinstance(events[-1], SourceEnded) and events[-1].reason == "source_closed"


@pytest.mark.parametrize(
    "graph",
    [
        "nosuch", "movie=/etc/hostname", "testsrc2,movie=film.mp4", "testsrc2[a];[a]null", "life=/etc/hostname",
        "life=filename=/etc/hostname", "life=f=x", "testsrc2=/size=x", "testsrc2=size=1x1", "testsrc2=size=big",
        "testsrc2=size=99999x99999", "color=size=8192x8192", "color=s=8192a8192", "color=s=+640x480",
        "colorchart=patch_size=2000x2000", "color=rate=1000000", "color=r=241", "color=rate=1000/1", "color=rate=1e6",
        "color=rate=1M", "color=rate=20+999", "mandelbrot=maxiter=2147483647", "mandelbrot=maxiter=1e9",
        "testsrc2=nosuch=1", "testsrc2=size", "color=c='red'", "testsrc2:size=9x9", "=",
    ],
)  # fmt: skip
def test_a_pattern_is_one_known_generator_and_reads_no_file(graph: str) -> None:
    with pytest.raises(Usage) as told, opened(f"pattern:{graph}"):
        raise AssertionError(f"{graph} was opened")
    assert told.value.message and told.value.remedy


def test_a_pattern_that_could_read_a_file_is_refused(tmp_path: Path) -> None:
    grid = tmp_path / "grid"
    grid.write_text("OOO\n" * 3)
    for option in ("filename", "f"):
        graph = f"life={option}={grid}:size=32x32"
        with contextlib.closing(open_generator(graph)):
            """The generator itself takes it."""
        with pytest.raises(Usage, match="no option of a test picture"), opened(f"pattern:{graph}"):
            raise AssertionError(f"{graph} was opened")


@pytest.mark.parametrize("generator", sorted(film_source.PATTERNS))
def test_every_known_generator_gives_pictures(generator: str) -> None:
    with contextlib.closing(open_generator(generator)) as film:
        pixels = film.dense(next(iter(film.moments())))
        assert pixels.shape[2] == 4 and pixels.size


@pytest.mark.parametrize("graph", ["color=size=hd720:rate=30000/1001", "color=s=64x48:r=ntsc", "testsrc=rate=0.5"])
def test_sizes_and_rates_are_written_as_the_library_writes_them(graph: str) -> None:
    assert film_source.checked_pattern(parse_source(f"pattern:{graph}")) == graph
    with contextlib.closing(open_generator(graph)):
        """The generator takes it."""


def test_an_odd_film_gives_its_even_part_and_more_pictures_than_wished_are_left_out(tmp_path: Path) -> None:
    made = make_film(tmp_path / "odd.mkv", width=321, height=201)
    with opened(f"file:{tmp_path / 'odd.mkv'}", fps=10) as source:
        assert (source.geometry.width, source.geometry.height) == (321, 201)
        (patch,) = source.take(2)
        assert patch.pixels.shape == (200, 320, 4) and np.array_equal(patch.pixels[..., :3], made[0][:200, :320])
        changes = [event for event in to_the_end(source) if isinstance(event, Changed)]
        # 0.6 s at 10 a second, the first of which is there at the start.
        assert 4 <= len(changes) <= 6
        assert len(made) == FILM_PICTURES


def test_a_rotated_film_stands_upright(tmp_path: Path) -> None:
    path = tmp_path / "film.mov"
    picture = np.zeros((32, 64, 4), np.uint8)
    picture[:8, :8] = 255
    write(path, picture, "png", "rgb24")
    data = bytearray(path.read_bytes())
    # A camera that was held on its side writes a matrix that turns its pictures clockwise by 90 degrees.
    turned = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 32 << 16, 0, 0x40000000)
    place = data.find(b"tkhd") + 44
    data[place : place + 36] = turned
    path.write_bytes(data)
    upright = first_picture(path)
    assert upright.shape == (64, 32, 4)
    assert upright[:8, -8:, :3].min() == 255 and upright[:, :16, :3].max() == 0


def test_what_is_transparent_lies_on_black_and_oblong_pixels_become_square(tmp_path: Path) -> None:
    picture = np.full((32, 40, 4), 200, np.uint8)
    picture[:, :20, 3] = 0
    write(tmp_path / "clear.mov", picture, "png", "rgba")
    shown = first_picture(tmp_path / "clear.mov")
    assert shown[:, :20, :3].max() == 0 and shown[0, 30, :3].tolist() == [157, 157, 157]
    write(tmp_path / "wide.mp4", picture, "libx264", "yuv420p", aspect=Fraction(2))
    assert first_picture(tmp_path / "wide.mp4").shape == (32, 80, 4)


def test_a_film_that_breaks_off_ends(tmp_path: Path) -> None:
    make_film(tmp_path / "film.mkv")
    data = (tmp_path / "film.mkv").read_bytes()
    (tmp_path / "film.mkv").write_bytes(data[: len(data) * 2 // 3])
    with opened(f"file:{tmp_path / 'film.mkv'}") as source:
        events = to_the_end(source)
    assert any(isinstance(event, Changed) for event in events)


def test_a_camera_that_is_not_there_is_refused_with_those_that_are() -> None:
    there = [each.path for each in list_cameras()]
    for name in ("/dev/video99", "/dev/null", "/etc/hostname", "http://localhost/", "video0"):
        with pytest.raises(DeviceMissing) as told, opened(f"webcam:{name}"):
            raise AssertionError(f"{name} was opened")
        assert all(path in told.value.remedy for path in there)
        assert there or "no camera" in told.value.remedy
    if not there:
        with pytest.raises(DeviceMissing), opened(f"webcam:{camera.FIRST}"):
            raise AssertionError("a camera was opened")


def test_cameras_are_listed_by_number_without_their_second_devices(tmp_path: Path) -> None:
    for device, name, index in (("video10", "Ten", "0"), ("video2", "Two", "0"), ("video3", "Two", "1"), ("x", "", "")):
        (tmp_path / device).mkdir()
        (tmp_path / device / "name").write_text(name + "\n")
        (tmp_path / device / "index").write_text(index + "\n")
    (tmp_path / "video11").mkdir()
    assert list_cameras(tmp_path) == [
        Camera("/dev/video2", "Two"), Camera("/dev/video10", "Ten"), Camera("/dev/video11", "video11")
    ]  # fmt: skip
    assert list_cameras(tmp_path / "none") == []


def test_what_comes_by_itself_is_shown_when_it_comes_and_its_end_is_a_loss() -> None:
    # A camera's way through the code; the pictures come as fast as they are made, as from a camera that is too fast.
    film = open_generator("testsrc=size=64x48:rate=5:duration=40")
    name, clock = parse_source("webcam:/dev/video0"), SystemClock()
    began_ns = clock.now_ns()
    with contextlib.closing(film_source.play(name, film, Wish(None, fps=20), clock, "it is gone", live=True)) as source:
        events = to_the_end(source)
    took_ns = clock.now_ns() - began_ns
    ended = events[-1]
    assert isinstance(ended, SourceEnded) and ended.reason == "device_lost" and "it is gone" in ended.message
    assert took_ns < 20 * limits.NS_PER_S, "40 s of pictures were not waited for"
    assert len(events) <= 2 + took_ns * 20 // limits.NS_PER_S


def test_a_film_is_refused_by_its_name_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(PepysError) as told, opened(f"file:{tmp_path / 'a b.mp4'}"):
        raise AssertionError("it was opened")
    assert "a b.mp4 does not exist" in told.value.message


def write(path: Path, picture: NDArray[np.uint8], codec: str, form: str, aspect: Fraction | None = None) -> None:
    """A film of one picture; bytes are blue, green, red, alpha."""
    height, width = picture.shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, form
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        frame = av.VideoFrame.from_ndarray(picture, format="bgra").reformat(format=form)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def jpeg(width: int, height: int) -> bytes:
    """One grey picture, compressed."""
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = width, height, "yuvj420p", Fraction(1, 25)
    frame = av.VideoFrame(width, height, "yuvj420p")
    frame.pts = 0
    for plane in frame.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
